//! What only we know about this code: floors, who may begin and commit, where SQL stands.
//!
//! Reads the sources as text. A rule that rustc, rustfmt or clippy can keep is not here.
#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The floors, from the bottom up: a room may use rooms of lower floors only.
const FLOORS: [&[&str]; 7] = [
    &["domain"],
    &["db"],
    &["batching"],
    &["actors", "carts", "idempotency", "outbox", "sweeper"],
    &["http", "ops"],
    &["app"],
    &["cli"],
];

/// Rooms beside the house: who may use them is said by what they are, and they use nothing of the
/// house but what is named here.
const BESIDE: [(&str, &[&str]); 8] = [
    ("config", &[]),
    ("telemetry", &["config"]),
    ("metrics", &["domain"]),
    ("redis_client", &[]),
    ("compression", &[]),
    ("faults", &[]),
    ("embedded", &[]),
    ("seed", &["db", "domain"]),
];

/// The owners of units of work.
const MAY_BEGIN: [&str; 9] = [
    "src/actors/checkout_batch/lent_tx.rs",
    "src/carts/freeze.rs",
    "src/cli/audit/mod.rs",
    "src/cli/import/load.rs",
    "src/cli/import/mod.rs",
    "src/cli/loadtest/prepare.rs",
    "src/cli/seed/load.rs",
    "src/db/transaction.rs",
    "src/http/reads.rs",
];

struct Source {
    path: String,
    /// Without the unit tests at its end.
    code: String,
}

impl Source {
    fn room(&self) -> &str {
        let inside = self.path.strip_prefix("src/").unwrap();
        inside.split('/').next().unwrap().trim_end_matches(".rs")
    }

    /// The lines that are code, with their numbers.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_code = |line: &&str| !line.trim_start().starts_with("//");
        (1..)
            .zip(self.code.lines())
            .filter(move |(_, line)| is_code(line))
    }
}

fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    gather(Path::new("src"), &mut files);
    assert!(files.len() > 50, "the sources are where this test looks");
    files.iter().map(|path| read(path)).collect()
}

