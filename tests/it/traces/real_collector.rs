//! A collector that others have written takes the spans, and passes them on as they were.

use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::support::{
    Client, World,
    collector::{Collector, hex},
    wait,
};

use super::{CHECKOUT, TRACE, TRACE_ID, of_trace, shopper};

/// Rotel, which hands on what it gets. Killed when dropped.
struct Rotel {
    process: Child,
    address: String,
    _dir: TempDir,
}

impl Rotel {
    async fn in_front_of(collector: &Collector) -> Self {
        let target = Path::new(env!("CARGO_BIN_EXE_splitcart"))
            .ancestors()
            .find(|dir| dir.join("brokers/bin").is_dir())
            .expect("scripts/install-brokers has been run");
        let [http, grpc] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [address, of_grpc] = [http, grpc].map(|it| it.local_addr().unwrap().to_string());
        let dir = TempDir::new().unwrap();
        let process = Command::new(target.join("brokers/bin/rotel-agent"))
            .args([
                "start",
                "--exporter",
                "otlp",
                "--otlp-exporter-protocol",
                "http",
            ])
            .args(["--otlp-exporter-endpoint", &collector.url()])
            .args([
                "--otlp-http-endpoint",
                &address,
                "--otlp-grpc-endpoint",
                &of_grpc,
            ])
            .current_dir(dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut rotel = Self {
            process,
            address,
            _dir: dir,
        };
        wait::until("the collector listens", async || {
            assert!(rotel.process.try_wait().unwrap().is_none(), "it has ended");
            TcpStream::connect(&rotel.address).await.is_ok()
        })
        .await;
        rotel
    }
}

impl Drop for Rotel {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[tokio::test]
async fn a_collector_of_others_takes_the_spans_and_passes_them_on() {
    let behind = Collector::start().await;
    let rotel = Rotel::in_front_of(&behind).await;
    let settings = [
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            &*format!("http://{}", rotel.address),
        ),
        ("OTEL_BSP_SCHEDULE_DELAY", "20"),
    ];
    let world = World::with_settings(&settings).await;
    let request = shopper(&world).await.request();

    let reply = Client::send(request.header("traceparent", TRACE)).await;

    assert_eq!(reply.status, 201);
    let root = behind.until_named(CHECKOUT, 1).await.remove(0);
    assert_eq!(hex(&root.trace_id), TRACE_ID);
    let tree = of_trace(&behind.spans(), &root.trace_id);
    for name in ["wait in the queue", "batch", "lock carts", "commit"] {
        assert!(tree.iter().any(|span| span.name == name), "{name}");
    }
}
