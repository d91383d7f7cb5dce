//! Inspects the frames of an HTTP/2 connection as they pass (RFC 9113, 4.1): their first nine bytes,
//! never their contents.
//!
//! The framework limits a head to 16 MB and does not limit empty frames (RUSTSEC-2026-0258), and it
//! does not announce to clients how many streams they may open. So heads are measured and empty frames
//! are counted before the framework reads them, and its announced settings are completed.

use super::requests::Cut;

/// The longest head, compressed, in bytes.
pub const HEAD_LEN_MAX: usize = 32 * 1024;
/// The same as announced to clients: uncompressed, 32 bytes for each field included.
const HEADER_LIST_LEN_MAX: u32 = 64 * 1024;

const PREFACE_LEN: usize = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();
const FRAME_HEAD_LEN: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;
/// The last frame of its stream; of SETTINGS: an acknowledgement.
const END_STREAM: u8 = 1;
/// The last frame of a head.
const END_HEADERS: u8 = 4;

const MAX_CONCURRENT_STREAMS: u16 = 3;
const MAX_HEADER_LIST_SIZE: u16 = 6;

/// The most empty frames of a request, and of a connection beyond that.
const EMPTY_PER_REQUEST: usize = 16;
const EMPTY_SPARE: usize = 1000;

/// The state of reading a connection's frames.
#[derive(Debug)]
pub struct Frames {
    /// Bytes to go before the next frame: of the preface, or of a frame's content.
    skip: usize,
    head: [u8; FRAME_HEAD_LEN],
    head_len: usize,
    /// The length of the current request's head so far.
    request_head_len: usize,
    empty_left: usize,
}

impl Default for Frames {
    fn default() -> Self {
        Self {
            skip: PREFACE_LEN,
            head: [0; FRAME_HEAD_LEN],
            head_len: 0,
            request_head_len: 0,
            empty_left: EMPTY_SPARE,
        }
    }
}

