//! Turns settings into the options of the services: only `app` knows both.

use std::time::Duration;

use chrono::TimeDelta;

use crate::{
    batching,
    carts::{self, Promises},
    checkout,
    config::{self, Config},
    domain::{
        cart::PriceHold,
        terms::{PaymentPolicy, Terms},
    },
    inventory, live_orders, ops, orders,
    outbox::{self, sink::options::SinkOptions},
    redis_client::Target,
    vendors,
    webhooks::address::Reach,
};

use super::sinks;

/// The options of everything that takes vendors' turns.
#[derive(Clone, Debug)]
pub struct Options {
    pub vendors: vendors::Options,
    pub checkouts: checkout::start::Options,
    pub orders: orders::start::Options,
    pub counts: inventory::start::Options,
}

/// The options of the actors.
pub fn actors(config: &Config) -> Options {
    Options {
        vendors: vendors::Options {
            transactions_max: config.checkout_transactions()
                + config.order_transactions()
                + config.count_transactions(),
            idle_max: Duration::from_secs(config.vendors.idle_s_max),
        },
        checkouts: checkout(config),
        orders: orders(config),
        counts: counts(config),
    }
}

/// The terms on which this service sells.
pub fn terms(config: &Config) -> Terms {
    Terms {
        payment_policy: if config.allow_ach {
            PaymentPolicy::CashAndAch
        } else {
            PaymentPolicy::CashOnly
        },
        price_hold: price_hold(config),
    }
}

/// The promises of the service about a cart.
///
/// An answer is kept no longer than the cart's prices are held: a PUT that is sent again after that is
/// to price the cart again, also under its old key.
pub fn promises(config: &Config) -> Promises {
    let kept = length(Duration::from_hours(config.idempotency.cart_hours));
    Promises {
        price_hold: price_hold(config),
        keep_answers_for: match config.cart.price_hold {
            config::PriceHold::Off => kept,
            config::PriceHold::Lasting(hold) => kept.min(length(hold)),
        },
    }
}

/// The options of checkouts.
fn checkout(config: &Config) -> checkout::start::Options {
    checkout::start::Options {
        terms: terms(config),
        connections_max: config.checkout_connections(),
        acquire_wait_max: Duration::from_millis(config.database.acquire_ms_max),
        transaction_max: config.transaction_limit(),
        commit_wait_max: Duration::from_millis(config.commit_ms_max),
        lock_wait_max: Duration::from_millis(config.lock_ms_max),
        held_wait_max: Duration::from_millis(config.held_wait_ms_max),
        attempts_max: config.attempts_max,
        keep_answers_for: Duration::from_hours(config.idempotency.checkout_days * 24),
        claim_lease: Duration::from_secs(config.outbox.claim_lease_s),
        limits: batching::Limits {
            batch_max: config.batch_max,
            batch_weight_max: config.batch_lines_max,
            transactions_in_flight: config.transactions_in_flight,
            transactions_overdue_max: config.transactions_overdue_max,
            batch_min_in_parallel: config.batch_min_in_parallel,
            queue_max: config.queue_max,
            aside_max: config.aside_max,
            queue_wait_max: Duration::from_millis(config.queue_wait_ms_max),
            answer_wait_max: config.answer_wait_max(),
        },
    }
}

/// The bounds that the console shows.
pub fn console(config: &Config) -> ops::console::Limits {
    ops::console::Limits {
        queue_max: config.queue_max,
        slots: config.transactions_in_flight,
        slots_overdue_max: config.transactions_overdue_max,
        batch_max: config.batch_max,
    }
}

fn orders(config: &Config) -> orders::start::Options {
    let slots = config.orders.transactions_in_flight;
    orders::start::Options {
        connections_max: config.order_connections(),
        acquire_wait_max: Duration::from_millis(config.database.acquire_ms_max),
        transaction_max: config.transaction_limit(),
        commit_wait_max: Duration::from_millis(config.commit_ms_max),
        lock_wait_max: Duration::from_millis(config.lock_ms_max),
        held_wait_max: Duration::from_millis(config.held_wait_ms_max),
        attempts_max: config.attempts_max,
        keep_answers_for: Duration::from_hours(config.idempotency.checkout_days * 24),
        claim_lease: Duration::from_secs(config.outbox.claim_lease_s),
        limits: batching::Limits {
            batch_max: config.orders.batch_max,
            batch_weight_max: config.batch_lines_max,
            transactions_in_flight: slots,
            transactions_overdue_max: slots,
            batch_min_in_parallel: config.orders.batch_min_in_parallel,
            queue_max: config.orders.queue_max,
            aside_max: config.aside_max,
            queue_wait_max: Duration::from_millis(config.queue_wait_ms_max),
            answer_wait_max: config.answer_wait_max(),
        },
    }
}

