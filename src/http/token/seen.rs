//! Tokens that were seen a moment ago, by a digest: what costs much to find out is found out once.
//!
//! Bounded in time and in number: there are two generations, and when the young one is full or has had
//! its time, it becomes the old one and the old one is forgotten.

use std::{
    collections::HashSet,
    sync::Mutex,
    time::{Duration, Instant},
};

/// Digests of tokens that were seen a moment ago.
#[derive(Debug)]
pub struct Seen {
    generations: Mutex<Generations>,
    per_generation_max: usize,
    generation_lasts: Duration,
}

#[derive(Debug)]
struct Generations {
    young: HashSet<u64>,
    old: HashSet<u64>,
    since: Instant,
}

impl Seen {
    /// Remembers for `lasts` at least and twice that at most, and no more than twice `number_max`.
    pub fn new(number_max: usize, lasts: Duration) -> Self {
        Self {
            generations: Mutex::new(Generations {
                young: HashSet::new(),
                old: HashSet::new(),
                since: Instant::now(),
            }),
            per_generation_max: number_max,
            generation_lasts: lasts,
        }
    }

    /// True if the digest was seen a moment ago.
    pub fn has(&self, digest: u64) -> bool {
        self.with(|generations| {
            generations.young.contains(&digest) || generations.old.contains(&digest)
        })
    }

    /// Remembers it.
    pub fn add(&self, digest: u64) {
        self.with(|generations| {
            if generations.young.len() >= self.per_generation_max {
                generations.age();
            }
            generations.young.insert(digest);
        });
    }

    fn with<T>(&self, work: impl FnOnce(&mut Generations) -> T) -> T {
        let mut generations = self
            .generations
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let age = generations.since.elapsed();
        if age > self.generation_lasts {
            generations.age();
            if age > 2 * self.generation_lasts {
                generations.age();
            }
        }
        work(&mut generations)
    }
}

impl Generations {
    fn age(&mut self) {
        self.old = std::mem::take(&mut self.young);
        self.since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_remembered_and_forgotten_in_number() {
        let seen = Seen::new(100, Duration::from_hours(1));
        for digest in 0..1_000 {
            assert!(!seen.has(digest));
            seen.add(digest);
            assert!(seen.has(digest));
        }
        let remembered = (0..1_000).filter(|digest| seen.has(*digest)).count();
        assert!((100..=200).contains(&remembered), "{remembered}");
        assert!(seen.has(999));
    }

    #[test]
    fn what_was_seen_is_forgotten_in_time() {
        let seen = Seen::new(100, Duration::ZERO);
        seen.add(1);
        std::thread::yield_now();
        let give_up = Instant::now() + Duration::from_secs(10);
        while seen.has(1) {
            assert!(Instant::now() < give_up);
        }
    }
}
