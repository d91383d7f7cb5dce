//! Reads a file into `COPY` text, on a thread of its own: reading from a pipe may block for any time, and
//! the command must still react to Ctrl-C. A few chunks are in memory at once, however long the file is.

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

/// The length of text that is collected before it is sent.
const CHUNK_BYTES: usize = 256 * 1024;

/// The number of chunks that may wait to be sent.
const CHUNKS_AHEAD: usize = 2;

/// Some rows of a file.
pub struct Chunk {
    pub text: CopyText,
    /// The bytes of the file that were read up to the end of these rows.
    pub bytes_read: u64,
}

/// The choice to keep the rows as they are in the file, beside the values read from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Originals {
    /// Refused rows are to be handed back.
    Kept,
    Dropped,
}

/// A file that is being read.
pub struct Reading {
    /// An empty message is the end. A channel that closes without it means that the thread has died.
    chunks: mpsc::Receiver<anyhow::Result<Option<Chunk>>>,
}

impl Reading {
    /// Begins to read.
    ///
    /// # Errors
    /// The thread can't be started.
    pub fn start(source: &Source, originals: Originals) -> anyhow::Result<Self> {
        let (sender, chunks) = mpsc::channel(CHUNKS_AHEAD);
        let source = source.clone();
        thread::Builder::new()
            .name("import".to_owned())
            .spawn(move || {
                let end = read(&source, originals, &sender);
                let end = end.with_context(|| format!("{} can't be used", source.name()));
                // A receiver that is gone has given the import up.
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

/// Reads a chunk; one that is not full is the last.
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
