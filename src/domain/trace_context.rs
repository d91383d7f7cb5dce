//! The W3C Trace Context of a request, carried to the events that it causes.

use std::fmt;

/// The length of version 00: `00-` trace id `-` parent id `-` flags.
const LEN: usize = 55;

/// A `traceparent` of version 00.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceParent(Box<str>);

impl TraceParent {
    /// Reads the header's value. A later version is read as far as version 00 goes, as the standard asks.
    /// `None` for a malformed one, which is to be ignored.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (known, rest) = value.split_at_checked(LEN)?;
        let text = std::str::from_utf8(known).ok()?;
        let mut parts = text.split('-');
        let mut part = |len: usize| {
            let part = parts.next()?;
            let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            (part.len() == len && part.bytes().all(is_hex)).then_some(part)
        };
        let (version, trace, parent, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
        let is_version = match version {
            "00" => rest.is_empty(),
            "ff" => false,
            _ => rest.is_empty() || rest[0] == b'-',
        };
        let is_zero = |id: &str| id.bytes().all(|byte| byte == b'0');
        if !is_version || is_zero(trace) || is_zero(parent) {
            return None;
        }
        Some(Self(format!("00-{trace}-{parent}-{flags}").into()))
    }

    /// The parent of what a span causes.
    pub fn of_span(trace_id: u128, span_id: u64, is_sampled: bool) -> Self {
        let flags = u8::from(is_sampled);
        Self(format!("00-{trace_id:032x}-{span_id:016x}-{flags:02x}").into())
    }

    pub fn trace_id(&self) -> u128 {
        u128::from_str_radix(&self.0[3..35], 16).expect("it was parsed as hex digits")
    }

    /// The id of the span that is the parent.
    pub fn parent_id(&self) -> u64 {
        u64::from_str_radix(&self.0[36..52], 16).expect("it was parsed as hex digits")
    }

    /// True if whoever began the trace keeps it.
    pub fn is_sampled(&self) -> bool {
        let flags = u8::from_str_radix(&self.0[53..], 16);
        flags.expect("it was parsed as hex digits") & 1 == 1
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
