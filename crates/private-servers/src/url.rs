//! Paths in URLs.

use std::{fmt::Write, path::Path};

use super::Error;

/// Percent-encodes all but the characters that mean nothing special anywhere in a URL.
pub(super) fn encode(path: &Path) -> Result<String, Error> {
    let text = path.to_str().ok_or_else(|| Error::NotUtf8 {
        path: path.to_owned(),
    })?;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a string takes every write");
        }
    }
    Ok(encoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_characters_are_encoded_and_slashes_are_not() {
        assert_eq!(
            encode(Path::new("/tmp/a b&c+ü")).unwrap(),
            "/tmp/a%20b%26c%2B%C3%BC"
        );
    }
}
