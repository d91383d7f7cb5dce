//! The proxy understands enough of PostgreSQL's protocol.

use crate::fault_bench::frames::{Frames, Statement};

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[kind][..], &length.to_be_bytes(), body].concat()
}

fn startup(name: &str) -> Vec<u8> {
    let body = format!("\0\x03\0\0user\0splitcart\0application_name\0{name}\0\0");
    let length = u32::try_from(body.len() + 4).unwrap();
    [&length.to_be_bytes()[..], body.as_bytes()].concat()
}

#[test]
fn a_prepared_statement_is_known_when_it_is_bound() {
    let mut frames = Frames::default();
    assert!(frames.take(&startup("splitcart checkout")).is_empty());
    assert!(frames.is_checkout());
    let prepare = message(b'P', b"sqlx_s_3\0commit\0\0\0");
    assert!(frames.take(&prepare).is_empty());
    let bind = message(b'B', b"\0sqlx_s_3\0\0\0\0\0\0\0");
    let execute = message(b'E', b"\0\0\0\0\0");
    assert_eq!(frames.take(&[bind, execute].concat()), [Statement::Commit]);
}

#[test]
fn messages_are_known_however_they_are_cut() {
    let bytes = [
        startup("splitcart background"),
        message(b'Q', b"ROLLBACK\0"),
        message(
            b'P',
            b"one\0update inventory_items set available_qty = 0\0\0\0",
        ),
        message(b'B', b"\0one\0\0\0\0\0\0\0"),
    ]
    .concat();
    for at_once in [1, 2, 3, 7, 1000] {
        let mut frames = Frames::default();
        let starts: Vec<_> = bytes
            .chunks(at_once)
            .flat_map(|some| frames.take(some))
            .collect();
        assert_eq!(starts, [Statement::Rollback, Statement::Reserve]);
        assert!(!frames.is_checkout());
    }
}