fn gather(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn read(path: &Path) -> Source {
    let text = fs::read_to_string(path).unwrap();
    let path = path.to_str().unwrap().to_owned();
    let is_test = path.ends_with("tests.rs") || path.contains("/tests/");
    let code = if is_test {
        ""
    } else {
        text.split("#[cfg(test)]").next().unwrap()
    };
    Source {
        path,
        code: code.to_owned(),
    }
}

/// Fails with every place where a rule is broken.
fn assert_nowhere(rule: &str, broken: impl Fn(&Source, &str) -> bool) {
    let mut places = Vec::new();
    for source in sources() {
        for (number, line) in source.lines() {
            if broken(&source, line) {
                places.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    assert!(places.is_empty(), "{rule}:\n{}", places.join("\n"));
}

fn floor_of(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// The rooms of this crate that a line names.
fn rooms_named(line: &str) -> Vec<String> {
    let rooms = line.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
        rest[..end.unwrap_or(rest.len())].to_owned()
    });
    rooms.filter(|room| !room.is_empty()).collect()
}

#[test]
fn no_floor_knows_one_above_it() {
    let uses = |source: &Source| {
        // `use crate::{…}` over several lines is read as a whole.
        let mut named = Vec::new();
        let code: String = source
            .lines()
            .map(|(_, line)| line.to_owned() + "\n")
            .collect();
        named.extend(rooms_named(&code));
        for group in code.split("use crate::{").skip(1) {
            let mut depth = 0;
            let mut word = String::new();
            for letter in group.chars() {
                match letter {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => named.push(std::mem::take(&mut word)),
                    _ if depth == 0 => word.push(letter),
                    _ => {}
                }
            }
            named.push(word);
        }
        named
            .into_iter()
            .map(|room| room.trim().split("::").next().unwrap().to_owned())
            .filter(|room| !room.is_empty() && room != source.room())
            .collect::<Vec<_>>()
    };
    let mut broken = Vec::new();
    for source in sources() {
        let here = source.room().to_owned();
        for there in uses(&source) {
            let beside = BESIDE.iter().find(|(room, _)| *room == here);
            let fine = match (floor_of(&here), floor_of(&there), beside) {
                (Some(here), Some(there), _) => there < here,
                // The lower two floors stand alone; but what is kept compressed is no business of those
                // above them, nor is it theirs to say that PostgreSQL seems to be away.
                (Some(here), None, _) => {
                    here > 1 || (here == 1 && ["compression", "outages"].contains(&there.as_str()))
                }
                (None, _, Some((_, allowed))) => allowed.contains(&there.as_str()),
                (None, ..) => here == "main" || here == "lib",
            };
            if !fine {
                broken.push(format!("{}: {here} uses {there}", source.path));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_domain_has_no_io_no_async_no_clock_and_no_randomness() {
    let banned = [
        "async ",
        ".await",
        "tokio",
        "actix",
        "redis",
        "sqlx::query",
        "PgConnection",
        "std::fs",
        "std::net",
        "std::env",
        "::now(",
        "now_v7",
        "new_v4",
        "rand::",
        "Instant",
        "SystemTime",
    ];
    assert_nowhere("the domain is pure", |source, line| {
        source.room() == "domain" && banned.iter().any(|word| line.contains(word))
    });
}

#[test]
fn sql_stands_in_db_only() {
    assert_nowhere("SQL belongs in src/db", |source, line| {
        // The private server is asked whether it answers and for its one database.
        let elsewhere = source.room() != "db" && source.room() != "embedded";
        elsewhere
            && [
                "sqlx::query(",
                "sqlx::query_",
                "query!(",
                "query_as!(",
                "raw_sql",
            ]
            .iter()
            .any(|it| line.contains(it))
    });
}

#[test]
fn only_the_owners_of_units_of_work_begin_and_commit() {
    let words = [
        "transaction::begin",
        "transaction::open",
        "transaction::commit",
        ".begin()",
        ".begin_with(",
        ".commit(",
    ];
    assert_nowhere(
        "only owners of a unit of work begin and commit",
        |source, line| {
            // The batch script commits through the transaction that it has lent.
            let by_lending = source.path == "src/actors/checkout_batch/attempt.rs"
                && (line.contains("tx.commit(") || line.contains("self.commit("));
            !by_lending
                && !MAY_BEGIN.contains(&source.path.as_str())
                && words.iter().any(|word| line.contains(word))
        },
    );
}

#[test]
fn nothing_is_unwrapped_in_the_service() {
    assert_nowhere("say with `expect` why it can't happen", |_, line| {
        line.contains(".unwrap()")
    });
}

#[test]
fn mailboxes_are_never_bypassed() {
    assert_nowhere("do_send ignores a mailbox's capacity", |_, line| {
        line.contains("do_send")
    });
}

#[test]
fn the_checkout_path_stays_portable() {
    let banned = [
        "listen ",
        "notify ",
        "pg_advisory",
        "savepoint",
        "deferrable",
        "trigger",
        "plpgsql",
    ];
    let mut files = Vec::new();
    for dir in ["migrations", "src/db"] {
        files.extend(
            fs::read_dir(dir)
                .unwrap()
                .map(|entry| entry.unwrap().path()),
        );
    }
    for path in files.iter().filter(|path| path.is_file()) {
        let text = fs::read_to_string(path).unwrap().to_lowercase();
        let sql = text.lines().filter(|line| {
            let line = line.trim_start();
            !line.starts_with("--") && !line.starts_with("//")
        });
        for line in sql {
            let found = banned.iter().find(|word| line.contains(*word));
            assert!(found.is_none(), "{}: {found:?} in {line}", path.display());
        }
    }
}

#[test]
fn every_file_says_what_it_owns() {
    let missing: Vec<_> = sources()
        .into_iter()
        .filter(|source| !source.code.is_empty() && !source.code.starts_with("//!"))
        .map(|source| source.path)
        .collect();
    assert!(
        missing.is_empty(),
        "these files do not open with `//!`: {missing:?}"
    );
}
