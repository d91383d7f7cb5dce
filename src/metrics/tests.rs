use std::{collections::BTreeSet, fs};

use super::{
    Metrics,
    list::{self, Kind},
    markdown::markdown,
};

/// The families that are registered, by their exposed names.
fn registered() -> BTreeSet<String> {
    let text = Metrics::new().encode(&[]).unwrap();
    let described = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let names = described.map(|line| {
        let (name, kind) = line.split_once(' ').unwrap();
        match kind {
            "counter" => format!("{name}_total"),
            _ => name.to_owned(),
        }
    });
    names.collect()
}

#[test]
fn the_page_of_metrics_is_up_to_date() {
    let kept = fs::read_to_string("docs/metrics.md").unwrap_or_default();
    assert!(
        kept == markdown(),
        "docs/metrics.md is not what the list says; run `splitcart metrics > docs/metrics.md`"
    );
}

#[test]
fn what_has_no_labels_and_what_has_known_ones_is_there_from_the_start() {
    let registered = registered();
    // Their labels are the names of sinks, files and threads, or come with the first request. The reasons of
    // refused tokens are registered where tokens are checked.
    let later = [
        "sink",
        "setting",
        "thread",
        "route",
        "pool",
        "vendor_store_id",
    ];
    for entry in list::entries() {
        let is_there = registered.contains(entry.name);
        let comes_later = entry.labels.iter().any(|label| later.contains(label))
            || entry.name == "splitcart_auth_refused_total";
        assert_eq!(is_there, !comes_later, "{}", entry.name);
    }
    let listed: BTreeSet<_> = list::entries().map(|entry| entry.name.to_owned()).collect();
    assert_eq!(
        listed.len(),
        list::entries().count(),
        "a name is there twice"
    );
    assert_eq!(registered.difference(&listed).count(), 0);
}

#[test]
fn names_follow_the_conventions() {
    for entry in list::entries().chain(list::AUDIT.entries) {
        let name = entry.name;
        assert!(
            name.starts_with("splitcart_") || name.starts_with("process_"),
            "{name}"
        );
        assert_eq!(
            name.ends_with("_total"),
            entry.kind == Kind::Counter,
            "{name}"
        );
        for text in [entry.meaning, entry.remedy] {
            assert!(!text.is_empty() && !text.ends_with('.'), "{name}: {text}");
            assert!(!text.contains('|'), "{name}: the page is a table: {text}");
        }
    }
}

#[test]
fn every_label_is_explained() {
    let entries = list::entries().chain(list::AUDIT.entries);
    let used: BTreeSet<_> = entries.flat_map(|entry| entry.labels).copied().collect();
    let explained: BTreeSet<_> = list::LABELS.map(|(label, _)| label).into_iter().collect();
    assert_eq!(used, explained);
}
