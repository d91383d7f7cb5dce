//! Files whose contents are in use and may be replaced at any time: keys of tokens, certificates.
//!
//! What a file says is shared by all workers and read without any I/O. A file that can't be used
//! leaves in use what was read before: an operator's slip must not lock everybody out.

use std::{fs::File, io::Read, path::PathBuf, sync::Arc, time::Duration};

use tokio::sync::watch;

/// The largest file, in bytes.
const FILE_LEN_MAX: u64 = 1024 * 1024;

/// What the files say at present. Cloning shares it.
pub type Current<T> = watch::Receiver<Arc<T>>;

type Parse<T> = Box<dyn Fn(&[Vec<u8>]) -> Result<T, String> + Send>;
/// The files' contents, or why one of them can't be read.
type Contents = Result<Vec<Vec<u8>>, String>;

/// A file can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{setting} can't be used: {problem}")]
pub struct Error {
    setting: &'static str,
    problem: String,
}

/// Files that mean something together.
pub struct WatchedFiles<T> {
    setting: &'static str,
    paths: Vec<PathBuf>,
    parse: Parse<T>,
    seen: Contents,
    current: watch::Sender<Arc<T>>,
}

impl<T: Send + Sync + 'static> WatchedFiles<T> {
    /// Reads the files for the first time. `setting` is what is named when there is a problem.
    ///
    /// # Errors
    /// A file can't be read or understood.
    pub fn open(
        setting: &'static str,
        paths: Vec<PathBuf>,
        parse: impl Fn(&[Vec<u8>]) -> Result<T, String> + Send + 'static,
    ) -> Result<Self, Error> {
        let refuse = |problem| Error { setting, problem };
        let contents = read_all(&paths).map_err(refuse)?;
        let value = parse(&contents).map_err(refuse)?;
        Ok(Self {
            setting,
            paths,
            parse: Box::new(parse),
            seen: Ok(contents),
            current: watch::Sender::new(Arc::new(value)),
        })
    }

    /// Where what the files say can be read.
    pub fn current(&self) -> Current<T> {
        self.current.subscribe()
    }

    /// Looks at the files now and then, for ever; at once over if there are none.
    ///
    /// Whole contents are compared: times and sizes may stay the same, and the files are small.
    pub async fn watch(mut self, every: Duration) {
        while !self.paths.is_empty() {
            tokio::time::sleep(every).await;
            let paths = self.paths.clone();
            // A disk may hang, and other work runs on this thread.
            match tokio::task::spawn_blocking(move || read_all(&paths)).await {
                Ok(contents) if contents != self.seen => self.replace(contents),
                _ => {}
            }
        }
    }

    fn replace(&mut self, contents: Contents) {
        let setting = self.setting;
        let value = contents
            .as_deref()
            .map_err(Clone::clone)
            .and_then(&self.parse);
        match value {
            Ok(value) => {
                self.current.send_replace(Arc::new(value));
                tracing::info!("{setting} has changed and is in use now");
            }
            Err(problem) => tracing::error!(
                "{setting} has changed and can't be used: {problem}; what it said before stays in \
                 use"
            ),
        }
        self.seen = contents;
    }
}

fn read_all(paths: &[PathBuf]) -> Contents {
    let read = |path: &PathBuf| {
        let mut bytes = Vec::new();
        let read =
            File::open(path).and_then(|file| file.take(FILE_LEN_MAX + 1).read_to_end(&mut bytes));
        match read {
            Err(error) => Err(format!("{}: {error}", path.display())),
            Ok(_) if bytes.len() as u64 > FILE_LEN_MAX => Err(format!(
                "{} is larger than {FILE_LEN_MAX} bytes",
                path.display()
            )),
            Ok(_) => Ok(bytes),
        }
    };
    paths.iter().map(read).collect()
}

impl<T> std::fmt::Debug for WatchedFiles<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WatchedFiles")
            .field("setting", &self.setting)
            .finish_non_exhaustive()
    }
}
