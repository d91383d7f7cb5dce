//! The data directory of the private services: its lock, its logs, and the short paths of the sockets in
//! it. It is found and created in `find_or_create`.
//!
//! The directory itself, its lock, its logs and its secret belong to whoever runs splitcart; only
//! `postgres`, `redis` and `run` in it belong to the user who runs the services.

mod find_or_create;
#[cfg(test)]
mod tests;

use std::{
    fs::{self, File},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use nix::fcntl::OFlag;
use tempfile::TempDir;

use super::{
    Error, account::Account, data_dir::DataDir, lock::Lock, open_directory::OpenDirectory,
};

use self::find_or_create::{Link, TEMPORARY_PREFIX};

pub(super) use self::find_or_create::find;

/// The file that distinguishes a temporary data directory from another one of a similar name.
const TEMPORARY_MARK: &str = "temporary";
/// Younger ones may be about to be locked by the process that is making them.
const ABANDONED_AFTER: Duration = Duration::from_mins(1);
/// A Unix socket's path has room for 107 bytes on Linux and 103 elsewhere.
const SOCKET_PATH_BYTES_MAX: usize = 100;

/// A data directory that is ours until this is dropped. What is given to the services' user is below it.
#[derive(Debug)]
pub(super) struct Directory {
    opened: OpenDirectory,
    account: Account,
    // In this order: a temporary directory is removed while it is still locked.
    temporary: Option<TempDir>,
    _lock: Lock,
}

impl Directory {
    /// Finds or creates the directory, closes it to others and locks it.
    pub(super) fn open(wanted: &DataDir, account: Account) -> Result<Self, Error> {
        let (opened, temporary) = match wanted {
            DataDir::Explicit(path) => (
                find_or_create::create(path, Link::Followed, &account)?,
                None,
            ),
            DataDir::Default => (find_or_create::create_default(&account)?, None),
            DataDir::Temporary => {
                let temporary = find_or_create::create_temporary(&account)?;
                (
                    find_or_create::open_canonical(temporary.path())?,
                    Some(temporary),
                )
            }
        };
        let lock = Lock::take(&opened, &account)?;
        account.keep(&opened)?;
        // From here on nobody else can put anything there.
        lock.check_still_in(&opened)?;
        if temporary.is_some() {
            opened.new_file(TEMPORARY_MARK, OFlag::O_WRONLY, 0o600)?;
        }
        Ok(Self {
            opened,
            account,
            temporary,
            _lock: lock,
        })
    }

    /// The temporary directories whose owners were killed, taken over. The caller stops what
    /// still runs in them, and removes them.
    pub(super) fn abandoned(account: &Account) -> Vec<Self> {
        let entries = fs::read_dir(find_or_create::temporary_base(account))
            .into_iter()
            .flatten()
            .flatten();
        entries
            .filter(|entry| {
                entry
                    .file_name()
                    .to_string_lossy()
                    .starts_with(TEMPORARY_PREFIX)
            })
            .filter_map(|entry| Self::take_over(&entry.path(), account).ok().flatten())
            .collect()
    }

    fn take_over(path: &Path, account: &Account) -> Result<Option<Self>, Error> {
        let opened = OpenDirectory::open(path)?;
        let is_old = |time: SystemTime| time.elapsed().is_ok_and(|age| age > ABANDONED_AFTER);
        if !account.trusts(&opened.metadata()?)
            || !opened.written_at(TEMPORARY_MARK)?.is_some_and(is_old)
        {
            return Ok(None);
        }
        let Some(lock) = Lock::take_existing(&opened, account)? else {
            return Ok(None);
        };
        account.keep(&opened)?;
        lock.check_still_in(&opened)?;
        Ok(Some(Self {
            opened,
            account: account.clone(),
            temporary: None,
            _lock: lock,
        }))
    }

    /// Removes a directory that was abandoned.
    pub(super) fn remove(self) -> Result<(), Error> {
        fs::remove_dir_all(self.path()).map_err(Error::io("remove", self.path()))
    }

    pub(super) fn is_temporary(&self) -> bool {
        self.temporary.is_some()
    }

    pub(super) fn path(&self) -> &Path {
        self.opened.path()
    }

    pub(super) fn account(&self) -> &Account {
        &self.account
    }

    /// The directory itself; everything in it is reached through this.
    pub(super) fn opened(&self) -> &OpenDirectory {
        &self.opened
    }

    /// A directory below this one that is given to the services' user.
    pub(super) fn subdirectory(&self, name: &str) -> Result<PathBuf, Error> {
        let directory = self.opened.subdirectory(name)?;
        self.account.give(&directory)?;
        Ok(directory.path().to_owned())
    }

    /// A new log; the one of the run before is kept beside it.
    pub(super) fn new_log(&self, name: &str) -> Result<Log, Error> {
        if self.opened.has(name)? {
            self.opened.rename(name, &format!("{name}.before"))?;
        }
        // Appended to, so that reading it moves nobody's place in it.
        let access = OFlag::O_RDWR | OFlag::O_APPEND;
        Ok(Log {
            file: self.opened.new_file(name, access, 0o600)?,
            path: self.path().join(name),
        })
    }

    /// A private directory for the socket `name`: `run` below this one, or, if that path would be
    /// too long for a socket or has a comma, which libpq takes for the start of a second host, a
    /// temporary one.
    pub(super) fn socket_directory(&self, name: &str) -> Result<SocketDirectory, Error> {
        let near = self.path().join("run");
        let bytes = near.as_os_str().as_bytes();
        if bytes.len() + 1 + name.len() <= SOCKET_PATH_BYTES_MAX && !bytes.contains(&b',') {
            let path = self.subdirectory("run")?;
            return Ok(SocketDirectory {
                path,
                _temporary: None,
            });
        }
        let temporary = find_or_create::create_temporary(&self.account)?;
        self.account.give(&OpenDirectory::open(temporary.path())?)?;
        Ok(SocketDirectory {
            path: temporary.path().to_owned(),
            _temporary: Some(temporary),
        })
    }
}

/// A log that a service writes.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) file: File,
    pub(super) path: PathBuf,
}

/// The directory of a service's socket.
#[derive(Debug)]
pub(super) struct SocketDirectory {
    path: PathBuf,
    _temporary: Option<TempDir>,
}

impl SocketDirectory {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}
