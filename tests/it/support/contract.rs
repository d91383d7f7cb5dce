//! Holds every answer that a test gets against the OpenAPI document: its route, method and status
//! are documented, the headers that it must have are there, its body fits the schema and has nothing
//! in it that is not documented.

use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

use jsonschema::Validator;
use reqwest::Method;
use serde_json::{Value, json};
use splitcart::http::openapi;

use super::Reply;

/// The document, ready to be compared with. Compiled once, for thousands of answers.
static CONTRACT: LazyLock<Contract> = LazyLock::new(Contract::compile);

struct Contract {
    routes: Vec<Route>,
    unknown_route: Answer,
    wrong_method: Answer,
}

struct Route {
    /// Such as `["api", "v1", "checkout-groups", "{id}"]`.
    path: Vec<String>,
    /// The answers of each method, by status.
    operations: HashMap<String, HashMap<u16, Answer>>,
}

/// One documented answer.
struct Answer {
    headers: Vec<Header>,
    /// The schema of the body for each content type.
    content: HashMap<String, Validator>,
}

struct Header {
    name: String,
    required: bool,
    /// A number is a number, whatever it was sent as.
    schema: Validator,
}

/// Fails if the answer is not as documented.
pub fn check(method: &Method, path: &str, reply: &Reply) {
    if let Err(problem) = CONTRACT.check(method, path, reply) {
        let (status, text) = (reply.status, reply.text());
        panic!("{method} {path} answered {status}, against the contract: {problem}\n{text}");
    }
}

impl Contract {
    fn compile() -> Self {
        let mut document: Value = serde_json::from_str(openapi::document()).unwrap();
        refuse_what_is_not_documented(&mut document);
        let paths = document["paths"].as_object().unwrap();
        let shared = &document["components"]["responses"];
        Self {
            routes: paths
                .iter()
                .map(|(path, item)| Route::compile(path, item, &document))
                .collect(),
            unknown_route: Answer::compile(&shared["UnknownRoute"], &document),
            wrong_method: Answer::compile(&shared["WrongMethod"], &document),
        }
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
    fn compile(path: &str, item: &Value, document: &Value) -> Self {
        let operations = item.as_object().unwrap().iter().map(|(method, operation)| {
            let answers = operation["responses"].as_object().unwrap().iter();
            let answers = answers.map(|(status, answer)| {
                (status.parse().unwrap(), Answer::compile(answer, document))
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
    fn compile(answer: &Value, document: &Value) -> Self {
        let headers = answer["headers"].as_object().unwrap().iter();
        let content = answer["content"].as_object().unwrap().iter();
        Self {
            headers: headers
                .map(|(name, header)| Header {
                    name: name.clone(),
                    required: header["required"] == true,
                    schema: compile(&header["schema"], document),
                })
                .collect(),
            content: content
                .map(|(media, content)| {
                    let schema = content.get("schema").cloned().unwrap_or(json!(true));
                    (media.clone(), compile(&schema, document))
                })
                .collect(),
        }
    }

    fn check(&self, reply: &Reply) -> Result<(), String> {
        for Header {
            name,
            required,
            schema,
        } in &self.headers
        {
            match reply.headers.get(name).map(|value| value.to_str().unwrap()) {
                None if *required => return Err(format!("the header {name} is missing")),
                None => {}
                Some(value) => {
                    let number = value.parse::<u64>().map(Value::from);
                    if ![number.unwrap_or(Value::Null), json!(value)]
                        .iter()
                        .any(|value| schema.is_valid(value))
                    {
                        return Err(format!("{name}: {value} is not as documented"));
                    }
                }
            }
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

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.trim_start_matches('/').split('/')
}

/// A schema on its own, with all that it may refer to.
fn compile(schema: &Value, document: &Value) -> Validator {
    let whole = json!({ "allOf": [schema], "components": document["components"] });
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .should_validate_formats(true)
        .build(&whole)
        .unwrap()
}

/// A client must take fields that it does not know; a test must not, or nobody would document them.
fn refuse_what_is_not_documented(document: &mut Value) {
    let mut parts = HashSet::new();
    gather_parts(document, &mut parts);
    let schemas = document["components"]["schemas"].as_object_mut().unwrap();
    for (name, schema) in schemas {
        // What is a part of others is closed where it is put together.
        if !parts.contains(&format!("#/components/schemas/{name}")) {
            close(schema);
        }
    }
    close(&mut document["paths"]);
}

fn gather_parts(node: &Value, parts: &mut HashSet<String>) {
    match node {
        Value::Object(fields) => {
            for part in fields
                .get("allOf")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                parts.extend(part["$ref"].as_str().map(str::to_owned));
            }
            fields.values().for_each(|field| gather_parts(field, parts));
        }
        Value::Array(items) => items.iter().for_each(|item| gather_parts(item, parts)),
        _ => {}
    }
}

fn close(node: &mut Value) {
    match node {
        Value::Object(fields) => {
            let is_whole = fields.contains_key("allOf");
            let is_object = fields.get("properties").is_some_and(Value::is_object);
            for (name, field) in fields.iter_mut() {
                match name.as_str() {
                    "allOf" => field
                        .as_array_mut()
                        .unwrap()
                        .iter_mut()
                        .for_each(close_inside),
                    "example" | "examples" => {}
                    _ => close(field),
                }
            }
            if is_whole || is_object {
                fields.insert("unevaluatedProperties".to_owned(), json!(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

/// The fields of a part, not the part: the other parts' fields stand beside its own.
fn close_inside(part: &mut Value) {
    let fields = part.get_mut("properties").and_then(Value::as_object_mut);
    fields
        .into_iter()
        .for_each(|it| it.values_mut().for_each(close));
}
