//! The cost of reading: never much more than the length of the body.

use std::time::Duration;

use actix_web::test::TestRequest;
use nix::time::ClockId;

use super::{Node, read};
use crate::http::{
    bodies::{cart::CartRequestBody, checkout::CheckoutRequestBody},
    query::Query,
};

/// The CPU time of this thread, independent of the load of the machine.
fn worked() -> Duration {
    ClockId::CLOCK_THREAD_CPUTIME_ID.now().unwrap().into()
}

fn cost(work: impl FnOnce()) -> Duration {
    let before = worked();
    work();
    worked().saturating_sub(before)
}

/// Without optimization, and with room for slow machines. What was read before took seconds.
const MOST: Duration = Duration::from_millis(250);

#[test]
fn a_body_costs_no_more_than_its_length() {
    let members = |name: &str, count: usize| vec![format!("\"{name}\":1"); count].join(",");
    let sixty = format!("{{{}}}", members("unknown", 60));
    for (what, body) in [
        (
            "a known name behind unknown ones",
            format!(
                "{{\"totals\":{{}},\"items\":[{{{},{}}}]}}",
                members("", 26_000),
                members("qty", 16_000)
            ),
        ),
        (
            "at the top",
            format!("{{{},{}}}", members("", 26_000), members("items", 13_000)),
        ),
        ("unknown names", format!("{{{}}}", members("", 52_000))),
        (
            "lines of many members",
            format!("{{\"items\":[{}]}}", vec![sixty; 200].join(",")),
        ),
        ("a long name", format!("{{\"{}\":1}}", "~".repeat(250_000))),
        (
            "floats",
            format!("{{\"items\":[{}1]}}", "1.5,".repeat(60_000)),
        ),
        (
            "a long number",
            format!("{{\"items\":[{{\"qty\":1.{}}}]}}", "0".repeat(250_000)),
        ),
    ] {
        for is_refused in [
            |node: &Node| read::<CartRequestBody>(node).is_err(),
            |node: &Node| read::<CheckoutRequestBody>(node).is_err(),
        ] {
            let took = cost(|| {
                let refused = Node::parse(body.as_bytes()).map_or(true, |node| is_refused(&node));
                assert!(refused, "{what}");
            });
            assert!(took < MOST, "{what}: {took:?}");
        }
    }
}

#[test]
fn a_query_costs_no_more_than_its_length() {
    for query in [
        "a&".repeat(29_900),
        "status&".repeat(8_500),
        "%41".repeat(20_000),
    ] {
        let request = TestRequest::with_uri(&format!("/x?{query}")).to_http_request();
        let took = cost(|| {
            let known = ["perspective", "status", "limit", "cursor"];
            assert!(Query::of(&request, &known).finish().is_err());
        });
        assert!(took < MOST, "{took:?}");
    }
}