impl Frames {
    /// Looks at what the client has sent.
    ///
    /// # Errors
    /// The reason why the connection must end.
    pub fn see(&mut self, mut bytes: &[u8]) -> Result<(), Cut> {
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            if bytes.is_empty() {
                return Ok(());
            }
            let wanted = FRAME_HEAD_LEN - self.head_len;
            let (taken, rest) = bytes.split_at(wanted.min(bytes.len()));
            self.head[self.head_len..self.head_len + taken.len()].copy_from_slice(taken);
            self.head_len += taken.len();
            bytes = rest;
            if self.head_len == FRAME_HEAD_LEN {
                self.head_len = 0;
                self.judge()?;
            }
        }
    }

    fn judge(&mut self) -> Result<(), Cut> {
        let [high, middle, low, kind, flags, ..] = self.head;
        let len = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        self.skip = len;
        match kind {
            HEADERS | CONTINUATION => {
                if kind == HEADERS {
                    self.request_head_len = 0;
                    self.empty_left = EMPTY_SPARE.max(self.empty_left + EMPTY_PER_REQUEST);
                }
                self.request_head_len += len;
                if self.request_head_len > HEAD_LEN_MAX {
                    return Err(Cut::Head);
                }
                if flags & END_HEADERS != 0 {
                    self.request_head_len = 0;
                }
            }
            DATA if len == 0 && flags & END_STREAM == 0 => {
                self.empty_left = self.empty_left.checked_sub(1).ok_or(Cut::Frames)?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// The server's first frame with the settings added that the framework does not send, and the number of
/// the framework's bytes that the frame replaces. `None` if these are not one whole frame of settings.
pub fn complete_settings(written: &[u8], streams_max: usize) -> Option<(Vec<u8>, usize)> {
    let (head, rest) = written.split_at_checked(FRAME_HEAD_LEN)?;
    let [0, high, low, SETTINGS, 0, 0, 0, 0, 0] = *head else {
        return None;
    };
    let len = u16::from_be_bytes([high, low]);
    let content = rest.get(..usize::from(len))?;
    let streams_max = u32::try_from(streams_max).unwrap_or(u32::MAX);
    let ours = [
        (MAX_CONCURRENT_STREAMS, streams_max),
        (MAX_HEADER_LIST_SIZE, HEADER_LIST_LEN_MAX),
    ];
    let ours: Vec<u8> = ours
        .iter()
        .flat_map(|(name, value)| {
            let (name, value) = (name.to_be_bytes(), value.to_be_bytes());
            name.into_iter().chain(value)
        })
        .collect();
    let new_len = len.checked_add(u16::try_from(ours.len()).ok()?)?;
    let [high, low] = new_len.to_be_bytes();
    let head = [0, high, low, SETTINGS, 0, 0, 0, 0, 0];
    let completed = [&head, content, ours.as_slice()].concat();
    Some((completed, FRAME_HEAD_LEN + usize::from(len)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, len: usize) -> Vec<u8> {
        let [.., high, middle, low] = len.to_be_bytes();
        let head = [high, middle, low, kind, flags, 0, 0, 0, 1];
        [head.as_slice(), &vec![0xff; len]].concat()
    }

    /// In one piece, and byte by byte.
    fn seen(frames: &[Vec<u8>]) -> [Result<(), Cut>; 2] {
        let all = [vec![b'x'; PREFACE_LEN], frames.concat()].concat();
        let mut by_bytes = Frames::default();
        [
            Frames::default().see(&all),
            all.chunks(1).try_for_each(|byte| by_bytes.see(byte)),
        ]
    }

    #[test]
    fn a_head_is_as_long_as_all_its_frames() {
        let heads = |count| {
            let mut heads = vec![frame(HEADERS, 0, HEAD_LEN_MAX / 2)];
            heads.extend(vec![frame(CONTINUATION, 0, HEAD_LEN_MAX / 4); count]);
            heads.push(frame(CONTINUATION, END_HEADERS, 0));
            heads
        };
        assert_eq!(seen(&heads(2)), [Ok(()); 2]);
        assert_eq!(seen(&heads(3)), [Err(Cut::Head); 2]);
        let many = [heads(2), heads(2)].concat();
        assert_eq!(seen(&many), [Ok(()); 2], "each for itself");
    }

    #[test]
    fn empty_frames_are_counted_unless_they_end_a_body() {
        let many = |frame: Vec<u8>| vec![frame; EMPTY_SPARE + 1];
        assert_eq!(seen(&many(frame(DATA, 0, 0))), [Err(Cut::Frames); 2]);
        assert_eq!(seen(&many(frame(DATA, END_STREAM, 0))), [Ok(()); 2]);
        assert_eq!(seen(&many(frame(DATA, 0, 1))), [Ok(()); 2]);
        // As a client would that ends its bodies a little late.
        let request = [frame(HEADERS, END_HEADERS, 9), frame(DATA, 0, 0)];
        assert_eq!(seen(&vec![request.concat(); EMPTY_SPARE * 2]), [Ok(()); 2]);
    }

    #[test]
    fn settings_are_completed_and_nothing_else_is() {
        let theirs = frame(SETTINGS, 0, 6);
        let theirs = [&[0, 0, 6, SETTINGS, 0, 0, 0, 0, 0], &theirs[9..]].concat();
        let more = [theirs.as_slice(), b"more"].concat();
        let (completed, stands_for) = complete_settings(&more, 100).unwrap();
        assert_eq!(stands_for, theirs.len());
        assert_eq!(completed[..3], [0, 0, 18]);
        assert_eq!(completed[9..15], theirs[9..]);
        assert_eq!(completed[15..], [0, 3, 0, 0, 0, 100, 0, 6, 0, 1, 0, 0]);
        for other in [&theirs[..8], &theirs[..14], b"HTTP/1.1 200 OK\r\n\r\n", b""] {
            assert_eq!(complete_settings(other, 100), None);
        }
    }
}
