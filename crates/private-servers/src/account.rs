//! The user who runs the private services: the current one, or, because PostgreSQL refuses to run as root,
//! the unprivileged user that its packages create.

use std::{
    fs::{self, Metadata},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use nix::unistd::{Gid, Uid, User, getegid, geteuid};
use tokio::process::Command;

use super::{Error, open_directory::OpenDirectory};

/// The user that runs the services in the place of root.
const UNPRIVILEGED: &str = "postgres";

/// The user as whom both services run.
#[derive(Debug, Clone)]
pub(super) struct Account {
    name: String,
    uid: Uid,
    gid: Gid,
    changes_user: bool,
    /// The user who runs splitcart.
    us: Uid,
}

impl Account {
    /// The current user, or `postgres` in the place of root.
    pub(super) fn for_services() -> Result<Self, Error> {
        let uid = geteuid();
        if !uid.is_root() {
            return Ok(Self {
                name: uid.to_string(),
                uid,
                gid: getegid(),
                changes_user: false,
                us: uid,
            });
        }
        match User::from_name(UNPRIVILEGED) {
            Ok(Some(user)) => Ok(Self {
                name: user.name,
                uid: user.uid,
                gid: user.gid,
                changes_user: true,
                us: uid,
            }),
            _ => Err(Error::NoAccount { name: UNPRIVILEGED }),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Makes `command` run as this user, with none of root's groups.
    pub(super) fn runs(&self, command: &mut Command) {
        if self.changes_user {
            command.uid(self.uid.as_raw()).gid(self.gid.as_raw());
        }
    }

    /// True of a file that belongs to the user who runs splitcart.
    pub(super) fn is_us(&self, metadata: &Metadata) -> bool {
        metadata.uid() == self.us.as_raw()
    }

    /// True of a file that belongs to that user or to the services' user.
    pub(super) fn trusts(&self, metadata: &Metadata) -> bool {
        self.is_us(metadata) || metadata.uid() == self.uid.as_raw()
    }

    /// Makes an outer directory ours. The services' user may pass it if that is somebody else, and no
    /// more: nothing in it can then be replaced behind our back.
    pub(super) fn keep(&self, directory: &OpenDirectory) -> Result<(), Error> {
        if !self.is_us(&directory.metadata()?) {
            directory.set_owner(self.us.as_raw(), getegid().as_raw())?;
            tracing::warn!(
                directory = %directory.path().display(),
                "{} belonged to user `{}`, as earlier versions had it; it belongs to us now, and only \
                 postgres, redis and run in it are still theirs",
                directory.path().display(),
                self.name,
            );
        }
        directory.set_mode(if self.changes_user { 0o711 } else { 0o700 })
    }

    /// Gives a directory that is ours or theirs already to the services, and closes it to all others.
    pub(super) fn give(&self, directory: &OpenDirectory) -> Result<(), Error> {
        let metadata = directory.metadata()?;
        if !self.trusts(&metadata) {
            return Err(Error::SomebodyElses {
                path: directory.path().to_owned(),
                owner: metadata.uid(),
            });
        }
        if self.changes_user {
            directory.set_owner(self.uid.as_raw(), self.gid.as_raw())?;
        }
        directory.set_mode(0o700)
    }

    /// The first directory, from the root down to `directory`, that this user may not pass. When we
    /// run as ourselves the operating system's own refusal says it better.
    pub(super) fn blocked_at(&self, directory: &Path) -> Result<Option<PathBuf>, Error> {
        if !self.changes_user {
            return Ok(None);
        }
        let directory = fs::canonicalize(directory).map_err(Error::io("find", directory))?;
        let mut from_root: Vec<_> = directory.ancestors().collect();
        from_root.reverse();
        for step in from_root {
            let metadata = fs::metadata(step).map_err(Error::io("look at", step))?;
            if !self.may_pass(&metadata) {
                return Ok(Some(step.to_owned()));
            }
        }
        Ok(None)
    }

    fn may_pass(&self, metadata: &Metadata) -> bool {
        let bit = if metadata.uid() == self.uid.as_raw() {
            0o100
        } else if metadata.gid() == self.gid.as_raw() {
            0o010
        } else {
            0o001
        };
        metadata.mode() & bit != 0
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_closed_parent_is_found_when_somebody_else_has_to_pass() {
        let closed = tempfile::tempdir().unwrap();
        let inner = closed.path().join("inner");
        fs::create_dir(&inner).unwrap();
        fs::set_permissions(closed.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let stranger = Account {
            name: "stranger".into(),
            uid: Uid::from_raw(54_321),
            gid: Gid::from_raw(54_321),
            changes_user: true,
            us: geteuid(),
        };
        let expected = fs::canonicalize(closed.path()).unwrap();
        assert_eq!(stranger.blocked_at(&inner).unwrap(), Some(expected));
        fs::set_permissions(closed.path(), fs::Permissions::from_mode(0o711)).unwrap();
        assert_eq!(stranger.blocked_at(closed.path()).unwrap(), None);
    }
}
