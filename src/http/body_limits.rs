//! The limits of request bodies.

use std::time::Duration;

/// The largest body, in bytes.
pub const BODY_LEN_MAX: usize = 256 * 1024;

/// The longest time that a client may take to send its body.
pub const BODY_WAIT_MAX: Duration = Duration::from_secs(10);
