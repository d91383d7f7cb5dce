//! Texts that people type, as they are compared.

use proptest::prelude::*;

use crate::domain::folding::Folded;

#[test]
fn case_composition_compatibility_and_spaces_at_the_ends_make_no_difference() {
    for (one, other) in [
        ("SPRING", "spring"),
        ("\u{c9}T\u{c9}", "e\u{301}te\u{301}"),
        ("Stra\u{df}e", "STRASSE"),
        ("\u{1e9e}", "ss"),
        ("\u{3a3}\u{391}\u{3a3}", "\u{3c3}\u{3b1}\u{3c2}"),
        ("\u{fb01}t", "FIT"),
        ("\u{ff21}\u{ff11}", "a1"),
        ("\u{212a}g", "kg"),
        (" \u{a0}a b\u{3000}", "A B"),
    ] {
        assert_eq!(Folded::of(one), Folded::of(other), "{one:?} and {other:?}");
    }
}

/// A Turkish `I` is no exception: where letters fold apart there are two texts.
#[test]
fn letters_that_fold_apart_stay_apart() {
    for (one, other) in [
        ("I10", "\u{131}10"),
        ("\u{130}", "i"),
        ("\u{e9}", "e"),
        ("a b", "ab"),
        ("A-B", "A_B"),
    ] {
        assert_ne!(Folded::of(one), Folded::of(other), "{one:?} and {other:?}");
    }
    assert_eq!(Folded::of("\u{130}").as_str(), "i\u{307}");
}

proptest! {
    #[test]
    fn what_is_folded_folds_to_itself(text in any::<String>()) {
        let folded = Folded::of(&text);
        prop_assert_eq!(&Folded::of(folded.as_str()), &folded);
    }

    #[test]
    fn a_text_and_its_cases_fold_to_the_same(text in "[\\p{Latin}\\p{Greek}\\p{Cyrillic} ]{0,12}") {
        let folded = Folded::of(&text);
        prop_assert_eq!(&Folded::of(&text.to_lowercase()), &folded);
    }
}

/// Every character there is.
#[test]
fn every_letter_folds_to_what_folds_to_itself() {
    for letter in '\0'..=char::MAX {
        let folded = Folded::of(&format!("x{letter}x"));
        assert_eq!(Folded::of(folded.as_str()), folded, "{letter:?}");
    }
}
