//! Compares texts that people type, such as discount codes and e-mail addresses, without regard to case, to
//! the composition of letters, and to spaces at the ends.
//!
//! Texts are folded here, by Unicode's rules (NFKC, full case folding), and not by the database: its
//! `upper` and `lower` depend on its locale. Letters that fold apart in Unicode stay apart, such as `I` and
//! the dotless `ı`.

use std::fmt;

use icu_casemap::CaseMapper;
use icu_normalizer::ComposingNormalizer;
use serde::Serialize;

/// A folded text. Two texts are the same if they fold to the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, sqlx::Type)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct Folded(String);

impl Folded {
    /// Folds a text.
    pub fn of(text: &str) -> Self {
        let text = text.trim();
        if text.is_ascii() {
            return Self(text.to_ascii_lowercase());
        }
        let (cases, forms) = (CaseMapper::new(), ComposingNormalizer::new_nfkc());
        // A folded text may compose, and a composed one fold: after two rounds nothing changes any more
        // (the Unicode Standard, D146).
        let once = forms
            .normalize(&cases.fold_string(&forms.normalize(text)))
            .into_owned();
        let twice = forms.normalize(&cases.fold_string(&once)).into_owned();
        // A composed text may begin or end with a space.
        Self(twice.trim().to_owned())
    }

    /// The folded text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Folded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
