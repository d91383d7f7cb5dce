//! A person's words that go with a rejection or a cancellation.

use serde::{Deserialize, Serialize};

/// The longest note, in characters.
pub const NOTE_LEN_MAX: usize = 500;

/// A text of 1 to [`NOTE_LEN_MAX`] characters without control characters (those of C0, DEL and C1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Note(String);

impl Note {
    /// Wraps a text, unless it is no note.
    pub fn new(text: String) -> Option<Self> {
        let fits = (1..=NOTE_LEN_MAX).contains(&text.chars().count());
        (fits && !text.chars().any(char::is_control)).then_some(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
