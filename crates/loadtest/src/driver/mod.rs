//! Does jobs over a connection and records how they end.

mod lifecycle;
#[cfg(test)]
mod tests;

use std::{
    cell::{Cell, RefCell},
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng, rngs::SmallRng};
use tokio::sync::Notify;

use splitcart::domain::ids::CartId;

pub use lifecycle::Moves;

use super::{
    answers::{cart_id_in, code_in, is_refusal},
    connection::{Answer, Connection},
    endpoint::Endpoint,
    options::RetryRefused,
    record::{Outcome, Recorder},
    requests::{Job, Request, Supply},
};

/// The longest that a jittered retry waits.
const JITTER_MS_MAX: u64 = 100;

/// Connections to a server that is gone fail at once: without a pause clients would use up all carts on it.
const PAUSE_AFTER_LOSS: Duration = Duration::from_millis(20);

/// The behaviour of clients.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    /// The longest that an answer may take, with all tries.
    pub timeout: Duration,
    /// The share of requests that are sent again under their key.
    pub replay_share: f64,
    pub retry_refused: RetryRefused,
    /// Decides which requests are sent again, and how long the refused wait.
    pub seed: u64,
}

/// Shared by all clients of a test, which run on one thread.
#[derive(Debug)]
pub struct Driver {
    pub endpoint: Endpoint,
    manners: Manners,
    dice: RefCell<SmallRng>,
    pub supply: RefCell<Supply>,
    pub recorder: RefCell<Recorder>,
    /// The carts that purchases have frozen.
    pub frozen: RefCell<Vec<CartId>>,
    /// `Some` if the orders of a checkout are moved on.
    pub moves: Option<Moves>,
    /// Set when no request may begin any more.
    pub stopped: Cell<bool>,
    /// Wakes the wait for the next arrival when `stopped` is set.
    pub stop: Notify,
}

impl Driver {
    pub fn new(endpoint: Endpoint, manners: Manners, supply: Supply, recorder: Recorder) -> Self {
        Self {
            endpoint,
            manners,
            dice: RefCell::new(SmallRng::seed_from_u64(manners.seed)),
            supply: RefCell::new(supply),
            recorder: RefCell::new(recorder),
            frozen: RefCell::default(),
            moves: None,
            stopped: Cell::new(false),
            stop: Notify::new(),
        }
    }

    /// Lets requests end that have begun, and begins no other.
    pub fn stop(&self) {
        self.stopped.set(true);
        self.stop.notify_one();
    }

    /// Does a job whose latency counts from `intended`, and gives it back.
    pub async fn perform(&self, connection: &mut Connection, mut job: Job, intended: Instant) {
        let recorder = &self.recorder;
        let is_moved_on = matches!(job, Job::Lifecycle(_));
        let (request, answer) = match &mut job {
            Job::CheckOut(request) | Job::Lifecycle(request) => (
                &*request,
                self.ask(connection, request, 201, intended, recorder).await,
            ),
            Job::PutCart(request) | Job::GetCart(request) | Job::Decide(request) => (
                &*request,
                self.ask(connection, request, 200, intended, recorder).await,
            ),
            Job::Purchase { put, check_out } => {
                let answer = match self.ask(connection, put, 200, intended, recorder).await {
                    Some(frozen) => self.buy(connection, check_out, &frozen, intended).await,
                    None => None,
                };
                (&**check_out, answer)
            }
        };
        if let Some(answer) = answer {
            let outcome = Outcome::Succeeded(answer.status);
            record(recorder, intended, outcome);
            self.maybe_ask_again(connection, request, &answer).await;
            if is_moved_on {
                self.move_on(connection, request, &answer).await;
            }
        }
        self.supply.borrow_mut().give_back(job);
    }

    /// Buys the cart that the PUT before has frozen.
    async fn buy(
        &self,
        connection: &mut Connection,
        check_out: &mut Request,
        frozen: &Answer,
        intended: Instant,
    ) -> Option<Answer> {
        let Some(cart_id) = cart_id_in(&frozen.body) else {
            record(&self.recorder, intended, unexpected(frozen));
            return None;
        };
        self.frozen.borrow_mut().push(cart_id);
        check_out.name_cart(cart_id);
        self.ask(connection, check_out, 201, intended, &self.recorder)
            .await
    }

