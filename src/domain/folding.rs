//! How texts that people type are compared: discount codes and e-mail addresses, without regard to case,
//! to how letters are composed, and to spaces at the ends.
//!
//! By Unicode's rules (NFKC, full case folding) and by us: what a database makes of `upper` and `lower`
//! depends on its locale. Letters that fold apart in Unicode stay apart, such as `I` and the dotless `ı`.

use std::fmt;

use icu_casemap::CaseMapper;
use icu_normalizer::ComposingNormalizer;
use serde::Serialize;

/// A text as it is compared.
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
        // Folding may yield what composes, and composing what folds: after two rounds nothing changes any
        // more (the Unicode Standard, D146).
        let once = forms
            .normalize(&cases.fold_string(&forms.normalize(text)))
            .into_owned();
        let twice = forms.normalize(&cases.fold_string(&once)).into_owned();
        // What composes may begin or end with a space.
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
