//! One owner per data directory. The operating system drops the lock when its owner dies, however
//! it dies, so a lock file that was left behind means nothing.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;
use std::process;

use super::Error;

/// The lock's name. Its presence also tells that a directory is one of ours.
pub(super) const FILE_NAME: &str = "lock";

/// The right to use a data directory, until dropped.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock, or says who has it.
    pub(super) fn take(directory: &Path) -> Result<Self, Error> {
        let path = directory.join(FILE_NAME);
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(Error::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::InUse {
                    directory: directory.to_owned(),
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
        let _ = self.file.unlock();
    }
}

fn owner(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_owner_is_refused_until_the_first_lets_go() {
        let directory = tempfile::tempdir().unwrap();
        let first = Lock::take(directory.path()).unwrap();
        let message = Lock::take(directory.path()).unwrap_err().to_string();
        assert!(
            message.contains(&directory.path().display().to_string()),
            "{message}"
        );
        assert!(
            message.contains(&format!("(process {})", process::id())),
            "{message}"
        );
        drop(first);
        Lock::take(directory.path()).unwrap();
    }
}
