//! Refusals of commands that wait: those whose time has expired, those for which there is no room
//! aside, and all of them when PostgreSQL is away.

use crate::metrics::{RefusedBecause, RefusedLabel};

use super::{
    super::{Member, Undecided, Work, desk::retry_after},
    Coordinator,
};

impl<W: Work> Coordinator<W> {
    /// Refuses commands that have waited too long, and drops those whose callers have stopped waiting.
    /// Lanes can let a younger command go first, so the expired ones are not only in front.
    pub(super) fn refuse_expired(&mut self) {
        let limit = self.limits.queue_wait_max;
        let is_in_time =
            |member: &Member<W>| !member.is_abandoned() && member.queued_at.elapsed() <= limit;
        let expired = self
            .queue
            .remove_unless(|waiting| is_in_time(&waiting.member));
        for waiting in expired {
            self.refuse(waiting.member, RefusedBecause::WaitedTooLong);
        }
        let (in_time, expired) = std::mem::take(&mut self.slow_lane)
            .into_iter()
            .partition(is_in_time);
        self.slow_lane = in_time;
        for member in expired {
            self.finish_refused(member, RefusedBecause::WaitedTooLong);
        }
    }

    fn refuse(&self, member: Member<W>, reason: RefusedBecause) {
        let label = RefusedLabel { reason };
        self.work.meters().rejected.get_or_create(&label).inc();
        let in_front = self.pace.forecast(self.queue.ready(), &self.limits);
        let overloaded = Undecided::Overloaded {
            retry_after: retry_after(in_front),
        };
        member.answer(&self.work, Err(overloaded));
    }

    /// Refuses a member that was taken from the queue before.
    pub(super) fn finish_refused(&mut self, member: Member<W>, reason: RefusedBecause) {
        let ticket = member.ticket;
        self.refuse(member, reason);
        self.queue.finish(ticket);
    }

    /// Answers all waiting commands at once: PostgreSQL could not be reached, and has not answered since.
    pub(super) fn refuse_all(&mut self) {
        for waiting in self.queue.remove_unless(|_| false) {
            waiting
                .member
                .answer(&self.work, Err(Undecided::Unavailable));
        }
        for member in std::mem::take(&mut self.slow_lane) {
            let ticket = member.ticket;
            member.answer(&self.work, Err(Undecided::Unavailable));
            self.queue.finish(ticket);
        }
    }
}
