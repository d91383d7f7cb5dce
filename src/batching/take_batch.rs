//! Which of the waiting checkouts go into the next transaction: pure, so that it can be tested.

use std::{
    collections::{HashSet, VecDeque},
    hash::{BuildHasher, Hash},
};

/// Takes up to `batch_max` items from the front, in order, leaving those behind whose lanes are
/// busy: in another transaction, in this batch, or wanted by an item that waits in front of them.
/// The lanes of what is taken are busy afterwards.
pub fn take_batch<T, L: Clone + Eq + Hash, S: BuildHasher>(
    queue: &mut VecDeque<T>,
    busy: &mut HashSet<L, S>,
    batch_max: usize,
    lanes: impl Fn(&T) -> Vec<L>,
) -> Vec<T> {
    let mut batch = Vec::new();
    let mut left_behind = VecDeque::new();
    let mut wanted: HashSet<L> = HashSet::new();
    while batch.len() < batch_max {
        let Some(item) = queue.pop_front() else { break };
        let item_lanes = lanes(&item);
        if item_lanes
            .iter()
            .any(|lane| busy.contains(lane) || wanted.contains(lane))
        {
            wanted.extend(item_lanes);
            left_behind.push_back(item);
        } else {
            busy.extend(item_lanes);
            batch.push(item);
        }
    }
    while let Some(item) = left_behind.pop_back() {
        queue.push_front(item);
    }
    batch
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Item = (u32, u8, u8);

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "the shape that take_batch asks for"
    )]
    fn lanes(item: &Item) -> Vec<(bool, u8)> {
        vec![(false, item.1), (true, item.2)]
    }

    fn take(queue: &[Item], busy: &[(bool, u8)], batch_max: usize) -> (Vec<Item>, Vec<Item>) {
        let mut queue: VecDeque<_> = queue.iter().copied().collect();
        let mut busy: HashSet<_> = busy.iter().copied().collect();
        let batch = take_batch(&mut queue, &mut busy, batch_max, lanes);
        (batch, queue.into())
    }

    #[test]
    fn a_batch_is_what_waits_up_to_its_maximum() {
        let queue = [(1, 1, 1), (2, 2, 2), (3, 3, 3)];
        assert_eq!(
            take(&queue, &[], 2),
            (queue[..2].to_vec(), queue[2..].to_vec())
        );
        assert_eq!(take(&queue, &[], 8), (queue.to_vec(), vec![]));
    }

    #[test]
    fn two_checkouts_of_one_cart_never_share_a_batch() {
        let queue = [(1, 7, 1), (2, 7, 2), (3, 8, 3)];
        assert_eq!(
            take(&queue, &[], 8),
            (vec![queue[0], queue[2]], vec![queue[1]])
        );
    }

    #[test]
    fn a_cart_in_another_transaction_waits() {
        let queue = [(1, 7, 1), (2, 8, 2)];
        assert_eq!(
            take(&queue, &[(false, 7)], 8),
            (vec![queue[1]], vec![queue[0]])
        );
    }

    #[test]
    fn nobody_overtakes_in_a_lane() {
        // The second waits for cart 7; the third has the second's key and must not pass it.
        let queue = [(1, 7, 1), (2, 7, 2), (3, 9, 2)];
        assert_eq!(
            take(&queue, &[], 8),
            (vec![queue[0]], vec![queue[1], queue[2]])
        );
    }

    proptest! {
        #[test]
        fn nothing_is_lost_doubled_or_reordered(
            carts in proptest::collection::vec((0u8..6, 0u8..6), 0..40),
            busy in proptest::collection::vec((any::<bool>(), 0u8..6), 0..4),
            batch_max in 1usize..10,
        ) {
            let queue: Vec<Item> =
                (0u32..).zip(&carts).map(|(nr, (cart, key))| (nr, *cart, *key)).collect();
            let (batch, rest) = take(&queue, &busy, batch_max);
            prop_assert!(batch.len() <= batch_max);
            prop_assert!(batch.is_sorted() && rest.is_sorted());
            let mut all = [batch.clone(), rest].concat();
            all.sort_unstable();
            prop_assert_eq!(&all, &queue);
            let mut seen: HashSet<_> = busy.into_iter().collect();
            for lane in batch.iter().flat_map(lanes) {
                prop_assert!(seen.insert(lane));
            }
        }
    }
}
