//! The map of vendors' actors: each live actor keeps its place for as long as it lives, so that the map
//! does not move under the operator's eyes.
//!
//! A map is sent as a bit per place that is taken, and five bytes for each actor that works or has
//! somebody waiting: its place (little-endian), its depth, its wait and its lines a second, the latter two
//! on logarithmic scales.

use std::{collections::BTreeSet, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;

use crate::{
    domain::ids::VendorStoreId,
    vendors::{
        activity::{Pace, Sighting},
        directory::VendorDirectory,
    },
};

/// The most places. Further actors are counted, and not drawn.
const PLACES_MAX: usize = u16::MAX as usize;
/// The vendors that are named.
pub(super) const HOTTEST_MAX: usize = 10;
/// Steps of a logarithmic scale for each doubling.
const STEPS_PER_DOUBLING: f64 = 8.0;
/// The beginnings of the scales, in seconds and in lines a second.
const WAITS_FROM: f64 = 0.0001;
const LINES_FROM: f64 = 0.1;
/// An actor is drawn as working if it has given more turns a second than this.
const TURNS_MIN: f64 = 0.001;

/// A vendor that is not worked for is still among the hottest until it has cooled down to this.
const HEAT_MIN: f64 = 0.1;

/// The places.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// By place, its holder and the number of the last look that has seen it.
    taken: Vec<Option<(VendorStoreId, u64)>>,
    free: BTreeSet<u16>,
    look: u64,
}

/// A look at all actors.
#[derive(Debug, Default)]
pub(super) struct Look {
    pub map: ActorsMap,
    pub hottest: Vec<Hot>,
    /// The longest wait of all vendors.
    pub wait_max: Duration,
}

/// The map as it is sent.
#[derive(Debug, Default, Serialize)]
pub(super) struct ActorsMap {
    live: usize,
    /// The places, taken or not.
    places: usize,
    /// Base64 of a bit for each place, least significant first.
    taken: String,
    /// Base64 of five bytes for each busy actor.
    busy: String,
}

/// One of the hottest vendors.
#[derive(Clone, Debug)]
pub(super) struct Hot {
    pub vendor: VendorStoreId,
    pub place: Option<u16>,
    pub depth: usize,
    pub pace: Pace,
}

impl Places {
    /// Looks at all live actors.
    pub(super) fn look(&mut self, directory: &VendorDirectory) -> Look {
        self.look += 1;
        let mut live = 0;
        let mut busy = Vec::new();
        let mut hottest = Hottest::default();
        let mut wait_max = Duration::ZERO;
        directory.look(|mut sighting| {
            live += 1;
            let place = self.place_of(&mut sighting);
            let is_busy = sighting.depth > 0 || sighting.pace.turns_per_s > TURNS_MIN;
            if is_busy && let Some(place) = place {
                busy.extend(place.to_le_bytes());
                busy.push(u8::try_from(sighting.depth).unwrap_or(u8::MAX));
                busy.push(step(sighting.pace.wait.as_secs_f64(), WAITS_FROM));
                busy.push(step(sighting.pace.lines_per_s, LINES_FROM));
            }
            wait_max = wait_max.max(sighting.pace.wait);
            hottest.see(&sighting, place);
        });
        self.free_the_unseen();
        let mut bits = vec![0_u8; self.taken.len().div_ceil(8)];
        for (place, _) in (0..).zip(&self.taken).filter(|(_, taken)| taken.is_some()) {
            let place: usize = place;
            bits[place / 8] |= 1 << (place % 8);
        }
        Look {
            map: ActorsMap {
                live,
                places: self.taken.len(),
                taken: STANDARD.encode(bits),
                busy: STANDARD.encode(busy),
            },
            hottest: hottest.0,
            wait_max,
        }
    }

    /// The vendor at a place.
    pub(super) fn holder(&self, place: u16) -> Option<VendorStoreId> {
        let taken = self.taken.get(usize::from(place)).copied().flatten();
        taken.map(|(vendor, _)| vendor)
    }

    fn place_of(&mut self, sighting: &mut Sighting<'_>) -> Option<u16> {
        if sighting.slot.is_none() {
            *sighting.slot = self.free.pop_first().or_else(|| self.add_place());
        }
        let place = (*sighting.slot)?;
        self.taken[usize::from(place)] = Some((sighting.vendor, self.look));
        Some(place)
    }

    fn add_place(&mut self) -> Option<u16> {
        let place = u16::try_from(self.taken.len()).ok();
        let place = place.filter(|_| self.taken.len() < PLACES_MAX)?;
        self.taken.push(None);
        Some(place)
    }

