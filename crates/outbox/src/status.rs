//! `splitcart outbox status` and `forget`.

use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use serde_json::json;
use sqlx::PgConnection;
use terminal::{count, narrow_table};

use splitcart::db::outbox::{
    COUNTED_MAX,
    operators::{self, SinkStatus, status},
};

/// Forget a sink that is not configured any more, with the events that it has yet to take
#[derive(Args, Clone, Debug)]
pub(crate) struct ForgetArgs {
    /// The sink's name, as `status` shows it
    name: String,
}

pub(crate) async fn run(
    connection: &mut PgConnection,
    configured: &[&str],
    json: bool,
) -> anyhow::Result<ExitCode> {
    let sinks = status(connection).await?;
    if json {
        let sinks: Vec<_> = sinks.iter().map(|sink| to_json(sink, configured)).collect();
        println!("{:#}", json!({ "sinks": sinks }));
    } else if sinks.is_empty() {
        println!("There is no sink yet: the service has never been started on this database.");
    } else {
        let header = [
            "sink",
            "role",
            "waiting",
            "oldest",
            "dead letters",
            "last error",
        ];
        let mut rows = narrow_table(&header, [2, 3, 4]);
        for sink in &sinks {
            rows.add_row(row(sink, configured));
        }
        println!("{rows}");
    }
    Ok(ExitCode::SUCCESS)
}

fn row(sink: &SinkStatus, configured: &[&str]) -> [String; 6] {
    let role = match (sink.is_primary, sink.served_until) {
        (true, _) => "primary",
        (false, _) if !configured.contains(&sink.name.as_str()) => {
            "follower, not in these settings"
        }
        (false, Some(_)) => "follower",
        (false, None) => "follower, not served at present",
    };
    let waiting = if sink.lag.waiting > COUNTED_MAX {
        format!("over {}", count(COUNTED_MAX.unsigned_abs()))
    } else {
        count(sink.lag.waiting.unsigned_abs())
    };
    [
        sink.name.clone(),
        role.to_owned(),
        waiting,
        format!("{:.1} s", sink.lag.oldest_s),
        count(sink.dead_letters.unsigned_abs()),
        sink.last_error.clone().unwrap_or_default(),
    ]
}

fn to_json(sink: &SinkStatus, configured: &[&str]) -> serde_json::Value {
    json!({
        "name": sink.name,
        "primary": sink.is_primary,
        // 10,001 means that or more.
        "waiting": sink.lag.waiting,
        "oldest_s": sink.lag.oldest_s,
        "dead_letters": sink.dead_letters,
        "served_until": sink.served_until,
        "configured": configured.contains(&sink.name.as_str()),
        "last_error": sink.last_error,
    })
}

pub(crate) async fn forget(
    connection: &mut PgConnection,
    args: &ForgetArgs,
    configured: &[&str],
    json: bool,
) -> anyhow::Result<ExitCode> {
    let name = &args.name;
    if configured.contains(&name.as_str()) {
        bail!(
            "{name} is among the sinks of these settings: remove it there, and restart all instances"
        );
    }
    let is_forgotten = operators::forget(connection, name).await?;
    if json {
        println!("{:#}", json!({ "forgotten": is_forgotten }));
    } else if is_forgotten {
        println!("{name} is forgotten.");
    } else {
        println!("There is no follower {name}; `splitcart outbox status` lists them.");
    }
    Ok(if is_forgotten {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
