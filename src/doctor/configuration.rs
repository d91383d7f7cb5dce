//! Looks at the configuration: it can be used, and no setting is likely to be a mistake.

use crate::config::Config;

use super::report::Line;

const CAN_BE_USED: &str = "configuration.can_be_used";
const SERVES: &str = "configuration.serves";
const RISKS: &str = "configuration.risks";

/// The report about a configuration that can't be used: nothing else can be looked at.
pub fn unusable(problem: &str) -> Vec<Line> {
    let remedy = "correct the setting that is named, or name another file with --config; config/default.toml \
                  explains each setting";
    vec![Line::not_well(CAN_BE_USED, problem, remedy)]
}

pub(super) fn look(config: &Config, is_private: bool) -> Vec<Line> {
    let mut lines = vec![Line::well(
        CAN_BE_USED,
        "every setting is known and in its range, and none contradicts another",
    )];
    lines.push(match config.check_for_serving() {
        Ok(()) if is_private => Line::well(SERVES, "a private PostgreSQL and Redis are used"),
        Ok(()) => Line::well(SERVES, "it has all that serving needs"),
        Err(error) => {
            let (found, remedy) = apart(&error.to_string());
            Line::not_well(SERVES, found, remedy)
        }
    });
    let warnings = config.warnings();
    if warnings.is_empty() {
        lines.push(Line::well(RISKS, "no setting is likely to be a mistake"));
    }
    lines.extend(warnings.into_iter().map(|warning| {
        let (found, remedy) = apart(&warning.text);
        Line::not_well(RISKS, found, remedy).about(warning.setting)
    }));
    lines
}

/// A sentence of the start takes the form "what is wrong: why; what to do", or has a colon in that place.
pub(super) fn apart(text: &str) -> (String, String) {
    let parts = text.rsplit_once("; ").or_else(|| text.rsplit_once(": "));
    match parts {
        Some((found, remedy)) => (found.to_owned(), remedy.to_owned()),
        None => (text.to_owned(), "see docs/operations.md".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_of_the_start_is_taken_apart() {
        let pair = |found: &str, remedy: &str| (found.to_owned(), remedy.to_owned());
        assert_eq!(apart("a: it is bad; do b"), pair("a: it is bad", "do b"));
        assert_eq!(apart("a is bad: do b"), pair("a is bad", "do b"));
        assert_eq!(apart("a"), pair("a", "see docs/operations.md"));
    }
}
