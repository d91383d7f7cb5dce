//! Publishes the log of events to a sink beside the primary one.
//!
//! One instance at a time owns the sink, for as long as it extends its lease. It keeps its place in the log
//! in memory and records it a few times a second, so a crash repeats the events of a moment, and a restart
//! none. A sink that is away costs no statement but a look now and then: its place in the log waits.
//!
//! What was taken before a failure is not sent again by the same instance, and the number of events that are
//! sent at once adapts to what the sink takes in time: a slow sink is slow, and never stuck.
//!
//! Events of one aggregate are sent one after the other. If one is refused while others pass, it goes to the
//! backlog, and the later ones of its aggregate behind it.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use sqlx::PgPool;
use tokio::sync::watch;
use uuid::Uuid;

use crate::{
    db::{
        self,
        outbox::{LoggedEvent, Ownership},
    },
    faults,
    metrics::SinkLabel,
};

use super::{
    backoff::{REFUSED_WAIT_MAX, limit_after, pause_after},
    delivery::{Delivery, Fate},
    waves::waves,
};

/// The interval of looks at the log, and of attempts to own the sink.
const POLL: Duration = Duration::from_millis(200);
/// The lease of the ownership: the time for which a crash of its owner delays a sink.
const LEASE: Duration = Duration::from_secs(5);
/// The interval at which the place in the log is recorded. Not after every batch: while an old snapshot is
/// open, PostgreSQL keeps every version of the row, and each statement walks along them.
const RECORD_EVERY: Duration = Duration::from_millis(250);
/// The interval of looks at the backlog.
const BACKLOG_EVERY: Duration = Duration::from_secs(1);
/// The longest pause between two attempts to reach a sink or a database that is away.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// The time limit of a statement; a slow database gets longer after each failure ([`limit_after`]).
const STATEMENT_MAX: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error(transparent)]
    Database(#[from] db::Error),
    #[error("the sink takes no events: {0}")]
    Sink(String),
    #[error("another instance has taken over")]
    TakenOver,
}

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most events read and sent at once.
    pub batch_max: i64,
    /// The number of refusals after which an event becomes a dead letter.
    pub attempts_max: i32,
}

#[derive(Debug)]
pub struct Follower {
    pool: PgPool,
    delivery: Delivery,
    instance: Uuid,
    limits: Limits,
    /// Attempts in a row that failed.
    failures: u32,
    /// Events after the recorded place that the sink has taken from this instance.
    taken: HashSet<i64>,
}

/// What the owner of a sink knows.
struct Place {
    ownership: Ownership,
    /// Every event up to this seq was taken by the sink, or stands in the backlog.
    position: i64,
    recorded_at: Instant,
    looked_at_backlog: Instant,
    /// Aggregates of which an event waits in the backlog.
    blocked: HashSet<Uuid>,
    /// Events after the position that stand in the backlog already: an owner before has put them there,
    /// and did not live to record its place.
    known: HashSet<i64>,
}

impl Follower {
    /// The sink must be a row of `outbox_sinks`.
    pub(super) fn new(pool: PgPool, delivery: Delivery, limits: Limits) -> Self {
        Self {
            pool,
            delivery,
            instance: Uuid::now_v7(),
            limits,
            failures: 0,
            taken: HashSet::new(),
        }
    }

