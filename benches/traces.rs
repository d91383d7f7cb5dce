//! The cost of traces on the thread that answers a request: its ids, and the spans of a checkout that is
//! kept, made and dropped.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use opentelemetry::KeyValue;
use splitcart::{
    stages::{
        Stage,
        laps::Laps,
        span_ids::SpanIds,
        trip::{Trip, Way},
    },
    traces::request::{Answered, spans},
};

const STATEMENTS: [(Stage, &str); 15] = [
    (Stage::Begin, "begin"),
    (Stage::Reads, "lock carts"),
    (Stage::Reads, "read memberships"),
    (Stage::Reads, "read first answers"),
    (Stage::Reads, "read carts, prices and stock"),
    (Stage::Rendering, "decide"),
    (Stage::Writes, "write orders"),
    (Stage::Writes, "write events"),
    (Stage::Writes, "convert carts"),
    (Stage::Rendering, "render answers"),
    (Stage::Writes, "write first answers"),
    (Stage::Turns, "turns"),
    (Stage::Reservation, "reserve"),
    (Stage::Commit, "commit"),
    (Stage::Rest, "rest"),
];

/// The way of a checkout in a batch of 32.
fn way(span: Option<SpanIds>) -> Way {
    let trip = Trip::of_span(span);
    let began_at = Instant::now();
    trip.asked_redis(began_at);
    let laps = Laps::begin();
    trip.begin_attempt(began_at, &laps, 32);
    for (stage, name) in STATEMENTS {
        laps.end(stage, name);
    }
    // Its span is reported by another member.
    drop(laps.report_batch());
    trip.so_far()
}

fn traces(criterion: &mut Criterion) {
    criterion.bench_function("ids of a request", |bencher| {
        bencher.iter(|| SpanIds::new_trace(black_box(true)));
    });
    let span = SpanIds::new_trace(true);
    let (began_at, way) = (Instant::now(), way(Some(span)));
    criterion.bench_function("spans of a checkout", |bencher| {
        bencher.iter(|| {
            let attributes = (0..10).map(|_| KeyValue::new("http.route", "/api/v1/checkout"));
            black_box(spans(&Answered {
                span,
                parent_id: None,
                trace_state: None,
                name: "POST /api/v1/checkout".to_owned(),
                attributes: attributes.collect(),
                is_failure: false,
                began_at,
                took: Duration::from_millis(20),
                way: Some(&way),
            }))
        });
    });
    criterion.bench_function("the way of a checkout, untraced", |bencher| {
        bencher.iter(|| self::way(black_box(None)));
    });
    criterion.bench_function("the way of a checkout, traced", |bencher| {
        bencher.iter(|| self::way(black_box(Some(span))));
    });
}

criterion_group!(benches, traces);
criterion_main!(benches);
