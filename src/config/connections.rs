//! How many connections to PostgreSQL an instance may have at a time.

use std::thread;

use super::Config;

/// The relay's.
pub const RELAY_CONNECTIONS: u32 = 1;
/// Of what measures and sweeps.
pub const BACKGROUND_CONNECTIONS: u32 = 2;
/// The one that `/readyz` asks.
const READINESS_CONNECTIONS: u32 = 1;

impl Config {
    /// The sum of all its pools, full.
    pub fn connections_max(&self) -> u64 {
        let workers = self.http_workers() as u64;
        let reads = workers * u64::from(self.database.pool_per_worker);
        let checkouts = self.checkout_connections();
        let carts = self.cart_connections();
        let others = RELAY_CONNECTIONS + BACKGROUND_CONNECTIONS + READINESS_CONNECTIONS;
        reads + u64::from(checkouts + carts + others)
    }

    /// `http.workers`, or one per core.
    pub fn http_workers(&self) -> usize {
        match self.http.workers {
            0 => thread::available_parallelism().map_or(2, Into::into),
            workers => workers,
        }
    }

    /// How many transactions of checkouts may run: in slots, overdue ones beside them, and one in the
    /// slow lane.
    pub fn checkout_transactions(&self) -> usize {
        self.transactions_in_flight + self.transactions_overdue_max + 1
    }

    /// One for each of them, and one that looks at what others hold.
    pub fn checkout_connections(&self) -> u32 {
        u32::try_from(self.checkout_transactions() + 1).expect("configuration bounds it")
    }

    /// When a batch of carts fails its members are tried beside each other.
    pub fn cart_connections(&self) -> u32 {
        twice(self.cart.transactions_in_flight)
    }
}

fn twice(slots: usize) -> u32 {
    u32::try_from(slots * 2).expect("configuration bounds it")
}
