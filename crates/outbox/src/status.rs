//! `splitcart outbox status`.

use std::process::ExitCode;

use serde_json::json;
use sqlx::PgConnection;
use terminal::{count, table};

use splitcart::db::outbox::{
    COUNTED_MAX,
    operators::{SinkStatus, status},
};

pub(crate) async fn run(connection: &mut PgConnection, json: bool) -> anyhow::Result<ExitCode> {
    let sinks = status(connection).await?;
    if json {
        let sinks: Vec<_> = sinks.iter().map(to_json).collect();
        println!("{:#}", json!({ "sinks": sinks }));
    } else if sinks.is_empty() {
        println!("There is no sink yet: the service has never been started on this database.");
    } else {
        let header = ["sink", "role", "waiting", "oldest", "dead letters"];
        let mut rows = table(&header, [2, 3, 4]);
        for sink in &sinks {
            rows.add_row(row(sink));
        }
        println!("{rows}");
    }
    Ok(ExitCode::SUCCESS)
}

fn row(sink: &SinkStatus) -> [String; 5] {
    let role = match (sink.is_primary, sink.served_until) {
        (true, _) => "primary",
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
    ]
}

fn to_json(sink: &SinkStatus) -> serde_json::Value {
    json!({
        "name": sink.name,
        "primary": sink.is_primary,
        // 10,001 means that or more.
        "waiting": sink.lag.waiting,
        "oldest_s": sink.lag.oldest_s,
        "dead_letters": sink.dead_letters,
        "served_until": sink.served_until,
    })
}
