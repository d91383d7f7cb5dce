//! The load: closed-loop clients whose carts need nothing that a fault touches ("the others"), and
//! streams of checkouts that arrive whatever happens, for those whose carts do ("those in need").
//!
//! A refused checkout is sent again under its key after its Retry-After; meanwhile its client goes on with
//! the next cart. All clients run on one thread, over the load test's connections: they share the machine
//! with the server that they measure.

mod clients;

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::time::{sleep, timeout};

use crate::{
    connection::Connection,
    fault_bench::record::{Event, Outcome, Who},
    requests::Request,
};

/// The number of clients of the others.
pub const CLIENTS: usize = 64;
/// The pause of a client that has nothing to do.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A checkout that is not decided yet.
#[derive(Debug)]
pub struct Checkout {
    pub request: Request,
    pub cart: usize,
    /// When it was sent for the first time, and to which instance.
    pub first: Option<(Instant, usize)>,
}

/// Checkouts that arrive whatever happens.
#[derive(Debug, Default)]
pub struct Stream {
    is_over: Cell<bool>,
    arrived: Cell<usize>,
}

impl Stream {
    /// Ends the arrivals.
    pub fn end(&self) {
        self.is_over.set(true);
    }

    /// The number of arrivals so far.
    pub fn arrived(&self) -> usize {
        self.arrived.get()
    }
}

/// See the module.
#[derive(Debug)]
pub struct Load {
    targets: RefCell<Vec<SocketAddr>>,
    /// True while the others wait.
    is_paused: Cell<bool>,
    started: Instant,
    others: RefCell<VecDeque<Checkout>>,
    pub in_need: RefCell<VecDeque<Checkout>>,
    /// Refused checkouts by the time at which they are sent again.
    away: RefCell<BTreeMap<(Instant, u64), Checkout>>,
    sequence: Cell<u64>,
    idle: RefCell<Vec<Vec<Connection>>>,
    events: RefCell<Vec<Event>>,
    codes: RefCell<Vec<String>>,
    stopped: Cell<bool>,
    given_up: Cell<bool>,
    /// True if a client found no cart any more.
    pub ran_out: Cell<bool>,
    under_way: Cell<usize>,
    undecided: Cell<usize>,
}

impl Load {
    pub fn new(targets: Vec<SocketAddr>, others: Vec<Checkout>, in_need: Vec<Checkout>) -> Self {
        Self {
            idle: RefCell::new(targets.iter().map(|_| Vec::new()).collect()),
            targets: RefCell::new(targets),
            is_paused: Cell::new(false),
            started: Instant::now(),
            others: RefCell::new(others.into()),
            in_need: RefCell::new(in_need.into()),
            away: RefCell::default(),
            sequence: Cell::new(0),
            events: RefCell::default(),
            codes: RefCell::default(),
            stopped: Cell::new(false),
            given_up: Cell::new(false),
            ran_out: Cell::new(false),
            under_way: Cell::new(0),
            undecided: Cell::new(0),
        }
    }

    /// A moment as the events have it.
    pub fn at(&self, instant: Instant) -> Duration {
        instant.saturating_duration_since(self.started)
    }

    pub fn instances(&self) -> usize {
        self.targets.borrow().len()
    }

    /// Sends all clients to other instances, as many as before.
    pub fn send_to(&self, targets: Vec<SocketAddr>) {
        for idle in self.idle.borrow_mut().iter_mut() {
            idle.clear();
        }
        *self.targets.borrow_mut() = targets;
    }

    /// Pauses the others, or lets them go on.
    pub fn pause_others(&self, is_paused: bool) {
        self.is_paused.set(is_paused);
    }

    /// The number of requests that were sent since then and ended with such an outcome.
    pub fn count(&self, who: Who, since: Instant, outcome: impl Fn(Outcome) -> bool) -> usize {
        let since = self.at(since);
        let events = self.events.borrow();
        let counted = events
            .iter()
            .filter(|it| it.who == who && it.sent >= since && outcome(it.outcome));
        counted.count()
    }

    /// The number of checkouts that were bought so far.
    pub fn bought(&self) -> usize {
        let events = self.events.borrow();
        events
            .iter()
            .filter(|it| it.outcome == Outcome::Bought)
            .count()
    }

    /// Starts the others.
    pub fn start_clients(self: &Rc<Self>) {
        let instances = self.instances();
        for client in 0..CLIENTS {
            actix_rt::spawn(Rc::clone(self).client(client % instances));
        }
    }

    /// Starts a stream of those in need, evenly over all instances.
    pub fn start_stream(self: &Rc<Self>, per_second: f64) -> Rc<Stream> {
        let stream = Rc::new(Stream::default());
        actix_rt::spawn(Rc::clone(self).stream(Rc::clone(&stream), per_second));
        stream
    }

    /// One client that buys the carts of those in need without a pause.
    pub fn start_client_in_need(self: &Rc<Self>) -> Rc<Stream> {
        let stream = Rc::new(Stream::default());
        let (load, over) = (Rc::clone(self), Rc::clone(&stream));
        actix_rt::spawn(async move {
            while !over.is_over.get() && !load.stopped.get() {
                let Some(checkout) = load.next_in_need() else {
                    return;
                };
                Rc::clone(&load).until_decided(checkout, 0).await;
            }
        });
        stream
    }

    /// Begins nothing new, and sends refused checkouts again until all are decided, for `wait_max` at most.
    /// Returns the number of checkouts that are undecided even then.
    pub async fn end(self: &Rc<Self>, wait_max: Duration) -> usize {
        self.stopped.set(true);
        let ending = async {
            while self.under_way.get() > 0 || !self.away.borrow().is_empty() {
                sleep(LOOK_EVERY).await;
            }
        };
        if timeout(wait_max, ending).await.is_err() {
            self.given_up.set(true);
            return self.under_way.get() + self.away.borrow().len() + self.undecided.get();
        }
        self.undecided.get()
    }

    /// All events, and the names of the codes in them.
    pub fn take_events(&self) -> (Vec<Event>, Vec<String>) {
        (
            std::mem::take(&mut *self.events.borrow_mut()),
            std::mem::take(&mut *self.codes.borrow_mut()),
        )
    }
}
