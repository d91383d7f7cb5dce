//! Looks at the schema and at the role: migrations, and the rights that serving needs.

use sqlx::PgConnection;
use tokio::time::Instant;

use crate::{
    app::database::SUPERUSER,
    config::Config,
    db::{self, migrations::Differences, roles::OwnRole},
};

use super::{
    super::{configuration::apart, report::Line},
    MIGRATIONS, PRIVILEGES, ROLE, within,
};

/// Looks at the migrations and at the rights of the role.
pub(super) async fn look(
    config: &Config,
    connection: &mut PgConnection,
    until: Instant,
) -> Vec<Line> {
    let differences = within(until, db::migrations::differences(connection)).await;
    let own_role = within(until, db::roles::own_role(connection)).await;
    let migrations = match (&differences, &own_role) {
        (Ok(differences), Ok(role)) => migrations(config, differences, *role),
        (Err(error), _) | (_, Err(error)) => Line::not_seen(MIGRATIONS, error.to_string()),
    };
    let role_line = match &own_role {
        Ok(own) => role(config, *own),
        Err(error) => Line::not_seen(ROLE, error.to_string()),
    };
    let is_complete = differences.is_ok_and(|it| it.missing.is_empty());
    let privileges = if is_complete {
        match within(until, db::roles::missing_privileges(connection)).await {
            Ok(missing) => privileges(&missing),
            Err(error) => Line::not_seen(PRIVILEGES, error.to_string()),
        }
    } else {
        Line::not_seen(
            PRIVILEGES,
            "they are compared once all migrations are applied",
        )
    };
    vec![migrations, role_line, privileges]
}

fn migrations(config: &Config, found: &Differences, role: OwnRole) -> Line {
    let Differences {
        missing,
        newer,
        unfinished,
        changed,
    } = found;
    if let Some(version) = unfinished.first() {
        let found = format!("migration {version} was begun and did not finish");
        let remedy = "restore a backup of before, or finish it by hand and set `success` in _sqlx_migrations";
        return Line::not_well(MIGRATIONS, found, remedy);
    }
    if let Some(version) = newer.last() {
        let found =
            format!("the database has migration {version}, which this version does not know");
        return Line::not_well(
            MIGRATIONS,
            found,
            "run the newer version, or restore an older backup",
        );
    }
    if let Some(version) = changed.first() {
        let found = format!("migration {version} differs from the one that was applied");
        let remedy =
            "a development version migrated this database: create it anew, or restore a backup";
        return Line::not_well(MIGRATIONS, found, remedy);
    }
    let all = db::migrations::MIGRATIONS.iter().count();
    let count = missing.len();
    if missing.is_empty() {
        return Line::well(MIGRATIONS, format!("all {all} are applied"));
    }
    if config.database.migrate_on_start && role.owns {
        return Line::well(
            MIGRATIONS,
            format!("{count} of {all} are missing, and the next start applies them"),
        );
    }
    let found = format!("{count} of {all} are missing");
    Line::not_well(
        MIGRATIONS,
        found,
        "run `splitcart migrate` as the owner of the database",
    )
}

fn role(config: &Config, role: OwnRole) -> Line {
    if role.is_superuser {
        let (found, remedy) = apart(SUPERUSER);
        Line::not_well(ROLE, found, remedy)
    } else if config.database.migrate_on_start && !role.owns {
        Line::not_well(
            ROLE,
            "database.migrate_on_start is on, and this role does not own the tables",
            db::error::NOT_ALLOWED,
        )
    } else if role.owns {
        Line::well(ROLE, "it owns the tables, and is no superuser")
    } else {
        Line::well(ROLE, "it owns no table and is no superuser")
    }
}

fn privileges(missing: &[String]) -> Line {
    if missing.is_empty() {
        return Line::well(PRIVILEGES, "the role may do all that serving needs");
    }
    let found = format!("the role lacks {}", missing.join(", "));
    Line::not_well(
        PRIVILEGES,
        found,
        "have the owner run `splitcart migrate --grant-to ROLE`, after every upgrade",
    )
}
