//! One file: staged, checked, and applied in one transaction.
//!
//! Rows are copied into temporary tables first, which holds no lock. Then, in the transaction, they
//! are resolved and checked as a set, and what was accepted is written as a set. Stock that may go in
//! piece by piece is written in many short transactions, because checkouts wait for its rows.

use std::time::Instant;

use anyhow::Context;
use sqlx::{Connection, PgConnection};
use terminal::Screen;

use splitcart::db::transaction;

use crate::{
    db::import::{self, Changes, Intent, Part},
    import_rules::Kind,
};

use super::{
    mode::Mode,
    reading::{Originals, Reading},
    refused::RefusedFile,
    report::FileReport,
    source::Source,
};

/// The number of rows of stock that are written in one transaction where a file may go in piece by
/// piece: a few milliseconds, which a checkout may have to wait for them.
const STOCK_ROWS_AT_ONCE: i64 = 500;

/// Imports a file.
///
/// # Errors
/// The file can't be read, its header can't be used, or a statement failed: nothing of the file was
/// imported, or in [`Mode::KeepGoing`] perhaps a part of its stock.
pub async fn load(
    connection: &mut PgConnection,
    source: &Source,
    mode: Mode,
    refused: &mut RefusedFile,
    screen: &Screen,
) -> anyhow::Result<FileReport> {
    let started = Instant::now();
    let rows = stage(connection, source, refused.originals(), screen).await?;
    screen.begin_work(format!(
        "checking and writing {} ({})",
        source.kind.spec().name,
        terminal::count(rows)
    ));
    let mut report = FileReport::of(source, mode, rows);
    if source.kind == Kind::Stock && mode == Mode::KeepGoing {
        write_in_parts(connection, &mut report, refused).await?;
    } else {
        write_at_once(connection, source.kind, &mut report, refused).await?;
    }
    if report.was_imported() && report.changes != Some(Changes::default()) {
        import::analyze(connection, source.kind).await?;
    }
    report.elapsed = started.elapsed();
    Ok(report)
}

/// Reads the file into `import_lines`; returns how many rows it has.
async fn stage(
    connection: &mut PgConnection,
    source: &Source,
    originals: Originals,
    screen: &Screen,
) -> anyhow::Result<u64> {
    screen.begin_bytes(format!("reading {}", source.name()), source.len());
    let mut reading = Reading::start(source, originals)?;
    let next = async || {
        let chunk = reading.next().await?;
        Some(chunk.map(|chunk| {
            screen.at(chunk.bytes_read);
            chunk.text
        }))
    };
    import::stage(connection, source.kind, next).await?
}

async fn write_at_once(
    connection: &mut PgConnection,
    kind: Kind,
    report: &mut FileReport,
    refused: &mut RefusedFile,
) -> anyhow::Result<()> {
    let mut transaction = connection.begin().await.context("could not begin")?;
    import::lock_table(&mut transaction, kind).await?;
    import::resolve(&mut transaction, kind).await?;
    import::check(&mut transaction, kind).await?;
    let all = part_of(report.rows);
    let mut changes = None;
    if kind == Kind::Stock {
        let is_refused = import::refused_count(&mut transaction).await? > 0;
        // What is not going to be written makes no checkout wait.
        let intent = if report.mode == Mode::DryRun || is_refused {
            Intent::Foresee
        } else {
            Intent::Write
        };
        changes = Some(import::count_stock(&mut transaction, &all, intent).await?);
    }
    report.refused = import::refused_count(&mut transaction).await?;
    report.shown = refused.take(&mut transaction, &report.name).await?;
    if report.mode == Mode::Whole && report.refused > 0 {
        return transaction.rollback().await.context("could not roll back");
    }
    let changes = match changes {
        Some(changes) => changes,
        None => import::apply(&mut transaction, kind).await?,
    };
    transaction::commit(transaction).await?;
    report.changes = Some(changes);
    Ok(())
}

/// Only stock is written like this, and only if its file need not go in whole.
async fn write_in_parts(
    connection: &mut PgConnection,
    report: &mut FileReport,
    refused: &mut RefusedFile,
) -> anyhow::Result<()> {
    let mut transaction = connection.begin().await.context("could not begin")?;
    import::lock_table(&mut transaction, Kind::Stock).await?;
    import::resolve(&mut transaction, Kind::Stock).await?;
    import::check(&mut transaction, Kind::Stock).await?;
    transaction::commit(transaction).await?;
    let mut changes = Changes::default();
    let (mut first, last) = part_of(report.rows).into_inner();
    while first <= last {
        let part = first..=last.min(first + STOCK_ROWS_AT_ONCE - 1);
        first = part.end() + 1;
        let mut transaction = connection.begin().await.context("could not begin")?;
        import::lock_table(&mut transaction, Kind::Stock).await?;
        changes += import::count_stock(&mut transaction, &part, Intent::Write).await?;
        transaction::commit(transaction).await?;
    }
    // Reported last: only under the locks is it known which rows agree with the reserved stock.
    report.refused = import::refused_count(connection).await?;
    report.shown = refused.take(connection, &report.name).await?;
    report.changes = Some(changes);
    Ok(())
}

fn part_of(rows: u64) -> Part {
    1..=i64::try_from(rows).unwrap_or(i64::MAX)
}
