//! The task that reads the metrics once a second, and makes of them what the watchers get.
//!
//! It waits for nothing but its clock: the states of PostgreSQL and Redis, and names of vendors, are taken
//! as other tasks have left them.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::MissedTickBehavior;

use crate::{
    checkout::batch::CheckoutDesk,
    metrics::Metrics,
    outbox::sink_state::{SinkState, SinkStates},
    vendors::directory::VendorDirectory,
};

use super::{
    Console,
    actors_map::{Hot, Look},
    assets::page_tag,
    figures::{CHECKOUTS, Figures, LINES, sent},
    histograms::Histograms,
    last_audit::LastAudit,
    moment::{
        FiguresNow, Headline, HotVendor, LastMinute, Moment, Pool, Share, Since, Sink, Verdict,
    },
    now_ms,
    verdict::{Problem, Signs, SinkSigns, State, problems, sentence},
};

const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// The rates of the first row are averages over so many seconds.
const HEADLINE_S: usize = 5;
/// A failure or a refusal is shown for so many seconds.
const FAILURES_S: usize = 10;
const MINUTE_S: usize = 60;

/// The parts of the service that are sampled.
#[derive(Clone, Debug)]
pub struct Sampled {
    pub metrics: Metrics,
    pub checkouts: CheckoutDesk,
    pub directory: VendorDirectory,
    pub sinks: SinkStates,
    pub stopping: tokio::sync::watch::Receiver<bool>,
}

/// Samples for as long as the runtime lasts.
pub async fn sample(console: Console, sampled: Sampled) {
    let mut state = Sampler::new(console, sampled);
    let mut ticks = tokio::time::interval(SAMPLE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        state.sample();
    }
}

struct Sampler {
    console: Console,
    sampled: Sampled,
    figures: Figures,
    figure_names: Vec<String>,
    histograms: Histograms,
    sampled_at: Instant,
    /// The state, the time since which it has been so, and the times at which present problems began.
    state: (State, i64),
    began: HashMap<String, i64>,
}

impl Sampler {
    fn new(console: Console, sampled: Sampled) -> Self {
        let sink_names: Vec<_> = sampled.sinks.present().map(|it| it.0.to_owned()).collect();
        let figures = Figures::new(&sink_names, &Histograms::names());
        let figure_names = figures.names();
        console.history().begin(figure_names.clone());
        Self {
            state: (State::Well, now_ms()),
            began: HashMap::new(),
            histograms: Histograms::default(),
            sampled_at: Instant::now(),
            figures,
            figure_names,
            console,
            sampled,
        }
    }

    fn sample(&mut self) {
        let now = Instant::now();
        let elapsed_s = now.duration_since(self.sampled_at).as_secs_f64().max(0.001);
        self.sampled_at = now;
        let at_ms = now_ms();
        let metrics = &self.sampled.metrics;
        let mut row = self.figures.read(metrics, at_ms, elapsed_s);
        let computed = self.histograms.read(metrics, elapsed_s);
        self.figures.set_computed(&mut row, &computed);
        let values = row.values.iter().copied().map(sent).collect();
        self.console.history().add(row);
        let look = self.console.places().look(&self.sampled.directory);
        let sinks = self.sinks();
        let audit = self.console.0.last_audit.get();
        let signs = Signs {
            audit_broken: audit.as_ref().map_or(0.0, LastAudit::broken_rows),
            ..self.signs(&sinks)
        };
        let found = problems(&signs);
        let verdict = self.verdict(&signs, found, at_ms);
        let shared = &self.console.0;
        let moment = Moment {
            at_ms,
            began_at_ms: shared.began_at_ms,
            version: env!("CARGO_PKG_VERSION"),
            page: page_tag(),
            limits: shared.limits,
            verdict,
            headline: headline(&signs, &look),
            postgresql: shared.dependencies.postgresql(),
            redis: shared.dependencies.redis(),
            sinks,
            last_minute: self.last_minute(),
            hottest: look.hottest.iter().map(|it| self.named(it)).collect(),
            map: look.map,
            pools: self.pools(),
            audit,
            figures: FiguresNow {
                names: &self.figure_names,
                values,
            },
        };
        let vendors = look.hottest.iter().map(|it| it.vendor).collect();
        shared.names.want(vendors);
        let text = serde_json::to_string(&moment).expect("a moment has no maps with odd keys");
        shared.latest.send_replace(Arc::from(text));
    }

    fn average(&self, name: &str, seconds: usize) -> f64 {
        let index = self.figures.index_of(name);
        let history = self.console.history();
        history.average(index, seconds).unwrap_or(0.0)
    }

    fn sinks(&self) -> Vec<Sink> {
        let states = self.sampled.sinks.present();
        let sink = |(name, state): (&str, SinkState)| Sink {
            down_because: state.down_because,
            concerns: state.concerns,
            waiting: self.average(&format!("sink.{name}.waiting"), 1),
            oldest_s: self.average(&format!("sink.{name}.oldest_s"), 1),
            dead: self.average(&format!("sink.{name}.dead"), 1),
            published_per_s: self.average(&format!("sink.{name}.published"), HEADLINE_S),
            name: name.to_owned(),
        };
        states.map(sink).collect()
    }

