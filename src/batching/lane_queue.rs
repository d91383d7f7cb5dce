//! A queue whose items occupy lanes: it decides which items may go next. Pure, so that it can be tested.
//!
//! If two items share a lane, the later one is blocked until the earlier one is finished: they are never
//! out at the same time, and never overtake each other. Passing by blocked items costs nothing, however
//! many there are.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    hash::Hash,
};

/// An item's place in the queue. Tickets of earlier items are smaller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// The queue.
#[derive(Debug)]
pub struct LaneQueue<L, T> {
    next: u64,
    /// Items that may be taken, in the order of their arrival.
    ready: BTreeMap<Ticket, T>,
    blocked: BTreeMap<Ticket, T>,
    /// Of each unfinished item the number of lanes in which another one is in front of it, and its lanes.
    unfinished: HashMap<Ticket, (usize, Vec<L>)>,
    lanes: HashMap<L, Lane>,
}

/// The items in a lane. Most lanes have one, which needs no allocation.
#[derive(Debug)]
struct Lane {
    first: Ticket,
    behind: VecDeque<Ticket>,
}

impl<L, T> Default for LaneQueue<L, T> {
    /// An empty queue.
    fn default() -> Self {
        Self {
            next: 0,
            ready: BTreeMap::new(),
            blocked: BTreeMap::new(),
            unfinished: HashMap::new(),
            lanes: HashMap::new(),
        }
    }
}

impl<L: Clone + Eq + Hash, T> LaneQueue<L, T> {
    /// Puts an item at the end.
    pub fn push(&mut self, item: T, lanes: Vec<L>) -> Ticket {
        let ticket = Ticket(self.next);
        self.next += 1;
        let mut in_front = 0;
        for lane in &lanes {
            if let Some(lane) = self.lanes.get_mut(lane) {
                lane.behind.push_back(ticket);
                in_front += 1;
            } else {
                let alone = Lane {
                    first: ticket,
                    behind: VecDeque::new(),
                };
                self.lanes.insert(lane.clone(), alone);
            }
        }
        self.unfinished.insert(ticket, (in_front, lanes));
        if in_front == 0 {
            self.ready.insert(ticket, item);
        } else {
            self.blocked.insert(ticket, item);
        }
        ticket
    }

    /// The number of items that may be taken.
    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Takes ready items in their order: up to `most`, and no more than `weight_max` together, but one
    /// in any case. Taken items occupy their lanes until they are finished.
    pub fn take(
        &mut self,
        most: usize,
        weight_max: usize,
        weight: impl Fn(&T) -> usize,
    ) -> Vec<(Ticket, T)> {
        let mut taken: Vec<(Ticket, T)> = Vec::new();
        let mut left = weight_max;
        while taken.len() < most
            && let Some(entry) = self.ready.first_entry()
        {
            let item_weight = weight(entry.get());
            if item_weight > left && !taken.is_empty() {
                break;
            }
            left = left.saturating_sub(item_weight);
            taken.push(entry.remove_entry());
        }
        taken
    }

    /// Puts an item back that was taken and is not finished, in its old place.
    pub fn put_back(&mut self, ticket: Ticket, item: T) {
        self.ready.insert(ticket, item);
    }

    /// Ends an item that was taken: its lanes are free for the next items.
    pub fn finish(&mut self, ticket: Ticket) {
        let Some((_, lanes)) = self.unfinished.remove(&ticket) else {
            return;
        };
        for lane in lanes {
            self.leave(&lane, ticket);
        }
    }

    /// Removes the waiting items that are not to be kept, ready or blocked, in their order.
    pub fn remove_unless(&mut self, keep: impl Fn(&T) -> bool) -> Vec<T> {
        let mut removed: Vec<_> = self
            .ready
            .extract_if(.., |_, item| !keep(item))
            .chain(self.blocked.extract_if(.., |_, item| !keep(item)))
            .collect();
        removed.sort_unstable_by_key(|(ticket, _)| *ticket);
        let finish = |(ticket, item)| {
            self.finish(ticket);
            item
        };
        removed.into_iter().map(finish).collect()
    }

