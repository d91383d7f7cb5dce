//! The first sentence of the console: whether all is well, or what is wrong. Pure: the page and
//! `splitcart top` show the same sentence.

use serde::Serialize;

/// The signs that the verdict is made of. Rates are averages over the last seconds.
#[derive(Clone, Debug, Default)]
pub struct Signs {
    /// Checkouts that created orders, per second.
    pub created_per_s: f64,
    pub p50_s: Option<f64>,
    pub p99_s: Option<f64>,
    /// Checkouts refused before any work was done, per second.
    pub refused_per_s: f64,
    /// Checkouts that failed or could not reach PostgreSQL, per second.
    pub failed_per_s: f64,
    pub queue_depth: f64,
    pub queue_max: f64,
    /// The time for which no batch has ended although checkouts wait.
    pub stalled_s: Option<f64>,
    pub postgresql: Option<String>,
    pub redis: Option<String>,
    pub sinks: Vec<SinkSigns>,
    pub overdue: f64,
    pub held_rows: f64,
    /// Batches that were refused because others lock a whole table, per second.
    pub tables_locked_per_s: f64,
    pub expiry_overdue_s: f64,
    pub is_stopping: bool,
    /// Rows that broke rules of the last audit.
    pub audit_broken: f64,
}

/// The signs of one sink.
#[derive(Clone, Debug, Default)]
pub struct SinkSigns {
    pub name: String,
    pub down_because: Option<String>,
    pub oldest_s: f64,
    pub dead: f64,
}

/// How good or bad it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    #[default]
    Well,
    /// Checkouts are answered, but something needs attention.
    Warning,
    /// Checkouts fail, are refused, or wait for nothing.
    Bad,
}

/// Something that is not well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Stays the same as long as the problem lasts, while the text may change.
    pub key: String,
    pub state: State,
    pub text: String,
}

/// A transaction of checkouts that has not ended for so long, while others wait, is a problem. A healthy
/// batch takes milliseconds.
const STALLED_S: f64 = 3.0;
/// Less than one event in this many seconds is none.
const SOME_PER_S: f64 = 0.05;
/// The objective: checkouts are answered within this time.
const SLOW_S: f64 = 0.25;
/// Events of a healthy sink are published within moments.
const LATE_EVENTS_S: f64 = 30.0;
/// Late orders are looked for every few seconds.
const LATE_ORDERS_S: f64 = 300.0;

/// Returns what is wrong, the worst first.
pub fn problems(signs: &Signs) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut add = |state, key: &str, text: String| {
        let key = key.to_owned();
        found.push(Problem { key, state, text });
    };
    if let Some(problem) = &signs.postgresql {
        let text = format!("PostgreSQL {}: no checkout can be decided", said(problem));
        add(State::Bad, "postgresql", text);
    } else if signs.stalled_s.is_some_and(|it| it >= STALLED_S) {
        let text = "Checkouts wait, and no batch of them ends".to_owned();
        add(State::Bad, "stalled", text);
    }
    if signs.failed_per_s >= SOME_PER_S {
        let rate = per_second(signs.failed_per_s, "checkout", "checkouts");
        add(State::Bad, "failed", format!("Failing: {rate}"));
    }
    let is_refused = signs.refused_per_s >= SOME_PER_S;
    if is_refused {
        let rate = per_second(signs.refused_per_s, "checkout", "checkouts");
        // Checkouts that need a locked table or held rows are refused, however little there is to do.
        let text = if signs.tables_locked_per_s >= SOME_PER_S {
            format!("A table is locked by a transaction of others: {rate} are refused")
        } else if signs.held_rows >= 1.0 {
            format!(
                "{} held by transactions of others: {rate} are refused",
                rows_held(signs)
            )
        } else {
            format!("Overload: {rate} are refused")
        };
        add(State::Bad, "refused", text);
    }
    if let Some(problem) = &signs.redis {
        let text = format!(
            "Redis {}: checkouts go on, and keys are looked up in PostgreSQL",
            said(problem)
        );
        add(State::Warning, "redis", text);
    }
    if signs.is_stopping {
        add(
            State::Warning,
            "stopping",
            "The service is stopping".to_owned(),
        );
    }
    for problem in signs.sinks.iter().filter_map(sink_problem) {
        found.push(problem);
    }
    let mut add = |key: &str, text: String| {
        let (key, state) = (key.to_owned(), State::Warning);
        found.push(Problem { key, state, text });
    };
    // The percentiles of a load that has just ended concern nobody.
    let is_bought = signs.created_per_s >= SOME_PER_S;
    if is_bought && signs.p99_s.is_some_and(|it| it > SLOW_S) {
        let p99 = duration(signs.p99_s.unwrap_or_default());
        add(
            "slow",
            format!("Slow: one checkout in a hundred takes {p99} or longer"),
        );
    } else if signs.queue_depth > signs.queue_max / 2.0 {
        add(
            "queue",
            "The queue of checkouts is more than half full".to_owned(),
        );
    }
    if signs.held_rows >= 1.0 && !is_refused {
        let rows = rows_held(signs);
        add("held", format!("{rows} held by transactions of others"));
    }
    if signs.overdue >= 1.0 {
        let transactions = count(signs.overdue, "transaction is", "transactions are");
        add(
            "overdue",
            format!("{transactions} much slower than the others"),
        );
    }
    if signs.expiry_overdue_s > LATE_ORDERS_S {
        add("expiry", "Late orders wait to be expired".to_owned());
    }
    if signs.audit_broken >= 1.0 {
        let rows = count(signs.audit_broken, "row that breaks", "rows that break");
        add("audit", format!("The last audit found {rows} a rule"));
    }
    // Stable: within a state, the sequence above.
    found.sort_by_key(|problem| std::cmp::Reverse(problem.state));
    found
}