    fn signs(&self, sinks: &[Sink]) -> Signs {
        let failed = ["unavailable", "failed"].map(|it| format!("checkouts.{it}"));
        let failed = failed.iter().map(|name| self.average(name, FAILURES_S));
        let dependencies = &self.console.0.dependencies;
        Signs {
            created_per_s: self.average("checkouts.created", HEADLINE_S),
            p50_s: self.histograms.recent_duration(0.5),
            p99_s: self.histograms.recent_duration(0.99),
            refused_per_s: self.average("checkouts.overloaded", FAILURES_S),
            failed_per_s: failed.sum(),
            queue_depth: self.average("queue.depth", 1),
            queue_max: self.console.0.limits.queue_max as f64,
            stalled_s: self
                .sampled
                .checkouts
                .stalled_for()
                .map(|it| it.as_secs_f64()),
            postgresql: dependencies.postgresql().problem,
            redis: dependencies.redis().problem,
            sinks: sinks.iter().map(sink_signs).collect(),
            overdue: self.average("queue.overdue", 1),
            held_rows: self.average("rows.held", 1),
            tables_locked_per_s: self.average("batch.tables_locked", FAILURES_S),
            expiry_overdue_s: self.average("expiry.overdue_s", 1),
            is_stopping: *self.sampled.stopping.borrow(),
            audit_broken: 0.0,
        }
    }

    fn verdict(&mut self, signs: &Signs, found: Vec<Problem>, at_ms: i64) -> Verdict {
        let text = sentence(signs, &found);
        let state = found.first().map_or(State::Well, |it| it.state);
        if state != self.state.0 {
            self.state = (state, at_ms);
        }
        self.began
            .retain(|key, _| found.iter().any(|it| it.key == *key));
        let dependencies = &self.console.0.dependencies;
        let problems = found.into_iter().map(|problem| {
            let known = match problem.key.as_str() {
                "postgresql" => dependencies.postgresql().since_ms,
                "redis" => dependencies.redis().since_ms,
                _ => None,
            };
            let began = self.began.entry(problem.key.clone());
            let since_ms = *began.or_insert(known.unwrap_or(at_ms));
            Since { problem, since_ms }
        });
        Verdict {
            problems: problems.collect(),
            state,
            text,
            since_ms: self.state.1,
        }
    }

    fn last_minute(&self) -> LastMinute {
        let history = self.console.history();
        let sum = |name: &str| {
            let index = self.figures.index_of(name);
            (history.sum(index, MINUTE_S) * 1000.0).round() / 1000.0
        };
        let share = |prefix: &str, name: &str| Share {
            name: name.to_owned(),
            value: sum(&format!("{prefix}.{name}")),
        };
        let shares = |prefix: &str, names: &[&str]| -> Vec<Share> {
            names.iter().map(|name| share(prefix, name)).collect()
        };
        let sizes = Histograms::batch_sizes();
        let sizes = sizes.iter().map(|name| share("batches", name));
        LastMinute {
            timed: sum("timed"),
            stages: shares("stage", &Histograms::stages()),
            batch_sizes: sizes.collect(),
            closed: shares("closed", &Histograms::closed()),
            lines: shares("lines", &LINES),
            checkouts: shares("checkouts", &CHECKOUTS),
        }
    }

    fn named(&self, hot: &Hot) -> HotVendor {
        let named = self.console.0.names.of(hot.vendor);
        let (name, product) = named.map_or((None, None), |it| (Some(it.name), it.product));
        HotVendor {
            id: hot.vendor.to_string(),
            name,
            product,
            place: hot.place,
            depth: hot.depth,
            wait_ms: millis(hot.pace.wait.as_secs_f64()),
            turns_per_s: tenths(hot.pace.turns_per_s),
            lines_per_s: tenths(hot.pace.lines_per_s),
            waiting: tenths(hot.pace.waiting),
        }
    }

    /// Pools of the same name are one.
    fn pools(&self) -> Vec<Pool> {
        let mut pools: Vec<Pool> = Vec::new();
        for watched in self.sampled.metrics.pools() {
            let pool = pools.iter_mut().find(|it| it.name == watched.name);
            let (used, idle, max) = (watched.used, watched.idle, watched.max);
            if let Some(pool) = pool {
                pool.used += used;
                pool.idle += idle;
                pool.max += max;
            } else {
                let name = watched.name;
                pools.push(Pool {
                    name,
                    used,
                    idle,
                    max,
                });
            }
        }
        pools
    }
}

fn headline(signs: &Signs, look: &Look) -> Headline {
    Headline {
        created_per_s: tenths(signs.created_per_s),
        p50_ms: signs.p50_s.map(millis),
        p99_ms: signs.p99_s.map(millis),
        refused_per_s: tenths(signs.refused_per_s),
        failed_per_s: tenths(signs.failed_per_s),
        queue_depth: signs.queue_depth,
        vendor_wait_ms: millis(look.wait_max.as_secs_f64()),
    }
}

fn sink_signs(sink: &Sink) -> SinkSigns {
    SinkSigns {
        name: sink.name.clone(),
        down_because: sink.down_because.clone(),
        oldest_s: sink.oldest_s,
        dead: sink.dead,
    }
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// Milliseconds, to the microsecond.
fn millis(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e3
}
