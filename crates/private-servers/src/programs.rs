//! Finds the programs of PostgreSQL and Redis on this machine. Starts nothing but
//! `postgres --version`.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Error, open_directory::OpenDirectory};

/// The oldest PostgreSQL that our SQL and our settings were written for.
const OLDEST_MAJOR: u32 = 15;

/// The places to look in. A value, so that a test can look elsewhere without touching the environment.
pub(super) struct Search {
    directories: Vec<PathBuf>,
    packaged: PathBuf,
}

impl Search {
    /// `PATH`, then where Debian's packages put the programs that they keep off `PATH`.
    pub(super) fn from_environment() -> Self {
        let path = env::var_os("PATH").unwrap_or_default();
        Self {
            directories: env::split_paths(&path).collect(),
            packaged: PathBuf::from("/usr/lib/postgresql"),
        }
    }

    /// One PostgreSQL (15 or newer) for each major version: those on `PATH` first, then the newest.
    pub(super) fn postgres(&self) -> Result<Vec<PostgresPrograms>, Error> {
        let found = self.all_postgres();
        let newest_seen = found.iter().map(|programs| programs.major).max();
        let usable: Vec<_> = found
            .into_iter()
            .filter(|programs| programs.major >= OLDEST_MAJOR)
            .collect();
        if usable.is_empty() {
            return Err(Error::MissingPrograms {
                missing: describe_missing(newest_seen),
            });
        }
        Ok(usable)
    }

    /// `redis-server`.
    pub(super) fn redis(&self) -> Result<PathBuf, Error> {
        self.redis_on_path().ok_or_else(|| Error::MissingPrograms {
            missing: "redis-server is not installed".to_owned(),
        })
    }

    /// PostgreSQL and Redis; a machine with neither gets one sentence about both.
    pub(super) fn both(&self) -> Result<(Vec<PostgresPrograms>, PathBuf), Error> {
        match (self.postgres(), self.redis()) {
            (Ok(postgres), Ok(redis)) => Ok((postgres, redis)),
            (Err(Error::MissingPrograms { missing }), Err(_)) => Err(Error::MissingPrograms {
                missing: format!("{missing}, and redis-server is not installed"),
            }),
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    }

    fn all_postgres(&self) -> Vec<PostgresPrograms> {
        let on_path = self.directories.iter().filter_map(|directory| {
            // A link on PATH points to the directory where the other programs are.
            let real = fs::canonicalize(directory.join("postgres")).ok()?;
            PostgresPrograms::in_directory(real.parent()?)
        });
        let mut packaged: Vec<_> = fs::read_dir(&self.packaged)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| PostgresPrograms::in_directory(&entry.path().join("bin")))
            .collect();
        packaged.sort_by_key(|programs| std::cmp::Reverse(programs.major));
        on_path.chain(packaged).collect()
    }

    fn redis_on_path(&self) -> Option<PathBuf> {
        self.directories
            .iter()
            .map(|directory| directory.join("redis-server"))
            .find(|program| program.is_file())
    }
}

fn describe_missing(newest_seen: Option<u32>) -> String {
    match newest_seen {
        Some(major) => {
            format!("PostgreSQL {major} is too old, version {OLDEST_MAJOR} or newer is needed")
        }
        None => "PostgreSQL is not installed".to_owned(),
    }
}

/// The programs of one installed PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PostgresPrograms {
    pub(super) major: u32,
    pub(super) initdb: PathBuf,
    pub(super) postgres: PathBuf,
}

impl PostgresPrograms {
    fn in_directory(directory: &Path) -> Option<Self> {
        let (initdb, postgres) = (directory.join("initdb"), directory.join("postgres"));
        if !initdb.is_file() {
            return None;
        }
        let output = Command::new(&postgres)
            .env_clear()
            .env("LC_ALL", "C")
            .arg("--version")
            .output()
            .ok()?;
        let major = parse_major(&String::from_utf8_lossy(&output.stdout))?;
        Some(Self {
            major,
            initdb,
            postgres,
        })
    }

