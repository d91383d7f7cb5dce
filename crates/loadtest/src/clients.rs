//! Closed loop: so many clients, each of which sends when its last request is answered.

use std::{rc::Rc, time::Instant};

use super::{connection::Connection, driver::Driver};

/// Runs the clients until the deadline, until there is nothing left to do, or until they are
/// stopped. What was begun is ended.
pub async fn run(driver: &Rc<Driver>, clients: u32, deadline: Option<Instant>) {
    let clients: Vec<_> = (0..clients)
        .map(|_| actix_rt::spawn(client(Rc::clone(driver), deadline)))
        .collect();
    for client in clients {
        client
            .await
            .expect("a client neither panics nor is aborted");
    }
}

async fn client(driver: Rc<Driver>, deadline: Option<Instant>) {
    let mut connection = Connection::to(&driver.endpoint);
    loop {
        let now = Instant::now();
        if driver.stopped.get() || deadline.is_some_and(|deadline| now >= deadline) {
            return;
        }
        let Some(job) = driver.supply.borrow_mut().take() else {
            return;
        };
        driver.perform(&mut connection, job, now).await;
    }
}
