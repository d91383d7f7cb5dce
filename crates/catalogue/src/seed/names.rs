//! Names that are unique by construction: stores, e-mail hosts, licence numbers. It draws no dice
//! that could hit the same face twice; each is a one-to-one function of the number within a seed.

use splitcart::seed_ids::mix;

use super::words::{BUYER_ENDINGS, MIDDLES, PLACES, VENDOR_ENDINGS};

/// Letters and digits that are not mistaken for each other.
const BASE32: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// They keep a buyer from resembling the vendor of the same number.
const VENDORS: u64 = 0x7665_6e64_6f72_7300;
const BUYERS: u64 = 0x6275_7965_7273_0000;

/// The number of bits in the eight characters of a licence number.
const NUMBER_MASK: u64 = (1 << 40) - 1;

/// The name of vendor `n`.
pub(super) fn vendor_name(seed: u64, n: u32) -> String {
    nth_name(mix(seed ^ VENDORS), n, &VENDOR_ENDINGS)
}

/// The name of buyer `n`. The endings differ from the vendors', so no buyer is called like a
/// vendor.
pub(super) fn buyer_name(seed: u64, n: u32) -> String {
    nth_name(mix(seed ^ BUYERS), n, &BUYER_ENDINGS)
}

/// A name as a host under the top-level domain that is reserved for examples.
pub(super) fn host(name: &str) -> String {
    let mut host = name.to_lowercase().replace(". ", "-").replace(' ', "-");
    host.push_str(".example");
    host
}

/// Eight characters in two groups, such as `7K2M-Q0XD`; unique among those with the same letter. An
/// odd factor permutes the numbers below 2^40.
pub(super) fn license_digits(seed: u64, letter: char, n: u32) -> String {
    let scrambled = u64::from(n)
        .wrapping_mul(0x9e_3779_b97f)
        .wrapping_add(mix(seed ^ u64::from(letter)))
        & NUMBER_MASK;
    let mut digits = String::with_capacity(9);
    for position in (0..8).rev() {
        let digit = (scrambled >> (position * 5)) & 31;
        digits.push(char::from(BASE32[digit as usize]));
        if position == 4 {
            digits.push('-');
        }
    }
    digits
}

/// All names of two parts in a scattered order, then all with a middle part, then those numbered.
fn nth_name(start: u64, n: u32, endings: &[&str]) -> String {
    let pairs = PLACES.len() * endings.len();
    let (round, index) = ((n - 1) as usize / pairs, (n - 1) as usize % pairs);
    // 991 is a prime that divides no number of pairs, so the steps meet every pair once.
    let start = (start % 1_000_003) as usize;
    let pair = (index * 991 + start) % pairs;
    let (place, ending) = (PLACES[pair % PLACES.len()], endings[pair / PLACES.len()]);
    let name = match round % (MIDDLES.len() + 1) {
        0 => format!("{place} {ending}"),
        middle => format!("{place} {} {ending}", MIDDLES[middle - 1]),
    };
    match round / (MIDDLES.len() + 1) {
        0 => name,
        copy => format!("{name} No. {}", copy + 1),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_hosts_and_numbers_are_unique_far_beyond_the_pairs() {
        let count = 80_000;
        let names: HashSet<_> = (1..=count)
            .flat_map(|n| [vendor_name(1, n), buyer_name(1, n)])
            .collect();
        let hosts: HashSet<_> = names.iter().map(|name| host(name)).collect();
        let numbers: HashSet<_> = (1..=count).map(|n| license_digits(1, 'G', n)).collect();
        assert_eq!(names.len(), 2 * count as usize);
        assert_eq!(hosts.len(), 2 * count as usize);
        assert_eq!(numbers.len(), count as usize);
    }

    #[test]
    fn the_first_names_have_two_parts() {
        let first: HashSet<_> = (1..=2_000).map(|n| vendor_name(1, n)).collect();
        assert!(first.iter().all(|name| {
            PLACES.iter().any(|place| {
                name.strip_prefix(place)
                    .is_some_and(|rest| VENDOR_ENDINGS.contains(&rest.trim_start()))
            })
        }));
    }

    #[test]
    fn a_host_has_only_letters_digits_and_hyphens() {
        let host = host("Red Dirt Creek Farms No. 2");
        assert_eq!(host, "red-dirt-creek-farms-no-2.example");
    }
}
