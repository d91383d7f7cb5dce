//! Request bodies: parsed strictly, with every problem of the shape found at once.

mod node;
mod shape;

pub use node::Node;
pub use shape::{FieldProblem, Object, Shape, listed};
