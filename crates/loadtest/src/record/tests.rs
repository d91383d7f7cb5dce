use super::*;

const MS: Duration = Duration::from_millis(1);

fn refused() -> Outcome {
    Outcome::Refused(503, "OVERLOADED".to_owned())
}

#[test]
fn percentiles_are_of_the_successes_that_were_meant_to_start_in_the_window() {
    let start = Instant::now();
    let begin = start + 100 * MS;
    let mut recorder = Recorder::between(begin, Some(begin + 1000 * MS));
    // In the warm-up, in the window, and in the window with an answer long after it.
    recorder.record(start, start + 50 * MS, Outcome::Succeeded(201));
    for ms in 1..=99 {
        recorder.record(begin, begin + ms * MS, Outcome::Succeeded(201));
    }
    recorder.record(begin + 999 * MS, begin + 1999 * MS, Outcome::Succeeded(201));
    recorder.record(
        begin + 1000 * MS,
        begin + 1999 * MS,
        Outcome::Succeeded(201),
    );
    recorder.finish(begin + 2000 * MS);

    let latencies = Percentiles::of(recorder.succeeded()).unwrap();
    assert_eq!(latencies.count, 100);
    assert!((latencies.p50_ms - 50.0).abs() < 0.1, "{latencies:?}");
    assert!((latencies.p99_ms - 99.0).abs() < 0.1, "{latencies:?}");
    assert!((latencies.max_ms - 1000.0).abs() < 1.0, "{latencies:?}");
    assert_eq!(recorder.window.succeeded, 99, "answered within the window");
    assert_eq!(recorder.succeeded_ever, 102);
    assert_eq!(
        recorder.outcomes,
        BTreeMap::from([((201, String::new()), 100)])
    );
}

#[test]
fn refusals_stand_apart() {
    let begin = Instant::now();
    let mut recorder = Recorder::between(begin, None);
    recorder.record(begin, begin + MS, refused());
    recorder.record(begin, begin + 50 * MS, Outcome::Succeeded(201));
    recorder.finish(begin + 60 * MS);
    assert_eq!(
        (recorder.succeeded().len(), recorder.refused().len()),
        (1, 1)
    );
    assert_eq!((recorder.window.succeeded, recorder.window.refused), (1, 1));
    assert_eq!(recorder.length(), 50 * MS, "to the last answer");
}

#[test]
fn every_second_has_its_own_figures_also_one_without_answers() {
    let begin = Instant::now();
    let mut recorder = Recorder::between(begin, Some(begin + 3500 * MS));
    recorder.record(begin, begin + 500 * MS, Outcome::Succeeded(201));
    recorder.record(begin, begin + 2100 * MS, refused());
    recorder.record(
        begin + 3000 * MS,
        begin + 3400 * MS,
        Outcome::Succeeded(201),
    );
    recorder.finish(begin + 9000 * MS);

    let counts: Vec<_> = recorder
        .series()
        .iter()
        .map(|it| (it.counts.succeeded, it.counts.refused))
        .collect();
    assert_eq!(counts, [(1, 0), (0, 0), (0, 1), (1, 0)]);
    assert_eq!(recorder.series()[3].length, 500 * MS);
    assert!(recorder.series()[1].percentiles.is_none());
}

#[test]
fn what_goes_wrong_in_the_warm_up_is_told() {
    let start = Instant::now();
    let begin = start + 100 * MS;
    let mut recorder = Recorder::between(begin, Some(begin + 1000 * MS));
    let unexpected = Outcome::Unexpected {
        status: 500,
        code: "INTERNAL".to_owned(),
        body: "{}".to_owned(),
    };
    recorder.record(start, start + 50 * MS, unexpected);
    recorder.record(
        start,
        start + 50 * MS,
        Outcome::Lost("timed out".to_owned()),
    );
    assert_eq!(recorder.outcomes[&(500, "INTERNAL".to_owned())], 1);
    assert_eq!(recorder.errors["timed out"], 1);
    assert_eq!(recorder.examples, ["500 {}"]);
}
