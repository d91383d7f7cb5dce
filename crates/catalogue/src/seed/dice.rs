//! The dice of the seed: what is random about a row but its id.

use splitcart::seed_ids::{Kind, key, mix};

/// Splits the stream of the dice from the one that the ids are made of.
const DICE: u64 = 0x6469_6365_6469_6365;

/// A stream of decisions about one row.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64, kind: Kind, index: u64) -> Self {
        Self(mix(key(seed, kind, index) ^ DICE))
    }

    /// Any of `0..count`.
    pub(super) fn below(&mut self, count: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let product = (mix(self.0) >> 32) * u64::from(count);
        u32::try_from(product >> 32).expect("the high half of a 64 bit number fits 32 bits")
    }

    /// Any of `least..=greatest`.
    pub(super) fn between(&mut self, least: u32, greatest: u32) -> u32 {
        least + self.below(greatest - least + 1)
    }

    /// True once in `count` times.
    pub(super) fn one_in(&mut self, count: u32) -> bool {
        self.below(count) == 0
    }

    /// Any of the choices.
    pub(super) fn pick<T: Copy>(&mut self, choices: &'static [T]) -> T {
        *self.pick_from(choices)
    }

    /// Any of the choices, where it stands.
    pub(super) fn pick_from<T>(&mut self, choices: &'static [T]) -> &'static T {
        let count = u32::try_from(choices.len()).expect("the lists of the seed are short");
        &choices[self.below(count) as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn dice_stay_within_their_bounds_and_reach_both() {
        let mut dice = Dice::new(1, Kind::Product, 1);
        let rolls: HashSet<_> = (0..1_000).map(|_| dice.between(3, 7)).collect();
        assert_eq!(rolls, HashSet::from([3, 4, 5, 6, 7]));
    }
}
