//! Reads a file into `COPY` text, on a thread of its own: reading may block for as long as whoever
//! writes into a pipe likes, and the command must still hear Ctrl-C. A few chunks are in memory at
//! once, however long the file is.

use std::{io::BufRead, thread};

use anyhow::{Context, anyhow};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::db::{bulk::CopyText, import::Line};

use super::{
    records::Records,
    rows::RowReader,
    source::{FileFormat, Source},
};

/// How much text is collected before it is sent.
const CHUNK_BYTES: usize = 256 * 1024;

/// How many chunks may wait to be sent.
const CHUNKS_AHEAD: usize = 2;

/// Some rows of a file.
pub struct Chunk {
    /// The rows.
    pub text: CopyText,
    /// How many bytes of the file were read up to their end.
    pub bytes_read: u64,
}

/// Whether the rows as they were are kept beside what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Originals {
    /// Somebody wants refused rows back.
    Kept,
    /// Nobody does.
    Dropped,
}

/// A file that is being read.
pub struct Reading {
    /// An empty message is the end. Without it the thread has died, and the file is not whole.
    chunks: mpsc::Receiver<anyhow::Result<Option<Chunk>>>,
}

impl Reading {
    /// Begins to read.
    ///
    /// # Errors
    /// There can't be another thread.
    pub fn start(source: &Source, originals: Originals) -> anyhow::Result<Self> {
        let (sender, chunks) = mpsc::channel(CHUNKS_AHEAD);
        let source = source.clone();
        thread::Builder::new()
            .name("import".to_owned())
            .spawn(move || {
                let end = read(&source, originals, &sender);
                let end = end.with_context(|| format!("{} can't be used", source.name()));
                // Whoever does not listen any more has given the import up.
                drop(sender.blocking_send(end.map(|()| None)));
            })
            .context("can't start a thread")?;
        Ok(Self { chunks })
    }

    /// The next rows; `None` at the end of the file.
    pub async fn next(&mut self) -> Option<anyhow::Result<Chunk>> {
        let message = self.chunks.recv().await;
        let died = || Err(anyhow!("the thread that reads the file has died"));
        message.unwrap_or_else(died).transpose()
    }
}

fn read(
    source: &Source,
    originals: Originals,
    chunks: &mpsc::Sender<anyhow::Result<Option<Chunk>>>,
) -> anyhow::Result<()> {
    let mut records = Records::new(source.open()?, source.format)?;
    let header = match source.format {
        FileFormat::Csv => records.next()?,
        FileFormat::Ndjson => None,
    };
    let rows = RowReader::of(source, header.as_ref())?;
    loop {
        let text = read_chunk(&mut records, &rows, originals)?;
        let is_last = text.len() < CHUNK_BYTES;
        let bytes_read = records.bytes();
        let chunk = Chunk { text, bytes_read };
        let is_taken = chunks.blocking_send(Ok(Some(chunk))).is_ok();
        if is_last || !is_taken {
            return Ok(());
        }
    }
}

/// Less than a chunk only at the end of the file.
fn read_chunk(
    records: &mut Records<Box<dyn BufRead>>,
    rows: &RowReader,
    originals: Originals,
) -> anyhow::Result<CopyText> {
    let mut text = CopyText::with_capacity(CHUNK_BYTES);
    while text.len() < CHUNK_BYTES {
        let Some(record) = records.next()? else {
            break;
        };
        let row = rows.read(&record);
        let original = match originals {
            Originals::Kept => rows.as_json(&record),
            Originals::Dropped => None,
        };
        let line = Line {
            number: record.line,
            text: original.as_deref(),
            row: &row,
            new_id: Uuid::now_v7(),
        };
        line.encode(rows.kind(), &mut text);
    }
    Ok(text)
}
