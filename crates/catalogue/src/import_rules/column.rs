//! A column of an imported file.

use super::Format;

/// One column, as the documentation tells it and as rows are read by it.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name in the file, and in the database if it is stored.
    pub name: &'static str,
    /// What a field may say.
    pub format: Format,
    /// What happens without it.
    pub need: Need,
    /// What it means, for people.
    pub meaning: &'static str,
}

/// What happens when a row leaves a column out, or leaves it empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The row's own id. Without it the row is found by its key, or given an id if it is new.
    GeneratedId,
    /// A new row must have it; never empty.
    RequiredForNew,
    /// A new row must have it, or the columns beside it that name the same thing.
    RequiredOrLookup,
    /// A new row gets this instead, an old one keeps what it has. Empty only if it is text.
    Default(&'static str),
    /// A new row gets null, an old one keeps what it has. Empty is null.
    Nullable,
    /// Empty or left out, it says nothing. It is not stored as it stands.
    Optional,
}

impl Column {
    /// Shorthand for the tables of columns.
    pub(super) const fn new(
        name: &'static str,
        format: Format,
        need: Need,
        meaning: &'static str,
    ) -> Self {
        Self {
            name,
            format,
            need,
            meaning,
        }
    }

    /// The optional id that most kinds have.
    pub(super) const fn id(meaning: &'static str) -> Self {
        Self::new("id", Format::Id, Need::GeneratedId, meaning)
    }
}
