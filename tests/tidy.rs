//! Rules about this code that no other tool checks: the floors, the callers of begin and commit, the
//! places of SQL, the crates that the service must not be built with. The tests read the service and
//! the tools in `crates/`.
//!
//! Reads the sources as text. A rule that rustc, rustfmt or clippy can keep is not here.
#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

use std::{
    collections::{BTreeSet, HashSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The floors, from the bottom up: a room uses rooms of lower floors only.
const FLOORS: [&[&str]; 10] = [
    &["domain"],
    &["db"],
    &["batching"],
    &["held_rows"],
    &["vendors"],
    &[
        "carts",
        "checkout",
        "expiry",
        "gauges",
        "idempotency",
        "inventory",
        "live_orders",
        "orders",
        "outbox",
        "sweeper",
        "webhooks",
    ],
    &["http", "ops"],
    &["app"],
    &["doctor"],
    &["cli"],
];

/// Rooms beside the floors. Any floor above `db` may use them; they use no other rooms than those
/// named here.
const BESIDE: [(&str, &[&str]); 10] = [
    ("config", &[]),
    ("telemetry", &["config"]),
    ("metrics", &["domain", "stages"]),
    ("stages", &[]),
    ("traces", &["domain", "stages"]),
    ("redis_client", &["config"]),
    ("compression", &[]),
    ("faults", &[]),
    ("seed_ids", &[]),
    ("small_files", &[]),
];

/// The floors of the crates that have several, from the bottom up. A room that is on no floor is above
/// all of them.
const FLOORS_OF_TOOLS: [(&str, &[&str]); 3] = [
    ("catalogue", &["import_rules", "db", "seed", "cli"]),
    ("demo", &["db"]),
    ("loadtest", &["db"]),
];

/// The owners of units of work.
const MAY_BEGIN: [&str; 16] = [
    "crates/audit/src/lib.rs",
    "crates/catalogue/src/cli/import/load.rs",
    "crates/catalogue/src/cli/import/mod.rs",
    "crates/catalogue/src/cli/seed/load.rs",
    "crates/loadtest/src/late_orders.rs",
    "crates/loadtest/src/look.rs",
    "crates/loadtest/src/prepare.rs",
    "src/carts/freeze.rs",
    "src/vendors/lent_tx.rs",
    // Each migration, and each look at a pooler.
    "src/db/migrations/mod.rs",
    "src/db/pooler_check.rs",
    // A pooler's session, lent for a transaction.
    "src/db/pool.rs",
    "src/db/transaction.rs",
    "src/http/reads.rs",
    "src/http/writes.rs",
    "src/webhooks/worker.rs",
];

/// Crates that only tools need. A production build of the service contains none of them.
const ONLY_FOR_TOOLS: [&str; 10] = [
    "ab_glyph",
    "comfy-table",
    "csv",
    "csv-core",
    "dejavu",
    "hdrhistogram",
    "indicatif",
    "plotters",
    "png",
    "reqwest",
];

struct Source {
    path: String,
    /// Without the unit tests at its end.
    code: String,
}

impl Source {
    /// The crate in `crates/`; empty for the service.
    fn tool(&self) -> &str {
        let inside = self.path.strip_prefix("crates/");
        inside.map_or("", |inside| inside.split('/').next().unwrap())
    }

    fn room(&self) -> &str {
        let (_, inside) = self.path.split_once("src/").unwrap();
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

/// The sources of the service and of all tools.
fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    gather(Path::new("src"), "rs", &mut files);
    assert!(files.len() > 50, "the sources are where this test looks");
    for tool in tools() {
        let before = files.len();
        gather(&tool.join("src"), "rs", &mut files);
        assert!(files.len() > before, "{} has sources", tool.display());
    }
    files.iter().map(|path| read(path)).collect()
}

fn tools() -> Vec<PathBuf> {
    let entries = fs::read_dir("crates").unwrap();
    let mut tools: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    tools.sort();
    tools
}

fn gather(dir: &Path, extension: &str, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(&path, extension, files);
        } else if path.extension().is_some_and(|its| its == extension) {
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

/// The other rooms of its crate that a file uses.
fn rooms_used(source: &Source) -> Vec<String> {
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
        .collect()
}

#[test]
fn no_floor_of_a_tool_knows_one_above_it() {
    let mut broken = Vec::new();
    for source in sources() {
        let Some((_, floors)) = FLOORS_OF_TOOLS
            .iter()
            .find(|(tool, _)| *tool == source.tool())
        else {
            continue;
        };
        let floor = |room: &str| floors.iter().position(|it| *it == room);
        let Some(here) = floor(source.room()) else {
            continue;
        };
        for there in rooms_used(&source) {
            if floor(&there).is_none_or(|there| there > here) {
                broken.push(format!("{} uses {there}", source.path));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn no_floor_knows_one_above_it() {
    let mut broken = Vec::new();
    for source in sources().into_iter().filter(|it| it.tool().is_empty()) {
        let here = source.room().to_owned();
        for there in rooms_used(&source) {
            let beside = BESIDE.iter().find(|(room, _)| *room == here);
            let fine = match (floor_of(&here), floor_of(&there), beside) {
                (Some(here), Some(there), _) => there < here,
                // The lower two floors use nothing beside them, except that `db` knows how stored data
                // is compressed and reports that PostgreSQL seems to be away.
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
fn services_get_options_and_know_no_settings() {
    assert_nowhere("app turns settings into options", |source, line| {
        let rooms = [
            "batching",
            "carts",
            "checkout",
            "inventory",
            "orders",
            "vendors",
        ];
        rooms.contains(&source.room()) && line.contains("Config")
    });
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
        let is_pure = match source.tool() {
            "" => source.room() == "domain",
            "catalogue" => source.room() == "import_rules" || source.room() == "seed",
            _ => false,
        };
        is_pure && banned.iter().any(|word| line.contains(word))
    });
}

#[test]
fn sql_stands_in_db_only() {
    assert_nowhere("SQL belongs in a crate's src/db", |source, line| {
        // The private server is asked whether it answers and for its one database.
        let elsewhere = source.room() != "db" && source.tool() != "private-servers";
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
        "LentTx::begin(",
        ".begin()",
        ".begin_with(",
        ".commit(",
    ];
    assert_nowhere(
        "only owners of a unit of work begin and commit",
        |source, line| {
            // An attempt begins and commits the transaction that it lends.
            let lenders = [
                "src/checkout/batch/attempt.rs",
                "src/vendors/unit_of_work.rs",
            ];
            let by_lending = lenders.contains(&source.path.as_str())
                && ["LentTx::begin(", "tx.commit(", "self.commit("]
                    .iter()
                    .any(|word| line.contains(word));
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
    gather("migrations".as_ref(), "sql", &mut files);
    gather("src/db".as_ref(), "rs", &mut files);
    assert!(files.len() > 30, "the statements are where this test looks");
    for path in &files {
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

/// Links must follow a page that is moved or renamed.
#[test]
fn links_between_pages_lead_somewhere() {
    let mut pages = vec![
        PathBuf::from("README.md"),
        PathBuf::from("CONTRIBUTING.md"),
        PathBuf::from("SECURITY.md"),
        PathBuf::from("CHANGELOG.md"),
    ];
    for dir in ["crates", "docs", "migrations", "scripts"] {
        gather(Path::new(dir), "md", &mut pages);
    }
    let mut broken = Vec::new();
    for page in &pages {
        let text = fs::read_to_string(page).unwrap();
        for link in text.split("](").skip(1) {
            let link = link.split([')', ' ']).next().unwrap();
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            if path.contains("://") {
                continue;
            }
            let target = match path {
                "" => page.clone(),
                _ => page.parent().unwrap().join(path),
            };
            let leads = target.exists() && (anchor.is_empty() || anchors(&target).contains(anchor));
            if !leads {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// The anchors that a renderer makes of a page's headings.
fn anchors(page: &Path) -> HashSet<String> {
    let text = fs::read_to_string(page).unwrap();
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let words = line.trim_start_matches('#').trim().to_lowercase();
            let kept = words.replace(' ', "-");
            kept.chars()
                .filter(|letter| letter.is_alphanumeric() || "-_".contains(*letter))
                .collect()
        })
        .collect()
}

/// The packages of a production build, as `cargo tree` names them.
fn packages(of: &str, depth: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--edges", "normal"])
        .args(["--prefix", "none", "--format", "{p}"])
        .args(["--package", of, "--depth", depth])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let names = lines
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    names.map(str::to_owned).collect()
}

#[test]
fn the_service_holds_nothing_that_only_tools_need() {
    let packages = packages("splitcart", "99");
    assert!(packages.len() > 100, "{packages:?}");
    let is_banned = |name: &&String| ONLY_FOR_TOOLS.contains(&name.as_str());
    let found: Vec<_> = packages.iter().filter(is_banned).collect();
    assert!(found.is_empty(), "the service depends on {found:?}");
    let ours: BTreeSet<_> = packages
        .iter()
        .filter(|name| name.starts_with("splitcart"))
        .map(String::as_str)
        .collect();
    assert_eq!(
        ours,
        BTreeSet::from(["splitcart", "splitcart-private-servers"])
    );
}

#[test]
fn the_private_servers_know_nothing_of_the_service() {
    let packages = packages("splitcart-private-servers", "1");
    let is_ours = |name: &&String| name.starts_with("splitcart");
    assert_eq!(packages.iter().filter(is_ours).count(), 1, "{packages:?}");
}
