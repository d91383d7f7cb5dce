//! Reports refused rows: the first of each file on the screen, all of them in a file.

use std::{
    fs::{File, OpenOptions, Permissions},
    io::{self, BufWriter, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use anyhow::{Context, ensure};
use futures_util::StreamExt;
use serde::Serialize;
use serde_json::{Value, value::RawValue};
use sqlx::PgConnection;

use crate::db::import::{self, Refused};

use super::{reading::Originals, source::Source};

/// The most refused rows of a file that are shown on the screen.
pub const SHOWN_MAX: usize = 20;

/// The file for all refused rows, if there is to be one.
pub struct RefusedFile(Option<BufWriter<File>>);

#[derive(Serialize)]
struct RefusedRow<'a> {
    file: &'a str,
    line: u64,
    problems: &'a Value,
    row: Option<&'a RawValue>,
}

impl RefusedFile {
    /// Creates the file if it is wanted, or empties it.
    ///
    /// # Errors
    /// The file is one of the sources, or can't be written.
    pub fn create(path: Option<&Path>, sources: &[Source]) -> anyhow::Result<Self> {
        let Some(path) = path else {
            return Ok(Self(None));
        };
        ensure!(
            !sources.iter().any(|source| is_same(path, &source.path)),
            "--refused would overwrite {}, which is to be imported",
            path.display()
        );
        let file =
            create_private(path).with_context(|| format!("{} can't be written", path.display()))?;
        Ok(Self(Some(BufWriter::new(file))))
    }

    /// The rows are kept as they are in the file only if they are to be written down.
    pub fn originals(&self) -> Originals {
        match self.0 {
            Some(_) => Originals::Kept,
            None => Originals::Dropped,
        }
    }

    /// Writes all refused rows of the imported file down and returns the first of them.
    ///
    /// # Errors
    /// The statement failed, or the file can't be written.
    pub async fn take(
        &mut self,
        connection: &mut PgConnection,
        source_name: &str,
    ) -> anyhow::Result<Vec<Refused>> {
        let mut first = Vec::new();
        let mut rows = import::refused(connection);
        while let Some(refused) = rows.next().await {
            let refused = refused?;
            if let Some(file) = &mut self.0 {
                write(file, source_name, &refused)
                    .context("the refused rows can't be written down")?;
            } else if first.len() == SHOWN_MAX {
                break;
            }
            if first.len() < SHOWN_MAX {
                first.push(refused);
            }
        }
        Ok(first)
    }

    /// Writes the rest of the rows.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn finish(self) -> anyhow::Result<()> {
        let Some(mut file) = self.0 else {
            return Ok(());
        };
        file.flush()
            .context("the refused rows can't be written down")
    }
}

/// Creates a file that nobody else can read, even if it existed and others could: the refused rows may
/// contain people's addresses.
fn create_private(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    // A terminal or a pipe keeps its mode.
    if file.metadata()?.is_file() {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

fn write(file: &mut impl Write, source_name: &str, refused: &Refused) -> anyhow::Result<()> {
    let row = refused.text.as_deref();
    let row = RefusedRow {
        file: source_name,
        line: refused.line,
        problems: &refused.problems,
        row: row.map(serde_json::from_str).transpose()?,
    };
    serde_json::to_writer(&mut *file, &row)?;
    writeln!(file)?;
    Ok(())
}
