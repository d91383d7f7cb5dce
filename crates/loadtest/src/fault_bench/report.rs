//! The report as text and JSON. It computes nothing.

use std::{fs, path::Path};

use anyhow::Context;
use terminal::{markdown_table, narrow_table};

use crate::fault_bench::{judge::Measured, record::Answers};

const HEADER: [&str; 7] = [
    "fault",
    "of the others' rate stays",
    "their p99, before and during",
    "refused, and after how long",
    "those in need",
    "back to 90 %",
    "",
];

/// Prints the table, and below it the proof of each fault and the complaints.
pub fn print(rows: &[Measured], is_markdown: bool) {
    let mut table = if is_markdown {
        markdown_table(&HEADER, [1])
    } else {
        narrow_table(&HEADER, [1])
    };
    for row in rows {
        table.add_row([
            row.row.title().to_owned(),
            percent(row.share),
            p99(row),
            refused(row),
            in_need(row),
            back(row),
            verdict(row).to_owned(),
        ]);
    }
    println!("{table}\n");
    for row in rows {
        println!("- {}: {}", row.row.key(), notes(row));
    }
    let met = rows.iter().filter(|row| row.is_met).count();
    println!("\n{met} of {} rows are met.", rows.len());
}

/// A row in a line, as soon as it is known.
pub fn line(row: &Measured) -> String {
    format!(
        "{}: {} of {:.0}/s, p99 {}, back {}; {}; {}",
        row.row.key(),
        percent(row.share),
        row.before.per_second,
        p99(row),
        back(row),
        verdict(row),
        notes(row)
    )
}

/// Writes everything as JSON.
pub fn write(rows: &[Measured], path: &Path) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(rows)? + "\n";
    fs::write(path, text).with_context(|| format!("can't write {}", path.display()))
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

fn p99(row: &Measured) -> String {
    if row.during.p99_ms <= 0.0 {
        return format!("{:.1} ms → none was served", row.before.p99_ms);
    }
    format!(
        "{:.1} → {:.1} ms ({:.1} ×)",
        row.before.p99_ms, row.during.p99_ms, row.p99_times
    )
}

fn refused(row: &Measured) -> String {
    let of = |answers: &Answers| answers.values().sum::<u64>();
    let (mut others, in_need) = (of(&row.others_refused), of(&row.in_need_refused));
    if row.row.others_wait() {
        // All clients are measured, and they are those who come.
        others -= in_need;
    }
    let after = row.refusals.map_or_else(String::new, |it| {
        format!(", p99 {:.0} ms, at most {:.0} ms", it.p99_ms, it.max_ms)
    });
    if others + in_need == 0 {
        return "none".to_owned();
    }
    format!("{others} times others, {in_need} times in need{after}")
}

fn in_need(row: &Measured) -> String {
    if row.in_need_came == 0 {
        return "–".to_owned();
    }
    format!(
        "{} of {} bought in the end",
        row.in_need_bought, row.in_need_came
    )
}

fn back(row: &Measured) -> String {
    row.back_s.map_or_else(
        || format!("not within {:.0} s", row.looked_for_s),
        |it| format!("{it:.1} s"),
    )
}

fn verdict(row: &Measured) -> &'static str {
    match row {
        _ if !row.found.is_proven => "NOT STRUCK",
        _ if row.is_met => "met",
        _ => "NOT MET",
    }
}

fn notes(row: &Measured) -> String {
    let mut notes = vec![row.found.proof.clone()];
    let answers = |answers: &Answers| {
        let each = answers
            .iter()
            .map(|(name, count)| format!("{count} × {name}"));
        each.collect::<Vec<_>>().join(", ")
    };
    if !row.others_refused.is_empty() {
        notes.push(format!("others heard {}", answers(&row.others_refused)));
    }
    if !row.in_need_refused.is_empty() {
        notes.push(format!("those in need {}", answers(&row.in_need_refused)));
    }
    if row.found.unpublished > 0 {
        notes.push(format!("{} events unpublished", row.found.unpublished));
    }
    if !row.complaints.is_empty() {
        notes.push(format!("NOT MET: {}", row.complaints.join("; ")));
    }
    notes.join("; ")
}
