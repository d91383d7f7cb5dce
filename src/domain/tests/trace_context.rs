//! What is taken for a W3C Trace Context.

use crate::domain::trace_context::TraceParent;

const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn parse(text: &str) -> Option<String> {
    TraceParent::parse(text.as_bytes()).map(|parent| parent.to_string())
}

#[test]
fn a_traceparent_is_kept_as_it_is() {
    assert_eq!(parse(GOOD).as_deref(), Some(GOOD));
}

#[test]
fn a_later_version_is_read_as_far_as_this_one_goes() {
    for later in [
        GOOD.replacen("00", "cc", 1),
        GOOD.replacen("00", "cc", 1) + "-what-comes",
    ] {
        assert_eq!(parse(&later).as_deref(), Some(GOOD), "{later}");
    }
}

#[test]
fn what_is_malformed_is_ignored() {
    let zeros = |count: usize| "0".repeat(count);
    for bad in [
        String::new(),
        "00".to_owned(),
        GOOD.to_uppercase(),
        GOOD.replacen("00", "ff", 1),
        GOOD.replacen('a', "g", 1),
        GOOD.replacen("-b", "_b", 1),
        format!("{GOOD}-more"),
        format!("{GOOD}0"),
        GOOD.replacen("00", "cc", 1) + "0",
        GOOD[..54].to_owned(),
        format!("00-{}-b7ad6b7169203331-01", zeros(32)),
        format!("00-0af7651916cd43dd8448eb211c80319c-{}-01", zeros(16)),
        "0\u{e4}".repeat(20),
    ] {
        assert_eq!(parse(&bad), None, "{bad}");
    }
    assert_eq!(TraceParent::parse(&[0xff; 55]), None);
}

#[test]
fn a_traceparent_is_made_of_ids_and_taken_apart() {
    let parent = TraceParent::of_span(0x0af7_6519, 0xb7ad, true);
    assert_eq!(
        parent.as_str(),
        "00-0000000000000000000000000af76519-000000000000b7ad-01"
    );
    let parsed = TraceParent::parse(parent.as_str().as_bytes()).unwrap();
    assert_eq!(
        (parsed.trace_id(), parsed.parent_id()),
        (0x0af7_6519, 0xb7ad)
    );
    assert!(parsed.is_sampled());
    assert!(!TraceParent::of_span(1, 2, false).is_sampled());
}
