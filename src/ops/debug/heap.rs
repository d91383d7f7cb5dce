//! `/debug/heap`: the memory of the process, as the system counts it.
//!
//! The allocator's own statistics are not in it: they can only be read through functions that are not safe,
//! and there is no unsafe code here. `MIMALLOC_SHOW_STATS=1` makes it print them when the process ends.

use std::{fs, io};

use actix_web::HttpResponse;
use serde_json::{Map, Value, json};

use super::{super::refusal, Enabled};

/// The lines of `/proc/self/status` that are about memory, and their names here.
const OF_STATUS: [(&str, &str); 8] = [
    ("VmRSS", "resident_bytes"),
    ("VmHWM", "resident_bytes_max"),
    ("RssAnon", "heap_and_stacks_bytes"),
    ("RssFile", "mapped_files_bytes"),
    ("VmSwap", "swapped_bytes"),
    ("VmSize", "address_space_bytes"),
    ("VmPTE", "page_tables_bytes"),
    ("Threads", "threads"),
];
/// Likewise, of `/proc/self/smaps_rollup`.
const OF_MAPS: [(&str, &str); 3] = [
    ("Pss_Anon", "heap_and_stacks_share_bytes"),
    ("LazyFree", "freed_and_not_yet_taken_back_bytes"),
    ("AnonHugePages", "huge_pages_bytes"),
];

pub(super) async fn heap(_: Enabled) -> HttpResponse {
    match read() {
        Ok(numbers) => HttpResponse::Ok().json(numbers),
        Err(error) => {
            let message = format!("The system does not tell: {error}.");
            let refused = &mut HttpResponse::ServiceUnavailable();
            refusal(refused, "UNAVAILABLE", &message)
        }
    }
}

fn read() -> io::Result<Map<String, Value>> {
    let mut numbers = Map::new();
    pick(
        &fs::read_to_string("/proc/self/status")?,
        &OF_STATUS,
        &mut numbers,
    );
    // Not there in every container.
    if let Ok(maps) = fs::read_to_string("/proc/self/smaps_rollup") {
        pick(&maps, &OF_MAPS, &mut numbers);
    }
    Ok(numbers)
}

/// Picks lines such as `VmRSS:  1024 kB`.
fn pick(text: &str, wanted: &[(&str, &str)], numbers: &mut Map<String, Value>) {
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let Some((_, name)) = wanted.iter().find(|(known, _)| *known == key) else {
            continue;
        };
        let mut words = value.split_whitespace();
        let number = words.next().and_then(|word| word.parse::<u64>().ok());
        let factor = if words.next() == Some("kB") { 1024 } else { 1 };
        if let Some(number) = number {
            numbers.insert((*name).to_owned(), json!(number * factor));
        }
    }
}
