//! The commands `seed` and `import`.

pub mod import;
pub mod seed;
