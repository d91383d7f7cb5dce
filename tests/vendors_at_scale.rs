//! 100,000 vendors: each has an actor from its first use, none when all are idle, and memory is reused.
//! A process of its own, with the server's allocator, because the test measures the process's memory.
#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

use std::{
    fs,
    time::{Duration, Instant},
};

use actix_rt::System;
use mimalloc::MiMalloc;
use splitcart::{
    domain::ids::VendorStoreId, metrics::Metrics, vendors::directory::VendorDirectory,
};
use uuid::Uuid;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const VENDORS: u32 = 100_000;
const LONG: Duration = Duration::from_hours(1);
/// The limit for the figure in docs/performance.md.
const BYTES_PER_ACTOR_MAX: u64 = 1_500;

#[test]
fn every_vendor_has_an_actor_none_is_left_when_all_are_idle_and_memory_is_used_again() {
    System::new().block_on(async {
        let metrics = Metrics::new();
        let directory = VendorDirectory::new(2, metrics.clone());
        let before = resident_bytes();

        start_all(&directory).await;
        assert_eq!(metrics.vendor_actors.get(), i64::from(VENDORS));
        let first = resident_bytes();
        assert_eq!(directory.put_away_idle(LONG).await, 0);
        let put_away = directory.put_away_idle(Duration::ZERO).await;
        assert_eq!(put_away, VENDORS as usize);
        assert_eq!(metrics.vendor_actors.get(), 0);
        start_all(&directory).await;
        assert_eq!(metrics.vendor_actors.get(), i64::from(VENDORS));

        if let (Some(before), Some(first), Some(second)) = (before, first, resident_bytes()) {
            let per_actor = (first - before) / u64::from(VENDORS);
            assert!(per_actor <= BYTES_PER_ACTOR_MAX, "{per_actor} bytes");
            let more = second.saturating_sub(first) / u64::from(VENDORS);
            assert!(more <= per_actor / 4, "{more} bytes more the second time");
        }
    });
}

async fn start_all(directory: &VendorDirectory) {
    for vendor in 1..=VENDORS {
        let vendor = VendorStoreId::new(Uuid::from_u128(u128::from(vendor)));
        let turn = directory.take_turn(vendor, Instant::now() + LONG).await;
        drop(turn.unwrap());
    }
}

/// The resident memory, on systems that report it.
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}
