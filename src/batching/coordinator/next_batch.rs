//! The next batch: when a slot is free for it, which waiting members it takes and how many, and when a
//! running batch gives its slot up.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};

use crate::metrics::{ClosedBecause, ClosedLabel};

use super::{
    super::{Ended, Limits, Work, lane_queue::Ticket},
    Coordinator, Running, Waiting, died,
};

/// No transaction younger than this is slow enough to start a small batch beside it.
const SLOW_MIN: Duration = Duration::from_millis(5);

impl<W: Work> Coordinator<W> {
    pub(super) fn fill_slots(&mut self, ctx: &mut Context<Self>) {
        while let Some(reason) = self.worth_a_slot() {
            let closed = &self.work.meters().closed;
            closed.get_or_create(&ClosedLabel { reason }).inc();
            let Limits {
                batch_max,
                batch_weight_max,
                ..
            } = self.limits;
            let weight = |waiting: &Waiting<W>| W::weight(&waiting.member);
            let taken = self.queue.take(batch_max, batch_weight_max, weight);
            self.start_batch(taken, ctx);
        }
    }

    /// An idle coordinator starts a batch at once. Beside a running transaction a small one would cost more
    /// than it gains: its few commands get into a larger one when more have come or when the running one
    /// ends, whichever is sooner, unless the running one is slow.
    fn worth_a_slot(&self) -> Option<ClosedBecause> {
        let Limits {
            transactions_in_flight,
            batch_min_in_parallel,
            batch_max,
            ..
        } = self.limits;
        let ready = self.queue.ready();
        let in_slots = || self.running.values().filter(|batch| !batch.is_overdue);
        let taken = in_slots().count();
        if ready == 0 || taken >= transactions_in_flight {
            return None;
        }
        // A full batch is always worth a slot.
        if ready >= batch_max {
            return Some(ClosedBecause::Full);
        }
        if taken == 0 {
            return Some(ClosedBecause::Idle);
        }
        if ready >= batch_min_in_parallel {
            return Some(ClosedBecause::Enough);
        }
        let slow = (self.pace.average() * 2).max(SLOW_MIN);
        let are_all_slow = in_slots().all(|batch| batch.started_at.elapsed() > slow);
        are_all_slow.then_some(ClosedBecause::OthersSlow)
    }

    /// A transaction that is slower by far than the others may be stuck: the queue does not wait for it.
    pub(super) fn free_overdue_slots(&mut self) {
        let overdue_after = self.pace.overdue_after();
        let overdue = self.running.values().filter(|batch| batch.is_overdue);
        let more = self
            .limits
            .transactions_overdue_max
            .saturating_sub(overdue.count());
        let newly = self
            .running
            .values_mut()
            .filter(|batch| !batch.is_overdue && batch.started_at.elapsed() > overdue_after);
        for batch in newly.take(more) {
            batch.is_overdue = true;
            self.work.meters().overdue.inc();
        }
    }

    fn start_batch(&mut self, taken: Vec<(Ticket, Waiting<W>)>, ctx: &mut Context<Self>) {
        let mut tickets = Vec::with_capacity(taken.len());
        let mut members = Vec::with_capacity(taken.len());
        for (ticket, Waiting { mut member, place }) in taken {
            if place.is_some() {
                let waited_s = member.queued_at.elapsed().as_secs_f64();
                self.work.meters().wait.observe(waited_s);
            }
            tickets.push(ticket);
            member.ticket = ticket;
            members.push(member);
        }
        let number = self.batches_started;
        self.batches_started += 1;
        let batch = Running {
            started_at: Instant::now(),
            tickets,
            is_overdue: false,
        };
        self.running.insert(number, batch);
        self.work.meters().running.inc();
        let work = Arc::clone(&self.work);
        // The batch is a task of its own: a panic in it must not take the coordinator along.
        let task = actix_rt::spawn(async move { work.carry_out(members).await });
        ctx.spawn(task.into_actor(self).map(move |ended, coordinator, ctx| {
            let ended = ended.unwrap_or_else(|error| died(&error));
            coordinator.batch_ended(number, ended, ctx);
        }));
    }

    fn batch_ended(&mut self, number: u64, ended: Ended<W>, ctx: &mut Context<Self>) {
        let batch = self.running.remove(&number).expect("it ends once");
        self.work.meters().running.dec();
        self.pace.observe(batch.started_at.elapsed());
        if batch.is_overdue {
            self.work.meters().overdue.dec();
        }
        if !ended.is_database_away {
            self.database_seen_at = Some(Instant::now());
        } else if self.database_seen_at.is_none_or(|at| at < batch.started_at) {
            self.refuse_all();
        }
        self.progress.mark();
        self.settle(&batch.tickets, ended.undecided, ctx);
        self.fill_slots(ctx);
    }
}