fn rows_held(signs: &Signs) -> String {
    count(signs.held_rows, "row is", "rows are")
}

fn sink_problem(sink: &SinkSigns) -> Option<Problem> {
    let name = &sink.name;
    let text = if let Some(cause) = &sink.down_because {
        // The cause begins with a short reason; what the server said is on the page.
        let reason = cause.split(':').next().unwrap_or_default();
        format!("The sink {name} takes no events ({reason})")
    } else if sink.oldest_s > LATE_EVENTS_S {
        format!(
            "Events have waited for the sink {name} for {}",
            duration(sink.oldest_s)
        )
    } else if sink.dead >= 1.0 {
        format!(
            "The sink {name} has {}",
            count(sink.dead, "dead letter", "dead letters")
        )
    } else {
        return None;
    };
    Some(Problem {
        key: format!("sink {name}"),
        state: State::Warning,
        text,
    })
}

/// The problem of a server as part of a sentence about it.
fn said(problem: &str) -> String {
    match problem {
        "does not answer" | "can't be used" | "can't be reached" => problem.to_owned(),
        _ => format!("can't be used ({problem})"),
    }
}

/// The sentence: the worst problem if there is one, and the rate.
pub fn sentence(signs: &Signs, problems: &[Problem]) -> String {
    let rate = rate(signs);
    match problems {
        [] => format!("{rate}; all well"),
        [problem] => format!("{}. {rate}.", problem.text),
        [worst, others @ ..] => {
            let more = count(others.len() as f64, "more problem", "more problems");
            format!("{}; {more}. {rate}.", worst.text)
        }
    }
}

fn rate(signs: &Signs) -> String {
    if signs.created_per_s < SOME_PER_S {
        return "No checkouts at present".to_owned();
    }
    let rate = per_second(signs.created_per_s, "checkout", "checkouts");
    match signs.p50_s {
        Some(p50_s) => format!("{rate}, half of them in {}", duration(p50_s)),
        None => rate,
    }
}

fn per_second(rate: f64, one: &str, many: &str) -> String {
    if rate < 9.95 {
        format!("{rate:.1} {many} a second")
    } else {
        format!("{} a second", count(rate, one, many))
    }
}

fn count(number: f64, one: &str, many: &str) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    let noun = if digits == "1" { one } else { many };
    format!("{text} {noun}")
}

