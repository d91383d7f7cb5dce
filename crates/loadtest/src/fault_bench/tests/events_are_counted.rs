//! Rates, latencies and recovery from events.

use std::time::Duration;

use crate::fault_bench::record::{Event, Events, Outcome, Who};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn event(who: Who, target: usize, [first_sent, sent, ended]: [u64; 3], outcome: Outcome) -> Event {
    Event {
        who,
        first_target: target,
        first_sent: ms(first_sent),
        sent: ms(sent),
        ended: ms(ended),
        outcome,
    }
}

/// One purchase every 10 ms but in a gap.
fn purchases(gap: std::ops::Range<u64>) -> Vec<Event> {
    let times = (0..6_000).step_by(10).filter(|at| !gap.contains(at));
    times
        .map(|at| event(Who::Others, 0, [at, at, at + 1], Outcome::Bought))
        .collect()
}

#[test]
fn a_rate_is_back_when_half_a_second_of_it_is_as_before() {
    let events = purchases(2_000..3_000);
    let all = Events::of(&events, &[]);
    let before = all.rate(&(ms(0)..ms(2_000)));
    assert!((before - 100.0).abs() < 1.0);
    let from = |start| all.back_after(&(ms(start)..ms(6_000)), before);
    assert_eq!(from(2_000), Some(ms(1_000)));
    assert_eq!(from(3_500), Some(ms(0)));
}

#[test]
fn a_rate_that_stays_away_is_never_back() {
    let events = purchases(2_000..6_000);
    let all = Events::of(&events, &[]);
    assert_eq!(all.back_after(&(ms(2_000)..ms(6_000)), 100.0), None);
}

/// Purchases at an even rate a second in each of these times, in ms.
fn paced(times: &[(std::ops::Range<u64>, u64)]) -> Vec<Event> {
    let paced = times.iter().flat_map(|(time, per_second)| {
        let every = usize::try_from(1_000 / per_second).unwrap();
        time.clone().step_by(every)
    });
    paced
        .map(|at| event(Who::Others, 0, [at, at, at], Outcome::Bought))
        .collect()
}

#[test]
fn a_steady_rate_is_back_at_nine_tenths_and_a_half_that_stays_away_never() {
    let events = paced(&[(0..2_000, 200), (2_000..4_000, 100)]);
    let all = Events::of(&events, &[]);
    let slow = all.slow_rate(&(ms(0)..ms(2_000)));
    assert!((slow - 180.0).abs() < 0.1, "{slow}");
    assert_eq!(all.reached_after(&(ms(2_000)..ms(4_000)), slow), None);
}

#[test]
fn a_rate_as_low_as_slow_moments_of_the_quiet_phase_is_back() {
    let slow_before = [(0..1_500, 200), (1_500..2_000, 125), (2_000..2_500, 200)];
    let after = |per_second| [&slow_before[..], &[(2_500..4_500, per_second)]].concat();
    let quiet = ms(0)..ms(2_500);
    let back_at = |per_second| {
        let events = paced(&after(per_second));
        let all = Events::of(&events, &[]);
        let slow = all.slow_rate(&quiet);
        assert!(slow < 0.9 * all.rate(&quiet), "{slow}");
        all.reached_after(&(ms(2_500)..ms(4_500)), slow)
    };
    assert_eq!(back_at(166), Some(ms(0)));
    assert_eq!(back_at(100), None);
}

#[test]
fn a_quiet_phase_that_hardly_moves_does_not_excuse_a_rate_of_half() {
    let events = paced(&[(0..500, 200), (500..1_000, 10), (1_000..2_500, 200)]);
    let all = Events::of(&events, &[]);
    let (slow, before) = (
        all.slow_rate(&(ms(0)..ms(2_500))),
        all.rate(&(ms(0)..ms(2_500))),
    );
    assert!((slow / before - 0.75).abs() < 0.01, "{slow} of {before}");
}

#[test]
fn a_purchase_after_a_refusal_took_both_and_counts_where_it_ended() {
    let codes = vec!["OVERLOADED".to_owned()];
    let events = [
        event(Who::Others, 0, [100, 100, 110], Outcome::Answered(503, 0)),
        event(Who::Others, 0, [100, 1_110, 1_120], Outcome::Bought),
    ];
    let all = Events::of(&events, &codes);
    let (first, second) = (ms(0)..ms(1_000), ms(1_000)..ms(2_000));
    assert!(all.latency(&first).is_none(), "nothing was bought yet");
    assert!((all.latency(&second).unwrap().p99_ms - 1_020.0).abs() < 2.0);
    assert!((all.latency_across(&first).unwrap().p99_ms - 1_020.0).abs() < 2.0);
    assert!((all.refusals(&first).unwrap().max_ms - 10.0).abs() < 0.1);
    assert!((all.rate(&first), all.rate(&second)) == (0.0, 1.0));
    assert_eq!(all.other_answers(&first)["503 OVERLOADED"], 1);
    assert_eq!((all.came(&first), all.bought_of(&first)), (1, 1));
}

#[test]
fn others_and_those_in_need_are_told_apart_and_so_are_instances() {
    let bought = |who, target| event(who, target, [0, 0, 1], Outcome::Bought);
    let events = [
        bought(Who::Others, 0),
        bought(Who::Others, 1),
        bought(Who::InNeed, 1),
    ];
    let all = Events::of(&events, &[]);
    let came = |some: Events<'_>| some.came(&(ms(0)..ms(10)));
    assert_eq!(came(all), 3);
    assert_eq!(came(all.by(Who::Others)), 2);
    assert_eq!(came(all.by(Who::Others).at(&[1, 2])), 1);
}
