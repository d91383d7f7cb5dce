//! Dumps and restores with `pg_dump` and `psql`, as an operator makes them.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use sqlx::postgres::PgConnectOptions;

use super::{Database, cluster};

/// A dump of a database that can replace existing tables.
pub fn dump(database: &Database) -> String {
    let output = client("pg_dump", database)
        .args(["--clean", "--if-exists"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    String::from_utf8(output.stdout).unwrap()
}

/// Restores a database from a dump.
pub fn restore(database: &Database, dump: &str) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("dump.sql");
    std::fs::write(&file, dump).unwrap();
    let output = client("psql", database)
        .args([
            "-X",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "--single-transaction",
            "-f",
        ])
        .arg(file)
        .stdout(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
}

fn client(program: &str, database: &Database) -> Command {
    let programs = Command::new("scripts/postgres-bin").output().unwrap();
    let programs = PathBuf::from(String::from_utf8(programs.stdout).unwrap().trim());
    let options: PgConnectOptions = database.url.parse().unwrap();
    let server: PgConnectOptions = cluster::url().parse().unwrap();
    let mut command = Command::new(programs.join(program));
    match server.get_socket() {
        Some(socket) => command.env("PGHOST", socket),
        None => command.env("PGHOST", server.get_host()),
    };
    command
        .env("PGPORT", server.get_port().to_string())
        .env("PGUSER", server.get_username())
        .env("PGDATABASE", options.get_database().unwrap());
    command
}
