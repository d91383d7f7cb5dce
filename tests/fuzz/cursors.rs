//! Cursors of lists.

use chrono::{DateTime, TimeZone, Utc};
use splitcart::{db::orders::Position, domain::ids::OrderId, http::cursor};
use uuid::Uuid;

use crate::fuzz_support::{self, fuzz};

fuzz!(
    "cursors",
    &["A", "_", "-", "+", "/", "=", "AAAAAAAA", "f_______"],
    check
);

/// A cursor that is read is a position that PostgreSQL can be asked for, and reading its own text gives
/// the same position.
fn check(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Some(position) = cursor::read(text)
    {
        assert_queryable(position);
        assert_eq!(cursor::read(&cursor::write(position)), Some(position));
    }
    // The same bytes, taken as a position.
    if let Some((micros, rest)) = bytes.split_first_chunk::<8>()
        && let Some((id, _)) = rest.split_first_chunk::<16>()
        && let Some(created_at) = DateTime::from_timestamp_micros(i64::from_be_bytes(*micros))
    {
        let id = OrderId::new(Uuid::from_bytes(*id));
        let position = Position { created_at, id };
        let read = cursor::read(&cursor::write(position)).unwrap();
        assert_queryable(read);
        assert_eq!(read.id, id);
        if (first()..last()).contains(&created_at) {
            assert_eq!(read.created_at, created_at);
        }
    }
}

fn assert_queryable(position: Position) {
    let time = position.created_at;
    assert!((first()..last()).contains(&time), "{time}");
}

fn first() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(1970, 1, 1, 0, 0, 0).unwrap()
}

fn last() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(10_000, 1, 1, 0, 0, 0).unwrap()
}
