//! The files in `deploy/` and the runbooks, by themselves.

use std::{collections::BTreeSet, fs};

use crate::support::prometheus::promtool;

use super::{Board, is_listed, named_in, values_of};

const ALERTS: &str = "deploy/prometheus/alerts.yml";
const RULES: &str = "deploy/prometheus/rules.yml";
const CASES: [&str; 2] = [
    "tests/prometheus/alerts.yml",
    "tests/prometheus/alerts_over_days.yml",
];

#[test]
fn rules_and_alerts_are_valid_and_each_alert_fires_and_does_not() {
    for arguments in [
        &["check", "rules", RULES, ALERTS][..],
        &["check", "config", "deploy/prometheus/prometheus.yml"],
        &["test", "rules", CASES[0], CASES[1]],
    ] {
        let output = promtool(arguments, "");
        assert!(output.status.success(), "{output:?}");
    }
    let cases = CASES.map(|file| fs::read_to_string(file).unwrap()).concat();
    let alerts = values_of("alert", ALERTS);
    assert!(alerts.len() > 20);
    for alert in alerts {
        for case in ["fires", "is quiet"] {
            let name = format!("- name: {alert} {case}\n");
            let (_, after) = cases
                .split_once(&name)
                .unwrap_or_else(|| panic!("{name} is missing"));
            let case_text = after.split("\n  - name: ").next().unwrap();
            assert!(
                case_text.contains(&format!("alertname: {alert}\n")),
                "{name}"
            );
            let expects_none = case_text.contains("exp_alerts: []");
            assert_eq!(expects_none, case == "is quiet", "{name}");
        }
    }
}

#[test]
fn each_alert_has_a_runbook_and_each_runbook_an_alert() {
    let alerts: BTreeSet<_> = values_of("alert", ALERTS).into_iter().collect();
    let named: Vec<_> = values_of("runbook_url", ALERTS);
    let expected: Vec<_> = values_of("alert", ALERTS)
        .iter()
        .map(|alert| format!("docs/runbooks/{alert}.md"))
        .collect();
    assert_eq!(named, expected);
    let files = fs::read_dir("docs/runbooks").unwrap();
    let runbooks: BTreeSet<_> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .map(|name| name.strip_suffix(".md").unwrap().to_owned())
        .filter(|name| name != "README")
        .collect();
    assert_eq!(runbooks, alerts);
    let index = fs::read_to_string("docs/runbooks/README.md").unwrap();
    for alert in alerts {
        let runbook = fs::read_to_string(format!("docs/runbooks/{alert}.md")).unwrap();
        for part in [
            "## What it means\n\n",
            "## What to look at\n\n",
            "## What to do\n\n",
            "## How to know that it is over\n\n",
        ] {
            let (_, text) = runbook
                .split_once(part)
                .unwrap_or_else(|| panic!("{alert}: {part}"));
            assert!(
                !text.starts_with('#') && !text.is_empty(),
                "{alert}: {part}"
            );
        }
        assert!(
            index.contains(&format!("({alert}.md)")),
            "{alert} is not in the index"
        );
        assert!(runbook.starts_with(&format!("# {alert}\n")));
    }
}

#[test]
fn boards_rules_and_runbooks_name_metrics_that_there_are() {
    let recorded: BTreeSet<_> = values_of("record", RULES).into_iter().collect();
    let mut texts: Vec<_> = Board::all()
        .iter()
        .flat_map(Board::queries)
        .map(|query| (query.place, query.expr))
        .collect();
    assert!(texts.len() > 100);
    for file in [ALERTS, RULES] {
        let text = fs::read_to_string(file).unwrap();
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'));
        texts.push((file.to_owned(), code.collect::<Vec<_>>().join("\n")));
    }
    for (place, text) in texts {
        for name in named_in(&text) {
            let is_there = is_listed(&name) || recorded.contains(&name);
            assert!(is_there, "{place}: there is no {name}");
        }
    }
    for runbook in fs::read_dir("docs/runbooks").unwrap() {
        let path = runbook.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        for name in named_in(&text).into_iter().filter(|name| name != "up") {
            let is_histogram = is_listed(&format!("{name}_bucket"));
            let is_there = is_listed(&name) || recorded.contains(&name) || is_histogram;
            assert!(is_there, "{}: there is no {name}", path.display());
        }
    }
}

#[test]
fn boards_are_whole() {
    let boards = Board::all();
    let files: BTreeSet<_> = boards.iter().map(|board| board.file.as_str()).collect();
    let expected = [
        "outbox.json",
        "overview.json",
        "postgresql.json",
        "vendors.json",
    ];
    assert_eq!(files, BTreeSet::from(expected));
    let uids: BTreeSet<_> = boards
        .iter()
        .map(|board| board.content["uid"].as_str().unwrap())
        .collect();
    assert_eq!(uids.len(), boards.len(), "two boards have one uid");
    for board in &boards {
        let variables = board.content["templating"]["list"].as_array().unwrap();
        let names: Vec<_> = variables
            .iter()
            .map(|it| it["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["datasource", "job", "instance"], "{}", board.file);
        assert_eq!(variables[0]["type"], "datasource");
        let ids = board.content["panels"].as_array().unwrap().iter();
        let ids: Vec<_> = ids.map(|panel| panel["id"].as_u64().unwrap()).collect();
        assert_eq!(
            ids.iter().collect::<BTreeSet<_>>().len(),
            ids.len(),
            "{}",
            board.file
        );
        for panel in board.panels() {
            let place = format!("{}: {}", board.file, panel["title"]);
            for text in [
                &panel["title"],
                &panel["description"],
                &panel["fieldConfig"]["defaults"]["unit"],
            ] {
                assert!(
                    text.as_str().is_some_and(|text| !text.is_empty()),
                    "{place}"
                );
            }
            let targets = panel["targets"].as_array().unwrap();
            assert!(!targets.is_empty(), "{place}");
            for source in targets.iter().chain([panel]) {
                assert_eq!(source["datasource"]["uid"], "${datasource}", "{place}");
            }
        }
    }
}
