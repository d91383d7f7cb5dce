//! The load: closed-loop clients whose carts need nothing that a fault touches ("the others"), and
//! streams of checkouts that arrive whatever happens, for those whose carts do ("those in need").
//!
//! A refused checkout comes back under its key after its Retry-After; meanwhile its client goes on with
//! the next cart. All of it runs on one thread, over the load test's connections: it shares the machine with
//! the server that it measures.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use crate::{
    answers::{code_in, is_refusal},
    connection::Connection,
    endpoint::Endpoint,
    requests::Request,
};
use tokio::time::{MissedTickBehavior, sleep, timeout};

use crate::fault_bench::record::{Event, Outcome, Who};

/// How many clients the others are.
pub const CLIENTS: usize = 64;
/// How long a client waits for an answer; then the outcome is unknown, and it asks again.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);
/// A refusal without the header, which there is none of, would mean this.
const RETRY_AFTER: Duration = Duration::from_secs(1);
const PAUSE_AFTER_LOSS: Duration = Duration::from_millis(20);
/// How many refused checkouts may be away at a time. A server that refuses everybody at once must not
/// be sent all carts there are.
const AWAY_MAX: usize = 1024;
/// How often a client that has nothing to do looks again.
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
    /// Lets nobody arrive any more.
    pub fn end(&self) {
        self.is_over.set(true);
    }

    /// How many have.
    pub fn arrived(&self) -> usize {
        self.arrived.get()
    }
}

/// See the module.
#[derive(Debug)]
pub struct Load {
    targets: RefCell<Vec<SocketAddr>>,
    /// Whether the others wait.
    is_paused: Cell<bool>,
    started: Instant,
    others: RefCell<VecDeque<Checkout>>,
    pub in_need: RefCell<VecDeque<Checkout>>,
    /// By the time at which they come back.
    away: RefCell<BTreeMap<(Instant, u64), Checkout>>,
    sequence: Cell<u64>,
    idle: RefCell<Vec<Vec<Connection>>>,
    events: RefCell<Vec<Event>>,
    codes: RefCell<Vec<String>>,
    stopped: Cell<bool>,
    given_up: Cell<bool>,
    /// Whether somebody found no cart any more.
    pub ran_out: Cell<bool>,
    under_way: Cell<usize>,
    undecided: Cell<usize>,
}

impl Load {
    /// Nothing has begun.
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

    /// The time of the events.
    pub fn at(&self, instant: Instant) -> Duration {
        instant.saturating_duration_since(self.started)
    }

    /// How many instances there are.
    pub fn instances(&self) -> usize {
        self.targets.borrow().len()
    }

    /// Sends everybody to other instances, as many as before.
    pub fn send_to(&self, targets: Vec<SocketAddr>) {
        for idle in self.idle.borrow_mut().iter_mut() {
            idle.clear();
        }
        *self.targets.borrow_mut() = targets;
    }

    /// Lets the others wait, or go on.
    pub fn pause_others(&self, is_paused: bool) {
        self.is_paused.set(is_paused);
    }

    /// How many requests ended in a way, of those that were sent since.
    pub fn count(&self, who: Who, since: Instant, outcome: impl Fn(Outcome) -> bool) -> usize {
        let since = self.at(since);
        let events = self.events.borrow();
        let counted = events
            .iter()
            .filter(|it| it.who == who && it.sent >= since && outcome(it.outcome));
        counted.count()
    }

    /// How many checkouts were bought so far.
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

    /// Begins nothing new; what was refused comes back until all is decided, for so long at most.
    /// Returns how many checkouts are undecided even then.
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

    /// All that happened, and the names of the codes in it.
    pub fn take_events(&self) -> (Vec<Event>, Vec<String>) {
        (
            std::mem::take(&mut *self.events.borrow_mut()),
            std::mem::take(&mut *self.codes.borrow_mut()),
        )
    }

    async fn client(self: Rc<Self>, target: usize) {
        let (mut address, mut connection) = self.connection(target);
        while !self.given_up.get() {
            if address != self.targets.borrow()[target] {
                (address, connection) = self.connection(target);
            }
            if self.is_paused.get() && !self.stopped.get() {
                sleep(LOOK_EVERY).await;
                continue;
            }
            let Some(mut checkout) = self.next() else {
                if self.stopped.get() && self.away.borrow().is_empty() {
                    return;
                }
                sleep(LOOK_EVERY).await;
                continue;
            };
            match self
                .send(&mut connection, &mut checkout, Who::Others, target)
                .await
            {
                Some(wait) => {
                    let number = self.sequence.replace(self.sequence.get() + 1);
                    let key = (Instant::now() + wait, number);
                    self.away.borrow_mut().insert(key, checkout);
                    if wait <= PAUSE_AFTER_LOSS {
                        sleep(wait).await;
                    }
                }
                None => drop(checkout),
            }
        }
    }