    fn free_the_unseen(&mut self) {
        for (place, taken) in (0..).zip(&mut self.taken) {
            if taken.is_some_and(|(_, look)| look != self.look) {
                *taken = None;
                self.free.insert(place);
            }
        }
        while self.taken.last().is_some_and(Option::is_none) {
            self.taken.pop();
        }
        let places = self.taken.len();
        self.free.retain(|place| usize::from(*place) < places);
    }
}

/// The hottest vendors, hottest first.
#[derive(Debug, Default)]
struct Hottest(Vec<Hot>);

impl Hottest {
    fn see(&mut self, sighting: &Sighting<'_>, place: Option<u16>) {
        let Sighting {
            vendor,
            depth,
            pace,
            ..
        } = *sighting;
        let hot = Hot {
            vendor,
            place,
            depth,
            pace,
        };
        let is_idle = depth == 0 && pace.turns_per_s <= TURNS_MIN && pace.heat < HEAT_MIN;
        let rank = |it: &Hot| (it.pace.heat, it.pace.turns_per_s);
        let is_cooler = |it: &Hot| rank(it) <= rank(&hot);
        let full = self.0.len() >= HOTTEST_MAX;
        if is_idle || (full && !self.0.last().is_some_and(is_cooler)) {
            return;
        }
        let at = self.0.partition_point(|it| !is_cooler(it));
        self.0.insert(at, hot);
        self.0.truncate(HOTTEST_MAX);
    }
}

/// The step of a value on a scale: 0 for none, then one for each eighth of a doubling.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from float to integer saturates"
)]
fn step(value: f64, from: f64) -> u8 {
    if value <= 0.0 {
        return 0;
    }
    let doublings = (value / from).log2().max(0.0);
    (1.0 + (doublings * STEPS_PER_DOUBLING).round()).min(255.0) as u8
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn see(places: &mut Places, vendor: u128, slot: &mut Option<u16>) -> Option<u16> {
        places.place_of(&mut Sighting {
            vendor: VendorStoreId::new(Uuid::from_u128(vendor)),
            depth: 1,
            pace: Pace::default(),
            slot,
        })
    }

    #[test]
    fn an_actor_keeps_its_place_and_a_newcomer_takes_the_first_that_is_free() {
        let mut places = Places::default();
        let mut slots = [None; 3];
        for (vendor, slot) in (0..).zip(&mut slots) {
            see(&mut places, vendor, slot);
        }
        assert_eq!(slots, [Some(0), Some(1), Some(2)]);
        // The second is put away.
        places.look += 1;
        see(&mut places, 0, &mut slots[0]);
        see(&mut places, 2, &mut slots[2]);
        places.free_the_unseen();
        assert_eq!((slots[0], slots[2]), (Some(0), Some(2)));
        assert_eq!(see(&mut places, 9, &mut None), Some(1));
    }

    #[test]
    fn places_at_the_end_are_given_up() {
        let mut places = Places::default();
        for vendor in 0..100 {
            see(&mut places, vendor, &mut None);
        }
        places.look += 1;
        see(&mut places, 0, &mut Some(0));
        places.free_the_unseen();
        assert_eq!((places.taken.len(), places.free.len()), (1, 0));
    }

    #[test]
    fn the_hottest_stand_first_and_the_most_turns_decide_among_equals() {
        let mut hottest = Hottest::default();
        for (vendor, heat, turns_per_s) in [(1, 0.0, 5.0), (2, 7.0, 1.0), (3, 0.0, 9.0)] {
            let sighting = Sighting {
                vendor: VendorStoreId::new(Uuid::from_u128(vendor)),
                depth: 1,
                pace: Pace {
                    turns_per_s,
                    heat,
                    ..Pace::default()
                },
                slot: &mut None,
            };
            hottest.see(&sighting, None);
        }
        let order: Vec<_> = hottest
            .0
            .iter()
            .map(|it| it.vendor.uuid().as_u128())
            .collect();
        assert_eq!(order, [2, 3, 1]);
    }

    #[test]
    fn a_value_is_read_back_within_a_tenth() {
        assert_eq!(step(0.0, WAITS_FROM), 0);
        assert_eq!(step(0.000_001, WAITS_FROM), 1);
        for (value, from) in [
            (0.0001, WAITS_FROM),
            (0.018, WAITS_FROM),
            (60.0, WAITS_FROM),
            (0.7, LINES_FROM),
            (12_000.0, LINES_FROM),
        ] {
            let step = step(value, from);
            let read = from * 2_f64.powf(f64::from(step - 1) / STEPS_PER_DOUBLING);
            assert!((read / value - 1.0).abs() < 0.1, "{value}: {read}");
        }
        assert_eq!(step(f64::MAX, WAITS_FROM), 255);
    }
}
