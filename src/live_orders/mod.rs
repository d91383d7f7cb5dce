//! The live stream of orders: events of stores, handed to the streams that are open for these stores.
//!
//! One task per process reads the log of events, and only while a stream is open; a checkout takes no part
//! in it. What a stream missed while it was away is read from the log when it comes back.
//!
//! | piece | owns |
//! |---|---|
//! | [`hub`] | the open streams, how many there may be, and handing events to them |
//! | [`tail`] | reading the log |
//! | [`feed`] | one stream: what it missed, what comes, heartbeats, its end |
//! | `message` | an event as a stream has it |

pub mod feed;
pub mod hub;
mod message;
pub mod tail;

use std::collections::HashMap;

use sqlx::PgConnection;

use crate::{
    db::{self, outbox::LoggedEvent},
    domain::{
        audience::{NamedOrder, Seen, audience},
        event::Envelope,
        ids::{OrderId, StoreId},
    },
};

/// A part of the log, with what it takes to know who may see its events.
struct Page {
    events: Vec<(i64, Envelope)>,
    named: HashMap<OrderId, NamedOrder>,
    /// True if there may be more.
    is_full: bool,
}

impl Page {
    /// Reads at most `limit` events after a place, as these stores see them.
    async fn read(
        connection: &mut PgConnection,
        after_seq: i64,
        limit: i64,
        stores: &[StoreId],
    ) -> Result<Self, db::Error> {
        let logged = db::outbox::read_log(connection, after_seq, limit).await?;
        let is_full = logged.len() as u64 >= limit.unsigned_abs();
        let events: Vec<_> = logged
            .iter()
            .map(|LoggedEvent { seq, event }| (*seq, event.envelope()))
            .collect();
        let envelopes = events.iter().map(|(_, envelope)| envelope);
        let named = db::orders::find_named_of(connection, envelopes, stores).await?;
        Ok(Self {
            events,
            named,
            is_full,
        })
    }

    /// The place of the last event.
    fn last_seq(&self) -> Option<i64> {
        self.events.last().map(|(seq, _)| *seq)
    }

    /// The events as stores see them, in the order of the log. Vendors of whom no order was asked for are left
    /// out.
    fn seen(&self) -> impl Iterator<Item = (i64, Seen)> {
        self.events.iter().flat_map(|(seq, envelope)| {
            let seen = audience(envelope, |id| self.named.get(&id));
            seen.into_iter().map(|seen| (*seq, seen))
        })
    }
}
