//! The requests of one connection that are in progress, from their first middleware to the last byte of
//! their answer that was handed on.
//!
//! HTTP/1.1 has one at a time. HTTP/2 has as many as its client opens streams, and the framework has no
//! limit: so the limit is kept here. A connection that does not even take its refusals is cut off, and
//! so is one of whose answers a part is not taken in time: an answer waits for its reader in a task of
//! its own, which only the end of the connection can wake.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::{Context, Waker},
    time::Duration,
};

use prometheus_client::metrics::gauge::Gauge;
use tokio::time::Instant;

/// The reason why a connection is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// An answer was not taken.
    Unread,
    /// The connection had too many requests in progress, and its client did not take the refusals of more.
    Requests,
    /// A request's head was too large.
    Head,
    /// Too many frames without any use.
    Frames,
}

impl Cut {
    /// The metric's label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unread => "unread",
            Self::Requests => "requests",
            Self::Head => "head",
            Self::Frames => "frames",
        }
    }
}

/// The requests of one connection.
#[derive(Debug)]
pub struct Requests {
    /// The most requests in progress; as many again may be refused at a time.
    most: usize,
    /// The time that a part of an answer may wait for its reader.
    part_max: Duration,
    /// The number of requests in progress, of all connections.
    under_way: Gauge,
    /// For each request, the time by which the next part of its answer must be taken; far away while
    /// there is no answer yet.
    slots: RefCell<Vec<Slot>>,
    begun: Cell<usize>,
    refused: Cell<usize>,
    idle_since: Cell<Instant>,
    cut: Cell<Option<Cut>>,
    body_is_broken: Cell<bool>,
    connection: RefCell<Option<Waker>>,
}

#[derive(Clone, Copy, Debug)]
enum Slot {
    Free,
    /// The request is being carried out, under limits of its own.
    AtWork,
    Answered {
        part_due: Instant,
    },
}

/// A request that may be carried out, or not.
#[derive(Debug)]
pub enum Begun {
    /// The request is within the limit.
    Taken(UnderWay),
    /// The request exceeds the limit and is to be refused. It counts until its refusal is handed on.
    Refused(UnderWay),
}

/// A request in progress, counted while this exists.
#[derive(Debug)]
pub struct UnderWay {
    requests: Rc<Requests>,
    slot: usize,
    is_refused: bool,
}

impl Requests {
    /// The requests of a new connection.
    pub fn new(most: usize, part_max: Duration, under_way: Gauge) -> Rc<Self> {
        Rc::new(Self {
            most,
            part_max,
            under_way,
            slots: RefCell::default(),
            begun: Cell::default(),
            refused: Cell::default(),
            idle_since: Cell::new(Instant::now()),
            cut: Cell::default(),
            body_is_broken: Cell::default(),
            connection: RefCell::default(),
        })
    }

    /// Counts one more request.
    pub fn begin(self: &Rc<Self>) -> Begun {
        let is_refused = self.begun.get() >= self.most;
        let counter = self.counter(is_refused);
        counter.set(counter.get() + 1);
        if self.refused.get() > self.most {
            self.cut_off(Cut::Requests);
        }
        let mut slots = self.slots.borrow_mut();
        let free = slots.iter().position(|slot| matches!(slot, Slot::Free));
        let slot = free.unwrap_or_else(|| {
            slots.push(Slot::Free);
            slots.len() - 1
        });
        slots[slot] = Slot::AtWork;
        self.under_way.inc();
        let under_way = UnderWay {
            requests: Rc::clone(self),
            slot,
            is_refused,
        };
        if is_refused {
            Begun::Refused(under_way)
        } else {
            Begun::Taken(under_way)
        }
    }

    fn counter(&self, is_refused: bool) -> &Cell<usize> {
        if is_refused {
            &self.refused
        } else {
            &self.begun
        }
    }

    /// The time since which no request is in progress; `None` while one is.
    pub fn idle_since(&self) -> Option<Instant> {
        let busy = self.begun.get() + self.refused.get() > 0;
        (!busy).then(|| self.idle_since.get())
    }

    /// The time by which the first answer must be taken.
    pub fn first_due(&self) -> Option<Instant> {
        let slots = self.slots.borrow();
        let due = slots.iter().filter_map(|slot| match slot {
            Slot::Answered { part_due } => Some(*part_due),
            Slot::Free | Slot::AtWork => None,
        });
        due.min()
    }

    /// Ends the connection.
    pub fn cut_off(&self, why: Cut) {
        if self.cut.get().is_none() {
            self.cut.set(Some(why));
        }
        if let Some(connection) = self.connection.take() {
            connection.wake();
        }
    }

    /// A request ended without an answer, because its body is broken.
    pub fn body_was_broken(&self) {
        self.body_is_broken.set(true);
    }

    /// True if a request ended because of its body.
    pub fn has_a_broken_body(&self) -> bool {
        self.body_is_broken.get()
    }

    /// The reason why the connection is to be ended, if it is.
    pub fn cut(&self) -> Option<Cut> {
        self.cut.get()
    }

    /// Wakes this task when the connection is to be ended.
    pub fn wake_to_end(&self, cx: &Context<'_>) {
        let mut connection = self.connection.borrow_mut();
        match connection.as_ref() {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            _ => *connection = Some(cx.waker().clone()),
        }
    }
}

impl UnderWay {
    /// The requests of its connection.
    pub fn requests(&self) -> &Requests {
        &self.requests
    }

    /// A part of the answer is about to be handed on; the next one is to be asked for in time.
    pub fn hands_on_a_part(&self) {
        let part_due = Instant::now() + self.requests.part_max;
        self.requests.slots.borrow_mut()[self.slot] = Slot::Answered { part_due };
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let requests = &self.requests;
        requests.slots.borrow_mut()[self.slot] = Slot::Free;
        let counter = requests.counter(self.is_refused);
        counter.set(counter.get() - 1);
        requests.idle_since.set(Instant::now());
        requests.under_way.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PART_MAX: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn one_more_than_may_be_under_way_is_refused_until_another_ends() {
        let requests = Requests::new(2, PART_MAX, Gauge::default());
        let first = requests.begin();
        let second = requests.begin();
        assert!(matches!(
            (&first, &second),
            (Begun::Taken(_), Begun::Taken(_))
        ));
        assert!(matches!(requests.begin(), Begun::Refused(_)));
        assert_eq!(requests.idle_since(), None);
        drop(first);
        assert!(matches!(requests.begin(), Begun::Taken(_)));
        drop(second);
        assert!(requests.idle_since().is_some());
        assert_eq!(requests.cut(), None);
    }

    #[tokio::test]
    async fn a_client_that_does_not_take_its_refusals_is_cut_off() {
        let requests = Requests::new(2, PART_MAX, Gauge::default());
        let kept: Vec<_> = (0..4).map(|_| requests.begin()).collect();
        assert_eq!(requests.cut(), None);
        let one_more = requests.begin();
        assert_eq!(requests.cut(), Some(Cut::Requests));
        drop((kept, one_more));
    }

    #[tokio::test]
    async fn an_answer_is_due_from_its_first_part_on() {
        let requests = Requests::new(2, PART_MAX, Gauge::default());
        let Begun::Taken(under_way) = requests.begin() else {
            panic!("there is room");
        };
        assert_eq!(requests.first_due(), None);
        under_way.hands_on_a_part();
        assert!(requests.first_due().is_some_and(|due| due > Instant::now()));
        drop(under_way);
        assert_eq!(requests.first_due(), None);
    }
}
