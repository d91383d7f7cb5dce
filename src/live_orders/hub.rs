//! The open streams of this process.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};

use crate::{
    domain::ids::{StoreId, UserId},
    metrics::Metrics,
};

use super::{Page, message::Message};

/// The most events that wait for a stream's reader. One that is slower is dropped, and may come back for
/// the rest.
const WAITING_MAX: usize = 256;
/// The most streams that read from the log at a time what they have missed.
const CATCHING_UP_MAX: usize = 4;

/// The limits of open streams.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub streams_max: usize,
    /// Of one person. One more ends the oldest.
    pub user_streams_max: usize,
}

/// The reason why a stream is not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    TooMany,
    /// So many of the person's streams were ended for newer ones, and are not gone yet.
    TooManyOfUser,
    Stopping,
    /// PostgreSQL did not answer.
    Unavailable,
}

/// A handle to the open streams.
#[derive(Clone, Debug)]
pub struct LiveOrders(Arc<Hub>);

#[derive(Debug)]
struct Hub {
    limits: Limits,
    streams: Mutex<Streams>,
    /// Every event up to this place was handed to the streams. `None` while nobody reads the log.
    position: watch::Sender<Option<i64>>,
    opened: Notify,
    catching_up: Semaphore,
    stopping: watch::Receiver<bool>,
    metrics: Metrics,
}

#[derive(Debug, Default)]
struct Streams {
    of_stores: HashMap<StoreId, Vec<Stream>>,
    of_users: HashMap<UserId, OfUser>,
    open: usize,
    opened_so_far: u64,
}

#[derive(Debug)]
struct Stream {
    number: u64,
    messages: mpsc::Sender<Message>,
    /// Until the stream takes part: told the place after which events are handed to it.
    joining: Option<oneshot::Sender<i64>>,
}

/// The streams of one person.
#[derive(Debug, Default)]
struct OfUser {
    /// Those that are open, oldest first.
    open: VecDeque<(u64, StoreId)>,
    /// The number of those that were ended for newer ones, until they are gone.
    ended: usize,
}

/// A stream's place in the hub, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    hub: LiveOrders,
    user_id: UserId,
    store_id: StoreId,
    number: u64,
    /// Ends when the stream was too slow, or is ended for a newer one of the same person.
    pub messages: mpsc::Receiver<Message>,
    /// The place after which events are handed to the stream. Comes when the tail looks for streams next: an
    /// event that it is reading meanwhile may be missing the stream's store.
    pub joined: oneshot::Receiver<i64>,
}

