//! The data directory of the private services: where it is, that it is ours alone, and the short
//! paths of the sockets in it.
//!
//! The directory itself, its lock, its logs and its secret belong to whoever runs splitcart; only
//! `postgres`, `redis` and `run` in it belong to the user who runs the services.

use std::env;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::fcntl::OFlag;
use tempfile::TempDir;

use super::Error;
use super::account::Account;
use super::lock::{self, Lock};
use super::open_directory::OpenDirectory;

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

impl fmt::Display for DataDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Explicit(path) => write!(f, "{}", path.display()),
            Self::Default => f.write_str(DEFAULT),
            Self::Temporary => f.write_str("a temporary directory"),
        }
    }
}

impl DataDir {
    /// The one that the command line names, or the default.
    pub fn named(path: Option<&Path>) -> Self {
        path.map_or(Self::Default, |path| Self::Explicit(path.to_owned()))
    }
}

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
            DataDir::Explicit(path) => (create(path, Link::Followed, &account)?, None),
            DataDir::Default => (create_default(&account)?, None),
            DataDir::Temporary => {
                let temporary = create_temporary(&account)?;
                (open_canonical(temporary.path())?, Some(temporary))
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

    /// What is in it is reached through this.
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
        let temporary = create_temporary(&self.account)?;
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

/// Opens the data directory that is there, as whoever only reads in it: nothing is made or locked.
pub(super) fn find(wanted: &DataDir, account: &Account) -> Result<Option<OpenDirectory>, Error> {
    let candidates = match wanted {
        DataDir::Explicit(path) => vec![path.as_path()],
        DataDir::Default => vec![Path::new(DEFAULT), Path::new(DEFAULT_FOR_ROOT)],
        DataDir::Temporary => Vec::new(),
    };
    for path in candidates {
        if path.symlink_metadata().is_err() {
            continue;
        }
        let link = if *wanted == DataDir::Default {
            Link::Refused
        } else {
            Link::Followed
        };
        let opened = open_named(path, link)?;
        check_owner(&opened, account)?;
        if opened.has(lock::FILE_NAME)? {
            return Ok(Some(opened));
        }
    }
    Ok(None)
}

/// What to do if the data directory itself is a link.
#[derive(Clone, Copy)]
enum Link {
    /// Somebody has named it and wants it so.
    Followed,
    /// It may have come with the directory that we work in.
    Refused,
}

fn create_default(account: &Account) -> Result<OpenDirectory, Error> {
    let here = Path::new(DEFAULT);
    match create(here, Link::Refused, account) {
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
            create(Path::new(DEFAULT_FOR_ROOT), Link::Refused, account)
        }
        result => result,
    }
}

fn create(path: &Path, link: Link, account: &Account) -> Result<OpenDirectory, Error> {
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
    match fs::DirBuilder::new().mode(0o700).create(&path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(Error::io("create", &path)(error));
        }
        _ => {}
    }
    let opened = open_named(&path, link)?;
    check_owner(&opened, account)?;
    // Closing a directory of somebody else's, say /tmp, would do harm.
    if !opened.has(lock::FILE_NAME)? && !opened.is_empty()? {
        return Err(Error::NotOurs { directory: path });
    }
    Ok(opened)
}

fn open_named(path: &Path, link: Link) -> Result<OpenDirectory, Error> {
    match (link, path.file_name()) {
        (Link::Refused, Some(name)) => {
            let path = std::path::absolute(path).map_err(Error::io("find", path))?;
            let parent = path.parent().unwrap_or(&path);
            let parent = fs::canonicalize(parent).map_err(Error::io("find", parent))?;
            OpenDirectory::open(&parent.join(name))
        }
        _ => open_canonical(path),
    }
}

fn open_canonical(path: &Path) -> Result<OpenDirectory, Error> {
    let path = fs::canonicalize(path).map_err(Error::io("find", path))?;
    OpenDirectory::open(&path)
}

fn check_owner(opened: &OpenDirectory, account: &Account) -> Result<(), Error> {
    let metadata = opened.metadata()?;
    if account.trusts(&metadata) {
        return Ok(());
    }
    Err(Error::SomebodyElses {
        path: opened.path().to_owned(),
        owner: metadata.uid(),
    })
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

#[cfg(test)]
mod tests;
