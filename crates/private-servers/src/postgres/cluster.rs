//! Creates the files of a new PostgreSQL, and the database and role in it.

use std::{fs, io, path::Path, process::Stdio};

use sqlx::{
    ConnectOptions, Connection,
    postgres::{PgConnectOptions, PgConnection},
};

use crate::{Error, directory::Directory, programs::PostgresPrograms};

use super::{DATABASE, POSTGRES, SERVING_ROLE, USER, command};

const NEW_DATA: &str = "postgres.new";

/// Makes the files beside their place and renames them at the end, so that a half-made cluster is never
/// taken for a whole one.
pub(super) async fn create(
    programs: &PostgresPrograms,
    directory: &Directory,
) -> Result<(), Error> {
    let new = directory.path().join(NEW_DATA);
    match fs::remove_dir_all(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Error::io("remove", &new)(error));
        }
        _ => {}
    }
    // Made by us and given away, because only we can write in the directory around it.
    directory.subdirectory(NEW_DATA)?;
    let mut command = command(&programs.initdb, directory.path());
    command
        .arg("--pgdata")
        .arg(&new)
        .arg("--username")
        .arg(USER)
        .args([
            // Whoever can open the socket is the one user there is. There is no other way in, and would
            // be none if somebody made the server listen.
            "--auth-local=trust",
            "--auth-host=reject",
            "--encoding=UTF8",
            "--locale=C",
            "--no-instructions",
        ]);
    if directory.is_temporary() {
        // It need not outlive a power cut. What is committed later is synced all the same.
        command.arg("--no-sync");
    }
    directory.account().runs(&mut command);
    let output = command
        .stdin(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .output()
        .await
        .map_err(Error::io("start", &programs.initdb))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        return Err(Error::Initdb {
            directory: new,
            output: String::from_utf8_lossy(&said).into_owned(),
        });
    }
    directory.opened().rename(NEW_DATA, POSTGRES.data)
}

/// Removes a stale file: the directory is locked and no server works here. PostgreSQL alone cannot know that
/// the process id in it belongs to another program of the same user now.
pub(super) fn remove_pid_file(data: &Path) -> Result<(), Error> {
    let file = data.join("postmaster.pid");
    match fs::remove_file(&file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("remove", &file)(error))
        }
        _ => Ok(()),
    }
}

/// Creates the database `splitcart` and the role that serves it, unless they are there.
pub(super) async fn create_database(maintenance: &PgConnectOptions) -> Result<(), Error> {
    let mut connection: PgConnection = maintenance.connect().await?;
    let exists: bool =
        sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
            .bind(DATABASE)
            .fetch_one(&mut connection)
            .await?;
    if !exists {
        sqlx::query("create database splitcart")
            .execute(&mut connection)
            .await?;
    }
    let exists: bool =
        sqlx::query_scalar("select exists (select from pg_roles where rolname = $1)")
            .bind(SERVING_ROLE)
            .fetch_one(&mut connection)
            .await?;
    if !exists {
        // Several statements in one message are one transaction.
        let create = format!(
            "create role {SERVING_ROLE} login;
             revoke all on database {DATABASE} from public;
             grant connect on database {DATABASE} to {SERVING_ROLE}"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(create))
            .execute(&mut connection)
            .await?;
    }
    connection.close().await?;
    Ok(())
}
