//! PostgreSQL's protocol as far as the proxy must understand a client: which statement runs next.
//! Pure.

use std::collections::HashMap;

/// The purpose of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statement {
    Commit,
    Rollback,
    /// Moves stock from available to reserved.
    Reserve,
    Other,
}

/// The client's side of a connection, cut into messages.
#[derive(Debug, Default)]
pub struct Frames {
    buffer: Vec<u8>,
    is_started: bool,
    is_checkout: bool,
    /// Prepared statements, by their names.
    prepared: HashMap<Vec<u8>, Statement>,
}

impl Frames {
    /// True of a connection that checkouts run on.
    pub fn is_checkout(&self) -> bool {
        self.is_checkout
    }

    /// Adds bytes that were read, and returns the statements that they start.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<Statement> {
        self.buffer.extend_from_slice(bytes);
        let mut starts = Vec::new();
        let mut at = 0;
        loop {
            let rest = &self.buffer[at..];
            // The first message has no type.
            let head = if self.is_started { 5 } else { 4 };
            let Some(length) = rest.get(head - 4..head).and_then(|it| it.try_into().ok()) else {
                break;
            };
            let end = head - 4 + u32::from_be_bytes(length) as usize;
            let Some(body) = rest.get(head..end.max(head)) else {
                break;
            };
            if self.is_started {
                let kind = rest[0];
                starts.extend(meaning(&mut self.prepared, kind, body));
            } else {
                self.is_checkout = contains(body, b"splitcart checkout");
                // An SSLRequest would be followed by another message without a type; the server does not
                // send it here.
                self.is_started = true;
            }
            at += end.max(head);
        }
        self.buffer.drain(..at);
        starts
    }
}

fn meaning(prepared: &mut HashMap<Vec<u8>, Statement>, kind: u8, body: &[u8]) -> Option<Statement> {
    let mut strings = body.split(|byte| *byte == 0);
    match kind {
        b'Q' => Some(statement(strings.next()?)),
        b'P' => {
            let name = strings.next()?.to_vec();
            prepared.insert(name, statement(strings.next()?));
            None
        }
        b'B' => {
            let _portal = strings.next()?;
            prepared.get(strings.next()?).copied()
        }
        _ => None,
    }
}

fn statement(text: &[u8]) -> Statement {
    let text = String::from_utf8_lossy(text).to_lowercase();
    let text = text.trim();
    if text.starts_with("commit") {
        Statement::Commit
    } else if text.starts_with("rollback") {
        Statement::Rollback
    } else if text.contains("update inventory_items") {
        Statement::Reserve
    } else {
        Statement::Other
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|it| it == part)
}
