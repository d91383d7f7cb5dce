//! The files to import, with their kinds and formats.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use clap::ValueEnum;

use crate::import_rules::Kind;

/// The length that is read from a file at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FileFormat {
    /// A header and fields between commas (RFC 4180)
    Csv,
    /// A JSON object per line
    Ndjson,
}

/// One file, or standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// `-` is standard input.
    pub path: PathBuf,
    pub kind: Kind,
    pub format: FileFormat,
}

impl Source {
    /// All named files, and those in named directories, in the order in which they depend on each
    /// other. `kind` and `format` come from the command line and hold for all.
    ///
    /// # Errors
    /// A file is missing, or its kind or format is unknown.
    pub fn all(
        paths: &[PathBuf],
        kind: Option<Kind>,
        format: Option<FileFormat>,
    ) -> anyhow::Result<Vec<Self>> {
        let mut sources = Vec::new();
        for path in paths {
            if path.is_dir() {
                ensure!(
                    kind.is_none() && format.is_none(),
                    "{} is a directory, whose files say by their names what they are; leave --kind \
                     and --format out, or name the files",
                    path.display()
                );
                let found = in_directory(path)?;
                ensure!(
                    !found.is_empty(),
                    "{} has no file to import; one of them would be called products.csv",
                    path.display()
                );
                sources.extend(found);
            } else {
                sources.push(Self::of(path, kind, format)?);
            }
        }
        ensure!(
            sources.iter().filter(|source| source.is_stdin()).count() <= 1,
            "standard input can be read once only"
        );
        sources.sort_by_key(|source| source.kind);
        Ok(sources)
    }

    fn of(path: &Path, kind: Option<Kind>, format: Option<FileFormat>) -> anyhow::Result<Self> {
        let named = kind.or_else(|| kind_of(path));
        let written = format.or_else(|| format_of(path));
        let shown = path.display();
        let (Some(kind), Some(format)) = (named, written) else {
            bail!(
                "it can't be told what {shown} is: call it after its rows, such as products.csv or \
                 stock.ndjson, or say --kind and --format (kinds: {})",
                Kind::ALL.map(|kind| kind.spec().name).join(", ")
            );
        };
        Ok(Self {
            path: path.to_owned(),
            kind,
            format,
        })
    }

    /// The name for messages.
    pub fn name(&self) -> String {
        if self.is_stdin() {
            "standard input".to_owned()
        } else {
            self.path.display().to_string()
        }
    }

    /// The number of bytes, if it is known.
    pub fn len(&self) -> Option<u64> {
        let metadata = fs::metadata(&self.path).ok().filter(fs::Metadata::is_file);
        metadata.map(|metadata| metadata.len())
    }

    /// Opens the file.
    pub fn open(&self) -> io::Result<Box<dyn BufRead>> {
        if self.is_stdin() {
            return Ok(Box::new(io::stdin().lock()));
        }
        let file = File::open(&self.path)?;
        Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, file)))
    }

    fn is_stdin(&self) -> bool {
        self.path == Path::new("-")
    }
}

/// The files of a directory. Files in other formats are left out; a file in one of these formats whose
/// name has no kind is more likely misspelt than meant to be left out.
fn in_directory(directory: &Path) -> anyhow::Result<Vec<Source>> {
    let entries = fs::read_dir(directory)
        .with_context(|| format!("{} can't be read", directory.display()))?;
    let mut sources = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if format_of(&path).is_some() {
            sources.push(Source::of(&path, None, None)?);
        }
    }
    // A directory has no order of its own.
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(sources)
}

/// `products.csv`, and `products-2026-11.csv` too.
fn kind_of(path: &Path) -> Option<Kind> {
    let stem = path.file_stem()?.to_str()?;
    let name = stem.split(['-', '_', '.']).next()?;
    Kind::parse(name)
}

fn format_of(path: &Path) -> Option<FileFormat> {
    match path.extension()?.to_str()? {
        "csv" => Some(FileFormat::Csv),
        "ndjson" | "jsonl" => Some(FileFormat::Ndjson),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_called_after_its_rows() {
        for (name, kind, format) in [
            ("stores.csv", Kind::Stores, FileFormat::Csv),
            ("a/b/stock.ndjson", Kind::Stock, FileFormat::Ndjson),
            ("products-2026-11.csv", Kind::Products, FileFormat::Csv),
            ("tiers_new.jsonl", Kind::Tiers, FileFormat::Ndjson),
        ] {
            let source = Source::of(Path::new(name), None, None).unwrap();
            assert_eq!((source.kind, source.format), (kind, format), "{name}");
        }
        for name in ["goods.csv", "stock.txt", "stock", "-", "productsx.csv"] {
            let error = Source::of(Path::new(name), None, None).unwrap_err();
            assert!(error.to_string().contains("--kind"), "{error}");
        }
    }

    #[test]
    fn what_the_command_line_says_counts() {
        let source = Source::of(Path::new("-"), Some(Kind::Stock), Some(FileFormat::Csv));
        assert_eq!(source.unwrap().name(), "standard input");
        let source = Source::of(Path::new("stock.csv"), Some(Kind::Tiers), None).unwrap();
        assert_eq!(source.kind, Kind::Tiers);
    }

    #[test]
    fn what_is_referred_to_is_taken_first() {
        let paths = ["stock.csv", "products.csv", "stores.csv", "users.csv"].map(PathBuf::from);
        let kinds: Vec<_> = Source::all(&paths, None, None)
            .unwrap()
            .into_iter()
            .map(|source| source.kind)
            .collect();
        let expected = [Kind::Stores, Kind::Users, Kind::Products, Kind::Stock];
        assert_eq!(kinds, expected);
    }
}
