//! Recorded floors: a file of TOML with a table for each guarded figure, no more and no fewer.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use serde::de::DeserializeOwned;

/// Reads a file of floors. `figure` is the word for a guarded figure in errors.
pub fn read<Floor: DeserializeOwned>(
    text: &str,
    guarded: &[&str],
    figure: &str,
) -> anyhow::Result<BTreeMap<String, Floor>> {
    let floors: BTreeMap<String, Floor> = toml::from_str(text)?;
    for key in floors.keys() {
        ensure!(
            guarded.contains(&key.as_str()),
            "{key} is no {figure} that is guarded"
        );
    }
    for key in guarded {
        floors
            .get(*key)
            .with_context(|| format!("{key} has no floor"))?;
    }
    Ok(floors)
}
