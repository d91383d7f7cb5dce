//! Open loop: requests come at their own times, whatever the server does.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Instant,
};

use tokio::sync::Notify;

use super::{alarm::Alarm, driver::Driver, schedule::Schedule, wire::Wire};

/// The connections that are at rest, and how many are at work.
struct Lines {
    resting: RefCell<Vec<Wire>>,
    at_work: Cell<u32>,
    one_rests: Notify,
}

/// Sends what is due until the schedule ends, until nothing is left to do, or until it is stopped.
/// What was begun is ended. An arrival for which there is no place is counted, and that was it: to
/// keep it waiting would be a closed loop.
///
/// # Errors
/// There is no timer.
pub async fn run(
    driver: &Rc<Driver>,
    mut schedule: Schedule,
    in_flight_max: u32,
) -> anyhow::Result<()> {
    let alarm = Alarm::new()?;
    let lines = Rc::new(Lines {
        resting: RefCell::default(),
        at_work: Cell::new(0),
        one_rests: Notify::new(),
    });
    while let Some(next) = schedule.next() {
        tokio::select! {
            woken = alarm.wait_until(next) => woken?,
            () = driver.stop.notified() => {}
        }
        if driver.stopped.get() {
            break;
        }
        while let Some(intended) = schedule.take(Instant::now()) {
            if driver.supply.borrow().is_over() {
                return end(&lines).await;
            }
            arrive(driver, &lines, intended, in_flight_max);
        }
        // The wires must get their turn, however much is due.
        tokio::task::yield_now().await;
    }
    end(&lines).await
}

fn arrive(driver: &Rc<Driver>, lines: &Rc<Lines>, intended: Instant, in_flight_max: u32) {
    let job = if lines.at_work.get() < in_flight_max {
        driver.supply.borrow_mut().take()
    } else {
        None
    };
    let Some(job) = job else {
        driver.recorder.borrow_mut().miss(intended);
        return;
    };
    driver.recorder.borrow_mut().send(intended);
    let wire = lines.resting.borrow_mut().pop();
    let mut wire = wire.unwrap_or_else(|| Wire::to(driver.address));
    lines.at_work.set(lines.at_work.get() + 1);
    let (driver, lines) = (Rc::clone(driver), Rc::clone(lines));
    actix_rt::spawn(async move {
        driver.perform(&mut wire, job, intended).await;
        lines.resting.borrow_mut().push(wire);
        lines.at_work.set(lines.at_work.get() - 1);
        lines.one_rests.notify_one();
    });
}

async fn end(lines: &Lines) -> anyhow::Result<()> {
    while lines.at_work.get() > 0 {
        lines.one_rests.notified().await;
    }
    Ok(())
}
