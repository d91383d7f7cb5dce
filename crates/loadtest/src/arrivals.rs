//! Open loop: requests come at their own times, whatever the server does.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Instant,
};

use tokio::sync::Notify;

use super::{
    connection::Connection, driver::Driver, precise_timer::PreciseTimer, schedule::Schedule,
};

/// The connections that are idle, and how many are in use.
struct Connections {
    idle: RefCell<Vec<Connection>>,
    in_use: Cell<u32>,
    one_is_idle: Notify,
}

/// Sends what is due until the schedule ends, until nothing is left to do, or until it is stopped.
/// Requests that have begun are completed. An arrival for which there is no place is only counted: to
/// keep it waiting would be a closed loop.
///
/// # Errors
/// There is no timer.
pub async fn run(
    driver: &Rc<Driver>,
    mut schedule: Schedule,
    in_flight_max: u32,
) -> anyhow::Result<()> {
    let timer = PreciseTimer::new()?;
    let connections = Rc::new(Connections {
        idle: RefCell::default(),
        in_use: Cell::new(0),
        one_is_idle: Notify::new(),
    });
    while let Some(next) = schedule.next() {
        tokio::select! {
            woken = timer.wait_until(next) => woken?,
            () = driver.stop.notified() => {}
        }
        if driver.stopped.get() {
            break;
        }
        while let Some(intended) = schedule.take(Instant::now()) {
            if driver.supply.borrow().is_over() {
                return end(&connections).await;
            }
            arrive(driver, &connections, intended, in_flight_max);
        }
        // The connections must get their turn, however much is due.
        tokio::task::yield_now().await;
    }
    end(&connections).await
}

fn arrive(
    driver: &Rc<Driver>,
    connections: &Rc<Connections>,
    intended: Instant,
    in_flight_max: u32,
) {
    let job = if connections.in_use.get() < in_flight_max {
        driver.supply.borrow_mut().take()
    } else {
        None
    };
    let Some(job) = job else {
        driver.recorder.borrow_mut().miss(intended);
        return;
    };
    driver.recorder.borrow_mut().send(intended);
    let idle = connections.idle.borrow_mut().pop();
    let mut connection = idle.unwrap_or_else(|| Connection::to(&driver.endpoint));
    connections.in_use.set(connections.in_use.get() + 1);
    let (driver, connections) = (Rc::clone(driver), Rc::clone(connections));
    actix_rt::spawn(async move {
        driver.perform(&mut connection, job, intended).await;
        connections.idle.borrow_mut().push(connection);
        connections.in_use.set(connections.in_use.get() - 1);
        connections.one_is_idle.notify_one();
    });
}

async fn end(connections: &Connections) -> anyhow::Result<()> {
    while connections.in_use.get() > 0 {
        connections.one_is_idle.notified().await;
    }
    Ok(())
}
