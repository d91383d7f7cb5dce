//! Turns are taken while idle actors are put away as densely as possible, from two threads.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use actix_rt::System;
use futures_util::future::join_all;
use uuid::Uuid;

use super::*;

/// There are few vendors, so that every caller meets every other.
const VENDORS: usize = 3;
/// The transactions of all callers together.
const TRANSACTIONS: usize = 10_000;
/// The time limit of steps that take no time unless something hangs.
const LIMIT: Duration = Duration::from_mins(1);

struct Stage {
    directory: VendorDirectory,
    /// The vendors whose turn is out.
    held: [AtomicBool; VENDORS],
    done: AtomicBool,
}

/// A turn that no other caller has.
struct Held<'a> {
    held: &'a AtomicBool,
    #[expect(dead_code, reason = "given back when `held` has been set to false")]
    turn: Turn,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.held.store(false, Ordering::SeqCst);
    }
}

impl Stage {
    fn set() -> Arc<Self> {
        Arc::new(Self {
            directory: VendorDirectory::new(2, Metrics::new()),
            held: Default::default(),
            done: AtomicBool::default(),
        })
    }

    fn metrics(&self) -> &Metrics {
        &self.directory.0.metrics
    }

    async fn take(&self, vendor: usize) -> Held<'_> {
        let deadline = Instant::now() + LIMIT;
        let turn = self.directory.take_turn(id(vendor), deadline).await;
        let turn = turn.expect("every message is answered");
        let held = &self.held[vendor];
        assert!(!held.swap(true, Ordering::SeqCst), "a vendor has one turn");
        Held { held, turn }
    }

    /// Carries out one caller's transactions, over all sets of vendors. Some are dropped while they wait
    /// for a turn, and some come too late.
    async fn carry_out(self: Arc<Self>, transactions: usize) {
        for nr in 0..transactions {
            let wanted = nr % 7 + 1;
            let vendors = (0..VENDORS).filter(|vendor| wanted & (1 << vendor) != 0);
            let transaction = async {
                let mut turns = Vec::new();
                for vendor in vendors {
                    turns.push(self.take(vendor).await);
                    yields(nr % 3).await;
                }
            };
            if nr % 5 == 4 {
                tokio::select! { () = transaction => {}, () = yields(nr % 11) => {} }
            } else {
                transaction.await;
            }
            if nr % 13 == 12 {
                let late = self.directory.take_turn(id(nr % VENDORS), Instant::now());
                assert!(matches!(late.await, Err(ReserveError::DeadlinePassed)));
            }
            yields(nr % 4).await;
        }
    }

    /// Returns the number of actors that were put away.
    async fn put_away_until_done(self: Arc<Self>) -> usize {
        let mut put_away = 0;
        while !self.done.load(Ordering::SeqCst) {
            put_away += self.directory.put_away_idle(Duration::ZERO).await;
            yields(1).await;
        }
        put_away
    }

    /// Waits until the messages of callers that did not wait are dropped, too.
    async fn until_all_is_handled(&self) {
        while self.metrics().vendor_mailbox_depth.get() > 0 {
            yields(1).await;
        }
    }
}

fn id(vendor: usize) -> VendorStoreId {
    VendorStoreId::new(Uuid::from_u128(vendor as u128))
}

async fn yields(times: usize) {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
}

/// Runs on another thread with a runtime, like every thread of the service.
fn on_another_thread(
    put_away: impl Future<Output = usize> + Send + 'static,
) -> impl FnOnce() -> usize {
    let thread = thread::spawn(|| System::new().block_on(put_away));
    || thread.join().unwrap()
}

#[test]
fn no_message_and_no_turn_is_lost_while_actors_are_put_away_all_the_time() {
    let mut put_away = [0; 2];
    for callers in [1, 4, 32] {
        System::new().block_on(async {
            let stage = Stage::set();
            let here = actix_rt::spawn(Arc::clone(&stage).put_away_until_done());
            let there = on_another_thread(Arc::clone(&stage).put_away_until_done());

            let carry_out = |_| {
                let stage = Arc::clone(&stage);
                actix_rt::spawn(stage.carry_out(TRANSACTIONS / callers))
            };
            let all = join_all((0..callers).map(carry_out));
            let all = tokio::time::timeout(LIMIT, all).await;

            for caller in all.expect("every caller gets its turn") {
                caller.unwrap();
            }
            let handled = tokio::time::timeout(LIMIT, stage.until_all_is_handled()).await;
            handled.expect("no place is lost");
            stage.done.store(true, Ordering::SeqCst);
            put_away[0] += here.await.unwrap();
            put_away[1] += there();
            let entries = stage.directory.0.vendors.len();
            let counted = stage.metrics().vendor_actors.get();
            assert_eq!(usize::try_from(counted), Ok(entries));
            stage.directory.put_away_idle(Duration::ZERO).await;
            assert_eq!(stage.metrics().vendor_actors.get(), 0);
            assert!(stage.directory.0.vendors.is_empty());
        });
    }
    assert!(put_away[0] > 1_000 && put_away[1] > 10, "{put_away:?}");
}
