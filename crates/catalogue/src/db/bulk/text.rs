//! COPY's text format: fields between tabs, lines, escapes. It knows no table and no connection.

use std::fmt::{self, Display, Write};

/// Lines of COPY text, collected until they are sent.
#[derive(Debug, Default)]
pub struct CopyText {
    buffer: String,
    within_line: bool,
}

impl CopyText {
    /// Empty text with room for `bytes` and one more line.
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            buffer: String::with_capacity(bytes + 1024),
            within_line: false,
        }
    }

    /// Adds a field. Whatever the value displays as is escaped, so no value can end a field or a
    /// line.
    pub fn field(&mut self, value: impl Display) -> &mut Self {
        self.separate();
        write!(Escaped(&mut self.buffer), "{value}").expect("a String takes every write");
        self
    }

    /// Adds a field, or NULL.
    pub fn nullable(&mut self, value: Option<impl Display>) -> &mut Self {
        if let Some(value) = value {
            return self.field(value);
        }
        self.separate();
        self.buffer.push_str(r"\N");
        self
    }

    /// Ends the line.
    pub fn end_line(&mut self) {
        self.buffer.push('\n');
        self.within_line = false;
    }

    /// The length in bytes.
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// True of text without a field.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The text, as it goes over the wire.
    pub fn as_bytes(&self) -> &[u8] {
        self.buffer.as_bytes()
    }

    /// Forgets the text and keeps the room.
    pub fn clear(&mut self) {
        self.buffer.clear();
        self.within_line = false;
    }

    fn separate(&mut self) {
        if self.within_line {
            self.buffer.push('\t');
        }
        self.within_line = true;
    }
}

/// Escapes what means something to COPY. A backslash is doubled, so that text reading `\N` or `\.`
/// is neither NULL nor the end.
struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(['\\', '\t', '\n', '\r']) {
            self.0.push_str(&rest[..at]);
            self.0.push_str(match rest.as_bytes()[at] {
                b'\t' => r"\t",
                b'\n' => r"\n",
                b'\r' => r"\r",
                _ => r"\\",
            });
            rest = &rest[at + 1..];
        }
        self.0.push_str(rest);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_between_tabs_and_end_with_a_newline() {
        let mut text = CopyText::default();
        text.field("a").field(7).nullable(None::<i32>);
        text.end_line();
        text.field("b").nullable(Some(8)).field("");
        text.end_line();
        assert_eq!(text.as_bytes(), b"a\t7\t\\N\nb\t8\t\n");
    }

    #[test]
    fn what_means_something_to_copy_is_escaped() {
        let mut text = CopyText::default();
        text.field("a\tb\nc\rd\\e")
            .field(r"\N")
            .field(r"\.")
            .field("Jalapeño");
        assert_eq!(
            text.as_bytes(),
            "a\\tb\\nc\\rd\\\\e\t\\\\N\t\\\\.\tJalapeño".as_bytes()
        );
    }
}
