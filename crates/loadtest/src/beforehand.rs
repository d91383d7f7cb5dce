//! Carts and orders through the API before a test, as buyers would make them.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use anyhow::{Context, bail};
use terminal::Screen;

use splitcart::domain::ids::CartId;

use super::{
    answers::{cart_id_in, is_refusal},
    connection::Connection,
    endpoint::Endpoint,
    placed::Placed,
    requests::Request,
};

/// Requests at a time.
const AT_A_TIME: usize = 32;
/// Tries of a request that the server refuses for lack of time, and the pause between them.
const TRIES_MAX: u32 = 100;
const PAUSE: Duration = Duration::from_millis(100);

/// Freezes carts and returns their ids, in the order of the requests.
///
/// # Errors
/// The first cart that the server will not freeze.
pub async fn freeze(
    endpoint: &Endpoint,
    puts: Vec<Request>,
    screen: &Screen,
) -> anyhow::Result<Vec<CartId>> {
    screen.begin("preparing carts", puts.len() as u64);
    let wanted = Wanted {
        what: "PUT /api/v1/cart",
        status: 200,
        read: |body| cart_id_in(body).context("PUT /api/v1/cart answers without an id"),
    };
    send(endpoint, puts, wanted, screen).await
}

/// Buys carts and returns their orders, in the order of the requests.
///
/// # Errors
/// The first cart that the server will not sell.
pub async fn buy(
    endpoint: &Endpoint,
    check_outs: Vec<Request>,
    screen: &Screen,
) -> anyhow::Result<Vec<Placed>> {
    screen.begin("preparing orders", check_outs.len() as u64);
    let wanted = Wanted {
        what: "POST /api/v1/checkout",
        status: 201,
        read: |body| {
            Placed::waiting_in(body).context("POST /api/v1/checkout answers without orders")
        },
    };
    send(endpoint, check_outs, wanted, screen).await
}

/// The expected answer to a request.
struct Wanted<T> {
    what: &'static str,
    status: u16,
    read: fn(&[u8]) -> anyhow::Result<T>,
}

impl<T> Clone for Wanted<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Wanted<T> {}

async fn send<T: 'static>(
    endpoint: &Endpoint,
    requests: Vec<Request>,
    wanted: Wanted<T>,
    screen: &Screen,
) -> anyhow::Result<Vec<T>> {
    let total = requests.len();
    let left = Rc::new(RefCell::new(requests.into_iter().enumerate()));
    let done = Rc::new(Cell::new(0_u64));
    let workers: Vec<_> = (0..AT_A_TIME)
        .map(|_| {
            let (left, done, screen) = (Rc::clone(&left), Rc::clone(&done), screen.clone());
            let mut connection = Connection::to(endpoint);
            actix_rt::spawn(async move {
                let mut answers = Vec::new();
                loop {
                    let Some((number, request)) = left.borrow_mut().next() else {
                        return Ok::<_, anyhow::Error>(answers);
                    };
                    let answer = send_one(&mut connection, &request, wanted).await?;
                    answers.push((number, answer));
                    done.set(done.get() + 1);
                    screen.at(done.get());
                }
            })
        })
        .collect();
    let mut answers = Vec::with_capacity(total);
    for worker in workers {
        let worker = worker.await;
        answers.extend(worker.with_context(|| format!("{} was given up", wanted.what))??);
    }
    answers.sort_unstable_by_key(|(number, _)| *number);
    Ok(answers.into_iter().map(|(_, answer)| answer).collect())
}

async fn send_one<T>(
    connection: &mut Connection,
    request: &Request,
    wanted: Wanted<T>,
) -> anyhow::Result<T> {
    let Wanted { what, status, read } = wanted;
    let mut refusal = String::new();
    for _ in 0..TRIES_MAX {
        let answer = connection.exchange(request).await;
        let answer = answer.with_context(|| format!("{what} was not answered"))?;
        let body = &answer.body[..];
        if is_refusal(answer.status) {
            refusal = format!("{}: {}", answer.status, String::from_utf8_lossy(body));
            tokio::time::sleep(PAUSE).await;
        } else if answer.status == status {
            return read(body);
        } else {
            let body = String::from_utf8_lossy(body);
            bail!("{what} was answered with {}: {body}", answer.status);
        }
    }
    bail!("{what} was refused {TRIES_MAX} times in a row, at last with {refusal}")
}
