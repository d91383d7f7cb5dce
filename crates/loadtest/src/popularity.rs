//! Which things are picked how often.

use rand::{Rng, RngExt};

/// Picks numbers below a bound by Zipf's law: the one of rank `r` has the weight `1 / r^exponent`.
/// With exponent 0 all are alike.
#[derive(Clone, Debug)]
pub struct Popularity {
    /// The sums of the weights up to each rank; the last is the whole.
    sums: Vec<f64>,
}

impl Popularity {
    /// Ranks `0..count`, the most popular first.
    pub fn zipf(count: usize, exponent: f64) -> Self {
        let mut sum = 0.0;
        let weights = (1..=count).map(|rank| (rank as f64).powf(-exponent));
        let sums = weights
            .map(|weight| {
                sum += weight;
                sum
            })
            .collect();
        Self { sums }
    }

    /// Picks a rank.
    ///
    /// # Panics
    /// There is none.
    pub fn pick(&self, dice: &mut impl Rng) -> usize {
        let whole = *self.sums.last().expect("there is something to pick from");
        let at = dice.random::<f64>() * whole;
        // The last bit of a product may be rounded up to the whole.
        self.sums
            .partition_point(|sum| *sum <= at)
            .min(self.sums.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::SmallRng};

    use super::*;

    fn shares(exponent: f64) -> Vec<f64> {
        let popularity = Popularity::zipf(100, exponent);
        let mut dice = SmallRng::seed_from_u64(7);
        let mut counts = vec![0_u32; 100];
        for _ in 0..200_000 {
            counts[popularity.pick(&mut dice)] += 1;
        }
        counts
            .into_iter()
            .map(|count| f64::from(count) / 200_000.0)
            .collect()
    }

    #[test]
    fn with_exponent_0_all_are_picked_alike() {
        for share in shares(0.0) {
            assert!((share - 0.01).abs() < 0.002, "{share}");
        }
    }

    #[test]
    fn with_exponent_1_the_first_is_picked_twice_as_often_as_the_second() {
        let shares = shares(1.0);
        // The 100th harmonic number is 5.187.
        assert!((shares[0] - 1.0 / 5.187).abs() < 0.005, "{}", shares[0]);
        assert!((shares[0] / shares[1] - 2.0).abs() < 0.1);
        assert!((shares[0] / shares[9] - 10.0).abs() < 1.0);
    }

    #[test]
    fn the_same_seed_picks_the_same() {
        assert_eq!(shares(0.8), shares(0.8));
    }
}
