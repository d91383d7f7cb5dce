//! Query strings: parsed strictly, with every problem found at once.

use actix_web::{HttpRequest, web};

use super::{
    error::ApiError,
    json::{FieldProblem, listed, shortened},
};

/// The most parameters of a query. A route reads four at most.
pub const PARAMETERS_MAX: usize = 16;

/// The parameters of a request, whose names have been checked.
#[derive(Debug)]
pub struct Query {
    parameters: Vec<(String, String)>,
    problems: Vec<FieldProblem>,
}

impl Query {
    /// Reads a query string; names that are unknown or appear twice are problems.
    pub fn of(request: &HttpRequest, known: &[&str]) -> Self {
        let text = request.query_string();
        let whole = |problem: String| {
            let path = String::new();
            (Vec::new(), vec![FieldProblem { path, problem }])
        };
        let (parameters, problems) = if text.split('&').count() > PARAMETERS_MAX {
            whole(format!("has more than {PARAMETERS_MAX} parameters"))
        } else {
            match web::Query::<Vec<(String, String)>>::from_query(text) {
                Ok(parameters) => (parameters.into_inner(), Vec::new()),
                Err(error) => whole(format!("can't be read: {error}")),
            }
        };
        let mut query = Self {
            parameters,
            problems,
        };
        for (index, (name, _)) in query.parameters.iter().enumerate() {
            let problem = if !known.contains(&name.as_str()) {
                format!("is not a known parameter; known: {}", known.join(", "))
            } else if query.parameters[..index].iter().any(|(it, _)| it == name) {
                "appears twice".to_owned()
            } else {
                continue;
            };
            let path = shortened(name);
            query.problems.push(FieldProblem { path, problem });
        }
        query
    }

    /// Reads a parameter that may be missing. `read` is `None` for what is not `expected`, a clause
    /// such as `a number from 1 to 100`.
    pub fn optional<T>(
        &mut self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let (_, text) = self.parameters.iter().find(|(it, _)| it == name)?;
        let value = read(text);
        if value.is_none() {
            self.problems.push(FieldProblem {
                path: name.to_owned(),
                problem: format!("must be {expected}"),
            });
        }
        value
    }

    /// Reads the most things that a page may have, from 1 to `most`.
    pub fn limit(&mut self, most: usize) -> Option<usize> {
        let expected = format!("a whole number from 1 to {most}");
        self.optional("limit", &expected, |text| {
            let limit: usize = text.parse().ok()?;
            // One number is written in one way: no sign, no leading zero.
            ((1..=most).contains(&limit) && limit.to_string() == text).then_some(limit)
        })
    }

    /// Reads a parameter that is one of a few words and may be missing.
    pub fn one_of<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> Option<T> {
        let expected = listed(words);
        self.optional(name, &expected, |text| {
            let meant = words.iter().find(|(word, _)| *word == text);
            meant.map(|(_, meaning)| *meaning)
        })
    }

    /// # Errors
    /// 400 with all problems, if there was any.
    pub fn finish(self) -> Result<(), ApiError> {
        if self.problems.is_empty() {
            Ok(())
        } else {
            Err(ApiError::malformed(&self.problems))
        }
    }
}
