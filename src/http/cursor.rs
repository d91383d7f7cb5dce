//! Cursors: a place in a list of orders, as clients keep it. Opaque to them, and not secret: a cursor
//! that somebody makes up only starts the list somewhere else.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::DateTime;
use uuid::Uuid;

use crate::{db::orders::Position, domain::ids::OrderId};

/// Writes a position down: the time in microseconds since 1970, which is all that PostgreSQL keeps of
/// it, and the id.
pub fn write(position: Position) -> String {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&position.created_at.timestamp_micros().to_be_bytes());
    bytes[8..].copy_from_slice(position.id.uuid().as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads it back; `None` for what is no cursor of ours.
pub fn read(text: &str) -> Option<Position> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (micros, id) = bytes.split_first_chunk::<8>()?;
    Some(Position {
        created_at: DateTime::from_timestamp_micros(i64::from_be_bytes(*micros))?,
        id: OrderId::new(Uuid::from_slice(id).ok()?),
    })
}
