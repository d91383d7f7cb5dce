//! The last audit, from the file that `splitcart audit --metrics FILE` writes (`ops.audit_file`). The service
//! audits nothing itself: an audit reads every table.

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde::Serialize;
use tokio::time::MissedTickBehavior;

use crate::{metrics::list::audits, small_files::read_elsewhere};

use super::{Console, moment::Share};

const READ_EVERY: Duration = Duration::from_secs(5);

/// What is known of the last audit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct LastAudit {
    /// The time at which it ended, in milliseconds since 1970. `None` if the file tells of no audit.
    pub ended_at_ms: Option<i64>,
    /// The number of rules.
    pub rules: usize,
    /// The rules that are broken, with the number of rows that break each.
    pub broken: Vec<Share>,
    /// The reason why the file can't be used.
    pub problem: Option<String>,
}

impl LastAudit {
    fn unknown(problem: String) -> Self {
        Self {
            ended_at_ms: None,
            rules: 0,
            broken: Vec::new(),
            problem: Some(problem),
        }
    }

    /// The rows that break rules.
    pub fn broken_rows(&self) -> f64 {
        self.broken.iter().map(|it| it.value).sum()
    }
}

/// The last audit as it was read last. `None` if no file is set, or before it was read.
#[derive(Debug, Default)]
pub(super) struct KnownAudit(Mutex<Option<LastAudit>>);

impl KnownAudit {
    pub fn get(&self) -> Option<LastAudit> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, audit: LastAudit) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(audit);
    }
}

/// Reads the file now and then, for as long as the runtime lasts. Returns at once if none is set.
pub async fn follow(console: Console, file: PathBuf) {
    if file.as_os_str().is_empty() {
        return;
    }
    let mut ticks = tokio::time::interval(READ_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Ok(contents) = read_elsewhere(vec![file.clone()]).await else {
            continue;
        };
        let text = contents.map(|files| String::from_utf8_lossy(&files.concat()).into_owned());
        let audit = text.and_then(|text| {
            read(&text).ok_or_else(|| format!("{}: there is no audit in it", file.display()))
        });
        let known = &console.0.last_audit;
        known.set(audit.unwrap_or_else(LastAudit::unknown));
    }
}

/// Reads the lines of the metrics.
fn read(text: &str) -> Option<LastAudit> {
    let mut audit = LastAudit {
        ended_at_ms: None,
        rules: 0,
        broken: Vec::new(),
        problem: None,
    };
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ')?;
        let value: f64 = value.parse().ok()?;
        if series == audits::LAST_RUN {
            let ended_at = Duration::try_from_secs_f64(value).ok()?;
            audit.ended_at_ms = Some(i64::try_from(ended_at.as_millis()).ok()?);
        } else if let Some(labels) = series.strip_prefix(audits::BROKEN) {
            audit.rules += 1;
            if value > 0.0 {
                let name = labels.split('"').nth(1)?.to_owned();
                audit.broken.push(Share { name, value });
            }
        }
    }
    audit.ended_at_ms.map(|_| audit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
# HELP splitcart_audit_broken Rows that break a rule of the audit, as of the last one.
# TYPE splitcart_audit_broken gauge
splitcart_audit_broken{rule=\"negative_stock\"} 0
splitcart_audit_broken{rule=\"group_total\"} 3
splitcart_audit_last_run_timestamp_seconds 1795737600.25
splitcart_audit_duration_seconds 0.5
";

    #[test]
    fn broken_rules_are_named_with_their_rows() {
        let audit = read(FILE).expect("it is an audit");

        assert_eq!(audit.ended_at_ms, Some(1_795_737_600_250));
        assert_eq!(audit.rules, 2);
        let broken = [Share {
            name: "group_total".to_owned(),
            value: 3.0,
        }];
        assert_eq!(audit.broken, broken);
        assert!((audit.broken_rows() - 3.0).abs() < f64::EPSILON);
    }

    #[test]
    fn what_is_no_audit_is_none() {
        for text in [
            "",
            "hello",
            "other_metric 1",
            "splitcart_audit_last_run_timestamp_seconds NaN",
            "splitcart_audit_last_run_timestamp_seconds -1",
            "splitcart_audit_broken{rule=\"negative_stock\"} 0",
            "splitcart_audit_last_run_timestamp_seconds 1\nsplitcart_audit_broken 4",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
