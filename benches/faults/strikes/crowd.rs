//! A crowd at the door: 20,000 fresh connections, as fast as this machine can open them.

use std::{
    fs,
    net::SocketAddr,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use futures_util::future::join_all;
use splitcart::cli::loadtest::{requests::Request, wire::Wire};
use tokio::time::{sleep, timeout};

use crate::{
    field::{Field, Struck},
    load::Checkout,
};

pub const BUYERS: usize = 5_000;
/// One buys, the others look at the cart.
const CONNECTIONS_EACH: usize = 4;
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(20);
const ANSWER_BAR: Duration = Duration::from_secs(5);
/// A second is what is meant; two cores that serve all of it take longer to open them.
const BEGUN_WITHIN_MAX: Duration = Duration::from_secs(8);
const THREADS: usize = 2;
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A connection that was opened for one request.
#[derive(Clone, Copy, Debug)]
struct Visit {
    begun: Instant,
    /// None if there was no answer.
    answered: Option<Instant>,
}

/// See the module.
pub async fn comes(field: &mut Field<'_>) -> anyhow::Result<Struck> {
    let address = field
        .servers
        .iter()
        .flatten()
        .next()
        .context("a server runs")?
        .http();
    let buyers: Vec<_> = field
        .load
        .in_need
        .borrow_mut()
        .drain(..)
        .take(BUYERS)
        .collect();
    let requests: Vec<_> = buyers
        .iter()
        .flat_map(|it| requests_of(field, it))
        .collect();
    let overflows = overflows();
    let began = Instant::now();
    let visits = from_threads(address, requests).await?;
    let last = visits
        .iter()
        .map(|it| it.begun - began)
        .max()
        .unwrap_or_default();
    let longest = visits
        .iter()
        .filter_map(|it| Some(it.answered? - it.begun))
        .max();
    let unanswered = visits.iter().filter(|it| it.answered.is_none()).count();
    let overflowed = overflows
        .zip(self::overflows())
        .map(|(before, after)| after - before);
    sleep(field.lasts.saturating_sub(began.elapsed())).await;
    let mut struck = Struck::since(
        began,
        visits.len() == BUYERS * CONNECTIONS_EACH && last <= BEGUN_WITHIN_MAX,
        format!(
            "{} connections begun within {:.2} s, the longest answer {:.2} s, {unanswered} without one; \
             the listener's queue overflowed {} times",
            visits.len(),
            last.as_secs_f64(),
            longest.unwrap_or_default().as_secs_f64(),
            overflowed.map_or_else(|| "?".to_owned(), |it| it.to_string()),
        ),
    );
    if unanswered > 0 || longest.is_none_or(|it| it > ANSWER_BAR) {
        struck.complaint = Some(format!(
            "not all of the crowd were answered within {} s",
            ANSWER_BAR.as_secs()
        ));
    }
    Ok(struck)
}

/// On threads of their own: the others' clients must not wait for them.
async fn from_threads(
    address: SocketAddr,
    mut requests: Vec<Vec<u8>>,
) -> anyhow::Result<Vec<Visit>> {
    let (tell, told) = mpsc::channel();
    for left in (1..=THREADS).rev() {
        let some = requests.split_off(requests.len() - requests.len() / left);
        let tell = tell.clone();
        thread::Builder::new()
            .name("crowd".to_owned())
            .spawn(move || drop(tell.send(run(address, some))))
            .context("can't start a thread")?;
    }
    drop(tell);
    let mut visits = Vec::new();
    loop {
        match told.try_recv() {
            Ok(some) => visits.extend(some?),
            Err(mpsc::TryRecvError::Empty) => sleep(LOOK_EVERY).await,
            Err(mpsc::TryRecvError::Disconnected) => return Ok(visits),
        }
    }
}

fn requests_of(field: &Field<'_>, buyer: &Checkout) -> Vec<Vec<u8>> {
    let look = Request::get_cart("shop", field.stage.token(buyer.cart));
    let mut requests = vec![look.bytes().to_vec(); CONNECTIONS_EACH - 1];
    requests.push(buyer.request.bytes().to_vec());
    requests
}

fn run(address: SocketAddr, requests: Vec<Vec<u8>>) -> anyhow::Result<Vec<Visit>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(async {
        // Tasks run in their order, so that all have begun before much is read.
        let visits: Vec<_> = requests
            .into_iter()
            .map(|request| tokio::spawn(visit(address, request)))
            .collect();
        join_all(visits).await.into_iter().flatten().collect()
    }))
}

async fn visit(address: SocketAddr, request: Vec<u8>) -> Visit {
    let begun = Instant::now();
    let mut wire = Wire::to(address);
    let answer = timeout(ANSWER_WAIT_MAX, wire.exchange(&request)).await;
    let is_answered = matches!(answer, Ok(Ok(_)));
    Visit {
        begun,
        answered: is_answered.then(Instant::now),
    }
}

/// How often a connection found no place in a listener's queue, on this whole machine.
fn overflows() -> Option<u64> {
    let text = fs::read_to_string("/proc/net/netstat").ok()?;
    let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:"));
    let (names, values) = (lines.next()?, lines.next()?);
    let mut both = names.split_whitespace().zip(values.split_whitespace());
    let (_, value) = both.find(|(name, _)| *name == "ListenOverflows")?;
    value.parse().ok()
}
