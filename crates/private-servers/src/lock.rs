//! One owner per data directory. The operating system drops the lock when its owner dies, however
//! it dies, so a lock file that was left behind means nothing.

use std::{
    fs::{File, TryLockError},
    io::{Read, Write},
    os::unix::fs::MetadataExt,
    process,
};

use nix::fcntl::OFlag;

use super::{Error, account::Account, open_directory::OpenDirectory};

/// The name of the lock. A directory that has it is a splitcart data directory.
pub(super) const FILE_NAME: &str = "lock";

/// The right to use a data directory, until dropped.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock, made if it is not there, or says who has it.
    pub(super) fn take(directory: &OpenDirectory, account: &Account) -> Result<Self, Error> {
        if let Some(lock) = Self::take_existing(directory, account)? {
            return Ok(lock);
        }
        let file = directory.new_file(FILE_NAME, OFlag::O_RDWR, 0o600)?;
        Self::of(file, directory)
    }

    /// The same, if it is there.
    pub(super) fn take_existing(
        directory: &OpenDirectory,
        account: &Account,
    ) -> Result<Option<Self>, Error> {
        let Some(file) = directory.existing_file(FILE_NAME, OFlag::O_RDWR)? else {
            return Ok(None);
        };
        let path = directory.path().join(FILE_NAME);
        let metadata = file.metadata().map_err(Error::io("look at", &path))?;
        if !account.is_us(&metadata) {
            return Err(Error::SomebodyElses {
                path,
                owner: metadata.uid(),
            });
        }
        Self::of(file, directory).map(Some)
    }

    /// Makes sure that the lock that we have is the one that others will find.
    pub(super) fn check_still_in(&self, directory: &OpenDirectory) -> Result<(), Error> {
        if directory.still_has(FILE_NAME, &self.file)? {
            Ok(())
        } else {
            Err(directory.planted(FILE_NAME))
        }
    }

    fn of(mut file: File, directory: &OpenDirectory) -> Result<Self, Error> {
        let path = directory.path().join(FILE_NAME);
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::InUse {
                    directory: directory.path().to_owned(),
                    owner: owner(&mut file),
                });
            }
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", &path)(error)),
        }
        // Only for the message to whoever comes second.
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", process::id()))
            .map_err(Error::io("write", &path))?;
        Ok(Self { file })
    }
}

impl Drop for Lock {
    /// Closing alone would not do: a child that is just being forked has a copy for a moment.
    fn drop(&mut self) {
        drop(self.file.unlock());
    }
}

fn owner(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_owner_is_refused_until_the_first_lets_go() {
        let directory = tempfile::tempdir().unwrap();
        let directory = OpenDirectory::open(directory.path()).unwrap();
        let account = Account::for_services().unwrap();
        let first = Lock::take(&directory, &account).unwrap();
        let message = Lock::take(&directory, &account).unwrap_err().to_string();
        assert!(
            message.contains(&directory.path().display().to_string()),
            "{message}"
        );
        assert!(
            message.contains(&format!("(process {})", process::id())),
            "{message}"
        );
        drop(first);
        Lock::take(&directory, &account).unwrap();
    }
}
