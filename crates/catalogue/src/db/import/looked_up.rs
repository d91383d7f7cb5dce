//! Fills in the ids that a file names in other words, such as a product by its vendor and SKU.

use crate::import_rules::Kind;

use super::plans;

/// The lines of a file, with ids looked up by the columns that stand for them.
pub(super) fn looked_up(kind: Kind) -> String {
    let Some(lookup) = &plans::of(kind).lookup else {
        return "select * from import_lines".to_owned();
    };
    let columns = kind.spec().columns.iter();
    let columns = columns.map(|column| match column.name {
        name if name == lookup.column => format!("coalesce(l.{name}, f.id) as {name}"),
        name => format!("l.{name}"),
    });
    let folded = plans::of(kind).folded.as_ref();
    let columns: Vec<_> = columns
        .chain(folded.map(|folding| format!("l.{}", folding.column)))
        .collect();
    format!(
        "select l.line, l.given, l.new_id, {columns}
         from import_lines l
         left join {from}",
        columns = columns.join(", "),
        from = lookup.from,
    )
}
