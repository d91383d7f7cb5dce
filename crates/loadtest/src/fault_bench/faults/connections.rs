//! Connections that fall silent, and new ones that are refused.

use std::time::{Duration, Instant};

use tokio::{io::AsyncReadExt, net::TcpStream, time::sleep};

use crate::{
    bench::server::Server,
    fault_bench::{
        fault_context::{FaultContext, Struck},
        frames::Statement,
        proxy::{Proxy, Trap},
        rows::Row,
    },
};

/// The longest wait for a connection that sends the statement at which it shall be lost.
const TRAP_WAIT_MAX: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(5);
const ASK_EVERY: Duration = Duration::from_millis(100);

fn proxy<'a>(context: &'a FaultContext<'_>) -> anyhow::Result<&'a Proxy> {
    let proxy = context.proxy.as_ref();
    proxy.ok_or_else(|| anyhow::anyhow!("this row has a proxy"))
}

/// All open connections fall silent; new ones work.
pub async fn silent(context: &mut FaultContext<'_>) -> anyhow::Result<Struck> {
    let proxy = proxy(context)?;
    let began = Instant::now();
    let opened = proxy.opened();
    let silenced = proxy.silence_all();
    sleep(context.lasts).await;
    let swallowed = proxy.swallowed();
    let anew = proxy.opened() - opened;
    Ok(Struck::since(
        began,
        silenced > 0 && swallowed > 0,
        format!(
            "{silenced} connections silenced, {swallowed} bytes to them swallowed, {anew} opened anew"
        ),
    ))
}

/// One connection is lost at the statement that the row names.
pub async fn one_lost(context: &mut FaultContext<'_>) -> anyhow::Result<Struck> {
    let proxy = proxy(context)?;
    let trap = match context.row {
        Row::LostAtRollback => Trap {
            at: Statement::Rollback,
            is_heard: false,
        },
        Row::LostAtCommit => Trap {
            at: Statement::Commit,
            is_heard: false,
        },
        _ => Trap {
            at: Statement::Reserve,
            is_heard: true,
        },
    };
    let set = Instant::now();
    proxy.set_trap(trap);
    let struck_at = loop {
        if let Some(at) = proxy.struck_at() {
            break Some(at);
        }
        if set.elapsed() > TRAP_WAIT_MAX {
            break None;
        }
        sleep(LOOK_EVERY).await;
    };
    let Some(began) = struck_at else {
        return Ok(Struck::since(
            set,
            false,
            format!(
                "no checkout said {:?} in {} s",
                trap.at,
                TRAP_WAIT_MAX.as_secs()
            ),
        ));
    };
    sleep(context.lasts.saturating_sub(began.elapsed())).await;
    Ok(Struck::since(
        began,
        true,
        format!(
            "1 connection of checkouts cut off by the proxy at {:?}, {:.1} s after the order",
            trap.at,
            (began - set).as_secs_f64()
        ),
    ))
}

/// New connections are refused; the server must still report that it is ready.
pub async fn refused(context: &mut FaultContext<'_>) -> anyhow::Result<Struck> {
    let began = Instant::now();
    proxy(context)?.refuse_new(true);
    let is_proven = is_refused(proxy(context)?).await;
    let mut ready = (0, 0);
    let ops = context.servers.iter().flatten().map(Server::ops).next();
    let url = format!(
        "http://{}/readyz",
        ops.ok_or_else(|| anyhow::anyhow!("there is a server"))?
    );
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(5))
        .build()?;
    while began.elapsed() < context.lasts {
        let answer = client.get(&url).send().await;
        ready.0 += usize::from(answer.is_ok_and(|it| it.status().is_success()));
        ready.1 += 1;
        sleep(ASK_EVERY).await;
    }
    let proxy = proxy(context)?;
    let still = is_refused(proxy).await;
    proxy.refuse_new(false);
    let (yes, asked) = ready;
    let mut struck = Struck::since(
        began,
        is_proven && still,
        format!(
            "{} new connections refused; ready {yes} of {asked} times",
            proxy.refused()
        ),
    );
    if yes < asked {
        struck.complaint = Some(format!("ready only {yes} of {asked} times"));
    }
    Ok(struck)
}

/// A connection of the benchmark itself.
async fn is_refused(proxy: &Proxy) -> bool {
    let Ok(mut stream) = TcpStream::connect(proxy.address()).await else {
        return true;
    };
    matches!(stream.read(&mut [0]).await, Ok(0) | Err(_))
}