fn counts(config: &Config) -> inventory::start::Options {
    let slots = config.inventory.transactions_in_flight;
    inventory::start::Options {
        connections_max: config.count_connections(),
        acquire_wait_max: Duration::from_millis(config.database.acquire_ms_max),
        transaction_max: config.transaction_limit(),
        commit_wait_max: Duration::from_millis(config.commit_ms_max),
        lock_wait_max: Duration::from_millis(config.lock_ms_max),
        held_wait_max: Duration::from_millis(config.held_wait_ms_max),
        attempts_max: config.attempts_max,
        keep_answers_for: length(Duration::from_hours(config.idempotency.cart_hours)),
        claim_lease: Duration::from_secs(config.outbox.claim_lease_s),
        limits: batching::Limits {
            // A count has up to a thousand rows: to share a transaction would gain nothing.
            batch_max: 1,
            batch_weight_max: config.batch_lines_max,
            transactions_in_flight: slots,
            transactions_overdue_max: slots,
            batch_min_in_parallel: 1,
            queue_max: config.inventory.queue_max,
            aside_max: config.aside_max,
            queue_wait_max: Duration::from_millis(config.queue_wait_ms_max),
            answer_wait_max: config.answer_wait_max(),
        },
    }
}

/// The limits of live streams.
pub fn live_orders(config: &Config) -> live_orders::hub::Limits {
    live_orders::hub::Limits {
        streams_max: config.live.streams_max,
        user_streams_max: config.live.user_streams_max,
    }
}

/// The options of carts.
pub fn carts(config: &Config) -> carts::start::Options {
    let slots = config.cart.transactions_in_flight;
    carts::start::Options {
        promises: promises(config),
        connections_max: config.cart_connections(),
        acquire_wait_max: Duration::from_millis(config.database.acquire_ms_max),
        transaction_max: config.transaction_limit(),
        lone_lock_wait_max: Duration::from_millis(config.lock_ms_max),
        limits: batching::Limits {
            batch_max: config.cart.batch_max,
            batch_weight_max: config.batch_lines_max,
            transactions_in_flight: slots,
            transactions_overdue_max: slots,
            batch_min_in_parallel: config.cart.batch_min_in_parallel,
            queue_max: config.cart.queue_max,
            aside_max: config.aside_max,
            queue_wait_max: Duration::from_millis(config.queue_wait_ms_max),
            answer_wait_max: config.answer_wait_max(),
        },
    }
}

/// The addresses that webhooks may go to.
pub fn webhook_reach(config: &Config) -> Reach {
    if config.outbox.webhooks_to_private_addresses {
        Reach::Everything
    } else {
        Reach::Public
    }
}

/// The options of the outbox. `redis` are the targets of the sinks in Redis, in their order.
pub fn outbox(config: &Config, redis: &[Target]) -> outbox::start::Options {
    let settings = &config.outbox;
    let mut targets = redis.iter();
    let sinks = settings.sinks.iter().map(|sink| SinkOptions {
        name: sink.name().to_owned(),
        kind: sinks::kind_of(settings, sink, &mut targets),
    });
    outbox::start::Options {
        sinks: sinks.collect(),
        relay: outbox::relay::Limits {
            poll: Duration::from_millis(settings.poll_ms),
            claim_max: settings.claim_max,
            claim_lease: Duration::from_secs(settings.claim_lease_s),
            attempts_max: settings.attempts_max,
        },
    }
}

fn price_hold(config: &Config) -> PriceHold {
    match config.cart.price_hold {
        config::PriceHold::Off => PriceHold::FOR_EVER,
        config::PriceHold::Lasting(time) => PriceHold::lasting(length(time)),
    }
}

fn length(time: Duration) -> TimeDelta {
    TimeDelta::from_std(time).expect("configuration bounds it")
}
