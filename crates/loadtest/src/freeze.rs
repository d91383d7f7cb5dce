//! Carts through `PUT /api/v1/cart` before a test, as buyers would make them.

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
    requests::Request,
};

/// Carts that are frozen at a time.
const AT_A_TIME: usize = 16;
/// Tries of a cart that the server refuses for lack of time, and the pause between them.
const TRIES_MAX: u32 = 100;
const PAUSE: Duration = Duration::from_millis(100);

/// Sends the requests and returns the ids of the carts, in their order.
///
/// # Errors
/// The first cart that the server will not freeze.
pub async fn freeze(
    endpoint: &Endpoint,
    requests: Vec<Request>,
    screen: &Screen,
) -> anyhow::Result<Vec<CartId>> {
    let total = requests.len();
    screen.begin("preparing carts", total as u64);
    let left = Rc::new(RefCell::new(requests.into_iter().enumerate()));
    let done = Rc::new(Cell::new(0_u64));
    let workers: Vec<_> = (0..AT_A_TIME)
        .map(|_| {
            let (left, done, screen) = (Rc::clone(&left), Rc::clone(&done), screen.clone());
            let mut connection = Connection::to(endpoint);
            actix_rt::spawn(async move {
                let mut frozen = Vec::new();
                loop {
                    let Some((number, request)) = left.borrow_mut().next() else {
                        return Ok::<_, anyhow::Error>(frozen);
                    };
                    frozen.push((number, freeze_one(&mut connection, &request).await?));
                    done.set(done.get() + 1);
                    screen.at(done.get());
                }
            })
        })
        .collect();
    let mut frozen = Vec::with_capacity(total);
    for worker in workers {
        frozen.extend(worker.await.context("freezing carts was given up")??);
    }
    frozen.sort_unstable_by_key(|(number, _)| *number);
    Ok(frozen.into_iter().map(|(_, id)| id).collect())
}

async fn freeze_one(connection: &mut Connection, request: &Request) -> anyhow::Result<CartId> {
    let mut refusal = String::new();
    for _ in 0..TRIES_MAX {
        let answer = connection
            .exchange(request)
            .await
            .context("PUT /api/v1/cart was not answered")?;
        let body = &answer.body[..];
        if is_refusal(answer.status) {
            refusal = format!("{}: {}", answer.status, String::from_utf8_lossy(body));
            tokio::time::sleep(PAUSE).await;
        } else if answer.status == 200 {
            return cart_id_in(body).context("PUT /api/v1/cart answers without an id");
        } else {
            let body = String::from_utf8_lossy(body);
            bail!(
                "PUT /api/v1/cart was answered with {}: {body}",
                answer.status
            );
        }
    }
    bail!("PUT /api/v1/cart was refused {TRIES_MAX} times in a row, at last with {refusal}")
}
