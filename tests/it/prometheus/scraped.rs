//! A real Prometheus scrapes a service under load.

use std::collections::{BTreeMap, BTreeSet};

use splitcart::metrics::list;

use crate::support::{
    prometheus::{Prometheus, promtool},
    wait,
};

use super::{Board, Query, audit_file::AuditFile, load::Loaded, named_in};

/// The labels that Prometheus adds, and those of histograms.
const ADDED: [&str; 4] = ["__name__", "job", "instance", "le"];

/// As Grafana fills in the variables.
fn filled_in(expr: &str) -> String {
    expr.replace("$__rate_interval", "1m")
        .replace("$instance", ".*")
        .replace("$job", "splitcart")
}

#[tokio::test]
async fn every_query_of_boards_rules_and_alerts_finds_data() {
    let loaded = Loaded::start().await;
    let audit = AuditFile::of(&loaded.world.market.database).await;
    let listeners = [&loaded.world.server.ops, &loaded.other.ops, &audit.url];
    let prometheus = Prometheus::of(&listeners).await;
    let mut missing = queries(&prometheus).await;
    assert!(missing.len() > 150, "{} queries", missing.len());

    wait::until("every query finds data", async || {
        loaded.go_round().await;
        let mut still_missing = Vec::new();
        for query in missing.drain(..) {
            if prometheus.query(&query.expr).await.is_empty() {
                still_missing.push(query);
            }
        }
        missing = still_missing;
        for query in missing.iter().take(3) {
            println!("no data yet: {}: {}", query.place, query.expr);
        }
        missing.is_empty()
    })
    .await;

    for target in prometheus.targets().await {
        assert_eq!(target["lastError"], "", "{target}");
    }
    for rule in prometheus.rules().await {
        assert_eq!(rule["health"], "ok", "{rule}");
        // Nothing is wrong here; but a busy machine may be slow.
        let is_about_speed = rule["name"] == "SplitcartCheckoutBudgetFast";
        assert!(rule["state"] != "firing" || is_about_speed, "{rule}");
    }
    every_series_has_the_labels_of_the_list(&prometheus).await;
}

/// The queries of all panels, the recorded series, and what the alerts look at.
async fn queries(prometheus: &Prometheus) -> Vec<Query> {
    let mut queries: Vec<_> = Board::all().iter().flat_map(Board::queries).collect();
    wait::until("the rules are loaded", async || {
        !prometheus.rules().await.is_empty()
    })
    .await;
    for rule in prometheus.rules().await {
        let name = rule["name"].as_str().unwrap();
        let looked_at = match rule["type"].as_str().unwrap() {
            "recording" => BTreeSet::from([name.to_owned()]),
            _ => named_in(rule["query"].as_str().unwrap()),
        };
        queries.extend(looked_at.into_iter().map(|expr| Query {
            place: name.to_owned(),
            expr,
        }));
    }
    for query in &mut queries {
        query.expr = filled_in(&query.expr);
    }
    queries
}

async fn every_series_has_the_labels_of_the_list(prometheus: &Prometheus) {
    let mut seen = BTreeMap::new();
    for series in prometheus
        .query("{__name__=~\"(splitcart|process)_.*\"}")
        .await
    {
        let labels = series["metric"].as_object().unwrap();
        let name = labels["__name__"].as_str().unwrap().to_owned();
        let own = labels
            .keys()
            .filter(|label| !ADDED.contains(&label.as_str()));
        seen.insert(name, own.cloned().collect::<BTreeSet<_>>());
    }
    for entry in list::entries().chain(list::AUDIT.entries) {
        let ends = ["", "_bucket", "_sum", "_count"].iter();
        let found: Vec<_> = ends
            .filter_map(|end| seen.remove(&format!("{}{end}", entry.name)))
            .collect();
        // There only while reservations wait.
        let comes_and_goes = entry.name == "splitcart_vendor_mailbox_depth_deepest";
        assert!(
            !found.is_empty() || comes_and_goes,
            "{} is not there",
            entry.name
        );
        let expected: BTreeSet<_> = entry.labels.iter().map(|&label| label.to_owned()).collect();
        assert!(
            found.iter().all(|labels| *labels == expected),
            "{}: {found:?}",
            entry.name
        );
    }
    assert!(seen.is_empty(), "not in the list: {seen:?}");
}

#[tokio::test]
async fn promtool_finds_nothing_to_complain_about() {
    let loaded = Loaded::start().await;
    loaded.go_round().await;
    let url = format!("{}/metrics", loaded.world.server.ops);
    let text = reqwest::get(url).await.unwrap().text().await.unwrap();
    assert!(
        text.contains("splitcart_checkouts_total{outcome=\"created\"} 1"),
        "{text}"
    );

    let audit = AuditFile::of(&loaded.world.market.database).await;

    for text in [&text, &audit.text] {
        let output = promtool(&["check", "metrics"], text);
        let is_clean = output.status.success() && output.stderr.is_empty();
        assert!(is_clean, "{output:?}");
    }
}
