//! The expiry of late orders: found by `expiry`, moved at the desk of `orders`.

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

/// Starts the search for orders whose vendors have not decided in time, unless no order expires.
pub(super) fn expire(
    config: &Config,
    pool: &PgPool,
    orders: OrderDesk,
    metrics: &Metrics,
    stops: &watch::Receiver<bool>,
) -> Option<JoinHandle<()>> {
    let DecideWithin::Lasting(decide_within) = config.orders.decide_within else {
        return None;
    };
    let hand_in = async move |ids: Vec<OrderId>| {
        join_all(ids.into_iter().map(|id| expire_one(&orders, id))).await
    };
    let (pool, metrics, stops) = (pool.clone(), metrics.clone(), stops.clone());
    let expiry = Expiry::new(pool, decide_within, hand_in, metrics, stops);
    Some(actix_rt::spawn(expiry.run()))
}

async fn expire_one(orders: &OrderDesk, id: OrderId) -> Outcome {
    let command = MoveCommand {
        target: Target::Order(id),
        order_move: Move::Expire,
        request: None,
    };
    match orders.submit(command).await {
        Ok(Decision::Moved(_)) => Outcome::Expired,
        Ok(Decision::Replayed(_) | Decision::Refused(_)) => Outcome::NotLate,
        Err(_) => Outcome::Failed,
    }
}
