//! Request bodies, each declared once: [`request_body!`](request_body) makes the type that the OpenAPI
//! document describes and the reader that fills it. A field is added in one place.

use super::{
    node::Node,
    shape::{FieldProblem, Object, Shape},
};

/// A value that is read from JSON.
pub trait FromJson: Sized {
    /// Reads a value. `None` only after the reason was noted in `shape`.
    fn read(shape: &mut Shape, node: &Node, path: &str) -> Option<Self>;

    /// The value of a field that is missing or null: a problem, unless the type has a value for it.
    fn missing(shape: &mut Shape, object: &Object<'_>, field: &str) -> Option<Self> {
        shape.problem(&object.path_of(field), "is required");
        None
    }
}

/// A field that may be missing.
impl<T: FromJson> FromJson for Option<T> {
    fn read(shape: &mut Shape, node: &Node, path: &str) -> Option<Self> {
        T::read(shape, node, path).map(Some)
    }

    fn missing(_: &mut Shape, _: &Object<'_>, _: &str) -> Option<Self> {
        Some(None)
    }
}

impl Shape {
    /// Reads a field of an object.
    pub fn field<T: FromJson>(&mut self, object: &Object<'_>, name: &str) -> Option<T> {
        match object.get(name) {
            None | Some(Node::Null) => T::missing(self, object, name),
            Some(node) => T::read(self, node, &object.path_of(name)),
        }
    }

    /// Reads a list of up to `len_max` elements.
    pub fn list<T: FromJson>(&mut self, node: &Node, path: &str, len_max: usize) -> Option<Vec<T>> {
        let Node::Array(nodes) = node else {
            self.problem(path, "must be a list");
            return None;
        };
        if nodes.len() > len_max {
            self.problem(
                path,
                format!(
                    "has {} elements; at most {len_max} may be sent",
                    nodes.len()
                ),
            );
            return None;
        }
        // Every element is read, also behind a wrong one.
        let read: Vec<_> = nodes
            .iter()
            .enumerate()
            .map(|(index, node)| T::read(self, node, &format!("{path}/{index}")))
            .collect();
        read.into_iter().collect()
    }
}

/// An object of known fields.
pub trait Fields: Sized {
    /// The names of the fields, in the order in which their problems are reported.
    const NAMES: &'static [&'static str];

    /// Reads the fields of an object, all of them even if one is wrong.
    fn read_fields(shape: &mut Shape, object: &Object<'_>) -> Option<Self>;
}

/// Reads a whole body.
///
/// # Errors
/// Everything that is wrong with its shape.
pub fn read<T: FromJson>(body: &Node) -> Result<T, Vec<FieldProblem>> {
    let mut shape = Shape::default();
    let value = T::read(&mut shape, body, "");
    shape.finish(value)
}

/// Declares an object of a request. `..base: Type` in front adds all fields of another one.
macro_rules! request_body {
    (
        $(#[$meta:meta])*
        $visibility:vis struct $name:ident {
            $(..$base:ident: $base_type:ty,)?
            $($(#[$field_meta:meta])* $field:ident: $type:ty,)*
        }
    ) => {
        #[derive(Debug, utoipa::ToSchema)]
        $(#[$meta])*
        $visibility struct $name {
            $(#[serde(flatten)] $base: $base_type,)?
            $($(#[$field_meta])* $field: $type,)*
        }

        impl $crate::http::json::Fields for $name {
            const NAMES: &'static [&'static str] = &[$(stringify!($field)),*];

            fn read_fields(
                shape: &mut $crate::http::json::Shape,
                object: &$crate::http::json::Object<'_>,
            ) -> Option<Self> {
                // An object without fields reads nothing.
                let _ = (&shape, object);
                $(let $base = <$base_type>::read_fields(shape, object);)?
                $(let $field = shape.field(object, stringify!($field));)*
                Some(Self {
                    $($base: $base?,)?
                    $($field: $field?,)*
                })
            }
        }

        impl $crate::http::json::FromJson for $name {
            fn read(
                shape: &mut $crate::http::json::Shape,
                node: &$crate::http::json::Node,
                path: &str,
            ) -> Option<Self> {
                use $crate::http::json::Fields;
                let names = [$(<$base_type>::NAMES,)? Self::NAMES];
                let object = shape.object(node, path, &names)?;
                Self::read_fields(shape, &object)
            }
        }
    };
}
pub(crate) use request_body;
