//! Reads values out of a body and gathers every problem on the way.
//!
//! A reader returns `None` after it has noted the reason; its caller goes on reading, so that a client
//! learns of every problem at once.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::money::Money;

use super::node::{MEMBERS_MAX, Node};

/// The most problems that are reported: a body with more is no slip, and the answer must not be larger than
/// the request.
pub const PROBLEMS_MAX: usize = 100;

/// The longest part of an unknown name that is reported.
const NAME_CHARS_MAX: usize = 100;
const NAME_BYTES_MAX: usize = 400;

/// One thing that is wrong with a request's shape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldProblem {
    /// A JSON pointer into the body (RFC 6901; "" is the whole body), or the name of a header.
    pub path: String,
    /// The problem as a clause: `must be a positive integer`.
    pub problem: String,
}

/// The problems found so far.
#[derive(Debug, Default)]
pub struct Shape {
    problems: Vec<FieldProblem>,
    /// The problems beyond [`PROBLEMS_MAX`].
    unreported: usize,
}

/// An object whose names have been checked.
#[derive(Debug)]
pub struct Object<'n> {
    path: String,
    fields: &'n [(String, Node)],
}

impl Shape {
    /// Notes a problem.
    pub fn problem(&mut self, path: &str, problem: impl Into<String>) {
        self.note(|| FieldProblem {
            path: path.to_owned(),
            problem: problem.into(),
        });
    }

    /// Notes a problem, made only if it is going to be reported.
    fn note(&mut self, problem: impl FnOnce() -> FieldProblem) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem());
        } else {
            self.unreported += 1;
        }
    }

    /// The value if nothing was wrong anywhere, else all problems.
    ///
    /// # Errors
    /// All problems; never an empty list.
    pub fn finish<T>(mut self, value: Option<T>) -> Result<T, Vec<FieldProblem>> {
        match value {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => {
                assert!(
                    !self.problems.is_empty(),
                    "a reader that returns None says why"
                );
                if self.unreported > 0 {
                    self.problems.push(FieldProblem {
                        path: String::new(),
                        problem: format!(
                            "has {} more problems, which are not told",
                            self.unreported
                        ),
                    });
                }
                Err(self.problems)
            }
        }
    }

    /// Reads an object with these groups of known names; a name that is unknown or appears twice is a
    /// problem.
    pub fn object<'n>(
        &mut self,
        node: &'n Node,
        path: &str,
        known: &[&[&str]],
    ) -> Option<Object<'n>> {
        let Node::Object(fields) = node else {
            self.problem(path, "must be an object");
            return None;
        };
        let known = || known.iter().copied().flatten().copied();
        assert!(
            known().count() <= MEMBERS_MAX,
            "an object of ours fits into what is read"
        );
        let mut seen = 0_u64;
        for (name, _) in fields {
            let place = known().position(|known| known == name);
            let at = || format!("{path}/{}", escape(&shortened(name)));
            match place {
                None => self.note(|| FieldProblem {
                    path: at(),
                    problem: match known().collect::<Vec<_>>().join(", ") {
                        known if known.is_empty() => {
                            "is not a known field; there are none".to_owned()
                        }
                        known => format!("is not a known field; known: {known}"),
                    },
                }),
                Some(place) if seen & (1 << place) != 0 => self.note(|| FieldProblem {
                    path: at(),
                    problem: "appears twice".to_owned(),
                }),
                Some(place) => seen |= 1 << place,
            }
        }
        Some(Object {
            path: path.to_owned(),
            fields,
        })
    }

    /// Reads an id in its usual notation, 8-4-4-4-12 hexadecimal digits.
    pub fn id<T: From<Uuid>>(&mut self, node: &Node, path: &str) -> Option<T> {
        let uuid = match node {
            Node::String(text) if text.len() == 36 => Uuid::try_parse(text).ok(),
            _ => None,
        };
        if uuid.is_none() {
            self.problem(path, "must be a UUID in quotes, such as \"01980c5e-…\"");
        }
        uuid.map(T::from)
    }

    /// Reads a positive integer of at most 2147483647.
    pub fn positive(&mut self, node: &Node, path: &str) -> Option<i32> {
        let number = node.whole().and_then(|number| i32::try_from(number).ok());
        let positive = number.filter(|number| *number > 0);
        if positive.is_none() {
            self.problem(
                path,
                format!("must be a whole number from 1 to {}", i32::MAX),
            );
        }
        positive
    }

    /// Reads an amount of money.
    pub fn money(&mut self, node: &Node, path: &str) -> Option<Money> {
        let Node::String(text) = node else {
            self.problem(path, "must be an amount in quotes, such as \"12.50\"");
            return None;
        };
        text.parse()
            .map_err(|error: crate::domain::money::NotMoney| {
                self.problem(path, error.to_string());
            })
            .ok()
    }

    /// Reads one of a few words.
    pub fn one_of<T: Copy>(&mut self, node: &Node, path: &str, words: &[(&str, T)]) -> Option<T> {
        let meant = match node {
            Node::String(text) => words.iter().find(|(word, _)| word == text),
            _ => None,
        };
        if meant.is_none() {
            self.problem(path, format!("must be {}", listed(words)));
        }
        meant.map(|(_, meaning)| *meaning)
    }

    /// Reads a text of 1 to `len_max` characters without control characters.
    pub fn text(&mut self, node: &Node, path: &str, len_max: usize) -> Option<String> {
        match node {
            Node::String(text)
                if (1..=len_max).contains(&text.chars().count())
                    && !text.chars().any(char::is_control) =>
            {
                Some(text.clone())
            }
            _ => {
                self.problem(
                    path,
                    format!(
                        "must be a text of 1 to {len_max} characters, none a control character"
                    ),
                );
                None
            }
        }
    }
}

impl<'n> Object<'n> {
    /// The JSON pointer to a field of the object.
    pub fn path_of(&self, field: &str) -> String {
        format!("{}/{field}", self.path)
    }

    pub(super) fn get(&self, name: &str) -> Option<&'n Node> {
        self.fields
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, node)| node)
    }
}

/// The beginning of a name that a client made up, so long that a person finds it.
pub fn shortened(name: &str) -> String {
    let mut bytes = 0;
    let mut chars = 0;
    let mut fits = |char: &char| {
        // As JSON writes it, and as a pointer does.
        bytes += match char {
            '\0'..='\u{1f}' => 6,
            '"' | '\\' | '~' | '/' => 2,
            other => other.len_utf8(),
        };
        chars += 1;
        chars <= NAME_CHARS_MAX && bytes <= NAME_BYTES_MAX
    };
    let mut short: String = name.chars().take_while(|char| fits(char)).collect();
    if short.len() < name.len() {
        short.push('…');
    }
    short
}

/// RFC 6901, section 3.
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// `"a", "b" or "c"`.
pub fn listed<T>(words: &[(&str, T)]) -> String {
    let quoted: Vec<_> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
    match &quoted[..] {
        [words @ .., last] if !words.is_empty() => format!("{} or {last}", words.join(", ")),
        words => words.concat(),
    }
}
