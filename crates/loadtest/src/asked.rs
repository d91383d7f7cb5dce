//! The load that options ask for, with the defaults that depend on each other. Pure, but for the
//! limit of open files.

use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit};

use super::{
    cart_generator::CartShape,
    options::{LoadtestArgs, Mode, Prepare},
};

/// The most requests at a time.
pub(crate) const AT_A_TIME_MAX: u32 = 20_000;
/// Files that are open for something else than a connection.
const OTHER_FILES: u64 = 64;

/// The most requests at a time that this process may have: each is a connection, and so an open file.
pub(crate) fn at_a_time_max() -> u32 {
    let files = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(_, hard)| hard);
    let connections = u32::try_from(files.saturating_sub(OTHER_FILES)).unwrap_or(u32::MAX);
    connections.clamp(1, AT_A_TIME_MAX)
}

/// The arrival of requests: a closed or an open loop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Arrivals {
    /// This number of clients, each of which waits for its answers.
    Closed { clients: u32 },
    /// This many arrivals a second.
    Open {
        rate: f64,
        /// The most at a time.
        in_flight_max: u32,
    },
}

/// When a test ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Length {
    /// After this time.
    Time(Duration),
    /// After this many requests.
    Count(u32),
}

impl LoadtestArgs {
    /// The arrival of requests: a closed or an open loop.
    pub(crate) fn arrivals(&self) -> Arrivals {
        match self.load.rate {
            Some(rate) => Arrivals::Open {
                rate,
                in_flight_max: self
                    .load
                    .max_in_flight
                    .unwrap_or_else(|| self.in_flight_max_by_itself(rate)),
            },
            None => Arrivals::Closed {
                clients: self.load.clients.unwrap_or(64),
            },
        }
    }

    /// High enough that an arrival finds no place only where answers exceed their timeout.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is bounded, and a rate below 0 is refused"
    )]
    fn in_flight_max_by_itself(&self, rate: f64) -> u32 {
        let most = at_a_time_max();
        let wanted = (rate * self.load.timeout.as_secs_f64()).ceil();
        (wanted.min(f64::from(most)) as u32).max(1)
    }

    /// The most requests at a time.
    pub(crate) fn at_a_time(&self) -> u32 {
        match self.arrivals() {
            Arrivals::Closed { clients } => clients,
            Arrivals::Open { in_flight_max, .. } => in_flight_max,
        }
    }

    /// When the test ends.
    pub(crate) fn length(&self) -> Length {
        match self.load.count {
            Some(count) => Length::Count(count),
            None => Length::Time(self.load.duration.unwrap_or(Duration::from_secs(10))),
        }
    }

    /// The time for which the load runs before it is measured.
    pub(crate) fn warmup(&self) -> Duration {
        self.load.warmup.unwrap_or(match self.length() {
            Length::Time(_) => Duration::from_secs(2),
            Length::Count(_) => Duration::ZERO,
        })
    }

    /// The number of carts to prepare, or only to price where requests bring them.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a day of a million a second would be more carts than any machine holds"
    )]
    pub(crate) fn carts(&self) -> u32 {
        /// Beyond what a machine of two cores does.
        const CHECKOUTS_PER_SECOND: f64 = 4000.0;
        /// The same, where each checkout is followed by moves.
        const LIFECYCLES_PER_SECOND: f64 = 1500.0;
        const DECISIONS_PER_SECOND: f64 = 12_000.0;
        /// So many buyers that none comes back soon.
        const REUSED: u32 = 2000;
        if let Some(carts) = self.cart.carts {
            return carts;
        }
        let by_itself = match self.load.mode {
            Mode::Checkout => CHECKOUTS_PER_SECOND,
            Mode::Lifecycle => LIFECYCLES_PER_SECOND,
            Mode::Decisions => DECISIONS_PER_SECOND,
            Mode::CartPut | Mode::CartGet | Mode::Purchase => {
                return self.at_a_time().max(REUSED);
            }
        };
        let requests = match self.length() {
            Length::Count(count) => count,
            Length::Time(time) => {
                let seconds = (time + self.warmup()).as_secs_f64();
                let requests = seconds * self.load.rate.unwrap_or(by_itself);
                requests.ceil() as u32 + 1
            }
        };
        requests.div_ceil(self.requests_per_cart())
    }

    /// The requests that one cart is enough for, in the modes that use carts up: one order per vendor is
    /// decided about.
    pub(crate) fn requests_per_cart(&self) -> u32 {
        match self.load.mode {
            Mode::Decisions => self.cart.vendors.unwrap_or(self.cart.lines).max(1),
            _ => 1,
        }
    }

    /// The way in which carts are made before the test; none if requests bring them.
    pub(crate) fn prepare(&self) -> Option<Prepare> {
        match self.load.mode {
            Mode::Checkout | Mode::CartGet | Mode::Lifecycle | Mode::Decisions => {
                Some(self.cart.prepare.unwrap_or(Prepare::Db))
            }
            Mode::CartPut | Mode::Purchase => None,
        }
    }

    /// The shape of the carts.
    pub(crate) fn shape(&self) -> CartShape {
        CartShape {
            lines: self.cart.lines as usize,
            vendors: self.cart.vendors.unwrap_or(self.cart.lines) as usize,
            hot_share: self.cart.hot_share,
            hot_products: self.cart.hot_products.unwrap_or(1) as usize,
            zipf: self.cart.zipf,
            qty: self.cart.qty,
        }
    }
}
