//! The description of every column, as Markdown: `splitcart import --columns` prints it, and a test
//! compares `docs/import.md` with it.

use std::fmt::Write;

use crate::import_rules::{Column, Kind, Need, Spec};

/// A table per kind.
pub fn markdown() -> String {
    let mut page = String::new();
    for kind in Kind::ALL {
        write(&mut page, kind.spec()).expect("a string takes every write");
    }
    page
}

fn write(page: &mut String, spec: &Spec) -> std::fmt::Result {
    writeln!(page, "### {}\n\n{}\n", spec.name, spec.about)?;
    writeln!(
        page,
        "A row is about the {} with its {}.\n",
        spec.noun,
        spec.ways_to_name()
    )?;
    writeln!(page, "| column | meaning | value | without it |")?;
    writeln!(page, "|---|---|---|---|")?;
    for column in spec.columns {
        let Column {
            name,
            format,
            meaning,
            ..
        } = column;
        writeln!(
            page,
            "| `{name}` | {meaning} | {format} | {} |",
            without(spec, column.need)
        )?;
    }
    writeln!(page)
}

fn without(spec: &Spec, need: Need) -> String {
    match need {
        Need::GeneratedId if spec.named_by.len() == 1 => "the row is refused".to_owned(),
        Need::GeneratedId => "found by the other columns; a new row gets one".to_owned(),
        Need::RequiredForNew => "a new row is refused, an old one keeps what it has".to_owned(),
        Need::RequiredOrLookup => "found by the other columns".to_owned(),
        Need::Default("") => {
            "a new row gets an empty text, an old one keeps what it has".to_owned()
        }
        Need::Default(default) => {
            format!("a new row gets `{default}`, an old one keeps what it has")
        }
        Need::Nullable => {
            "a new row gets null, an old one keeps what it has; empty is null".to_owned()
        }
        Need::Optional => "nothing".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/import.md");

    #[test]
    fn the_page_about_importing_has_every_column_as_it_is() {
        let page = std::fs::read_to_string(PAGE).unwrap();
        assert!(
            page.contains(markdown().trim_end()),
            "docs/import.md lacks what `splitcart import --columns` prints"
        );
    }
}
