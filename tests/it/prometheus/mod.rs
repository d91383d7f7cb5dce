//! The metrics and the files in `deploy/`, as an operator's Prometheus and Grafana get them.

mod audit_file;
mod files;
mod load;
mod scraped;
mod values;

use std::{collections::BTreeSet, fs};

use serde_json::Value;
use splitcart::metrics::list::{self, Kind};

/// A board of `deploy/grafana`.
struct Board {
    file: String,
    content: Value,
}

/// A query of a panel.
struct Query {
    place: String,
    expr: String,
}

impl Board {
    fn all() -> Vec<Self> {
        let mut boards = Vec::new();
        for entry in fs::read_dir("deploy/grafana").unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                boards.push(Self {
                    file: path.file_name().unwrap().to_str().unwrap().to_owned(),
                    content: serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap(),
                });
            }
        }
        boards
    }

    /// The panels, without the rows that divide them.
    fn panels(&self) -> impl Iterator<Item = &Value> {
        let panels = self.content["panels"].as_array().unwrap().iter();
        panels.filter(|panel| panel["type"] != "row")
    }

    fn queries(&self) -> Vec<Query> {
        let of = |panel: &Value| {
            let place = format!("{}: {}", self.file, panel["title"]);
            let targets = panel["targets"].as_array().unwrap().clone();
            targets.into_iter().map(move |target| Query {
                place: place.clone(),
                expr: target["expr"].as_str().unwrap().to_owned(),
            })
        };
        self.panels().flat_map(of).collect()
    }
}

/// The metrics and recorded series that an expression names.
fn named_in(expr: &str) -> BTreeSet<String> {
    // The text within quotes is values of labels.
    let outside: String = expr.split('"').step_by(2).collect::<Vec<_>>().join("\"");
    let words = outside.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
    words
        .filter(|word| {
            let starts = ["splitcart_", "splitcart:", "process_"];
            starts.iter().any(|start| word.starts_with(start)) || *word == "up"
        })
        .map(ToOwned::to_owned)
        .collect()
}

/// True if the series is one of the list's, or Prometheus' own `up`.
fn is_listed(series: &str) -> bool {
    let of = |entry: &list::Entry| match entry.kind {
        Kind::Histogram => ["_bucket", "_sum", "_count"]
            .iter()
            .any(|end| series.strip_suffix(end) == Some(entry.name)),
        Kind::Counter | Kind::Gauge => series == entry.name,
    };
    series == "up" || list::entries().chain(list::AUDIT.entries).any(of)
}

/// The values of a key in a YAML file of ours, which has each on a line of its own.
fn values_of(key: &str, file: &str) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    let values = text.lines().filter_map(|line| {
        let line = line.trim_start().trim_start_matches("- ");
        line.strip_prefix(key)?.strip_prefix(": ")
    });
    values.map(ToOwned::to_owned).collect()
}