    /// The one that made the existing data, otherwise the first.
    pub(super) fn choose(
        found: &[Self],
        data: &Path,
        existing: Option<&OpenDirectory>,
    ) -> Result<Self, Error> {
        let version = existing
            .map(|data| data.read("PG_VERSION", 32))
            .transpose()?;
        let made_by = version
            .flatten()
            .and_then(|text| text.trim().parse::<u32>().ok());
        let fits = |programs: &&Self| made_by.is_none_or(|major| programs.major == major);
        found
            .iter()
            .find(fits)
            .cloned()
            .ok_or_else(|| Error::OtherVersion {
                directory: data.to_owned(),
                made_by: made_by.unwrap_or(OLDEST_MAJOR),
            })
    }
}

/// `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)` and `postgres (PostgreSQL) 19beta1`.
fn parse_major(version: &str) -> Option<u32> {
    let number = version.split_once("(PostgreSQL) ")?.1;
    let digits = number
        .split(|character: char| !character.is_ascii_digit())
        .next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn install(directory: &Path, version: &str) {
        fs::create_dir_all(directory).unwrap();
        for program in ["initdb", "postgres", "redis-server"] {
            let file = directory.join(program);
            fs::write(
                &file,
                format!("#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n"),
            )
            .unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    fn search(root: &Path, directories: &[&Path]) -> Search {
        Search {
            directories: directories
                .iter()
                .map(|directory| directory.to_path_buf())
                .collect(),
            packaged: root.join("packaged"),
        }
    }

    #[test]
    fn a_machine_without_the_programs_gets_one_sentence_with_what_to_install() {
        let root = tempfile::tempdir().unwrap();
        let message = search(root.path(), &[]).both().unwrap_err().to_string();
        assert_eq!(
            message,
            "PostgreSQL is not installed, and redis-server is not installed: run `apt-get \
             install postgresql redis-server` (PostgreSQL 15 or newer), or name your own \
             servers by URL"
        );
    }

    #[test]
    fn an_old_postgres_is_named_as_too_old() {
        let root = tempfile::tempdir().unwrap();
        install(&root.path().join("packaged/13/bin"), "13.2");
        let message = search(root.path(), &[]).postgres().unwrap_err().to_string();
        assert!(
            message.starts_with("PostgreSQL 13 is too old, version 15"),
            "{message}"
        );
    }

    #[test]
    fn a_link_on_the_path_leads_to_the_directory_that_has_initdb_too() {
        let root = tempfile::tempdir().unwrap();
        let real = root.path().join("packaged/15/bin");
        install(&real, "15.14 (Debian 15.14-0+deb12u1)");
        install(&root.path().join("packaged/17/bin"), "17beta1");
        let on_path = root.path().join("bin");
        fs::create_dir(&on_path).unwrap();
        symlink(real.join("postgres"), on_path.join("postgres")).unwrap();

        let linked = search(root.path(), &[&on_path]).postgres().unwrap();
        assert_eq!(linked[0].major, 15);
        assert_eq!(
            linked[0].initdb,
            fs::canonicalize(real.join("initdb")).unwrap()
        );
        let packaged = search(root.path(), &[]).postgres().unwrap();
        assert_eq!(packaged[0].major, 17);
    }

    #[test]
    fn existing_data_are_given_to_the_version_that_made_them() {
        let root = tempfile::tempdir().unwrap();
        install(&root.path().join("packaged/15/bin"), "15.1");
        install(&root.path().join("packaged/17/bin"), "17.1");
        let found = search(root.path(), &[]).postgres().unwrap();
        let data = root.path().join("data");
        fs::create_dir(&data).unwrap();
        let choose = |data: &Path| {
            let existing = OpenDirectory::open(data).unwrap();
            PostgresPrograms::choose(&found, data, Some(&existing))
        };
        assert_eq!(choose(&data).unwrap().major, 17);
        fs::write(data.join("PG_VERSION"), "15\n").unwrap();
        assert_eq!(choose(&data).unwrap().major, 15);
        fs::write(data.join("PG_VERSION"), "16\n").unwrap();
        let message = choose(&data).unwrap_err().to_string();
        assert!(
            message.contains("apt-get install postgresql-16"),
            "{message}"
        );
    }
}
