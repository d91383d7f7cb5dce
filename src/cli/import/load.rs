//! One file: staged, checked, and applied in one transaction.
//!
//! Rows are copied into temporary tables first, which holds no lock. Then, in the transaction, they
//! are resolved and checked as a set, and what was accepted is written as a set. Stock that may go in
//! piece by piece is written in many short transactions, because checkouts wait for its rows.

use std::{
    io::{BufRead, Write},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use futures_util::StreamExt;
use sqlx::{Connection, PgConnection};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::{
    db::{
        self,
        bulk::CopyText,
        import::{self, Changes, Line, Part, Refused},
    },
    domain::import::Kind,
};

use super::{
    lines::{Breaks, Records},
    report::FileReport,
    rows::RowReader,
    screen::Screen,
    source::{FileFormat, Source},
};

/// How much text is collected before it is sent.
const CHUNK_BYTES: usize = 256 * 1024;

/// How many rows of stock are written in one transaction where a file may go in piece by piece: a
/// few milliseconds, which is what a checkout may have to wait for them.
const STOCK_ROWS_AT_ONCE: i64 = 500;

/// How many refused rows are shown on the screen.
pub const SHOWN_MAX: usize = 20;

/// What is to become of a file with refused rows, and of one without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is imported only if nothing of it is refused.
    Whole,
    /// What is accepted is imported.
    KeepGoing,
    /// It is only said what would be: the caller rolls back, after all files, so that each sees what
    /// those before it would bring.
    DryRun,
}

/// Imports a file. Refused rows also go to `refused`, each as a line of JSON.
///
/// # Errors
/// The file can't be read, its header is of no use, or the machine failed: nothing of it was
/// imported, or in [`Mode::KeepGoing`] perhaps a part of its stock.
pub async fn load(
    connection: &mut PgConnection,
    source: &Source,
    mode: Mode,
    mut refused: Option<&mut dyn Write>,
    screen: &Screen,
) -> anyhow::Result<FileReport> {
    let started = Instant::now();
    let kind = source.kind;
    let rows = stage(connection, source, refused.is_some(), screen).await?;
    screen.applying(kind, rows);
    let mut transaction = connection.begin().await.context("could not begin")?;
    import::lock_table(&mut transaction, kind).await?;
    import::resolve(&mut transaction, kind).await?;
    import::check(&mut transaction, kind).await?;
    let all: Part = 1..=i64::try_from(rows).unwrap_or(i64::MAX);
    if kind == Kind::Stock {
        if mode == Mode::Whole {
            import::lock_stock(&mut transaction, &all).await?;
        }
        import::recheck_stock(&mut transaction, &all).await?;
    }
    let count = import::refused_count(&mut transaction).await?;
    let mut report = FileReport::of(source, rows, count);
    let in_parts = kind == Kind::Stock && mode == Mode::KeepGoing;
    match mode {
        // The rows of stock are not even locked.
        Mode::DryRun if kind == Kind::Stock => {
            report.changes = import::foresee(&mut transaction, kind).await?;
        }
        Mode::Whole if count > 0 => {}
        _ if in_parts => {}
        _ => {
            report.changes = match kind {
                Kind::Stock => import::apply_stock(&mut transaction, &all).await?,
                _ => import::apply(&mut transaction, kind).await?,
            };
        }
    }
    if !in_parts {
        // Read before the end: with the transaction the table goes, too.
        tell_refused(&mut transaction, &mut report, &mut refused).await?;
    }
    if mode == Mode::Whole && count > 0 {
        transaction
            .rollback()
            .await
            .context("could not roll back")?;
    } else {
        db::pool::commit(transaction).await?;
        report.was_imported = mode != Mode::DryRun;
    }
    if in_parts {
        report.changes = apply_in_parts(connection, &all).await?;
        report.refused = import::refused_count(connection).await?;
        tell_refused(connection, &mut report, &mut refused).await?;
    }
    if report.was_imported && report.changes != Changes::default() {
        import::analyze(connection, kind).await?;
    }
    report.elapsed = started.elapsed();
    Ok(report)
}

