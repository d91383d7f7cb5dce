//! The client of the collector: OTLP in protobuf over HTTP/1.1, with TLS by rustls.

use std::sync::Arc;

use hyper_rustls::HttpsConnectorBuilder;
use opentelemetry::{Key, KeyValue};
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, SpanExporter as OtlpExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::{
    Resource,
    resource::{EnvResourceDetector, ResourceDetector},
    trace::SpanExporter,
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{
        CertificateDer,
        pem::{self, PemObject},
    },
};
use uuid::Uuid;

use super::options::Options;

/// The variables that name the authority of the collector's certificate, the first that is set.
const AUTHORITIES: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CERTIFICATE",
];

/// The client can't be made.
#[derive(Debug, thiserror::Error)]
pub enum NoClient {
    #[error("{variable}: {file} can't be used: {problem}")]
    Authority {
        variable: &'static str,
        file: String,
        problem: pem::Error,
    },
    #[error("traces can't be sent: {0}")]
    Exporter(#[from] ExporterBuildError),
    #[error("traces can't be sent: {0}")]
    Thread(#[from] std::io::Error),
}

/// The client, with the resource that all spans belong to. Headers and compression are read from their
/// variables by the library.
pub(super) fn exporter(options: &Options) -> Result<OtlpExporter, NoClient> {
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls_config(options)?)
        .https_or_http()
        .enable_http1()
        .build();
    let client = HyperClient::new(connector, options.post_max, None);
    let mut exporter = OtlpExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(options.endpoint.as_str())
        .with_timeout(options.post_max)
        .build()?;
    exporter.set_resource(&resource());
    Ok(exporter)
}

/// The service, its version and this process, unless the standard variables say otherwise.
fn resource() -> Resource {
    let said = EnvResourceDetector::new().detect();
    let defaults = [
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", Uuid::now_v7().to_string()),
    ];
    let is_left_out = |it: &KeyValue| said.get(&it.key).is_none();
    let builder = Resource::builder().with_attributes(defaults.into_iter().filter(is_left_out));
    let is_named = said.get(&Key::new("service.name")).is_some()
        || std::env::var("OTEL_SERVICE_NAME").is_ok_and(|name| !name.is_empty());
    if is_named {
        builder.build()
    } else {
        builder.with_service_name("splitcart").build()
    }
}

/// Trusts the authority of the variables, or else those of the system.
fn tls_config(options: &Options) -> Result<ClientConfig, NoClient> {
    let mut roots = RootCertStore::empty();
    if options.endpoint.scheme() == "https" {
        roots.add_parsable_certificates(authorities()?);
    }
    Ok(
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider supports the versions of TLS")
            .with_root_certificates(roots)
            .with_no_client_auth(),
    )
}

fn authorities() -> Result<Vec<CertificateDer<'static>>, NoClient> {
    let named = AUTHORITIES
        .iter()
        .find_map(|name| std::env::var(name).ok().map(|file| (*name, file)));
    let Some((variable, file)) = named.filter(|(_, file)| !file.is_empty()) else {
        return Ok(rustls_native_certs::load_native_certs().certs);
    };
    let read = || CertificateDer::pem_file_iter(&file)?.collect::<Result<Vec<_>, _>>();
    read().map_err(|problem| NoClient::Authority {
        variable,
        file: file.clone(),
        problem,
    })
}
