//! Discount codes and e-mail addresses, as they are compared.

use icu_normalizer::{ComposingNormalizer, DecomposingNormalizer};
use splitcart::domain::folding::Folded;

use crate::fuzz_support::{self, fuzz};

const WORDS: &[&str] = &[
    "\u{345}", "\u{301}", "\u{327}", "ß", "ﬁ", "İ", "ı", "Å", "\u{a8}", "\u{3000}", "\u{a0}", "ΐ",
    "ς", "Σ", "\u{1e9e}", "\u{200d}", "\u{ad}", "\u{1f88}", "\u{3b9}", "가", "\u{1100}",
    "\u{1161}", "ﷺ", "\u{fb1d}",
];

fuzz!("folding", WORDS, check);

/// Folding twice changes nothing, and folding ignores the composition of letters, their case, and
/// spaces at the ends.
fn check(bytes: &[u8]) {
    // Codes and addresses have at most this length.
    let text: String = String::from_utf8_lossy(bytes).chars().take(255).collect();
    let folded = Folded::of(&text);
    let same = |other: &str, how: &str| {
        assert_eq!(
            Folded::of(other),
            folded,
            "{how}: {:?}",
            text.escape_unicode().to_string()
        );
    };
    same(folded.as_str(), "folded once more");
    same(&format!(" \t{text}\u{3000}\n"), "with spaces around it");
    same(
        &DecomposingNormalizer::new_nfd().normalize(&text),
        "decomposed",
    );
    same(&ComposingNormalizer::new_nfc().normalize(&text), "composed");
    if text.is_ascii() {
        same(&text.to_ascii_uppercase(), "in capitals");
        assert_eq!(folded.as_str(), text.trim().to_ascii_lowercase());
    }
}
