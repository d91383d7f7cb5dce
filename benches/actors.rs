//! The cost of 100,000 live vendors: memory, the time to start them and to put them away, and the time for
//! which that keeps other work from the actors' thread.
//!
//! `cargo bench --bench actors`. Times are the thread's own, so that a busy machine does not count.
//! The bench has the server's allocator, because it measures memory, and reads `/proc` for that.
#![expect(clippy::unwrap_used, reason = "a bench that can't go on should stop")]

use std::{
    cell::Cell,
    fs,
    rc::Rc,
    time::{Duration, Instant},
};

use actix_rt::System;
use mimalloc::MiMalloc;
use nix::time::{ClockId, clock_gettime};
use splitcart::{
    domain::ids::VendorStoreId, metrics::Metrics, vendors::directory::VendorDirectory,
};
use uuid::Uuid;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const VENDORS: u32 = 100_000;
const ROUNDS: u32 = 3;
const LONG: Duration = Duration::from_hours(1);

fn main() {
    System::new().block_on(async {
        let directory = VendorDirectory::new(2, Metrics::new());
        let before = resident_bytes();
        for round in 1..=ROUNDS {
            println!("{VENDORS} vendors, round {round} of {ROUNDS}");
            measure(&directory, before).await;
        }
    });
}

async fn measure(directory: &VendorDirectory, before: u64) {
    let starting = measured(start_all(directory)).await;
    let per_second = f64::from(VENDORS) / starting.took.as_secs_f64();
    println!("  start on first use       {starting}, {per_second:.0} per second");
    let live = resident_bytes().saturating_sub(before);
    let per_actor = live / u64::from(VENDORS);
    println!("  memory                   {live} bytes, {per_actor} per live actor");
    let looking = measured(directory.put_away_idle(LONG)).await;
    println!("  look for idle ones       {looking}");
    let looking = measured(async { directory.deepest(10) }).await;
    println!("  look for the deepest     {looking}");
    let putting_away = measured(directory.put_away_idle(Duration::ZERO)).await;
    println!("  put all away             {putting_away}");
}

async fn start_all(directory: &VendorDirectory) {
    for vendor in 1..=VENDORS {
        let vendor = VendorStoreId::new(Uuid::from_u128(u128::from(vendor)));
        let turn = directory.take_turn(vendor, Instant::now() + LONG).await;
        drop(turn.unwrap());
    }
}

/// The duration of an operation, and the longest time for which it kept other work from the thread.
struct Measured {
    took: Duration,
    kept: Duration,
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:.1?}, others waited at most {:.1?}",
            self.took, self.kept
        )
    }
}

async fn measured<T>(work: impl Future<Output = T>) -> Measured {
    let longest = Rc::new(Cell::new(Duration::ZERO));
    let other = actix_rt::spawn({
        let longest = Rc::clone(&longest);
        async move {
            loop {
                let left = thread_time();
                tokio::task::yield_now().await;
                longest.set(longest.get().max(thread_time_since(left)));
            }
        }
    });
    tokio::task::yield_now().await;
    let started = thread_time();
    work.await;
    let took = thread_time_since(started);
    // Control returns to this task when all woken tasks have run.
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    other.abort();
    Measured {
        took,
        kept: longest.get(),
    }
}

fn thread_time() -> Duration {
    let clock = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID);
    Duration::from(clock.unwrap())
}

fn thread_time_since(then: Duration) -> Duration {
    thread_time().saturating_sub(then)
}

fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}
