//! Where refused rows are told: the first of a file on the screen, all of them in a file.

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

/// How many refused rows of a file are shown on the screen.
pub const SHOWN_MAX: usize = 20;

/// Where all refused rows are written down, if anywhere.
pub struct RefusedFile(Option<BufWriter<File>>);

#[derive(Serialize)]
struct Told<'a> {
    file: &'a str,
    line: u64,
    problems: &'a Value,
    row: Option<&'a RawValue>,
}

impl RefusedFile {
    /// Makes it anew, if it is wanted.
    ///
    /// # Errors
    /// It is one of the sources, or can't be written.
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

    /// What is needed of the rows.
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

    /// Writes what has not been written yet.
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

/// A file that nobody else can read, also if there was one that others could: people's addresses may be in
/// what is refused.
fn create_private(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    // A terminal or a pipe is as somebody else has made it.
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
    let told = Told {
        file: source_name,
        line: refused.line,
        problems: &refused.problems,
        row: row.map(serde_json::from_str).transpose()?,
    };
    serde_json::to_writer(&mut *file, &told)?;
    writeln!(file)?;
    Ok(())
}
