//! The PostgreSQL of this run: `splitcart embedded`, which stops everything when its standard input
//! closes, that is when this process ends, in any way.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::LazyLock,
};

static CLUSTER: LazyLock<(Child, String)> = LazyLock::new(|| {
    let mut child = Command::new(env!("CARGO_BIN_EXE_splitcart"))
        .arg("embedded")
        // Of the tests, and no setting.
        .env_remove(super::redis::KIND)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let urls: serde_json::Value = serde_json::from_str(&line)
        .unwrap_or_else(|_| panic!("no private PostgreSQL: see the message above"));
    let url = urls["database_url"].as_str().unwrap().to_owned();
    (child, url)
});

/// The URL of the cluster's own database.
pub fn url() -> &'static str {
    &CLUSTER.1
}
