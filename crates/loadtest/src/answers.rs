//! The parts of a body that a client needs, found without parsing the rest of it.

use splitcart::domain::ids::CartId;

/// Statuses by which the server refuses because it has too much to do. They may come at any time.
pub const fn is_refusal(status: u16) -> bool {
    matches!(status, 429 | 503)
}

/// An error's code; empty if it has none.
pub fn code_in(body: &[u8]) -> &str {
    text_after(body, b"\"code\":\"").unwrap_or_default()
}

/// The id of the cart that a PUT has answered with: the first id in it.
pub fn cart_id_in(body: &[u8]) -> Option<CartId> {
    text_after(body, b"\"id\":\"")?.parse().ok()
}

/// The string that begins after `mark`.
fn text_after<'a>(body: &'a [u8], mark: &[u8]) -> Option<&'a str> {
    let start = body.windows(mark.len()).position(|some| some == mark)? + mark.len();
    let length = body[start..].iter().position(|byte| *byte == b'"')?;
    std::str::from_utf8(&body[start..start + length]).ok()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_decides_is_found_in_a_body() {
        let refusal = br#"{"error":{"code":"OVERLOADED","message":"Too much."}}"#;
        assert_eq!(code_in(refusal), "OVERLOADED");
        assert_eq!(code_in(b"<html>"), "");
        let id = Uuid::now_v7();
        let cart =
            format!(r#"{{"data":{{"id":"{id}","buyer_store_id":"x","items":[{{"id":"y"}}]}}}}"#);
        assert_eq!(cart_id_in(cart.as_bytes()), Some(CartId::new(id)));
        assert_eq!(cart_id_in(b"{}"), None);
    }
}
