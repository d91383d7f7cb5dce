//! Cursors: a place in a list of orders, products or deliveries, as clients keep it. Opaque to them, and not secret: a cursor
//! that is made up only starts the list somewhere else.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::DateTime;
use uuid::Uuid;

use crate::{
    db::orders::Position,
    domain::ids::{OrderId, ProductId},
};

/// The last microsecond of the year 9999.
const MICROS_MAX: i64 = 253_402_300_799_999_999;

/// Writes a position down: the time in microseconds since 1970, which is all that PostgreSQL keeps of
/// it, and the id.
pub fn write(position: Position) -> String {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&position.created_at.timestamp_micros().to_be_bytes());
    bytes[8..].copy_from_slice(position.id.uuid().as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads it back; `None` for what is no cursor of ours. A time that no order can have is taken for
/// the nearest that one can.
pub fn read(text: &str) -> Option<Position> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (micros, id) = bytes.split_first_chunk::<8>()?;
    let micros = i64::from_be_bytes(*micros).clamp(0, MICROS_MAX);
    Some(Position {
        created_at: DateTime::from_timestamp_micros(micros)?,
        id: OrderId::new(Uuid::from_slice(id).ok()?),
    })
}

/// Writes the place behind a product down.
pub fn write_product(id: ProductId) -> String {
    write_id(id.uuid())
}

/// Reads it back; `None` for what is no cursor of ours.
pub fn read_product(text: &str) -> Option<ProductId> {
    read_id(text)
}

/// Writes the place behind an id down.
pub fn write_id(id: Uuid) -> String {
    URL_SAFE_NO_PAD.encode(id.as_bytes())
}

/// Reads it back; `None` for what is no cursor of ours.
pub fn read_id<T: From<Uuid>>(text: &str) -> Option<T> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    Uuid::from_slice(&bytes).ok().map(T::from)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_leads_back_to_its_position(micros in 0..=MICROS_MAX, id in any::<u128>()) {
            let position = Position {
                created_at: DateTime::from_timestamp_micros(micros).unwrap(),
                id: OrderId::new(Uuid::from_u128(id)),
            };
            prop_assert_eq!(read(&write(position)), Some(position));
        }

        #[test]
        fn a_cursor_leads_back_to_its_product(id in any::<u128>()) {
            let id = ProductId::new(Uuid::from_u128(id));
            let text = write_product(id);
            prop_assert_eq!(text.len(), 22);
            prop_assert_eq!(read_product(&text), Some(id));
            prop_assert_eq!(read(&text), None);
        }

        #[test]
        fn every_text_of_its_form_is_a_cursor(text in "[A-Za-z0-9_-]{32}") {
            prop_assert!(read(&text).is_some());
        }
    }

    #[test]
    fn other_texts_are_none() {
        for text in [
            "",
            "x",
            "AAAA",
            &"A".repeat(31),
            &"A".repeat(33),
            &"+".repeat(32),
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
