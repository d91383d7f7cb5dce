//! Checks every answer that a test gets against the OpenAPI document: its route, method and status are
//! documented, the required headers are there, its body fits the schema and has only documented fields.

mod events;
mod strict;

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, OnceLock},
    thread,
};

use jsonschema::Validator;
use reqwest::Method;
use serde_json::{Value, json};
use splitcart::http::openapi;

use super::Reply;

pub use events::check_event;

/// Headers that the contract covers: an answer may have one only if it is documented.
const OURS: [&str; 9] = [
    "allow",
    "etag",
    "idempotency-replayed",
    "location",
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "www-authenticate",
    "x-request-id",
];

/// The document, ready to be compared with.
static CONTRACT: LazyLock<Contract> = LazyLock::new(|| {
    // In the background, so that a test seldom pays for a schema in a time that it measures.
    thread::spawn(|| {
        for schema in CONTRACT.schemas() {
            schema.compiled();
        }
    });
    Contract::read()
});

struct Contract {
    routes: Vec<Route>,
    unknown_route: Answer,
    wrong_method: Answer,
}

struct Route {
    /// The segments, such as `["api", "v1", "checkout-groups", "{id}"]`.
    path: Vec<String>,
    /// The answers of each method, by status.
    operations: HashMap<String, HashMap<u16, Answer>>,
}

/// One documented answer.
struct Answer {
    headers: Vec<Header>,
    /// The schema of the body for each content type.
    content: HashMap<String, Schema>,
}

struct Header {
    name: String,
    required: bool,
    schema: Schema,
}

/// A schema on its own, with everything that it may refer to. It is compiled by whoever needs it first: all of
/// them take many seconds, for which no test is to wait.
struct Schema {
    own: Value,
    components: Arc<Value>,
    compiled: OnceLock<Validator>,
}

/// Fails if the answer is not as documented.
pub fn check(method: &Method, path: &str, reply: &Reply) {
    if let Err(problem) = CONTRACT.check(method, path, reply) {
        let (status, text) = (reply.status, reply.text());
        panic!("{method} {path} answered {status}, against the contract: {problem}\n{text}");
    }
}

impl Contract {
    fn read() -> Self {
        let mut document: Value = serde_json::from_str(openapi::whole_document()).unwrap();
        strict::refuse_what_is_not_documented(&mut document);
        let components = Arc::new(document["components"].take());
        let paths = document["paths"].as_object().unwrap();
        let shared = &components["responses"];
        Self {
            routes: paths
                .iter()
                .map(|(path, item)| Route::read(path, item, &components))
                .collect(),
            unknown_route: Answer::read(&shared["UnknownRoute"], &components),
            wrong_method: Answer::read(&shared["WrongMethod"], &components),
        }
    }

    fn schemas(&self) -> impl Iterator<Item = &Schema> {
        let operations = self.routes.iter().flat_map(|it| it.operations.values());
        let answers = operations.flat_map(HashMap::values);
        let answers = answers.chain([&self.unknown_route, &self.wrong_method]);
        answers.flat_map(|answer| {
            let headers = answer.headers.iter().map(|header| &header.schema);
            headers.chain(answer.content.values())
        })
    }

    fn check(&self, method: &Method, path: &str, reply: &Reply) -> Result<(), String> {
        let Some(route) = self.routes.iter().find(|route| route.matches(path)) else {
            if reply.status != 404 {
                return Err("there is no such route, which is 404".to_owned());
            }
            return self.unknown_route.check(reply);
        };
        let Some(operation) = route.operations.get(method.as_str()) else {
            if reply.status != 405 {
                return Err("the route has no such method, which is 405".to_owned());
            }
            return self.wrong_method.check(reply);
        };
        match operation.get(&reply.status) {
            Some(answer) => answer.check(reply),
            None => Err("the status is not documented".to_owned()),
        }
    }
}

