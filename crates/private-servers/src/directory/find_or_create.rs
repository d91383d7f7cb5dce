//! Finds and creates data directories: the named one, the default, temporary ones. Refuses those that belong
//! to somebody else or can't be reached.

use std::{
    env, fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::{
    Error,
    account::Account,
    data_dir::{DEFAULT, DataDir},
    lock,
    open_directory::OpenDirectory,
};

const DEFAULT_FOR_ROOT: &str = "/var/lib/splitcart";
pub(super) const TEMPORARY_PREFIX: &str = "splitcart-";

/// Opens an existing data directory for reading: nothing is created or locked.
pub(crate) fn find(wanted: &DataDir, account: &Account) -> Result<Option<OpenDirectory>, Error> {
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

/// The rule for a data directory that is itself a link.
#[derive(Clone, Copy)]
pub(super) enum Link {
    /// The command line names it.
    Followed,
    /// It may have come with the working directory, such as a cloned repository.
    Refused,
}

/// Creates the default directory, or opens it.
pub(super) fn create_default(account: &Account) -> Result<OpenDirectory, Error> {
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

/// Creates the directory of this name, or opens it.
pub(super) fn create(path: &Path, link: Link, account: &Account) -> Result<OpenDirectory, Error> {
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

pub(super) fn open_canonical(path: &Path) -> Result<OpenDirectory, Error> {
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

pub(super) fn create_temporary(account: &Account) -> Result<TempDir, Error> {
    let base = temporary_base(account);
    tempfile::Builder::new()
        .prefix(TEMPORARY_PREFIX)
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir_in(&base)
        .map_err(Error::io("create a directory in", &base))
}

/// The usual place, unless that is root's own and closed to the user who runs the services.
pub(super) fn temporary_base(account: &Account) -> PathBuf {
    let usual = env::temp_dir();
    match account.blocked_at(&usual) {
        Ok(None) => usual,
        _ => PathBuf::from("/tmp"),
    }
}
