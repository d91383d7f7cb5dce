//! The formats of a plot, by the name of its file.

use std::path::Path;

/// How a picture is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PictureFormat {
    /// As lines and text.
    Svg,
    /// As pixels.
    Png,
}

impl PictureFormat {
    /// By the name of the file.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "svg" => Some(Self::Svg),
            "png" => Some(Self::Png),
            _ => None,
        }
    }
}
