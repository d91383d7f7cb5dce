use std::collections::HashSet;

use crate::stages::{laps::Laps, trip::Trip};

use super::*;

/// A checkout whose first attempt failed, as far as its spans need it.
fn answered_after(began_at: Instant, span: SpanIds, way: &Way) -> Answered<'_> {
    Answered {
        span,
        parent_id: Some(7),
        trace_state: Some("vendor=state"),
        name: "POST /api/v1/checkout".to_owned(),
        attributes: vec![KeyValue::new("http.route", "/api/v1/checkout")],
        is_failure: false,
        began_at,
        took: began_at.elapsed(),
        way: Some(way),
    }
}

fn trip_with_two_attempts(span: SpanIds) -> Trip {
    let trip = Trip::of_span(Some(span));
    let asked_at = Instant::now();
    trip.asked_redis(asked_at);
    let queued_at = Instant::now();
    let failed = Laps::begin();
    trip.begin_attempt(queued_at, &failed, 3);
    failed.end(Stage::Begin, "begin");
    failed.fail("stock_moved");
    let laps = Laps::begin();
    trip.begin_attempt(queued_at, &laps, 2);
    laps.end(Stage::Begin, "begin");
    laps.end(Stage::Turns, "turns");
    laps.end(Stage::Commit, "commit");
    trip
}

#[test]
fn the_spans_of_a_checkout_are_one_tree_and_lie_within_each_other() {
    let began_at = Instant::now();
    let span = SpanIds::new_trace(true);
    let way = trip_with_two_attempts(span).so_far();

    let spans = spans(&answered_after(began_at, span, &way));

    let of_trace = |it: &&SpanData| it.span_context.trace_id() == TraceId::from(span.trace_id);
    let tree: Vec<_> = spans.iter().filter(of_trace).collect();
    let names: Vec<_> = tree.iter().map(|it| &*it.name).collect();
    assert_eq!(
        names,
        [
            "POST /api/v1/checkout",
            "ask for the key",
            "wait in the queue",
            "batch",
            "begin",
            "unfinished",
            "wait to be tried again",
            "batch",
            "begin",
            "turns",
            "commit",
        ]
    );
    assert_eq!(tree[0].parent_span_id, SpanId::from(7));
    assert_eq!(tree[0].span_context.trace_state().header(), "vendor=state");
    for child in &tree[1..] {
        let parent = tree
            .iter()
            .find(|it| it.span_context.span_id() == child.parent_span_id)
            .unwrap();
        let is_within = parent.start_time <= child.start_time && child.end_time <= parent.end_time;
        assert!(is_within, "{child:?}\n{parent:?}");
    }
    let ids: HashSet<_> = spans.iter().map(|it| it.span_context.span_id()).collect();
    assert_eq!(ids.len(), spans.len());
    assert_eq!(tree[3].status, Status::error("stock_moved"));
}

#[test]
fn each_batch_is_a_span_of_its_own_that_links_its_members_and_is_made_once() {
    let began_at = Instant::now();
    let members = [SpanIds::new_trace(true), SpanIds::new_trace(true)];
    let trips = members.map(|span| Trip::of_span(Some(span)));
    let laps = Laps::begin();
    for trip in &trips {
        trip.begin_attempt(began_at, &laps, 2);
    }
    laps.end(Stage::Commit, "commit");
    let made = [0, 1].map(|it: usize| {
        let way = trips[it].so_far();
        spans(&answered_after(began_at, members[it], &way))
    });

    let is_batch = |it: &&SpanData| it.name == "batch of checkouts";
    let mut batches = made.iter().flatten().filter(is_batch);
    let batch = batches.next().unwrap();
    assert!(batches.next().is_none());
    let linked: Vec<_> = batch.links.iter().map(|it| &it.span_context).collect();
    for (made, span) in made.iter().zip(members) {
        let context = context(span, TraceState::NONE);
        assert!(linked.contains(&&context));
        let own = made.iter().find(|it| it.name == "batch").unwrap();
        assert_eq!(own.links[0].span_context, batch.span_context);
    }
}

/// The client is answered after a while, however long the commit takes.
#[test]
fn a_span_ends_with_its_request() {
    let began_at = Instant::now();
    let span = SpanIds::new_trace(true);
    let way = trip_with_two_attempts(span).so_far();
    let mut answered = answered_after(began_at, span, &way);
    answered.took = Duration::ZERO;

    let spans = spans(&answered);

    let of_trace = |it: &&SpanData| it.span_context.trace_id() == TraceId::from(span.trace_id);
    let end = spans[0].end_time;
    assert!(spans.iter().filter(of_trace).all(|it| it.end_time <= end));
}
