//! The messages of a PostgreSQL client, decoded as far as it takes to know which statement is executed:
//! a prepared statement is executed by its name, without its text.

use std::collections::HashMap;

use super::silent_proxy::contains;

const PROTOCOL_3: [u8; 4] = 196_608_i32.to_be_bytes();

/// Reads one client's bytes as they arrive.
#[derive(Default)]
pub struct Statements {
    unread: Vec<u8>,
    started: bool,
    texts: HashMap<Vec<u8>, Vec<u8>>,
    /// The `application_name` of the connection.
    pub application: String,
    /// The number of statements executed so far.
    pub executed: usize,
}

impl Statements {
    /// True if these bytes complete a message that executes a statement with this text, in lower case.
    pub fn read(&mut self, bytes: &[u8], text: Option<&str>) -> bool {
        self.unread.extend_from_slice(bytes);
        let mut found = false;
        while let Some((kind, body)) = self.next_message() {
            self.executed += usize::from(matches!(kind, b'Q' | b'B'));
            found |= text.is_some_and(|text| self.is_about(kind, &body, text));
        }
        found
    }

    /// True for a simple query, or the execution of a prepared statement.
    fn is_about(&self, kind: u8, body: &[u8], text: &str) -> bool {
        match kind {
            b'Q' => contains(body, text),
            b'B' => {
                let mut parts = body.split(|byte| *byte == 0);
                let statement = parts.nth(1).unwrap_or_default();
                self.texts
                    .get(statement)
                    .is_some_and(|prepared| contains(prepared, text))
            }
            _ => false,
        }
    }

    fn next_message(&mut self) -> Option<(u8, Vec<u8>)> {
        // Only the messages of the startup have no kind.
        let kind_length = usize::from(self.started);
        let length = self.unread.get(kind_length..kind_length + 4)?;
        let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
        let end = kind_length + length;
        if self.unread.len() < end {
            return None;
        }
        let message: Vec<u8> = self.unread.drain(..end).collect();
        let body = message[kind_length + 4..].to_vec();
        if !self.started {
            self.started = body.starts_with(&PROTOCOL_3);
            let words: Vec<_> = body.split(|byte| *byte == 0).collect();
            let name = words
                .iter()
                .position(|word| word.ends_with(b"application_name"));
            if let Some(value) = name.and_then(|place| words.get(place + 1)) {
                self.application = String::from_utf8_lossy(value).into_owned();
            }
            return Some((0, body));
        }
        if message[0] == b'P' {
            let mut parts = body.split(|byte| *byte == 0);
            let name = parts.next().unwrap_or_default().to_vec();
            let text = parts.next().unwrap_or_default().to_vec();
            self.texts.insert(name, text);
        }
        Some((message[0], body))
    }
}