impl LiveOrders {
    /// No streams yet. They all end when `stopping` becomes true.
    pub fn new(limits: Limits, stopping: watch::Receiver<bool>, metrics: Metrics) -> Self {
        Self(Arc::new(Hub {
            limits,
            streams: Mutex::default(),
            position: watch::Sender::new(None),
            opened: Notify::new(),
            catching_up: Semaphore::new(CATCHING_UP_MAX),
            stopping,
            metrics,
        }))
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.0
            .streams
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn stopping(&self) -> watch::Receiver<bool> {
        self.0.stopping.clone()
    }

    pub(super) fn position(&self) -> watch::Receiver<Option<i64>> {
        self.0.position.subscribe()
    }

    pub(super) fn catching_up(&self) -> &Semaphore {
        &self.0.catching_up
    }

    /// Takes a place for a stream, which takes part from the tail's next look on. At a person's limit the oldest
    /// stream ends: it may be one whose client has gone, which is noticed only when something is sent.
    pub(super) fn take_place(&self, user_id: UserId, store_id: StoreId) -> Result<Place, Refused> {
        if *self.0.stopping.borrow() {
            return Err(Refused::Stopping);
        }
        let mut streams = self.streams();
        if streams.open >= self.0.limits.streams_max {
            return Err(Refused::TooMany);
        }
        let max = self.0.limits.user_streams_max;
        let of_user = streams.of_users.entry(user_id).or_default();
        if of_user.open.len() >= max {
            if of_user.ended >= max {
                return Err(Refused::TooManyOfUser);
            }
            let oldest = of_user.open.pop_front();
            of_user.ended += usize::from(oldest.is_some());
            if let Some((number, store_id)) = oldest {
                streams.leave(number, store_id);
            }
        }
        streams.open += 1;
        streams.opened_so_far += 1;
        let number = streams.opened_so_far;
        let of_user = streams.of_users.entry(user_id).or_default();
        of_user.open.push_back((number, store_id));
        let (sender, messages) = mpsc::channel(WAITING_MAX);
        let (joining, joined) = oneshot::channel();
        streams.of_stores.entry(store_id).or_default().push(Stream {
            number,
            messages: sender,
            joining: Some(joining),
        });
        drop(streams);
        self.0.metrics.live_streams.inc();
        self.0.opened.notify_one();
        Ok(Place {
            hub: self.clone(),
            user_id,
            store_id,
            number,
            messages,
            joined,
        })
    }

    /// Waits until a stream is open.
    pub(super) async fn watched(&self) {
        while self.streams().open == 0 {
            self.0.opened.notified().await;
        }
    }

    /// Waits until a stream has been opened.
    pub(super) async fn one_more(&self) {
        self.0.opened.notified().await;
    }

    /// The tail begins to read after this place.
    pub(super) fn begin_at(&self, seq: i64) {
        self.0.position.send_replace(Some(seq));
    }

    /// The stores with open streams, all of which take part from now on; `None` if there is none, and the tail
    /// has ended.
    pub(super) fn stores(&self) -> Option<Vec<StoreId>> {
        let mut streams = self.streams();
        if streams.open == 0 {
            self.0.position.send_replace(None);
            return None;
        }
        let position = *self.0.position.borrow();
        for stream in streams.of_stores.values_mut().flatten() {
            if let Some(joining) = position.and_then(|_| stream.joining.take()) {
                // A stream that waits no longer is about to leave.
                joining.send(position.unwrap_or_default()).ok();
            }
        }
        Some(streams.of_stores.keys().copied().collect())
    }

    /// Hands events to the streams that take part and may see them. Streams that are too slow are dropped.
    pub(super) fn hand_over(&self, page: &Page) {
        let mut streams = self.streams();
        for (seq, seen) in page.seen() {
            let Some(of_store) = streams.of_stores.get_mut(&seen.store_id) else {
                continue;
            };
            let message = Message::of(seq, &seen.envelope);
            of_store.retain(|stream| {
                if stream.joining.is_some() {
                    return true;
                }
                let sent = stream.messages.try_send(message.clone());
                let is_full = matches!(sent, Err(mpsc::error::TrySendError::Full(_)));
                if is_full {
                    self.0.metrics.live_streams_dropped.inc();
                }
                sent.is_ok()
            });
        }
        // After the messages: a stream that sees this position and has no message has them all.
        if let Some(last) = page.last_seq() {
            self.0.position.send_replace(Some(last));
        }
    }
}

impl Streams {
    /// Takes a stream out: nothing is handed to it any more, and it ends.
    fn leave(&mut self, number: u64, store_id: StoreId) {
        if let Some(of_store) = self.of_stores.get_mut(&store_id) {
            of_store.retain(|stream| stream.number != number);
            if of_store.is_empty() {
                self.of_stores.remove(&store_id);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let hub = &self.hub.0;
        let mut streams = self.hub.streams();
        streams.open -= 1;
        if let Some(of_user) = streams.of_users.get_mut(&self.user_id) {
            let before = of_user.open.len();
            of_user.open.retain(|(number, _)| *number != self.number);
            if of_user.open.len() == before {
                of_user.ended -= 1;
            }
            if of_user.open.is_empty() && of_user.ended == 0 {
                streams.of_users.remove(&self.user_id);
            }
        }
        streams.leave(self.number, self.store_id);
        drop(streams);
        hub.metrics.live_streams.dec();
    }
}

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use serde_json::json;
    use uuid::Uuid;

    use crate::domain::{
        event::Envelope,
        ids::{EventId, ProductId},
    };

    use super::*;

    fn hub(streams_max: usize) -> LiveOrders {
        let limits = Limits {
            streams_max,
            user_streams_max: 2,
        };
        LiveOrders::new(limits, watch::channel(false).1, Metrics::new())
    }

    fn store(number: u128) -> StoreId {
        StoreId::new(Uuid::from_u128(number))
    }

    fn user(number: u128) -> UserId {
        UserId::new(Uuid::from_u128(number))
    }

    fn low_stock_of(store: StoreId, seq: i64) -> Page {
        let product = ProductId::new(Uuid::from_u128(9));
        let envelope = Envelope {
            version: 1,
            event_id: EventId::new(Uuid::from_u128(8)),
            occurred_at: Utc::now(),
            event_type: "inventory_low".to_owned(),
            aggregate_type: "product".to_owned(),
            aggregate_id: product.uuid(),
            actor: None,
            data: json!({ "product_id": product, "vendor_store_id": store }),
        };
        Page {
            events: vec![(seq, envelope)],
            named: HashMap::new(),
            is_full: false,
        }
    }

    #[test]
    fn streams_are_limited_in_all_and_per_user_and_places_are_given_back() {
        let hub = hub(3);
        let first = hub.take_place(user(1), store(1)).unwrap();
        let _second = hub.take_place(user(1), store(2)).unwrap();
        let _third = hub.take_place(user(2), store(1)).unwrap();
        assert_eq!(
            hub.take_place(user(3), store(1)).unwrap_err(),
            Refused::TooMany
        );
        drop(first);
        assert!(hub.take_place(user(1), store(1)).is_ok());
        assert_eq!(hub.0.metrics.live_streams.get(), 2);
    }

    #[test]
    fn one_stream_too_many_of_a_person_ends_the_oldest() {
        let hub = hub(10);
        let mut first = hub.take_place(user(1), store(1)).unwrap();
        let mut second = hub.take_place(user(1), store(1)).unwrap();
        let mut other = hub.take_place(user(2), store(1)).unwrap();

        let third = hub.take_place(user(1), store(2)).unwrap();

        let ended = mpsc::error::TryRecvError::Disconnected;
        assert_eq!(first.messages.try_recv().unwrap_err(), ended);
        for place in [&mut second, &mut other] {
            let open = mpsc::error::TryRecvError::Empty;
            assert_eq!(place.messages.try_recv().unwrap_err(), open);
        }
        let _fourth = hub.take_place(user(1), store(1)).unwrap();
        assert_eq!(second.messages.try_recv().unwrap_err(), ended);
        // Two that have not left yet are as many as may be open.
        assert_eq!(
            hub.take_place(user(1), store(1)).unwrap_err(),
            Refused::TooManyOfUser
        );
        drop((first, third));
        assert!(hub.take_place(user(1), store(1)).is_ok());
    }

    #[test]
    fn a_stream_that_opens_while_the_tail_reads_begins_with_what_is_read_next() {
        let hub = hub(10);
        let _one = hub.take_place(user(1), store(1)).unwrap();
        hub.begin_at(6);
        assert_eq!(hub.stores().unwrap(), [store(1)]);
        let mut other = hub.take_place(user(2), store(2)).unwrap();
        assert!(other.joined.try_recv().is_err());

        // Read for the first store: what the other one may see of it need not be there.
        hub.hand_over(&low_stock_of(store(2), 7));

        assert!(other.messages.try_recv().is_err());
        assert!(other.joined.try_recv().is_err());
        assert_eq!(hub.stores().unwrap().len(), 2);
        assert_eq!(other.joined.try_recv().unwrap(), 7);
        hub.hand_over(&low_stock_of(store(2), 8));
        assert_eq!(other.messages.try_recv().unwrap().seq, 8);
    }

    #[test]
    fn an_event_is_handed_to_the_streams_of_its_store_and_to_no_other() {
        let hub = hub(10);
        let mut its = hub.take_place(user(1), store(1)).unwrap();
        let mut other = hub.take_place(user(2), store(2)).unwrap();
        hub.begin_at(6);
        hub.stores();

        hub.hand_over(&low_stock_of(store(1), 7));

        assert_eq!(its.messages.try_recv().unwrap().seq, 7);
        assert!(other.messages.try_recv().is_err());
        assert_eq!(*hub.position().borrow(), Some(7));
    }

    #[test]
    fn a_stream_that_does_not_take_its_events_is_dropped_with_what_waits_for_it() {
        let hub = hub(10);
        let mut slow = hub.take_place(user(1), store(1)).unwrap();
        hub.begin_at(0);
        hub.stores();
        let events = i64::try_from(WAITING_MAX).unwrap() + 1;
        for seq in 1..=events {
            hub.hand_over(&low_stock_of(store(1), seq));
        }

        assert_eq!(hub.0.metrics.live_streams_dropped.get(), 1);
        let mut taken = 0;
        while slow.messages.try_recv().is_ok() {
            taken += 1;
        }
        assert_eq!(taken, WAITING_MAX);
        assert!(slow.messages.is_closed());
    }
}
