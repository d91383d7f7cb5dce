//! `splitcart health`: asks a running instance whether it is ready. For health checks of containers, whose
//! images have no other HTTP client.

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Args;
use hyper::{StatusCode, Uri};
use serde_json::Value;

use crate::{config::Config, ops::ask};

use super::contract::print;

const EXAMPLES: &str = "\
Examples:
  splitcart health                      whether the instance at ops.addr is ready
  splitcart health --url http://127.0.0.1:9090/livez
                                        whether that instance is alive

The status is 0 for the answer 200, otherwise 1.";

/// The longest wait for the answer; `/readyz` itself answers within 2 s.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(3);

/// Ask a running instance whether it is ready
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct HealthArgs {
    /// The page to ask [default: /readyz at ops.addr]
    #[arg(long, value_name = "URL")]
    url: Option<Uri>,
}

/// Prints the status that the instance answers with.
///
/// # Errors
/// There is no answer.
pub async fn run(args: &HealthArgs, config: &Config) -> anyhow::Result<ExitCode> {
    let url = match &args.url {
        Some(url) => url.clone(),
        None => readiness_at(config.ops.addr)?,
    };
    let (status, body) = tokio::time::timeout(ANSWER_WAIT_MAX, ask::ask(&url))
        .await
        .with_context(|| format!("no answer from {url} within {ANSWER_WAIT_MAX:?}"))?
        .with_context(|| {
            format!("can't ask {url}: does the service run, and is ops.addr (SPLITCART_OPS_ADDR) its private listener?")
        })?;
    let summary = summary(status, &body);
    if status == StatusCode::OK {
        print(&summary)?;
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("splitcart: {summary}");
    Ok(ExitCode::FAILURE)
}

fn readiness_at(addr: SocketAddr) -> anyhow::Result<Uri> {
    ask::readiness_at(addr).with_context(|| {
        format!(
            "ops.addr is {addr}, a free port that only the instance knows: give the page with --url"
        )
    })
}

/// The status in the words of the answer, with its reasons.
fn summary(status: StatusCode, body: &[u8]) -> String {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let reasons = answer["reasons"].as_array().map_or(&[][..], Vec::as_slice);
    let reasons: Vec<_> = reasons.iter().filter_map(Value::as_str).collect();
    match answer["status"].as_str() {
        Some(word) if reasons.is_empty() => word.to_owned(),
        Some(word) => format!("{word}: {}", reasons.join("; ")),
        None => format!("the answer is {status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_port_has_to_be_named() {
        let error = readiness_at("127.0.0.1:0".parse().unwrap()).unwrap_err();
        assert!(error.to_string().contains("--url"), "{error}");
    }

    #[test]
    fn a_summary_has_the_reasons_and_needs_none() {
        let unavailable = StatusCode::SERVICE_UNAVAILABLE;
        let body = br#"{"status": "not ready", "reasons": ["a", "b"]}"#;
        assert_eq!(summary(unavailable, body), "not ready: a; b");
        assert_eq!(summary(StatusCode::OK, br#"{"status": "ready"}"#), "ready");
        let text = summary(unavailable, b"<html>");
        assert_eq!(text, "the answer is 503 Service Unavailable");
    }
}
