//! Recognises the framework's own answers: a request that is broken as HTTP reaches no handler, and is
//! answered with a status and nothing else.

/// An answer without a body and without a request's id, at the end of what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BareAnswer {
    /// The position of its first byte.
    pub start: usize,
    /// The status of the answer.
    pub status: u16,
}

/// Finds such an answer. All answers of the service have an id, and none of their bodies looks like a
/// head: line ends are escaped in JSON.
pub fn find(written: &[u8]) -> Option<BareAnswer> {
    const END: &[u8] = b"\r\n\r\n";
    const STATUS_AT: usize = b"HTTP/1.1 ".len();
    let before_end = written.strip_suffix(END)?;
    let after_last_end = before_end
        .windows(END.len())
        .rposition(|window| window == END)
        .map_or(0, |at| at + END.len());
    // The body before it, if there is one, has no line end at its own end.
    let start = after_last_end
        + before_end[after_last_end..]
            .windows(STATUS_AT)
            .rposition(|window| window.starts_with(b"HTTP/1.") && window.ends_with(b" "))?;
    let head = &before_end[start..];
    let status = std::str::from_utf8(head.get(STATUS_AT..STATUS_AT + 3)?).ok()?;
    let status: u16 = status.parse().ok()?;
    let has = |line: &[u8]| head.windows(line.len()).any(|window| window == line);
    (status >= 400 && has(b"\r\ncontent-length: 0") && !has(b"\r\nx-request-id:"))
        .then_some(BareAnswer { start, status })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: &str = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    const OURS: &str = "HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\nx-request-id: a\r\n\r\n{}";

    #[test]
    fn a_bare_answer_is_found_also_behind_one_of_ours() {
        for (before, start) in [("", 0), (OURS, OURS.len())] {
            let written = format!("{before}{BARE}");
            let found = find(written.as_bytes());
            assert_eq!(
                found,
                Some(BareAnswer { start, status: 400 }),
                "{written:?}"
            );
        }
        let found = find(BARE.replace("400", "431").as_bytes());
        assert_eq!(found.map(|bare| bare.status), Some(431));
    }

    #[test]
    fn an_answer_of_ours_is_not_bare() {
        let empty = "HTTP/1.1 405 Not\r\ncontent-length: 0\r\nx-request-id: a\r\n\r\n";
        let good = "HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n";
        for written in [OURS, empty, good, "", "\r\n\r\n", "{}", &BARE[..20]] {
            assert_eq!(find(written.as_bytes()), None, "{written:?}");
        }
    }
}