    /// The expected answer; whatever else happens is recorded. A refusal may be tried again, until
    /// the answer has taken as long as it may.
    async fn ask(
        &self,
        connection: &mut Connection,
        request: &Request,
        expected: u16,
        intended: Instant,
        recorder: &RefCell<Recorder>,
    ) -> Option<Answer> {
        let mut tried_at = intended;
        loop {
            let answer = match self.exchange(connection, request).await {
                Ok(answer) if answer.status == expected => return Some(answer),
                Ok(answer) if is_refusal(answer.status) => answer,
                Ok(answer) => {
                    record(recorder, tried_at, unexpected(&answer));
                    return None;
                }
                Err(lost) => {
                    record(recorder, tried_at, lost);
                    tokio::time::sleep(PAUSE_AFTER_LOSS).await;
                    return None;
                }
            };
            let code = code_in(&answer.body).to_owned();
            record(recorder, tried_at, Outcome::Refused(answer.status, code));
            let wait = self.wait_after(&answer)?;
            if intended.elapsed() + wait > self.manners.timeout {
                recorder.borrow_mut().gave_up += 1;
                return None;
            }
            tokio::time::sleep(wait).await;
            if self.stopped.get() {
                return None;
            }
            recorder.borrow_mut().sent_again += 1;
            tried_at = Instant::now();
        }
    }

    /// The time that a refused client waits before it tries again, if it does. All clients were refused
    /// at once and must not come back at once.
    fn wait_after(&self, refusal: &Answer) -> Option<Duration> {
        let jitter = self.dice.borrow_mut().random_range(1..=JITTER_MS_MAX);
        let jitter = Duration::from_millis(jitter);
        match self.manners.retry_refused {
            RetryRefused::Never => None,
            RetryRefused::Jitter => Some(jitter),
            RetryRefused::RetryAfter => Some(refusal.retry_after.unwrap_or_default() + jitter),
        }
    }

    fn rolls(&self, share: f64) -> bool {
        share > 0.0 && self.dice.borrow_mut().random_bool(share)
    }

    async fn exchange(
        &self,
        connection: &mut Connection,
        request: &Request,
    ) -> Result<Answer, Outcome> {
        let exchange = connection.exchange(request);
        match tokio::time::timeout(self.manners.timeout, exchange).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Outcome::Lost(error.to_string())),
            Err(_) => {
                connection.close();
                Err(Outcome::Lost(format!(
                    "no answer within {:?}",
                    self.manners.timeout
                )))
            }
        }
    }

    async fn maybe_ask_again(
        &self,
        connection: &mut Connection,
        request: &Request,
        first: &Answer,
    ) {
        if self.rolls(self.manners.replay_share) {
            self.ask_again(connection, request, first).await;
        }
    }

    /// The same request must be answered the same, to the byte.
    async fn ask_again(&self, connection: &mut Connection, request: &Request, first: &Answer) {
        let sent = Instant::now();
        let answer = self.exchange(connection, request).await;
        let mut recorder = self.recorder.borrow_mut();
        match answer {
            Ok(again) if is_refusal(again.status) => recorder.replays_refused += 1,
            Ok(again)
                if again.replayed && again.status == first.status && again.body == first.body =>
            {
                recorder.record_replay(sent, Instant::now());
            }
            Ok(_) => recorder.replays_wrong += 1,
            Err(lost) => recorder.record(sent, Instant::now(), lost),
        }
    }
}

fn record(recorder: &RefCell<Recorder>, intended: Instant, outcome: Outcome) {
    let now = Instant::now();
    recorder.borrow_mut().record(intended, now, outcome);
}

fn unexpected(answer: &Answer) -> Outcome {
    Outcome::Unexpected {
        status: answer.status,
        code: code_in(&answer.body).to_owned(),
        body: String::from_utf8_lossy(&answer.body).into_owned(),
    }
}
