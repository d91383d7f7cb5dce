//! The reading end of a server's log: a pipe whose reader can be stopped.

use std::{
    io::{PipeReader, PipeWriter, Read, pipe},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::Context;

/// More than a pipe holds.
const CHUNK_BYTES: usize = 1024 * 1024;
const LOOK_EVERY: Duration = Duration::from_millis(5);

#[derive(Debug, Default)]
struct Shared {
    rests: AtomicBool,
    is_resting: AtomicBool,
    most_at_once: AtomicUsize,
}

/// See the module. The thread ends with the server.
#[derive(Debug)]
pub struct LogPipe {
    shared: Arc<Shared>,
}

impl LogPipe {
    /// Begins to read. The writer is for the server.
    pub fn open() -> anyhow::Result<(Self, PipeWriter)> {
        let (reader, writer) = pipe().context("can't open a pipe")?;
        let shared = Arc::new(Shared::default());
        let for_thread = Arc::clone(&shared);
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || read(reader, &for_thread))
            .context("can't start a thread")?;
        Ok((Self { shared }, writer))
    }

    /// Stops reading, or goes on.
    pub fn rest(&self, rests: bool) {
        self.shared.most_at_once.store(0, Ordering::Relaxed);
        self.shared.rests.store(rests, Ordering::Relaxed);
    }

    /// True once nothing is read any more.
    pub fn is_resting(&self) -> bool {
        self.shared.is_resting.load(Ordering::Relaxed)
    }

    /// The most bytes that the pipe held since reading was stopped or resumed.
    pub fn most_at_once(&self) -> usize {
        self.shared.most_at_once.load(Ordering::Relaxed)
    }
}

fn read(mut reader: PipeReader, shared: &Shared) {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let rests = shared.rests.load(Ordering::Relaxed);
        shared.is_resting.store(rests, Ordering::Relaxed);
        if rests {
            thread::park_timeout(LOOK_EVERY);
            continue;
        }
        match reader.read(&mut chunk) {
            Ok(read @ 1..) => {
                shared.most_at_once.fetch_max(read, Ordering::Relaxed);
            }
            _ => return,
        }
    }
}
