//! Kept answers, compressed: answers that come from a store to which others can write.

use splitcart::compression::{compress, decompress};

use crate::fuzz_support::{self, fuzz};

/// More than any answer.
const LEN_MAX: usize = 16 * 1024 * 1024;

fuzz!(
    "kept",
    &["\0", "\u{1}", "\u{1}\u{10}\0\0\0", "aaaaaaaa"],
    check
);

/// The limit on additional memory while one is read: other tests run at the same time.
const ROOM_MAX: u64 = 1024 * 1024 * 1024;

/// Any bytes are read as a kept answer or refused; a header that claims a huge size is not trusted; and
/// an answer that is kept is read back unchanged.
fn check(bytes: &[u8]) {
    check_others(bytes);
    // The bytes with the mark of LZ4, so that they are decompressed in any case.
    let lz4: Vec<_> = [1].into_iter().chain(bytes.iter().copied()).collect();
    check_others(&lz4);
    for times in [1, 40] {
        let answer = bytes[..bytes.len().min(1024)].repeat(times);
        assert_eq!(decompress(&compress(&answer)), Some(answer));
    }
}

fn check_others(bytes: &[u8]) {
    let before = address_space();
    if let Some(answer) = decompress(bytes) {
        assert!(answer.len() <= LEN_MAX);
    }
    assert!(
        address_space() < before + ROOM_MAX,
        "room was made for what {bytes:?} claims"
    );
}

/// The address space of this process, at its largest, in bytes.
fn address_space() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:"));
    let kilobytes = line.unwrap().trim().trim_end_matches(" kB");
    kilobytes.parse::<u64>().unwrap() * 1024
}
