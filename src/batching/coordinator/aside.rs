//! Members that come back undecided: they wait for what holds them up, go to the slow lane, or are put back
//! into the queue.

use std::{collections::HashSet, sync::Arc};

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};

use crate::metrics::RefusedBecause;

use super::{
    super::{Member, Next, SetAside, Work, lane_queue::Ticket},
    Coordinator, Waiting, died,
};

impl<W: Work> Coordinator<W> {
    /// Frees the lanes of the members that were decided, and does the next step of the others.
    pub(super) fn settle(
        &mut self,
        tickets: &[Ticket],
        undecided: Vec<SetAside<W>>,
        ctx: &mut Context<Self>,
    ) {
        let kept: HashSet<_> = undecided.iter().map(|aside| aside.member.ticket).collect();
        for ticket in tickets.iter().filter(|ticket| !kept.contains(ticket)) {
            self.queue.finish(*ticket);
        }
        for SetAside { member, next } in undecided {
            match next {
                Next::Again => self.put_back(member),
                _ if self.waiting_aside + self.slow_lane.len() >= self.limits.aside_max => {
                    self.finish_refused(member, RefusedBecause::TooManySetAside);
                }
                Next::Apart => self.slow_lane.push_back(member),
                Next::After(resolved) => self.put_back_after(member, resolved, ctx),
            }
        }
        self.start_slow_batch(ctx);
        self.work
            .meters()
            .slow_lane
            .set(self.slow_lane.len().try_into().unwrap_or(i64::MAX));
    }

    fn put_back(&mut self, member: Member<W>) {
        let ticket = member.ticket;
        let waiting = Waiting {
            member,
            place: None,
        };
        self.queue.put_back(ticket, waiting);
    }

    fn put_back_after(
        &mut self,
        member: Member<W>,
        resolved: impl Future<Output = ()> + 'static,
        ctx: &mut Context<Self>,
    ) {
        self.waiting_aside += 1;
        self.work.meters().set_aside.inc();
        ctx.spawn(resolved.into_actor(self).map(|(), coordinator, ctx| {
            coordinator.waiting_aside -= 1;
            coordinator.work.meters().set_aside.dec();
            coordinator.put_back(member);
            coordinator.fill_slots(ctx);
        }));
    }

    fn start_slow_batch(&mut self, ctx: &mut Context<Self>) {
        if self.slow_lane_is_busy || self.slow_lane.is_empty() {
            return;
        }
        self.slow_lane_is_busy = true;
        let most = self.limits.batch_max.min(self.slow_lane.len());
        let members: Vec<_> = self.slow_lane.drain(..most).collect();
        let tickets: Vec<_> = members.iter().map(|member| member.ticket).collect();
        let work = Arc::clone(&self.work);
        let task = actix_rt::spawn(async move { work.carry_out_apart(members).await });
        ctx.spawn(task.into_actor(self).map(move |ended, coordinator, ctx| {
            let ended = ended.unwrap_or_else(|error| died(&error));
            coordinator.slow_lane_is_busy = false;
            coordinator.progress.mark();
            coordinator.settle(&tickets, ended.undecided, ctx);
            coordinator.fill_slots(ctx);
        }));
    }
}
