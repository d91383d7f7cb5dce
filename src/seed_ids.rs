//! The ids of the demo catalogue: everything random about a row follows from (seed, kind, index).
//!
//! The ids are here and not with the catalogue because `splitcart token` names its people by their
//! numbers. No clock and no state: row 7 can be made without rows 1 to 6. The mix is `SplitMix64`'s,
//! written out because it must never change with a dependency's version: a link, a bookmark or a load
//! test that names a seeded id stays right.

use uuid::Uuid;

/// 2025-01-01T00:00:00Z, in milliseconds: the time that the ids pretend to be made at.
const BASE_MS: u64 = 1_735_689_600_000;

/// The kind of a row. The number becomes part of the id, so two kinds never share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    BuyerUser = 1,
    ViewerUser = 2,
    BuyerStore = 3,
    VendorStore = 4,
    OwnerMembership = 5,
    ViewerMembership = 6,
    BuyerLicense = 7,
    VendorLicense = 8,
    Subscription = 9,
    Product = 10,
    VolumeTier = 11,
    StoreDiscount = 12,
    Inventory = 13,
    Trade = 14,
    VendorUser = 15,
    VendorMembership = 16,
}

/// The user who owns buyer `n` (from 1).
pub fn buyer_user_id(seed: u64, n: u32) -> Uuid {
    row_id(seed, Kind::BuyerUser, n.into())
}

/// The user who owns vendor `n` (from 1).
pub fn vendor_user_id(seed: u64, n: u32) -> Uuid {
    row_id(seed, Kind::VendorUser, n.into())
}

/// The store of buyer `n` (from 1).
pub fn buyer_store_id(seed: u64, n: u32) -> Uuid {
    row_id(seed, Kind::BuyerStore, n.into())
}

/// The store of vendor `n` (from 1).
pub fn vendor_store_id(seed: u64, n: u32) -> Uuid {
    row_id(seed, Kind::VendorStore, n.into())
}

/// Product `n` (from 1).
pub fn product_id(seed: u64, n: u32) -> Uuid {
    row_id(seed, Kind::Product, n.into())
}

/// A `UUIDv7` whose millisecond is the index: it ascends with the index, and kind and index alone
/// make it unique within a seed. The remaining 70 bits keep seeds apart.
pub fn row_id(seed: u64, kind: Kind, index: u64) -> Uuid {
    let noise = mix(key(seed, kind, index));
    let high = ((BASE_MS + index) << 16) | 0x7000 | ((kind as u64) << 8) | (noise >> 56);
    let low = (1 << 63) | (mix(noise) >> 2);
    Uuid::from_u64_pair(high, low)
}

/// The beginning of all that is random about a row.
pub fn key(seed: u64, kind: Kind, index: u64) -> u64 {
    mix(mix(seed) ^ ((kind as u64) << 56) ^ index)
}

/// `SplitMix64`'s finalizer: a bijection that spreads every bit of `value` over all 64.
pub fn mix(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use uuid::{Variant, Version};

    use super::*;

    #[test]
    fn ids_are_version_7_and_ascend_with_the_index() {
        for make in [buyer_user_id, buyer_store_id, vendor_store_id, product_id] {
            let ids: Vec<_> = (1..=2_000).map(|n| make(1, n)).collect();
            assert!(ids.is_sorted_by(|a, b| a < b));
            assert!(ids.iter().all(|id| {
                id.get_version() == Some(Version::SortRand) && id.get_variant() == Variant::RFC4122
            }));
        }
    }

    #[test]
    fn ids_stay_ascending_at_the_greatest_index() {
        let last = 10_000_000;
        assert!(product_id(1, last - 1) < product_id(1, last));
        assert!(
            row_id(1, Kind::VolumeTier, u64::from(last) * 4 + 2)
                < row_id(1, Kind::VolumeTier, u64::from(last) * 4 + 3)
        );
    }

    #[test]
    fn another_seed_or_kind_gives_other_ids() {
        let ids: HashSet<_> = (1..=1_000)
            .flat_map(|n| {
                [
                    product_id(1, n),
                    product_id(2, n),
                    buyer_user_id(1, n),
                    buyer_store_id(1, n),
                    vendor_store_id(1, n),
                ]
            })
            .collect();
        assert_eq!(ids.len(), 5_000);
    }

    #[test]
    fn ids_never_change() {
        assert_eq!(
            product_id(1, 1).to_string(),
            "01941f29-7c01-7a37-9bad-1e97eeb7f7f1"
        );
    }
}
