//! The test itself: the load, the state when its warm-up ends, and the line of progress.

use std::{
    cell::RefCell,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeVal,
};
use terminal::Screen;

use super::{
    arrivals,
    asked::Arrivals,
    batches::{self, Batches, Snapshot},
    clients,
    driver::Driver,
    record::Second,
    schedule::Schedule,
};

/// When the load begins, when measuring does, and when both end, unless the work ends before.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub start: Instant,
    pub begin: Instant,
    pub end: Option<Instant>,
}

/// Results of a test beside those that the driver has recorded.
#[derive(Debug)]
pub struct Ended {
    /// CPU that this process has used since the warm-up ended.
    pub cpu: Duration,
    /// The time since then.
    pub cpu_window: Duration,
    /// The checkouts per transaction; or the reason why they are not known.
    pub batches: Result<Option<Batches>, String>,
    /// True if the jobs were used up before the end.
    pub ran_out: bool,
    /// True if a signal ended the test.
    pub stopped: bool,
    /// The end of the window.
    pub end: Instant,
}

/// The state when measuring begins.
#[derive(Debug)]
pub struct Mark {
    cpu: Duration,
    at: Instant,
    batches: Result<Snapshot, String>,
}

impl Mark {
    pub async fn take(ops: SocketAddr) -> Self {
        let (cpu, at) = (cpu_spent(), Instant::now());
        let batches = batches::ask(ops).await.map_err(|error| error.to_string());
        Self { cpu, at, batches }
    }
}

/// Runs the load to its end, or until a signal stops it; requests in flight are completed either way.
/// Without a mark, one is made when the warm-up ends.
///
/// # Errors
/// There is no timer.
pub async fn run(
    driver: &Rc<Driver>,
    arrivals: Arrivals,
    times: Times,
    ops: SocketAddr,
    mark: Option<Mark>,
    screen: &Screen,
    stop_signal: impl Future<Output = ()>,
) -> anyhow::Result<Ended> {
    let mark = Rc::new(RefCell::new(mark));
    let marking = actix_rt::spawn(note(Rc::clone(&mark), times.begin, ops));
    let showing = actix_rt::spawn(show(Rc::clone(driver), times.begin, screen.clone()));
    let load = async {
        match arrivals {
            Arrivals::Closed { clients } => {
                clients::run(driver, clients, times.end).await;
                Ok(())
            }
            Arrivals::Open {
                rate,
                in_flight_max,
            } => {
                let schedule = Schedule::new(times.start, rate, times.end);
                arrivals::run(driver, schedule, in_flight_max).await
            }
        }
    };
    tokio::pin!(load, stop_signal);
    let result = tokio::select! {
        result = &mut load => result,
        () = &mut stop_signal => {
            driver.stop();
            load.await
        }
    };
    let now = Instant::now();
    let cpu = cpu_spent();
    showing.abort();
    marking.abort();
    result?;
    let stopped = driver.stopped.get();
    let ran_out = driver.supply.borrow().ran_out();
    // The last arrival of an open loop may be answered before the window ends.
    let end = if stopped || ran_out { None } else { times.end };
    driver.recorder.borrow_mut().finish(end.unwrap_or(now));
    let mark = mark.borrow_mut().take();
    let batches = match &mark {
        Some(mark) => batches_since(&mark.batches, ops).await,
        None => Ok(None),
    };
    Ok(Ended {
        cpu: mark
            .as_ref()
            .map_or(Duration::ZERO, |it| cpu.saturating_sub(it.cpu)),
        cpu_window: mark.as_ref().map_or(Duration::ZERO, |it| now - it.at),
        batches,
        ran_out,
        stopped,
        end: end.unwrap_or(now),
    })
}

async fn note(mark: Rc<RefCell<Option<Mark>>>, begin: Instant, ops: SocketAddr) {
    tokio::time::sleep_until(begin.into()).await;
    if mark.borrow().is_none() {
        let taken = Mark::take(ops).await;
        *mark.borrow_mut() = Some(taken);
    }
}

async fn batches_since(
    before: &Result<Snapshot, String>,
    ops: SocketAddr,
) -> Result<Option<Batches>, String> {
    let before = before.as_ref().map_err(Clone::clone)?;
    let after = batches::ask(ops).await.map_err(|error| error.to_string())?;
    Ok(after.since(before))
}

async fn show(driver: Rc<Driver>, begin: Instant, screen: Screen) {
    let mut shown = 0;
    loop {
        let next = begin + Duration::from_secs(shown + 1);
        let warming_up = Instant::now() < begin;
        if warming_up {
            screen.say("warming up …".to_owned());
        }
        // A little later, so that the second is over for all clients.
        let next = if warming_up { begin } else { next } + Duration::from_millis(5);
        tokio::time::sleep_until(next.into()).await;
        if warming_up {
            continue;
        }
        shown += 1;
        let mut recorder = driver.recorder.borrow_mut();
        recorder.advance(Instant::now());
        let second = usize::try_from(shown - 1).ok();
        if let Some(second) = second.and_then(|second| recorder.series().get(second)) {
            screen.say(line(shown, second));
        }
    }
}

fn line(number: u64, second: &Second) -> String {
    let counts = second.counts;
    let latency = second.percentiles.map_or_else(String::new, |it| {
        format!(", p50 {:.1} ms, p99 {:.1} ms", it.p50_ms, it.p99_ms)
    });
    format!(
        "{number:4} s: {} successes{latency}, {} refusals, {} errors",
        counts.succeeded, counts.refused, counts.failed
    )
}

/// The CPU time of this process.
fn cpu_spent() -> Duration {
    getrusage(UsageWho::RUSAGE_SELF).map_or(Duration::ZERO, |usage| {
        let time = |it: TimeVal| {
            let micros = it.tv_sec() * 1_000_000 + it.tv_usec();
            Duration::from_micros(u64::try_from(micros).unwrap_or(0))
        };
        time(usage.user_time()) + time(usage.system_time())
    })
}