impl Route {
    fn read(path: &str, item: &Value, components: &Arc<Value>) -> Self {
        let operations = item.as_object().unwrap().iter().map(|(method, operation)| {
            let answers = operation["responses"].as_object().unwrap().iter();
            let answers = answers.map(|(status, answer)| {
                (status.parse().unwrap(), Answer::read(answer, components))
            });
            (method.to_uppercase(), answers.collect())
        });
        Self {
            path: segments(path).map(str::to_owned).collect(),
            operations: operations.collect(),
        }
    }

    fn matches(&self, path: &str) -> bool {
        let mut sent = segments(path);
        let fits = self.path.iter().all(|known| match sent.next() {
            Some(segment) if known.starts_with('{') => !segment.is_empty(),
            Some(segment) => known == segment,
            None => false,
        });
        fits && sent.next().is_none()
    }
}

impl Answer {
    fn read(answer: &Value, components: &Arc<Value>) -> Self {
        let headers = answer["headers"].as_object().unwrap().iter();
        let content = answer["content"].as_object().into_iter().flatten();
        Self {
            headers: headers
                .map(|(name, header)| Header {
                    name: name.clone(),
                    required: header["required"] == true,
                    schema: Schema::new(header["schema"].clone(), components),
                })
                .collect(),
            content: content
                .map(|(media, content)| {
                    let schema = content.get("schema").cloned().unwrap_or(json!(true));
                    (media.clone(), Schema::new(schema, components))
                })
                .collect(),
        }
    }

    fn check(&self, reply: &Reply) -> Result<(), String> {
        self.headers
            .iter()
            .try_for_each(|header| header.check(reply))?;
        let documented = |name: &str| {
            let mut headers = self.headers.iter();
            headers.any(|header| header.name.eq_ignore_ascii_case(name))
        };
        let unknown = OURS
            .iter()
            .find(|name| reply.headers.contains_key(**name) && !documented(name));
        if let Some(name) = unknown {
            return Err(format!("the header {name} is not documented"));
        }
        if self.content.is_empty() && reply.bytes.is_empty() {
            return Ok(());
        }
        let media = reply.header("content-type").split(';').next().unwrap();
        let Some(schema) = self.content.get(media) else {
            return Err(format!("the content type {media:?} is not documented"));
        };
        let body = if media == "application/json" {
            serde_json::from_slice(&reply.bytes).map_err(|error| error.to_string())?
        } else {
            json!(reply.text())
        };
        let problems: Vec<_> = schema
            .compiled()
            .iter_errors(&body)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems.join("\n"))
        }
    }
}

impl Header {
    fn check(&self, reply: &Reply) -> Result<(), String> {
        let name = &self.name;
        match reply.headers.get(name).map(|value| value.to_str().unwrap()) {
            None if self.required => Err(format!("the header {name} is missing")),
            None => Ok(()),
            Some(value) => {
                // A header is text, whatever type its schema has.
                let number = value.parse::<u64>().map_or(Value::Null, Value::from);
                let schema = self.schema.compiled();
                if schema.is_valid(&json!(value)) || schema.is_valid(&number) {
                    Ok(())
                } else {
                    Err(format!("{name}: {value} is not as documented"))
                }
            }
        }
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.trim_start_matches('/').split('/')
}

impl Schema {
    fn new(own: Value, components: &Arc<Value>) -> Self {
        Self {
            own,
            components: Arc::clone(components),
            compiled: OnceLock::new(),
        }
    }

    fn compiled(&self) -> &Validator {
        self.compiled.get_or_init(|| {
            // Most schemas of headers refer to nothing, and are ready at once.
            let refers = self.own.to_string().contains("\"$ref\"");
            let whole = if refers {
                json!({ "allOf": [self.own], "components": *self.components })
            } else {
                self.own.clone()
            };
            jsonschema::options()
                .with_draft(jsonschema::Draft::Draft202012)
                .should_validate_formats(true)
                .build(&whole)
                .unwrap()
        })
    }
}

/// Whether or not a test gets such an answer.
#[test]
fn every_schema_of_the_document_can_be_used() {
    let count = CONTRACT.schemas().map(Schema::compiled).count();
    assert!(count > 300, "{count} schemas");
}