    /// Publishes until `stopping` is true. What is not published by then is left to other instances, or to
    /// the next start.
    pub async fn run(mut self, mut stopping: watch::Receiver<bool>) {
        while !*stopping.borrow_and_update() {
            let pause = match self.own_and_follow(&mut stopping).await {
                Ok(()) => POLL,
                Err(error) => {
                    self.failures = self.failures.saturating_add(1);
                    let sink = self.delivery.sink_name();
                    match error {
                        // The sink's state has been reported.
                        FollowError::Sink(_) => {
                            tracing::debug!(
                                sink,
                                "publishing to {sink} will be tried again: {error}"
                            );
                        }
                        FollowError::Database(_) | FollowError::TakenOver => {
                            tracing::warn!(
                                sink,
                                "publishing to {sink} will be tried again: {error}"
                            );
                        }
                    }
                    pause_after(self.failures, PAUSE_MAX)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stopping.changed() => {}
            }
        }
    }

    fn statement_max(&self) -> Duration {
        limit_after(self.failures, STATEMENT_MAX)
    }

    /// Follows the log for as long as this instance owns the sink. Ends without an error if another one
    /// owns it, or if `stopping` is true.
    async fn own_and_follow(
        &mut self,
        stopping: &mut watch::Receiver<bool>,
    ) -> Result<(), FollowError> {
        let sink = self.delivery.sink_name();
        let owned = db::within(&self.pool, self.statement_max(), async |connection| {
            let owned = db::outbox::own_follower(connection, sink, self.instance, LEASE).await?;
            let Some((ownership, position)) = owned else {
                return Ok(None);
            };
            let gone = db::outbox::drop_gone_from_backlog(connection, &ownership).await?;
            if gone > 0 {
                tracing::warn!(
                    sink,
                    "{gone} events that {sink} has yet to take are not kept any more"
                );
            }
            let backlog = db::outbox::read_backlog(connection, sink, position).await?;
            Ok(Some((ownership, position, backlog)))
        });
        let Some((ownership, position, backlog)) = owned.await? else {
            return Ok(());
        };
        let mut place = Place {
            ownership,
            position,
            recorded_at: Instant::now(),
            looked_at_backlog: Instant::now(),
            known: backlog.iter().map(|row| row.seq).collect(),
            blocked: HashSet::new(),
        };
        place.block(&backlog);
        self.taken.retain(|seq| *seq > position);
        let outcome = self.follow(&mut place, stopping).await;
        if !matches!(outcome, Err(FollowError::TakenOver)) {
            // Another instance may reach a sink, or a database, that this one does not.
            let error = outcome.as_ref().err().map(ToString::to_string);
            let given_up = db::within(&self.pool, STATEMENT_MAX, async |connection| {
                let Place {
                    ownership,
                    position,
                    ..
                } = &place;
                db::outbox::give_up_follower(connection, ownership, *position, error.as_deref())
                    .await
            });
            given_up.await?;
        }
        outcome
    }

    async fn follow(
        &mut self,
        place: &mut Place,
        stopping: &mut watch::Receiver<bool>,
    ) -> Result<(), FollowError> {
        while !*stopping.borrow_and_update() {
            if place.looked_at_backlog.elapsed() >= BACKLOG_EVERY {
                self.send_backlog(place).await?;
                place.looked_at_backlog = Instant::now();
            }
            let batch_max = self.limits.batch_max;
            let events = db::within(&self.pool, self.statement_max(), async |connection| {
                db::outbox::read_log(connection, place.position, batch_max).await
            });
            let events = events.await?;
            let is_full = events.len() as u64 >= batch_max.unsigned_abs();
            self.send(place, &events).await?;
            self.failures = 0;
            self.record_if_due(place).await?;
            if !is_full {
                tokio::select! {
                    () = tokio::time::sleep(POLL) => {}
                    _ = stopping.changed() => {}
                }
            }
        }
        Ok(())
    }

    /// Sends the next events of the log. After an error those that were not taken are sent again.
    async fn send(&mut self, place: &mut Place, events: &[LoggedEvent]) -> Result<(), FollowError> {
        let Some(last) = events.last() else {
            return Ok(());
        };
        let sent = self.send_new(place, events).await;
        // Up to the first event that was neither taken nor put into the backlog.
        let is_settled = |event: &&LoggedEvent| {
            self.taken.contains(&event.seq) || place.known.contains(&event.seq)
        };
        let settled = events.iter().take_while(is_settled).last();
        place.position = match &sent {
            Ok(()) => last.seq,
            Err(_) => settled.map_or(place.position, |event| event.seq),
        };
        place.known.retain(|seq| *seq > place.position);
        self.taken.retain(|seq| *seq > place.position);
        sent
    }

    async fn send_new(
        &mut self,
        place: &mut Place,
        events: &[LoggedEvent],
    ) -> Result<(), FollowError> {
        let mut to_backlog: Vec<(&LoggedEvent, Option<String>)> = Vec::new();
        let is_new = |event: &&LoggedEvent| {
            !place.known.contains(&event.seq) && !self.taken.contains(&event.seq)
        };
        let new: Vec<_> = events.iter().filter(is_new).collect();
        for wave in waves(new) {
            let (behind, wave): (Vec<_>, Vec<_>) = wave
                .into_iter()
                .partition(|event| place.blocked.contains(&event.event.aggregate_id));
            to_backlog.extend(behind.into_iter().map(|event| (event, None)));
            let mut left = &wave[..];
            while !left.is_empty() {
                let (slice, rest) = left.split_at(left.len().min(self.delivery.at_once()));
                for (event, refusal) in self.send_at_once(&place.ownership, slice).await? {
                    place.blocked.insert(event.event.aggregate_id);
                    to_backlog.push((event, Some(refusal)));
                }
                self.record_if_due(place).await?;
                left = rest;
            }
        }
        if !to_backlog.is_empty() {
            let wait = pause_after(1, REFUSED_WAIT_MAX);
            db::within(&self.pool, self.statement_max(), async |connection| {
                let ownership = &place.ownership;
                db::outbox::add_to_backlog(connection, ownership, &to_backlog, wait).await
            })
            .await?;
        }
        Ok(())
    }

    /// Sends events of different aggregates. Returns those that were refused while others pass.
    async fn send_at_once<'a>(
        &mut self,
        ownership: &Ownership,
        slice: &[&'a LoggedEvent],
    ) -> Result<Vec<(&'a LoggedEvent, String)>, FollowError> {
        if slice.is_empty() {
            return Ok(Vec::new());
        }
        faults::place("before_follow").await;
        if !ownership.holds() {
            return Err(FollowError::TakenOver);
        }
        let events: Vec<_> = slice.iter().map(|logged| &logged.event).collect();
        let delivered = self.delivery.deliver(&events, |_| ownership.holds()).await;
        let label = SinkLabel::of(self.delivery.sink_name());
        let metrics = self.delivery.metrics();
        let mut accepted = 0;
        let mut refused = Vec::new();
        for (event, fate) in slice.iter().zip(delivered.fates) {
            match fate {
                Fate::Accepted => {
                    accepted += 1;
                    self.taken.insert(event.seq);
                }
                Fate::Refused(text) => refused.push((*event, text)),
                Fate::Left if delivered.down.is_none() => return Err(FollowError::TakenOver),
                Fate::Left => {}
            }
        }
        metrics
            .outbox_published
            .get_or_create(&label)
            .inc_by(accepted);
        metrics
            .outbox_refused
            .get_or_create(&label)
            .inc_by(refused.len() as u64);
        match delivered.down {
            Some(text) => Err(FollowError::Sink(text)),
            None => Ok(refused),
        }
    }

    /// Sends what is due of the backlog, and reads anew which aggregates are blocked: an operator may have
    /// retried or discarded dead letters.
    async fn send_backlog(&mut self, place: &mut Place) -> Result<(), FollowError> {
        let sink = self.delivery.sink_name().to_owned();
        let due = db::within(&self.pool, self.statement_max(), async |connection| {
            db::outbox::due_of_backlog(connection, &sink, self.limits.batch_max).await
        });
        let due = due.await?;
        let due: Vec<_> = due.into_iter().take(self.delivery.at_once()).collect();
        let events: Vec<_> = due.iter().map(|row| &row.logged).collect();
        let refused = self.send_at_once(&place.ownership, &events).await?;
        let refused_seqs: HashSet<_> = refused.iter().map(|(event, _)| event.seq).collect();
        let seqs = due.iter().map(|row| row.logged.seq);
        let taken: Vec<_> = seqs.filter(|seq| !refused_seqs.contains(seq)).collect();
        for (event, text) in &refused {
            let row = due.iter().find(|row| row.logged.seq == event.seq);
            let attempts = row.map_or(0, |row| row.attempts) + 1;
            self.count_refusal(&place.ownership, event, attempts, text)
                .await?;
        }
        let backlog = db::within(&self.pool, self.statement_max(), async |connection| {
            if !taken.is_empty() {
                db::outbox::remove_from_backlog(connection, &place.ownership, &taken).await?;
            }
            db::outbox::read_backlog(connection, &sink, place.position).await
        });
        place.block(&backlog.await?);
        Ok(())
    }

    async fn count_refusal(
        &self,
        ownership: &Ownership,
        event: &LoggedEvent,
        attempts: i32,
        text: &str,
    ) -> Result<(), FollowError> {
        let is_last = attempts >= self.limits.attempts_max;
        let wait = (!is_last).then(|| pause_after(attempts.unsigned_abs(), REFUSED_WAIT_MAX));
        let changed = db::within(&self.pool, self.statement_max(), async |connection| {
            let seq = event.seq;
            db::outbox::count_refusal_in_backlog(connection, ownership, seq, wait, text).await
        });
        if changed.await? > 0 && is_last {
            let (id, sink) = (event.event.id, self.delivery.sink_name());
            let buried = &self.delivery.metrics().outbox_buried;
            buried.get_or_create(&SinkLabel::of(sink)).inc();
            tracing::error!(event.id = %id, sink, "event {id} is a dead letter of the sink {sink}: {text}");
        }
        Ok(())
    }

    /// Records the place in the log, and extends the lease, a few times a second.
    async fn record_if_due(&self, place: &mut Place) -> Result<(), FollowError> {
        if place.recorded_at.elapsed() < RECORD_EVERY {
            return Ok(());
        }
        let recorded = db::within(&self.pool, self.statement_max(), async |connection| {
            db::outbox::save_progress(connection, &place.ownership, place.position, LEASE).await
        });
        place.ownership = recorded.await?.ok_or(FollowError::TakenOver)?;
        place.recorded_at = Instant::now();
        Ok(())
    }
}

impl Place {
    fn block(&mut self, backlog: &[db::outbox::BacklogRow]) {
        let live = backlog.iter().filter(|row| !row.is_dead);
        self.blocked = live.map(|row| row.aggregate_id).collect();
    }
}