fn duration(seconds: f64) -> String {
    if seconds < 0.01 {
        format!("{:.1} ms", seconds * 1e3)
    } else if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1e3)
    } else if seconds < 10.0 {
        format!("{seconds:.1} s")
    } else if seconds < 600.0 {
        format!("{seconds:.0} s")
    } else {
        format!("{:.0} min", seconds / 60.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn healthy() -> Signs {
        Signs {
            created_per_s: 2914.2,
            p50_s: Some(0.0183),
            p99_s: Some(0.08),
            queue_max: 5000.0,
            ..Signs::default()
        }
    }

    fn judged(signs: &Signs) -> (State, String) {
        let problems = problems(signs);
        let state = problems.first().map_or(State::Well, |it| it.state);
        (state, sentence(signs, &problems))
    }

    #[test]
    fn a_healthy_service_is_one_sentence() {
        let (state, text) = judged(&healthy());
        assert_eq!(state, State::Well);
        assert_eq!(
            text,
            "2,914 checkouts a second, half of them in 18 ms; all well"
        );
        let idle = judged(&Signs::default());
        assert_eq!(
            idle,
            (State::Well, "No checkouts at present; all well".to_owned())
        );
        let slow_traffic = Signs {
            created_per_s: 0.3,
            p50_s: Some(0.0042),
            ..Signs::default()
        };
        assert_eq!(
            judged(&slow_traffic).1,
            "0.3 checkouts a second, half of them in 4.2 ms; all well"
        );
    }

    #[test]
    fn what_fails_checkouts_stands_before_what_does_not() {
        let signs = Signs {
            redis: Some("can't be reached".to_owned()),
            postgresql: Some("does not answer".to_owned()),
            created_per_s: 0.0,
            ..healthy()
        };
        let (state, text) = judged(&signs);
        assert_eq!(state, State::Bad);
        assert_eq!(
            text,
            "PostgreSQL does not answer: no checkout can be decided; 1 more problem. No checkouts at \
             present."
        );
    }

    #[test]
    fn redis_is_a_warning() {
        let signs = Signs {
            redis: Some("does not answer".to_owned()),
            ..healthy()
        };
        let (state, text) = judged(&signs);
        assert_eq!(state, State::Warning);
        assert!(
            text.starts_with("Redis does not answer: checkouts go on"),
            "{text}"
        );
    }

    #[test]
    fn every_problem_has_a_key_and_a_text() {
        let sink = |name: &str| SinkSigns {
            name: name.to_owned(),
            ..SinkSigns::default()
        };
        let signs = Signs {
            refused_per_s: 1200.0,
            failed_per_s: 0.5,
            stalled_s: Some(4.0),
            p99_s: Some(0.9),
            overdue: 2.0,
            held_rows: 1.0,
            expiry_overdue_s: 1000.0,
            is_stopping: true,
            audit_broken: 3.0,
            sinks: vec![
                SinkSigns {
                    down_because: Some("unreachable: refused".to_owned()),
                    ..sink("stream")
                },
                SinkSigns {
                    oldest_s: 90.0,
                    ..sink("nats")
                },
                SinkSigns {
                    dead: 3.0,
                    ..sink("kafka")
                },
                sink("well"),
            ],
            ..healthy()
        };
        let found: Vec<_> = problems(&signs)
            .into_iter()
            .map(|problem| (problem.key, problem.text))
            .collect();
        let expected = [
            ("stalled", "Checkouts wait, and no batch of them ends"),
            ("failed", "Failing: 0.5 checkouts a second"),
            (
                "refused",
                "1 row is held by transactions of others: 1,200 checkouts a second are refused",
            ),
            ("stopping", "The service is stopping"),
            (
                "sink stream",
                "The sink stream takes no events (unreachable)",
            ),
            ("sink nats", "Events have waited for the sink nats for 90 s"),
            ("sink kafka", "The sink kafka has 3 dead letters"),
            (
                "slow",
                "Slow: one checkout in a hundred takes 900 ms or longer",
            ),
            ("overdue", "2 transactions are much slower than the others"),
            ("expiry", "Late orders wait to be expired"),
            ("audit", "The last audit found 3 rows that break a rule"),
        ];
        let expected: Vec<_> = expected
            .iter()
            .map(|(key, text)| ((*key).to_owned(), (*text).to_owned()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn refusals_are_overload_unless_rows_or_tables_are_held() {
        let refused = Signs {
            refused_per_s: 12.0,
            ..healthy()
        };
        let held = Signs {
            held_rows: 2.0,
            ..healthy()
        };
        assert!(judged(&refused).1.starts_with("Overload: 12 checkouts"));
        let locked = Signs {
            tables_locked_per_s: 0.3,
            ..refused
        };
        assert!(judged(&locked).1.starts_with("A table is locked by"));
        let (state, text) = judged(&held);
        assert_eq!(state, State::Warning);
        assert!(text.starts_with("2 rows are held by"), "{text}");
    }

    #[test]
    fn a_queue_that_is_more_than_half_full_is_a_warning() {
        let signs = Signs {
            queue_depth: 2501.0,
            ..healthy()
        };
        assert_eq!(judged(&signs).0, State::Warning);
    }
}
