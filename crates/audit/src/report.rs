//! The result of an audit, as a table for people and as JSON for programs.

use std::{
    fmt::{self, Write},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use terminal::{Table, count};

use splitcart::{
    db::audit::{Broken, Rule},
    metrics::list,
};

/// A rule, and what was found that breaks it.
#[derive(Clone, Debug)]
pub struct Checked {
    pub rule: &'static Rule,
    pub broken: Broken,
    /// The time of the whole audit.
    pub elapsed: Duration,
}

/// The result of an audit.
#[derive(Clone, Debug)]
pub struct Report {
    /// Every rule, in order.
    pub checked: Vec<Checked>,
    /// Events that the broker has refused for good: no rule is broken, but an operator must look after them.
    pub dead_letters: u64,
    /// The time of the whole audit.
    pub elapsed: Duration,
}

impl Report {
    /// True if every rule holds.
    pub fn is_clean(&self) -> bool {
        self.findings().next().is_none()
    }

    /// The rules that are broken.
    pub fn findings(&self) -> impl Iterator<Item = &Checked> {
        self.checked
            .iter()
            .filter(|checked| checked.broken.count > 0)
    }

    /// Prints a row per rule, then what is broken.
    pub fn print(&self) {
        println!("{}", self.table());
        for finding in self.findings() {
            println!("{}", sentence(finding));
        }
        if self.dead_letters > 0 {
            println!(
                "note: dead letters that count as announced: {} (see outbox_dead_letters)",
                count(self.dead_letters)
            );
        }
        println!("{}", self.verdict());
    }

    /// The same for programs.
    pub fn to_json(&self) -> Value {
        let rules: Vec<_> = self.checked.iter().map(rule_json).collect();
        json!({
            "clean": self.is_clean(),
            "rules": rules,
            "dead_letters": self.dead_letters,
            "elapsed_s": self.elapsed.as_secs_f64(),
        })
    }

    /// The same for Prometheus, in its text format.
    pub fn to_metrics(&self, ended_at: SystemTime) -> String {
        let mut text = String::new();
        self.write_metrics(&mut text, ended_at)
            .expect("writing to a string can't fail");
        text
    }

    fn write_metrics(&self, text: &mut String, ended_at: SystemTime) -> fmt::Result {
        let ended_at = ended_at.duration_since(UNIX_EPOCH).unwrap_or_default();
        for entry in list::AUDIT.entries {
            let (name, meaning) = (entry.name, entry.meaning);
            writeln!(text, "# HELP {name} {meaning}.")?;
            writeln!(text, "# TYPE {name} {}", entry.kind.name())?;
            match name {
                list::audits::BROKEN => {
                    for Checked { rule, broken, .. } in &self.checked {
                        let (rule, count) = (rule.code, broken.count);
                        writeln!(text, "{name}{{rule=\"{rule}\"}} {count}")?;
                    }
                }
                list::audits::LAST_RUN => {
                    writeln!(text, "{name} {}", ended_at.as_secs_f64())?;
                }
                list::audits::DURATION => {
                    writeln!(text, "{name} {}", self.elapsed.as_secs_f64())?;
                }
                _ => unreachable!("the audit has a value for each of its metrics"),
            }
        }
        Ok(())
    }

    fn table(&self) -> Table {
        let mut table = terminal::table(&["rule", "broken", "example", "seconds"], [1, 3]);
        for checked in &self.checked {
            let first = checked.broken.examples.first();
            table.add_row([
                checked.rule.code.to_owned(),
                count(checked.broken.count),
                first.map(ToString::to_string).unwrap_or_default(),
                seconds(checked.elapsed),
            ]);
        }
        table
    }

    fn verdict(&self) -> String {
        let (rules, broken) = (self.checked.len(), self.findings().count());
        let elapsed = seconds(self.elapsed);
        match broken {
            0 => format!("All {rules} rules hold ({elapsed} s)."),
            1 => format!("1 of {rules} rules is broken ({elapsed} s)."),
            _ => format!("{broken} of {rules} rules are broken ({elapsed} s)."),
        }
    }
}

/// A sentence such as `stock_not_negative: stock is never negative`, and `not so for product …, … and 7 more`.
fn sentence(finding: &Checked) -> String {
    let Checked { rule, broken, .. } = finding;
    let examples: Vec<_> = broken.examples.iter().map(ToString::to_string).collect();
    let more = broken.count - examples.len() as u64;
    let more = match more {
        0 => String::new(),
        _ => format!(" and {} more", count(more)),
    };
    format!(
        "{}: {}\n  not so for {} {}{more}",
        rule.code,
        rule.sentence,
        rule.subject,
        examples.join(", "),
    )
}

fn rule_json(checked: &Checked) -> Value {
    json!({
        "code": checked.rule.code,
        "sentence": checked.rule.sentence,
        "subject": checked.rule.subject,
        "broken": checked.broken.count,
        "examples": checked.broken.examples,
        "elapsed_s": checked.elapsed.as_secs_f64(),
    })
}

fn seconds(elapsed: Duration) -> String {
    format!("{:.2}", elapsed.as_secs_f64())
}
