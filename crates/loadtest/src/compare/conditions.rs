//! The conditions of a measurement, as the servers report them.

use std::thread;

use anyhow::Context;
use serde::Serialize;
use sqlx::PgConnection;

use crate::{
    compare::{options::Times, plan::Plan},
    db::compare::setting,
};

/// Settings on which the durability of a commit and the figures depend.
const SETTINGS: [&str; 5] = [
    "server_version",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "shared_buffers",
];

/// See the module.
#[derive(Clone, Debug, Serialize)]
pub struct Conditions {
    pub version: &'static str,
    pub cores: usize,
    pub postgres: Vec<(&'static str, String)>,
    pub rounds: u32,
    pub warmup_s: u32,
    pub seconds: u32,
}

impl Conditions {
    /// Reads them from PostgreSQL and the machine.
    pub async fn read(connection: &mut PgConnection, plan: &Plan) -> anyhow::Result<Self> {
        let mut postgres = Vec::new();
        for name in SETTINGS {
            postgres.push((name, setting(connection, name).await?));
        }
        let Times { warmup_s, seconds } = plan.times;
        Ok(Self {
            version: env!("CARGO_PKG_VERSION"),
            cores: thread::available_parallelism()
                .context("can't count this machine's cores")?
                .get(),
            postgres,
            rounds: plan.rounds,
            warmup_s,
            seconds,
        })
    }

    /// For people.
    pub fn text(&self) -> String {
        let postgres = self.postgres.iter();
        let postgres: Vec<_> = postgres
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        format!(
            "splitcart {} on {} cores. PostgreSQL: {}.\nThe server is a process of its own with its \
             defaults, a log line per request into a file, tokens, Redis and Idempotency-Keys; the \
             textbook has the database for itself. Before each measurement: the same {} orders of the \
             past, full stock, fresh carts, vacuum (analyze), checkpoint, {} s of warm-up; then {} s \
             are measured, {} rounds in turn.",
            self.version,
            self.cores,
            postgres.join(", "),
            crate::compare::cluster::PAST,
            self.warmup_s,
            self.seconds,
            self.rounds,
        )
    }
}
