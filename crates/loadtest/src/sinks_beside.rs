//! The brokers of `--sink`, and the configuration that names them.

use std::path::{Path, PathBuf};

use anyhow::Context;
use tempfile::TempDir;

use crate::events_bench::{Broker, SinkName};

/// Dropped, it ends the brokers.
pub(crate) struct SinksBeside {
    _brokers: Vec<Broker>,
    _directory: TempDir,
    file: PathBuf,
}

impl SinksBeside {
    /// Starts brokers, and adds them to a copy of the configuration; none without a name.
    pub(crate) async fn start(
        names: &[SinkName],
        config_file: Option<&Path>,
    ) -> anyhow::Result<Option<Self>> {
        if names.is_empty() {
            return Ok(None);
        }
        let mut brokers = Vec::new();
        for name in names {
            brokers.push(Broker::start(*name).await?);
        }
        let own = config_file.map(std::fs::read_to_string).transpose();
        let own = own.context("can't read the configuration")?;
        let tables: String = brokers.iter().map(Broker::table).collect();
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("config.toml");
        std::fs::write(&file, format!("{}\n{tables}", own.unwrap_or_default()))?;
        Ok(Some(Self {
            _brokers: brokers,
            _directory: directory,
            file,
        }))
    }

    pub(crate) fn config_file(&self) -> &Path {
        &self.file
    }
}
