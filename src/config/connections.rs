//! The number of connections to PostgreSQL that an instance may have at a time.

use std::thread;

use super::Config;

/// Connections of gauges and sweepers.
pub const BACKGROUND_CONNECTIONS: u32 = 2;
/// The connection that `/readyz` asks.
const READINESS_CONNECTIONS: u32 = 1;

impl Config {
    /// The sum of all pools when they are full.
    pub fn connections_max(&self) -> u64 {
        let workers = self.http_workers() as u64;
        let reads = workers * u64::from(self.database.pool_per_worker);
        let checkouts = self.checkout_connections();
        let carts = self.cart_connections();
        let orders = self.order_connections();
        let counts = self.count_connections();
        let others = self.sink_connections() + BACKGROUND_CONNECTIONS + READINESS_CONNECTIONS;
        reads + u64::from(checkouts + carts + orders + counts + others)
    }

    /// `http.workers`, or one per core.
    pub fn http_workers(&self) -> usize {
        match self.http.workers {
            0 => thread::available_parallelism().map_or(2, Into::into),
            workers => workers,
        }
    }

    /// The most transactions of checkouts at a time: in slots, overdue ones beside them, and one in the
    /// slow lane.
    pub fn checkout_transactions(&self) -> usize {
        self.transactions_in_flight + self.transactions_overdue_max + 1
    }

    /// One for each transaction, and one that looks for rows that others hold.
    pub fn checkout_connections(&self) -> u32 {
        u32::try_from(self.checkout_transactions() + 1).expect("configuration bounds it")
    }

    /// The most transactions of moves of orders at a time: in slots, overdue ones beside them, and one in
    /// the slow lane.
    pub fn order_transactions(&self) -> usize {
        self.orders.transactions_in_flight * 2 + 1
    }

    /// One for each transaction.
    pub fn order_connections(&self) -> u32 {
        u32::try_from(self.order_transactions()).expect("configuration bounds it")
    }

    /// Connections of what publishes events: one for each sink.
    pub fn sink_connections(&self) -> u32 {
        u32::try_from(self.outbox.sinks.len().max(1)).expect("configuration bounds it")
    }

    /// Connections of cart PUTs: when a batch fails, its members are tried at the same time.
    pub fn cart_connections(&self) -> u32 {
        twice(self.cart.transactions_in_flight)
    }

    /// The most transactions of stock counts at a time: in slots, and overdue ones beside them.
    pub fn count_transactions(&self) -> usize {
        self.inventory.transactions_in_flight * 2
    }

    /// Connections of stock counts: one for each transaction.
    pub fn count_connections(&self) -> u32 {
        twice(self.inventory.transactions_in_flight)
    }
}

fn twice(slots: usize) -> u32 {
    u32::try_from(slots * 2).expect("configuration bounds it")
}
