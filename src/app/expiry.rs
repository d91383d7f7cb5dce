//! Starts the search for late orders, and lets the desk of orders expire what it finds.

use futures_util::future::join_all;
use sqlx::PgPool;
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    config::{Config, DecideWithin},
    domain::{ids::OrderId, order_moves::Move},
    expiry::{Expiry, Outcome},
    metrics::Metrics,
    orders::{
        batch::OrderDesk,
        command::{Decision, MoveCommand, Target},
    },
};

/// Starts the search, unless orders never expire.
pub(super) fn start(
    config: &Config,
    pool: &PgPool,
    desk: &OrderDesk,
    metrics: &Metrics,
    stops: &watch::Receiver<bool>,
) -> Option<JoinHandle<()>> {
    let DecideWithin::Lasting(decide_within) = config.orders.decide_within else {
        return None;
    };
    let desk = desk.clone();
    let expire = async move |ids| expire(&desk, ids).await;
    let search = Expiry::new(
        pool.clone(),
        decide_within,
        expire,
        metrics.clone(),
        stops.clone(),
    );
    Some(actix_rt::spawn(search.run()))
}

/// Hands all orders in at once, so that they share transactions.
async fn expire(desk: &OrderDesk, ids: Vec<OrderId>) -> Vec<Outcome> {
    let moves = ids.into_iter().map(async |id| {
        let command = MoveCommand {
            target: Target::Order(id),
            order_move: Move::Expire,
            request: None,
        };
        match desk.submit(command).await {
            Ok(Decision::Moved(_) | Decision::Replayed(_)) => Outcome::Expired,
            Ok(Decision::Refused(_)) => Outcome::NotLate,
            Err(_) => Outcome::Failed,
        }
    });
    join_all(moves).await
}
