//! The data directory of the private services: where it is, that it is ours alone, and the short
//! paths of the sockets in it.

use std::env;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::Error;
use super::account::Account;
use super::lock::{self, Lock};

const DEFAULT: &str = ".splitcart";
const DEFAULT_FOR_ROOT: &str = "/var/lib/splitcart";
const TEMPORARY_PREFIX: &str = "splitcart-";
/// The file that tells a temporary data directory from one that somebody gave a similar name.
const TEMPORARY_MARK: &str = "temporary";
/// Younger ones may be about to be locked by the process that is making them.
const ABANDONED_AFTER: Duration = Duration::from_mins(1);
/// A Unix socket's path has room for 107 bytes on Linux and 103 elsewhere.
const SOCKET_PATH_BYTES_MAX: usize = 100;

/// Which directory the private services keep their data in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataDir {
    /// This one; created if it is not there.
    Explicit(PathBuf),
    /// `.splitcart` below the working directory.
    Default,
    /// A new one, removed at the end.
    Temporary,
}

/// A data directory that is ours, and private, until this is dropped.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    account: Account,
    // In this order: a temporary directory is removed while it is still locked.
    temporary: Option<TempDir>,
    _lock: Lock,
}

impl Directory {
    /// Finds or creates the directory, closes it to others and locks it.
    pub(super) fn open(wanted: &DataDir, account: Account) -> Result<Self, Error> {
        let (path, temporary) = match wanted {
            DataDir::Explicit(path) => (create(path, &account)?, None),
            DataDir::Default => (create_default(&account)?, None),
            DataDir::Temporary => {
                let temporary = create_temporary(&account)?;
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        let path = fs::canonicalize(&path).map_err(Error::io("find", &path))?;
        let lock = Lock::take(&path)?;
        if temporary.is_some() {
            let mark = path.join(TEMPORARY_MARK);
            fs::write(&mark, "").map_err(Error::io("write", &mark))?;
        }
        account.make_private(&path)?;
        Ok(Self {
            path,
            account,
            temporary,
            _lock: lock,
        })
    }

    /// The temporary directories whose owners were killed, taken over. The caller stops what
    /// still runs in them, and removes them.
    pub(super) fn abandoned(account: &Account) -> Vec<Self> {
        let entries = fs::read_dir(temporary_base(account))
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
            .filter(|entry| {
                entry
                    .metadata()
                    .is_ok_and(|metadata| account.owns(&metadata))
            })
            .map(|entry| entry.path())
            .filter(|path| is_old(&path.join(TEMPORARY_MARK)))
            .filter_map(|path| {
                let lock = Lock::take(&path).ok()?;
                Some(Self {
                    path,
                    account: account.clone(),
                    temporary: None,
                    _lock: lock,
                })
            })
            .collect()
    }

    /// Removes a directory that was abandoned.
    pub(super) fn remove(self) -> Result<(), Error> {
        fs::remove_dir_all(&self.path).map_err(Error::io("remove", &self.path))
    }

    pub(super) fn is_temporary(&self) -> bool {
        self.temporary.is_some()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn account(&self) -> &Account {
        &self.account
    }

    /// A private directory below this one.
    pub(super) fn subdirectory(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.path.join(name);
        self.account.create_private(&path)?;
        Ok(path)
    }

    /// A private directory for the socket `name`: `run` below this one, or, if that path would be
    /// too long for a socket or has a comma, which libpq takes for the start of a second host, a
    /// temporary one.
    pub(super) fn socket_directory(&self, name: &str) -> Result<SocketDirectory, Error> {
        let near = self.path.join("run");
        let bytes = near.as_os_str().as_bytes();
        if bytes.len() + 1 + name.len() <= SOCKET_PATH_BYTES_MAX && !bytes.contains(&b',') {
            let path = self.subdirectory("run")?;
            return Ok(SocketDirectory {
                path,
                _temporary: None,
            });
        }
        let temporary = create_temporary(&self.account)?;
        self.account.make_private(temporary.path())?;
        Ok(SocketDirectory {
            path: temporary.path().to_owned(),
            _temporary: Some(temporary),
        })
    }
}

/// Where a service's socket is.
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

fn create_default(account: &Account) -> Result<PathBuf, Error> {
    let here = Path::new(DEFAULT);
    match create(here, account) {
        Err(Error::Unreachable {
            blocked_at,
            account: name,
            ..
        }) => {
            tracing::warn!(
                directory = DEFAULT_FOR_ROOT,
                blocked_at = %blocked_at.display(),
                "user `{name}` runs PostgreSQL and cannot reach {DEFAULT} below the working \
                 directory; keeping the data in {DEFAULT_FOR_ROOT} instead"
            );
            create(Path::new(DEFAULT_FOR_ROOT), account)
        }
        result => result,
    }
}

fn create(path: &Path, account: &Account) -> Result<PathBuf, Error> {
    let path = std::path::absolute(path).map_err(Error::io("find", path))?;
    let parent = path.parent().unwrap_or(&path);
    // Before anything is created, so that a refusal leaves no trace; and after, because what we
    // create may be closed by our umask.
    let existing = parent
        .ancestors()
        .find(|directory| directory.exists())
        .unwrap_or(parent);
    check_reachable(&path, existing, account)?;
    fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
    check_reachable(&path, parent, account)?;
    if path.exists() {
        // Closing a directory of somebody else's, say /tmp, would do harm.
        let mut entries = fs::read_dir(&path).map_err(Error::io("read", &path))?;
        if entries.next().is_some() && !path.join(lock::FILE_NAME).is_file() {
            return Err(Error::NotOurs { directory: path });
        }
    } else {
        account.create_private(&path)?;
    }
    Ok(path)
}

fn check_reachable(path: &Path, ancestor: &Path, account: &Account) -> Result<(), Error> {
    match account.blocked_at(ancestor)? {
        Some(blocked_at) => Err(Error::Unreachable {
            directory: path.to_owned(),
            blocked_at,
            account: account.name().to_owned(),
        }),
        None => Ok(()),
    }
}

fn create_temporary(account: &Account) -> Result<TempDir, Error> {
    let base = temporary_base(account);
    tempfile::Builder::new()
        .prefix(TEMPORARY_PREFIX)
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir_in(&base)
        .map_err(Error::io("create a directory in", &base))
}

/// The usual place, unless that is root's own and closed to the user who runs the services.
fn temporary_base(account: &Account) -> PathBuf {
    let usual = env::temp_dir();
    match account.blocked_at(&usual) {
        Ok(None) => usual,
        _ => PathBuf::from("/tmp"),
    }
}

fn is_old(file: &Path) -> bool {
    let age = fs::metadata(file)
        .and_then(|metadata| metadata.modified())
        .map(|time| time.elapsed());
    matches!(age, Ok(Ok(age)) if age > ABANDONED_AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path) -> Result<Directory, Error> {
        Directory::open(
            &DataDir::Explicit(path.to_owned()),
            Account::for_services()?,
        )
    }

    fn reachable_tempdir() -> TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        directory
    }

    #[test]
    fn a_new_directory_is_private_and_can_be_opened_again() {
        let root = reachable_tempdir();
        let path = root.path().join("a/b");
        drop(open(&path).unwrap());
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o700
        );
        open(&path).unwrap();
    }

    #[test]
    fn a_directory_with_other_files_is_refused_and_left_alone() {
        let root = reachable_tempdir();
        fs::write(root.path().join("thesis.txt"), "mine").unwrap();
        assert!(matches!(open(root.path()), Err(Error::NotOurs { .. })));
        assert_eq!(
            fs::metadata(root.path()).unwrap().permissions().mode() & 0o777,
            0o755
        );
    }

    #[test]
    fn a_temporary_directory_is_removed_when_dropped() {
        let account = Account::for_services().unwrap();
        let directory = Directory::open(&DataDir::Temporary, account).unwrap();
        let path = directory.path().to_owned();
        assert!(path.is_dir());
        drop(directory);
        assert!(!path.exists());
    }

    #[test]
    fn a_path_that_is_no_good_for_a_socket_gets_a_short_private_one() {
        let root = reachable_tempdir();
        let comma = open(&root.path().join("a,b"))
            .unwrap()
            .socket_directory("redis.sock")
            .unwrap();
        assert!(!comma.path().starts_with(root.path()));
        let directory = open(&root.path().join("d".repeat(120))).unwrap();
        let sockets = directory.socket_directory("redis.sock").unwrap();
        assert!(sockets.path().join("redis.sock").as_os_str().len() <= SOCKET_PATH_BYTES_MAX);
        assert_eq!(
            fs::metadata(sockets.path()).unwrap().permissions().mode() & 0o777,
            0o700
        );
    }
}