    fn connection(&self, target: usize) -> (SocketAddr, Connection) {
        let address = self.targets.borrow()[target];
        (address, Connection::to(&Endpoint::plain(address)))
    }

    /// Whoever is due to come back, else the next cart, if not too many are away.
    fn next(&self) -> Option<Checkout> {
        let mut away = self.away.borrow_mut();
        if let Some(first) = away.first_entry()
            && first.key().0 <= Instant::now()
        {
            return Some(first.remove());
        }
        if self.stopped.get() || away.len() >= AWAY_MAX {
            return None;
        }
        let checkout = self.others.borrow_mut().pop_front();
        if checkout.is_none() {
            self.ran_out.set(true);
        }
        checkout
    }

    fn next_in_need(&self) -> Option<Checkout> {
        let checkout = self.in_need.borrow_mut().pop_front();
        if checkout.is_none() {
            self.ran_out.set(true);
        }
        checkout
    }

    async fn stream(self: Rc<Self>, stream: Rc<Stream>, per_second: f64) {
        let mut arrivals = tokio::time::interval(Duration::from_secs_f64(1.0 / per_second));
        arrivals.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for target in (0..self.instances()).cycle() {
            arrivals.tick().await;
            if stream.is_over.get() || self.stopped.get() {
                return;
            }
            let Some(checkout) = self.next_in_need() else {
                return;
            };
            stream.arrived.set(stream.arrived.get() + 1);
            actix_rt::spawn(Rc::clone(&self).until_decided(checkout, target));
        }
    }

    /// Whoever gets no answer asks the next instance.
    async fn until_decided(self: Rc<Self>, mut checkout: Checkout, mut target: usize) {
        let idle = self.idle.borrow_mut()[target].pop();
        let mut connection = idle.unwrap_or_else(|| self.connection(target).1);
        while let Some(wait) = self
            .send(&mut connection, &mut checkout, Who::InNeed, target)
            .await
        {
            if self.given_up.get() {
                self.undecided.set(self.undecided.get() + 1);
                return;
            }
            if wait <= PAUSE_AFTER_LOSS {
                target = (target + 1) % self.instances();
                connection = self.connection(target).1;
            }
            self.under_way.set(self.under_way.get() + 1);
            sleep(wait).await;
            self.under_way.set(self.under_way.get() - 1);
        }
        self.idle.borrow_mut()[target].push(connection);
    }

    /// Sends a checkout and records what came of it: how long to wait before it comes back, or none if
    /// it is decided.
    async fn send(
        &self,
        connection: &mut Connection,
        checkout: &mut Checkout,
        who: Who,
        target: usize,
    ) -> Option<Duration> {
        let sent = Instant::now();
        let (first_sent, first_target) = *checkout.first.get_or_insert((sent, target));
        self.under_way.set(self.under_way.get() + 1);
        let answer = timeout(ANSWER_WAIT_MAX, connection.exchange(&checkout.request)).await;
        self.under_way.set(self.under_way.get() - 1);
        let (outcome, wait) = match answer {
            Ok(Ok(answer)) if answer.status == 201 => (Outcome::Bought, None),
            Ok(Ok(answer)) => {
                let code = self.code(code_in(&answer.body));
                let outcome = Outcome::Answered(answer.status, code);
                // A first try may still be at work: the retry of an unknown outcome is told so.
                let comes_back = is_refusal(answer.status) || answer.retry_after.is_some();
                let wait = comes_back.then(|| answer.retry_after.unwrap_or(RETRY_AFTER));
                (outcome, wait)
            }
            Ok(Err(_)) => (Outcome::Lost, Some(PAUSE_AFTER_LOSS)),
            Err(_) => {
                connection.close();
                (Outcome::Lost, Some(PAUSE_AFTER_LOSS))
            }
        };
        self.events.borrow_mut().push(Event {
            who,
            first_target,
            first_sent: self.at(first_sent),
            sent: self.at(sent),
            ended: self.at(Instant::now()),
            outcome,
        });
        wait
    }

    fn code(&self, name: &str) -> usize {
        let mut codes = self.codes.borrow_mut();
        codes.iter().position(|it| it == name).unwrap_or_else(|| {
            codes.push(name.to_owned());
            codes.len() - 1
        })
    }
}
