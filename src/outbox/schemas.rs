//! The JSON Schemas of events: one per type and version, each of the whole message, made from the types that
//! are published. `splitcart events schemas` writes them to `docs/events`, and a test compares.
//!
//! They are open: a consumer accepts fields that it does not know.

use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::domain::event::{
    ENVELOPE_VERSION, Envelope, InventoryLow, OrderCreated, OrderMoved, VendorOrderCreated,
};

/// The dialect of the schemas, which is also that of OpenAPI 3.1.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// A schema with the name of its file.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedSchema {
    /// Such as `order_created.v1.json`.
    pub file_name: String,
    pub schema: Value,
}

impl NamedSchema {
    /// The schema as its file has it.
    pub fn text(&self) -> String {
        format!("{:#}\n", self.schema)
    }
}

/// A type of events.
struct EventType {
    name: &'static str,
    aggregate: &'static str,
    description: &'static str,
    /// The schema of `data`, and those that it refers to.
    data: fn() -> Definitions,
}

/// Schemas by the names of their types; the first is the one that is meant.
type Definitions = Vec<(String, Value)>;

const EVENT_TYPES: [EventType; 7] = [
    EventType {
        name: OrderCreated::TYPE,
        aggregate: OrderCreated::AGGREGATE,
        description: "A checkout was committed. Once per checkout group.",
        data: definitions::<OrderCreated>,
    },
    EventType {
        name: VendorOrderCreated::TYPE,
        aggregate: VendorOrderCreated::AGGREGATE,
        description: "A checkout was committed, as the vendor of one of its orders sees it. Webhooks and \
            the live stream have it, brokers have order_created.",
        data: definitions::<VendorOrderCreated>,
    },
    EventType {
        name: OrderMoved::DECIDED,
        aggregate: OrderMoved::AGGREGATE,
        description: "A vendor has accepted or rejected lines of an order.",
        data: decision,
    },
    EventType {
        name: OrderMoved::FULFILLED,
        aggregate: OrderMoved::AGGREGATE,
        description: "A vendor has handed over the accepted lines of an order.",
        data: end_of_an_order,
    },
    EventType {
        name: OrderMoved::CANCELED,
        aggregate: OrderMoved::AGGREGATE,
        description: "A buyer has called an order off.",
        data: end_of_an_order,
    },
    EventType {
        name: OrderMoved::EXPIRED,
        aggregate: OrderMoved::AGGREGATE,
        description: "An order was not decided in time.",
        data: end_of_an_order,
    },
    EventType {
        name: InventoryLow::TYPE,
        aggregate: InventoryLow::AGGREGATE,
        description: "The available stock of a product has gone to its threshold or below, or to 0. Once \
            per crossing.",
        data: definitions::<InventoryLow>,
    },
];

/// The schemas of all events, and that of the envelope.
pub fn all() -> Vec<NamedSchema> {
    let events = EVENT_TYPES.iter().map(EventType::schema);
    [envelope()].into_iter().chain(events).collect()
}

fn envelope() -> NamedSchema {
    let mut definitions = definitions::<Envelope>();
    let (_, mut schema) = definitions.remove(0);
    schema["properties"]["data"] = json!({
        "description": "The event itself, as the schema of its type says.",
    });
    named(
        "envelope",
        "What all events have in common.",
        &schema,
        definitions,
    )
}

impl EventType {
    fn schema(&self) -> NamedSchema {
        let mut all = definitions::<Envelope>();
        let (_, mut schema) = all.remove(0);
        let mut data = (self.data)();
        let properties = &mut schema["properties"];
        properties["version"]["const"] = json!(ENVELOPE_VERSION);
        properties["type"]["const"] = json!(self.name);
        properties["aggregate_type"]["const"] = json!(self.aggregate);
        properties["data"] = json!({ "$ref": reference(&data[0].0) });
        if let Some(definition) = data[0].1.as_object_mut() {
            definition.remove("description");
        }
        all.append(&mut data);
        named(self.name, self.description, &schema, all)
    }
}

fn named(
    name: &str,
    description: &str,
    schema: &Value,
    mut definitions: Definitions,
) -> NamedSchema {
    definitions.sort_by(|(one, _), (other, _)| one.cmp(other));
    let definitions: Map<_, _> = definitions.into_iter().collect();
    let mut whole = json!({
        "$schema": DIALECT,
        "$id": format!("urn:splitcart:event:{name}:v{ENVELOPE_VERSION}"),
        "title": format!("{name}, version {ENVELOPE_VERSION}"),
        "description": description,
        "type": "object",
        "required": schema["required"],
        "properties": schema["properties"],
        "$defs": definitions,
    });
    adapt(&mut whole);
    NamedSchema {
        file_name: format!("{name}.v{ENVELOPE_VERSION}.json"),
        schema: whole,
    }
}

/// A decision says whether it was the last one.
fn decision() -> Definitions {
    let mut all = definitions::<OrderMoved>();
    if let Some(required) = all[0].1["required"].as_array_mut() {
        required.push(json!("final"));
    }
    all
}

fn end_of_an_order() -> Definitions {
    let mut all = definitions::<OrderMoved>();
    if let Some(properties) = all[0].1["properties"].as_object_mut() {
        properties.remove("final");
    }
    all
}

fn definitions<T: ToSchema>() -> Definitions {
    let mut found = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut found);
    let to_json = |(name, schema)| {
        let schema = serde_json::to_value(schema).expect("a schema is JSON");
        (name, schema)
    };
    found.into_iter().map(to_json).collect()
}

fn reference(name: &str) -> String {
    format!("#/$defs/{name}")
}

/// Leads references to the definitions beside them, and frees descriptions of links between types.
fn adapt(node: &mut Value) {
    match node {
        Value::Object(fields) => {
            if let Some(Value::String(path)) = fields.get_mut("$ref")
                && let Some(name) = path.strip_prefix("#/components/schemas/")
            {
                *path = reference(name);
            }
            if let Some(Value::String(text)) = fields.get_mut("description") {
                *text = text.replace("[`", "`").replace("`]", "`");
            }
            fields.values_mut().for_each(adapt);
        }
        Value::Array(items) => items.iter_mut().for_each(adapt),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs};

    use super::*;

    #[test]
    fn the_files_are_what_the_types_say() {
        let expected: BTreeMap<_, _> = all()
            .into_iter()
            .map(|named| (named.file_name.clone(), named.text()))
            .collect();
        let mut kept = BTreeMap::new();
        for entry in fs::read_dir("docs/events").into_iter().flatten() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            kept.insert(name, fs::read_to_string(&path).unwrap());
        }
        assert_eq!(
            kept, expected,
            "docs/events is not what the types say; run `splitcart events schemas --dir docs/events`"
        );
    }
}
