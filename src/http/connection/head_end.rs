//! The end of the head of an HTTP/1.1 request.

/// Looks for the empty line that ends a head.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeadEnd {
    begun: bool,
    newlines: u8,
}

impl HeadEnd {
    /// True if the end is among these bytes. Empty lines in front of a head do not belong to it.
    pub fn find(&mut self, bytes: &[u8]) -> bool {
        for byte in bytes {
            match byte {
                b'\n' if self.begun => {
                    self.newlines += 1;
                    if self.newlines == 2 {
                        return true;
                    }
                }
                b'\r' | b'\n' => {}
                _ => {
                    self.begun = true;
                    self.newlines = 0;
                }
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In one piece, and byte by byte.
    fn ends(head: &str) -> [bool; 2] {
        let whole = HeadEnd::default().find(head.as_bytes());
        let mut end = HeadEnd::default();
        let parts = head.as_bytes().chunks(1).any(|byte| end.find(byte));
        [whole, parts]
    }

    #[test]
    fn a_head_ends_with_an_empty_line() {
        for head in [
            "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\nHost: x\n\n",
            "\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "POST / HTTP/1.1\r\n\r\n{}",
        ] {
            assert_eq!(ends(head), [true, true], "{head:?}");
        }
    }

    #[test]
    fn without_it_a_head_goes_on() {
        for head in [
            "",
            "\r\n\r\n\r\n",
            "GET / HTTP/1.1\r\n",
            "GET / HTTP/1.1\r\nA: \r\nB: x",
        ] {
            assert_eq!(ends(head), [false, false], "{head:?}");
        }
    }
}
