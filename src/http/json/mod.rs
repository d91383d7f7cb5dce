//! Request bodies: parsed strictly, with every problem of the shape found at once.

mod node;
mod number;
mod shape;

#[cfg(test)]
mod tests;

pub use node::{MEMBERS_MAX, Node};
pub use shape::{FieldProblem, Object, PROBLEMS_MAX, Shape, listed, shortened};
