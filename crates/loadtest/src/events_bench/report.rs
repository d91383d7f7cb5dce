//! The result: what each consumer has got, and how far its sink was behind.

use std::{collections::BTreeMap, path::Path};

use serde::Serialize;

use crate::db::events::{Blamed, Compared};

use super::lag::Lag;

#[derive(Debug, Serialize)]
pub struct Report {
    /// In the outbox.
    pub events: i64,
    pub load_s: f64,
    /// The time after the load until each consumer had everything.
    pub settled_s: f64,
    /// By sink and fault.
    pub faults: BTreeMap<String, u32>,
    pub blamed: Blamed,
    pub sinks: Vec<SinkReport>,
}

#[derive(Debug, Serialize)]
pub struct SinkReport {
    pub sink: String,
    pub was_emptied: bool,
    pub republished: bool,
    #[serde(flatten)]
    pub compared: Compared,
    /// Events that arrived, each counted as often as it did.
    pub received: u64,
    pub lag: Lag,
}

impl SinkReport {
    /// Each event once, and, unless lost events were published again later, in order.
    pub fn is_exact(&self) -> bool {
        let Compared {
            missing,
            unknown,
            late,
            ..
        } = self.compared;
        missing == 0 && unknown == 0 && (late == 0 || self.was_emptied)
    }
}

impl Report {
    pub fn is_fine(&self) -> bool {
        let Blamed {
            events,
            dead_letters,
            backlog,
        } = self.blamed;
        events + dead_letters + backlog == 0 && self.sinks.iter().all(SinkReport::is_exact)
    }

    pub fn print(&self) {
        println!(
            "{} events, {:.0} s of load, {:.1} s until each consumer had everything; faults: {}",
            self.events,
            self.load_s,
            self.settled_s,
            if self.faults.is_empty() {
                "none".to_owned()
            } else {
                let faults = self.faults.iter();
                let told: Vec<_> = faults.map(|(it, count)| format!("{it} {count}")).collect();
                told.join(", ")
            }
        );
        println!(
            "blamed: {} events, {} dead letters, {} in a backlog\n",
            self.blamed.events, self.blamed.dead_letters, self.blamed.backlog
        );
        println!(
            "| sink | in its consumer's table | missing | unknown | late | arrived more than once | most \
             waiting | oldest (s) | down (s) | |"
        );
        println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|---|");
        for sink in &self.sinks {
            let it = sink.compared;
            println!(
                "| {} | {} | {} | {} | {} | {} | {} | {:.1} | {:.0} | {} |",
                sink.sink,
                it.got,
                it.missing,
                it.unknown,
                it.late,
                i64::try_from(sink.received).unwrap_or(i64::MAX) - it.got,
                sink.lag.waiting_max,
                sink.lag.oldest_s_max,
                sink.lag.down_s,
                match (sink.is_exact(), sink.republished) {
                    (true, false) => "exact",
                    (true, true) => "exact, after republish",
                    (false, _) => "NOT EXACT",
                }
            );
        }
    }

    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        std::fs::write(path, serde_json::to_string_pretty(self)?)?;
        Ok(())
    }
}
