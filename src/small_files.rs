//! Reads small files of an operator's, which may be replaced, grow or hang at any time.

use std::{
    fs::OpenOptions,
    io::Read,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use nix::fcntl::OFlag;
use tokio::sync::oneshot;

/// The largest file, in bytes.
const FILE_LEN_MAX: u64 = 1024 * 1024;

/// The files' contents, or why one of them can't be read.
pub type Contents = Result<Vec<Vec<u8>>, String>;

/// Reads in a thread of its own, which is not waited for at the end: where the disk hangs, the process
/// must still be able to stop.
pub fn read_elsewhere(paths: Vec<PathBuf>) -> oneshot::Receiver<Contents> {
    let (done, reading) = oneshot::channel();
    std::thread::spawn(move || drop(done.send(read_all(&paths))));
    reading
}

/// Reads the files here and now.
///
/// # Errors
/// The path of the first file that can't be read, and why.
pub fn read_all(paths: &[PathBuf]) -> Contents {
    let read =
        |path: &PathBuf| read_one(path).map_err(|problem| format!("{}: {problem}", path.display()));
    paths.iter().map(read).collect()
}

/// Anything but a regular file could block forever or never end.
fn read_one(path: &Path) -> Result<Vec<u8>, String> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path)
        .map_err(|error| error.to_string())?;
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is no regular file".to_owned());
    }
    let mut bytes = Vec::new();
    file.take(FILE_LEN_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > FILE_LEN_MAX {
        return Err(format!("it is larger than {FILE_LEN_MAX} bytes"));
    }
    Ok(bytes)
}
