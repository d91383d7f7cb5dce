//! One stream: what it has missed, then what comes, with heartbeats in between.

use std::{pin::pin, time::Duration};

use sqlx::PgPool;
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use crate::{
    db::{self, outbox::LogBounds},
    domain::ids::{StoreId, UserId},
};

use super::{
    Page,
    hub::{LiveOrders, Place, Refused},
    message::{Message, heartbeat, opened, reset},
};

/// The time after which a client that was cut off is to come back.
const RETRY_MS: u64 = 2000;
/// The most places of the log that are read for a stream that comes back.
const MISSED_MAX: i64 = 20_000;
/// The most events that are read at a time for it.
const PAGE_MAX: i64 = 500;
/// The time that a statement may take.
const STATEMENT_MAX: Duration = Duration::from_secs(2);
/// The time for which a stream waits for the reader of the log, whose look may take three seconds.
const BEGIN_MAX: Duration = Duration::from_secs(4);
/// The most messages that are sent as one.
const TOGETHER_MAX: usize = 32;

/// The reader of a stream.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    pub user_id: UserId,
    /// The store whose events it sees.
    pub store_id: StoreId,
    /// The time at which the stream ends.
    pub ends_at: Instant,
    pub heartbeat_every: Duration,
}

/// An open stream.
#[derive(Debug)]
pub struct Feed {
    hub: LiveOrders,
    place: Place,
    pool: PgPool,
    reader: Reader,
    stopping: watch::Receiver<bool>,
    position: watch::Receiver<Option<i64>>,
    /// Everything up to this place was sent.
    sent_up_to: i64,
    /// The place up to which the stream reads the log by itself.
    missed_up_to: i64,
    /// The beginning, until it was sent.
    beginning: Option<String>,
}

impl Feed {
    /// Opens a stream, after the place that its reader has got to or from now on. Every event that is given
    /// its place in the log from now on is sent.
    ///
    /// # Errors
    /// There are too many streams, or the service is about to stop.
    pub async fn open(
        hub: &LiveOrders,
        pool: PgPool,
        reader: Reader,
        after: Option<i64>,
    ) -> Result<Self, Refused> {
        let mut place = hub.take_place(reader.user_id, reader.store_id)?;
        let position = hub.position();
        let joined = timeout(BEGIN_MAX, &mut place.joined).await;
        let now = joined.ok().and_then(Result::ok);
        let now = now.ok_or(Refused::Unavailable)?;
        let (sent_up_to, beginning) = match after {
            None => (now, opened(now, RETRY_MS)),
            Some(after) => {
                let bounds = db::within(&pool, STATEMENT_MAX, async |connection| {
                    db::outbox::log_bounds(connection).await
                });
                let bounds = bounds.await.map_err(|_| Refused::Unavailable)?;
                if can_resume(after, now, bounds) {
                    (after, opened(after, RETRY_MS))
                } else {
                    (now, opened(now, RETRY_MS) + &reset(now))
                }
            }
        };
        Ok(Self {
            stopping: hub.stopping(),
            hub: hub.clone(),
            place,
            pool,
            reader,
            position,
            sent_up_to,
            missed_up_to: now,
            beginning: Some(beginning),
        })
    }

    /// The next text to be sent; `None` at the end of the stream.
    pub async fn next(&mut self) -> Option<String> {
        if let Some(beginning) = self.beginning.take() {
            return Some(beginning);
        }
        let mut stopping = self.stopping.clone();
        let ends_at = self.reader.ends_at;
        let mut next = pin!(async {
            if self.sent_up_to < self.missed_up_to {
                self.next_missed().await
            } else {
                self.next_new().await
            }
        });
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stopping| *stopping) => None,
            () = tokio::time::sleep_until(ends_at) => None,
            text = &mut next => text,
        }
    }

    /// The next part of what was missed. Ends the stream if PostgreSQL does not answer: its reader comes
    /// back for the rest.
    async fn next_missed(&mut self) -> Option<String> {
        let Self {
            hub, pool, reader, ..
        } = self;
        let _turn = hub.catching_up().acquire().await.ok()?;
        let after = self.sent_up_to;
        let page = db::within(pool, STATEMENT_MAX, async |connection| {
            Page::read(connection, after, PAGE_MAX, &[reader.store_id]).await
        });
        let page = page.await.ok()?;
        let mut text = String::new();
        for (seq, seen) in page.seen() {
            if seq <= self.missed_up_to && seen.store_id == reader.store_id {
                text.push_str(&Message::of(seq, &seen.envelope).text);
            }
        }
        let last = page.last_seq().filter(|_| page.is_full);
        self.sent_up_to = last.map_or(self.missed_up_to, |last| last.min(self.missed_up_to));
        if text.is_empty() {
            text = heartbeat(self.sent_up_to);
        }
        Some(text)
    }

    async fn next_new(&mut self) -> Option<String> {
        let heartbeat_at = Instant::now() + self.reader.heartbeat_every;
        loop {
            let received = tokio::time::timeout_at(heartbeat_at, self.place.messages.recv()).await;
            let first = if let Ok(message) = received {
                message?
            } else {
                // The position first: what was handed over up to it waits here by then.
                let position = self.position.borrow().unwrap_or(self.sent_up_to);
                let Ok(message) = self.place.messages.try_recv() else {
                    self.sent_up_to = self.sent_up_to.max(position);
                    return Some(heartbeat(self.sent_up_to));
                };
                message
            };
            let mut text = String::new();
            self.add(&first, &mut text);
            for _ in 1..TOGETHER_MAX {
                match self.place.messages.try_recv() {
                    Ok(message) => self.add(&message, &mut text),
                    Err(_) => break,
                }
            }
            if !text.is_empty() {
                return Some(text);
            }
        }
    }

    /// Adds a message, unless it was read from the log already.
    fn add(&mut self, message: &Message, text: &mut String) {
        if message.seq > self.sent_up_to {
            self.sent_up_to = message.seq;
            text.push_str(&message.text);
        }
    }
}

/// True if all events after a place are kept, and are not too many. A place may be a little ahead of the
/// reader of the log here: another instance has sent it.
fn can_resume(after: i64, now: i64, bounds: LogBounds) -> bool {
    let is_known = after <= bounds.last.max(now);
    let is_kept = after == bounds.last || bounds.first.is_some_and(|first| first - 1 <= after);
    is_known && is_kept && now - after <= MISSED_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_resumed_from_if_everything_after_it_is_there() {
        let bounds = |first, last| LogBounds { first, last };
        for (after, now, bounds, expected) in [
            (5, 9, bounds(Some(1), 9), true),
            (5, 9, bounds(Some(6), 9), true),
            // Removed after their retention.
            (5, 9, bounds(Some(7), 9), false),
            (9, 9, bounds(None, 9), true),
            // The reader of the log is a little behind.
            (9, 8, bounds(Some(1), 9), true),
            // Of another database.
            (10, 9, bounds(Some(1), 9), false),
            (i64::MAX, 9, bounds(Some(1), 9), false),
            (1, MISSED_MAX + 1, bounds(Some(1), MISSED_MAX + 1), true),
            (0, MISSED_MAX + 1, bounds(Some(1), MISSED_MAX + 1), false),
        ] {
            assert_eq!(
                can_resume(after, now, bounds),
                expected,
                "{after} {now} {bounds:?}"
            );
        }
    }
}