    fn leave(&mut self, lane: &L, ticket: Ticket) {
        let Some(queue) = self.lanes.get_mut(lane) else {
            return;
        };
        if queue.first != ticket {
            queue.behind.retain(|other| *other != ticket);
            return;
        }
        let Some(next) = queue.behind.pop_front() else {
            self.lanes.remove(lane);
            return;
        };
        queue.first = next;
        let (in_front, _) = self
            .unfinished
            .get_mut(&next)
            .expect("an item in a lane is unfinished");
        *in_front -= 1;
        if *in_front == 0
            && let Some(item) = self.blocked.remove(&next)
        {
            self.ready.insert(next, item);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn queue(lanes: &[&[u8]]) -> LaneQueue<u8, usize> {
        let mut queue = LaneQueue::default();
        for (nr, lanes) in lanes.iter().enumerate() {
            queue.push(nr, lanes.to_vec());
        }
        queue
    }

    fn take(queue: &mut LaneQueue<u8, usize>, most: usize) -> Vec<usize> {
        let taken = queue.take(most, usize::MAX, |_| 1);
        taken.into_iter().map(|(_, item)| item).collect()
    }

    #[test]
    fn a_batch_is_what_waits_up_to_its_maximum() {
        let mut queue = queue(&[&[1], &[2], &[3]]);
        assert_eq!(take(&mut queue, 2), [0, 1]);
        assert_eq!(take(&mut queue, 2), [2]);
    }

    #[test]
    fn a_batch_is_no_heavier_than_it_may_be_but_never_empty() {
        let mut queue = queue(&[&[1], &[2], &[3], &[4]]);
        let weights = [5, 6, 20, 1];
        let mut weigh = || {
            let taken = queue.take(8, 10, |item| weights[*item]);
            taken.into_iter().map(|(_, item)| item).collect::<Vec<_>>()
        };
        assert_eq!([weigh(), weigh(), weigh(), weigh()], [[0], [1], [2], [3]]);
    }

    #[test]
    fn two_items_of_one_lane_are_never_out_together() {
        let mut queue = queue(&[&[7], &[7], &[8]]);
        let taken = queue.take(8, usize::MAX, |_| 1);
        assert_eq!(
            taken.iter().map(|(_, item)| *item).collect::<Vec<_>>(),
            [0, 2]
        );
        assert_eq!(queue.ready(), 0);
        queue.finish(taken[0].0);
        assert_eq!(take(&mut queue, 8), [1]);
    }

    #[test]
    fn nobody_overtakes_in_a_lane() {
        // The second waits for lane 7; the third shares lane 2 with it and must not pass it.
        let mut queue = queue(&[&[7], &[7, 2], &[2]]);
        let first = queue.take(8, usize::MAX, |_| 1)[0].0;
        assert_eq!(take(&mut queue, 8), [0; 0]);
        queue.finish(first);
        assert_eq!(take(&mut queue, 8), [1]);
        assert_eq!(queue.ready(), 0);
    }

    #[test]
    fn what_is_put_back_goes_in_front_of_those_who_came_later() {
        let mut queue = queue(&[&[1], &[2], &[3]]);
        let taken = queue.take(1, usize::MAX, |_| 1);
        queue.put_back(taken[0].0, 0);
        assert_eq!(take(&mut queue, 8), [0, 1, 2]);
    }

    #[test]
    fn who_is_removed_frees_its_lanes() {
        let mut queue = queue(&[&[1], &[1, 2], &[2]]);
        assert_eq!(queue.remove_unless(|item| *item == 2), [0, 1]);
        assert_eq!(take(&mut queue, 8), [2]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_doubled_reordered_or_together_with_its_lanes(
            lanes in proptest::collection::vec((0u8..6, 10u8..16), 0..40),
            most in 1usize..10,
        ) {
            let mut queue = LaneQueue::default();
            for (nr, (one, other)) in lanes.iter().enumerate() {
                queue.push(nr, vec![*one, *other]);
            }
            let mut last_in_lane: HashMap<u8, usize> = HashMap::new();
            let mut seen = 0;
            loop {
                let batch = queue.take(most, usize::MAX, |_| 1);
                if batch.is_empty() { break }
                prop_assert!(batch.len() <= most);
                let mut occupied = HashSet::new();
                for (_, item) in &batch {
                    seen += 1;
                    for lane in [lanes[*item].0, lanes[*item].1] {
                        prop_assert!(occupied.insert(lane));
                        let before = last_in_lane.insert(lane, *item);
                        prop_assert!(before < Some(*item));
                    }
                }
                for (ticket, _) in batch { queue.finish(ticket) }
            }
            prop_assert_eq!(seen, lanes.len());
            prop_assert!(queue.lanes.is_empty() && queue.unfinished.is_empty());
        }
    }
}
