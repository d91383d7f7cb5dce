//! The choice of a data directory.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// The default, below the working directory.
pub(super) const DEFAULT: &str = ".splitcart";

/// The directory that the private services keep their data in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataDir {
    /// This one; created if it is not there.
    Explicit(PathBuf),
    /// `.splitcart` below the working directory.
    Default,
    /// A new one, removed at the end.
    Temporary,
}

impl fmt::Display for DataDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Explicit(path) => write!(f, "{}", path.display()),
            Self::Default => f.write_str(DEFAULT),
            Self::Temporary => f.write_str("a temporary directory"),
        }
    }
}

impl DataDir {
    /// The one that the command line names, or the default.
    pub fn named(path: Option<&Path>) -> Self {
        path.map_or(Self::Default, |path| Self::Explicit(path.to_owned()))
    }
}
