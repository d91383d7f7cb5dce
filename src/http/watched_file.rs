//! Files whose contents are in use and may be replaced at any time: keys of tokens, certificates.
//!
//! The contents are shared by all threads and read without any I/O. If a file can't be used, the
//! contents that were read before stay in use: an operator's slip must not lock all clients out.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::sync::watch;

use crate::{
    metrics::{FileLabel, Metrics},
    small_files::{Contents, read_all, read_elsewhere},
};

/// The time that reading may take before it is reported: a network file system may hang.
const READ_MAX: Duration = Duration::from_secs(10);

/// The current contents of the files. Cloning shares them.
pub type Current<T> = watch::Receiver<Arc<T>>;

type Parse<T> = Box<dyn Fn(&[Vec<u8>]) -> Result<T, String> + Send>;

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
    /// True if the contents that were seen last are in use.
    is_ok: bool,
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
            is_ok: true,
            current: watch::Sender::new(Arc::new(value)),
        })
    }

    /// A handle to the current contents.
    pub fn current(&self) -> Current<T> {
        self.current.subscribe()
    }

    /// Checks the files now and then. Returns at once if there are none, and never otherwise.
    ///
    /// Whole contents are compared: times and sizes may stay the same, and the files are small.
    pub async fn watch(mut self, every: Duration, metrics: Metrics) {
        let label = FileLabel {
            setting: self.setting,
        };
        let is_ok = |ok: bool| metrics.file_ok.get_or_create(&label).set(ok.into());
        let was_read = || {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let now = now.unwrap_or_default().as_secs_f64();
            metrics.file_read.get_or_create(&label).set(now);
        };
        if self.paths.is_empty() {
            return;
        }
        is_ok(true);
        was_read();
        loop {
            tokio::time::sleep(every).await;
            let mut reading = read_elsewhere(self.paths.clone());
            let in_time = tokio::time::timeout(READ_MAX, &mut reading).await;
            let contents = if let Ok(contents) = in_time {
                contents
            } else {
                is_ok(false);
                tracing::error!(
                    "{} can't be read: the file system has not answered for {READ_MAX:?}; what it said \
                     before stays in use",
                    self.setting
                );
                reading.await
            };
            let Ok(contents) = contents else {
                continue;
            };
            if contents != self.seen {
                self.replace(contents);
            }
            is_ok(self.is_ok);
            if self.is_ok {
                was_read();
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
                self.is_ok = true;
                tracing::info!("{setting} has changed and is in use now");
            }
            Err(problem) => {
                self.is_ok = false;
                tracing::error!(
                    "{setting} has changed and can't be used: {problem}; what it said before stays in \
                     use"
                );
            }
        }
        self.seen = contents;
    }
}

impl<T> std::fmt::Debug for WatchedFiles<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WatchedFiles")
            .field("setting", &self.setting)
            .finish_non_exhaustive()
    }
}
