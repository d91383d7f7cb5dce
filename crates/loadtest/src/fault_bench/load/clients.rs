//! The clients of the load: they take carts, send checkouts and record how these end.

use std::{
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::time::{MissedTickBehavior, sleep, timeout};

use crate::{
    answers::{code_in, is_refusal},
    connection::Connection,
    endpoint::Endpoint,
    fault_bench::record::{Event, Outcome, Who},
};

use super::{Checkout, LOOK_EVERY, Load, Stream};

/// The longest wait for an answer; then the outcome is unknown, and the client asks again.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);
/// Assumed of a refusal without Retry-After. The server sends none.
const RETRY_AFTER: Duration = Duration::from_secs(1);
const PAUSE_AFTER_LOSS: Duration = Duration::from_millis(20);
/// Refused checkouts that may wait for their retry at a time. A server that refuses all at once must not
/// use up all carts.
const AWAY_MAX: usize = 1024;

impl Load {
    pub(super) async fn client(self: Rc<Self>, target: usize) {
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

    /// A refused checkout that is due to be sent again, else the next cart, unless too many wait.
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

    pub(super) fn next_in_need(&self) -> Option<Checkout> {
        let checkout = self.in_need.borrow_mut().pop_front();
        if checkout.is_none() {
            self.ran_out.set(true);
        }
        checkout
    }

    pub(super) async fn stream(self: Rc<Self>, stream: Rc<Stream>, per_second: f64) {
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

    /// Sends a checkout until it is decided; without an answer, to the next instance.
    pub(super) async fn until_decided(self: Rc<Self>, mut checkout: Checkout, mut target: usize) {
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

    /// Sends a checkout and records its outcome. Returns the wait before it is sent again, or none if
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
                // A first try may still be at work: the retry of an unknown outcome is answered
                // accordingly.
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