/// Reads the file into `import_lines`; returns how many rows it has.
async fn stage(
    connection: &mut PgConnection,
    source: &Source,
    is_text_wanted: bool,
    screen: &Screen,
) -> anyhow::Result<u64> {
    let (reader, bytes) = source.open()?;
    let breaks = match source.format {
        FileFormat::Csv => Breaks::InsideQuotes,
        FileFormat::Ndjson => Breaks::Never,
    };
    let named = || format!("{} can't be used", source.name());
    let mut records = Records::of(reader, breaks).with_context(named)?;
    let header = match source.format {
        FileFormat::Csv => records.next().with_context(named)?,
        FileFormat::Ndjson => None,
    };
    let rows = RowReader::of(source, header.as_ref()).with_context(named)?;
    screen.reading(source, bytes);
    let mut chunks = read_on_a_thread(records, rows, is_text_wanted);
    let next = async || {
        let chunk = chunks.recv().await?;
        Some(chunk.map(|(text, bytes)| {
            screen.read(bytes);
            text
        }))
    };
    let staged = import::stage(connection, source.kind, next).await?;
    staged.with_context(named)
}

/// Text for `COPY`, and how many bytes of the file were read for it and those before it.
type Chunk = anyhow::Result<(CopyText, u64)>;

/// Reading blocks, and a pipe may be silent for long: a signal must be heard meanwhile. The thread
/// ends when the file does, or when nobody wants its chunks any more.
fn read_on_a_thread(
    mut records: Records<Box<dyn BufRead + Send>>,
    rows: RowReader,
    is_text_wanted: bool,
) -> mpsc::Receiver<Chunk> {
    let (sender, chunks) = mpsc::channel(1);
    thread::spawn(move || {
        loop {
            let chunk = read_chunk(&mut records, &rows, is_text_wanted);
            let is_last = !matches!(&chunk, Ok(text) if text.len() >= CHUNK_BYTES);
            let chunk = chunk.map(|text| (text, records.bytes()));
            if sender.blocking_send(chunk).is_err() || is_last {
                return;
            }
        }
    });
    chunks
}

/// Less than a chunk only at the end of the file.
fn read_chunk(
    records: &mut Records<Box<dyn BufRead + Send>>,
    rows: &RowReader,
    is_text_wanted: bool,
) -> anyhow::Result<CopyText> {
    let mut text = CopyText::with_capacity(CHUNK_BYTES);
    while text.len() < CHUNK_BYTES {
        let Some(record) = records.next()? else {
            break;
        };
        let row = rows.read(&record);
        let shown = if is_text_wanted {
            rows.as_json(&record)
        } else {
            None
        };
        let line = Line {
            number: record.line,
            text: shown.as_deref(),
            row: &row,
            new_id: Uuid::now_v7(),
        };
        line.encode(&mut text);
    }
    Ok(text)
}

async fn apply_in_parts(connection: &mut PgConnection, all: &Part) -> anyhow::Result<Changes> {
    let mut changes = Changes::default();
    let mut first = *all.start();
    while first <= *all.end() {
        let last = (first + STOCK_ROWS_AT_ONCE - 1).min(*all.end());
        let part = first..=last;
        let mut transaction = connection.begin().await.context("could not begin")?;
        import::lock_table(&mut transaction, Kind::Stock).await?;
        import::lock_stock(&mut transaction, &part).await?;
        // Reserved units may have become more since the file was checked.
        import::recheck_stock(&mut transaction, &part).await?;
        let some = import::apply_stock(&mut transaction, &part).await?;
        db::pool::commit(transaction).await?;
        changes.inserted += some.inserted;
        changes.updated += some.updated;
        first = last + 1;
    }
    Ok(changes)
}

async fn tell_refused(
    connection: &mut PgConnection,
    report: &mut FileReport,
    file: &mut Option<&mut dyn Write>,
) -> anyhow::Result<()> {
    if report.refused == 0 {
        return Ok(());
    }
    let mut rows = import::refused(connection);
    while let Some(refused) = rows.next().await {
        let refused = refused?;
        if let Some(file) = file {
            let line = as_json(&report.name, &refused);
            writeln!(file, "{line}").context("the refused rows can't be written down")?;
        } else if report.shown.len() == SHOWN_MAX {
            break;
        }
        if report.shown.len() < SHOWN_MAX {
            report.shown.push(refused);
        }
    }
    Ok(())
}

fn as_json(file: &str, refused: &Refused) -> serde_json::Value {
    let row = refused.text.as_deref().unwrap_or("null");
    serde_json::json!({
        "file": file,
        "line": refused.line,
        "problems": refused.problems,
        "row": serde_json::from_str::<serde_json::Value>(row).unwrap_or_default(),
    })
}

/// A report's time, as it is shown.
pub fn seconds(elapsed: Duration) -> String {
    format!("{:.2}", elapsed.as_secs_f64())
}
