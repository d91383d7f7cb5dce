//! An open directory, and the operations in it by its descriptor.
//!
//! Root works in data directories in which others could once write, and a developer in directories that
//! came with a repository. So no link in them is followed, nothing that is there already is written to
//! unless it is known to be ours, and owners and modes are changed on what was opened, not on a name.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use nix::{
    dir::Dir,
    errno::Errno,
    fcntl::{AtFlags, OFlag, openat, renameat},
    sys::stat::{FileStat, Mode, fstatat, mkdirat},
    unistd::{UnlinkatFlags, unlinkat},
};

use super::Error;

const DIRECTORY: OFlag = OFlag::O_DIRECTORY
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);
/// A pipe that somebody has put there must not make us wait for its other end.
const REGULAR_FILE: OFlag = OFlag::O_NOFOLLOW
    .union(OFlag::O_NONBLOCK)
    .union(OFlag::O_NOCTTY)
    .union(OFlag::O_CLOEXEC);

/// A directory that stays the same whatever happens to its name.
#[derive(Debug)]
pub(super) struct OpenDirectory {
    file: File,
    path: PathBuf,
}

impl OpenDirectory {
    /// Opens `path`, whose last part must not be a link.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let opened = nix::fcntl::open(path, DIRECTORY, Mode::empty());
        Self::opened(opened.map(File::from), path)
    }

    /// The path that it was opened by.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The owner and mode.
    pub(super) fn metadata(&self) -> Result<Metadata, Error> {
        self.file
            .metadata()
            .map_err(Error::io("look at", &self.path))
    }

    pub(super) fn set_mode(&self, mode: u32) -> Result<(), Error> {
        self.file
            .set_permissions(fs::Permissions::from_mode(mode))
            .map_err(Error::io("change the mode of", &self.path))
    }

    pub(super) fn set_owner(&self, uid: u32, gid: u32) -> Result<(), Error> {
        std::os::unix::fs::fchown(&self.file, Some(uid), Some(gid))
            .map_err(Error::io("change the owner of", &self.path))
    }

    pub(super) fn is_empty(&self) -> Result<bool, Error> {
        let again = openat(&self.file, ".", DIRECTORY, Mode::empty());
        let entries = again.and_then(Dir::from_fd);
        let mut entries = entries.map_err(|error| self.refused("read", ".", error))?;
        let is_other = |name: &std::ffi::CStr| name != c"." && name != c"..";
        Ok(!entries
            .iter()
            .flatten()
            .any(|entry| is_other(entry.file_name())))
    }

    /// True if there is anything of this name, even a link that leads nowhere.
    pub(super) fn has(&self, name: &str) -> Result<bool, Error> {
        Ok(self.look_at(name)?.is_some())
    }

    /// The time when a regular file of this name was last written.
    pub(super) fn written_at(&self, name: &str) -> Result<Option<std::time::SystemTime>, Error> {
        let Some(file) = self.existing_file(name, OFlag::O_RDONLY)? else {
            return Ok(None);
        };
        let metadata = file.metadata().and_then(|metadata| metadata.modified());
        let time = metadata.map_err(Error::io("look at", &self.path.join(name)))?;
        Ok(Some(time))
    }

    /// A directory in this one, made if there is nothing of that name.
    pub(super) fn subdirectory(&self, name: &str) -> Result<Self, Error> {
        match mkdirat(&self.file, name, Mode::S_IRWXU) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(error) => return Err(self.refused("create", name, error)),
        }
        let opened = openat(&self.file, name, DIRECTORY, Mode::empty());
        Self::opened(opened.map(File::from), &self.path.join(name))
    }

    /// The same, if it is there.
    pub(super) fn existing_subdirectory(&self, name: &str) -> Result<Option<Self>, Error> {
        match openat(&self.file, name, DIRECTORY, Mode::empty()) {
            Err(Errno::ENOENT) => Ok(None),
            opened => Self::opened(opened.map(File::from), &self.path.join(name)).map(Some),
        }
    }

    /// A file that was not there before.
    pub(super) fn new_file(&self, name: &str, access: OFlag, mode: u32) -> Result<File, Error> {
        let flags = access | OFlag::O_CREAT | OFlag::O_EXCL | REGULAR_FILE;
        openat(&self.file, name, flags, Mode::from_bits_truncate(mode))
            .map(File::from)
            .map_err(|error| self.refused("create", name, error))
    }

    /// A file that is there: a regular one, and under no other name anywhere else.
    pub(super) fn existing_file(&self, name: &str, access: OFlag) -> Result<Option<File>, Error> {
        let file = match openat(&self.file, name, access | REGULAR_FILE, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::ENOENT) => return Ok(None),
            // ENXIO: a socket, or a pipe that nobody reads.
            Err(Errno::ELOOP | Errno::ENXIO) => return Err(self.planted(name)),
            Err(error) => return Err(self.refused("open", name, error)),
        };
        let path = self.path.join(name);
        let metadata = file.metadata().map_err(Error::io("look at", &path))?;
        if metadata.is_file() && metadata.nlink() == 1 {
            Ok(Some(file))
        } else {
            Err(self.planted(name))
        }
    }

    /// The beginning of a small file that is there, as text.
    pub(super) fn read(&self, name: &str, bytes_max: u64) -> Result<Option<String>, Error> {
        let Some(file) = self.existing_file(name, OFlag::O_RDONLY)? else {
            return Ok(None);
        };
        let mut text = String::new();
        file.take(bytes_max)
            .read_to_string(&mut text)
            .map_err(Error::io("read", &self.path.join(name)))?;
        Ok(Some(text))
    }

    /// Gives what is there another name, and takes the place of what had that.
    pub(super) fn rename(&self, from: &str, to: &str) -> Result<(), Error> {
        renameat(&self.file, from, &self.file, to)
            .map_err(|error| self.refused("rename", from, error))
    }

    /// Takes a name away; what it leads to, if it is a link, stays.
    pub(super) fn remove_file(&self, name: &str) -> Result<(), Error> {
        unlinkat(&self.file, name, UnlinkatFlags::NoRemoveDir)
            .map_err(|error| self.refused("remove", name, error))
    }

    /// True if the name leads to `file` at present.
    pub(super) fn still_has(&self, name: &str, file: &File) -> Result<bool, Error> {
        let file = file
            .metadata()
            .map_err(Error::io("look at", &self.path.join(name)))?;
        let there = self.look_at(name)?;
        Ok(there.is_some_and(|found| (found.st_dev, found.st_ino) == (file.dev(), file.ino())))
    }

    /// That something of this name is not what we have put there.
    pub(super) fn planted(&self, name: &str) -> Error {
        Error::Planted {
            path: self.path.join(name),
        }
    }

    fn look_at(&self, name: &str) -> Result<Option<FileStat>, Error> {
        match fstatat(&self.file, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(found) => Ok(Some(found)),
            Err(Errno::ENOENT) => Ok(None),
            Err(error) => Err(self.refused("look at", name, error)),
        }
    }

    fn opened(opened: nix::Result<File>, path: &Path) -> Result<Self, Error> {
        match opened {
            Ok(file) => Ok(Self {
                file,
                path: path.to_owned(),
            }),
            // It is a link, or no directory.
            Err(Errno::ELOOP | Errno::ENOTDIR) => Err(Error::Planted {
                path: path.to_owned(),
            }),
            Err(error) => Err(Error::io("open", path)(error.into())),
        }
    }

    fn refused(&self, action: &'static str, name: &str, error: Errno) -> Error {
        let path = self.path.join(name);
        Error::io(action, &path)(io::Error::from(error))
    }
}
