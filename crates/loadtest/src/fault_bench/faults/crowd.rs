//! The fault `crowd`: 20,000 fresh connections, as fast as this machine can open them.

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use futures_util::future::join_all;
use nix::sys::resource::{Resource, getrlimit};
use tokio::time::{sleep, timeout};

use crate::{
    connection::Connection,
    endpoint::Endpoint,
    fault_bench::{
        fault_context::{FaultContext, Struck},
        load::Checkout,
    },
    requests::Request,
};

pub const BUYERS: usize = 5_000;
/// One of them buys, the others read the cart.
const CONNECTIONS_EACH: usize = 4;
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(20);
const ANSWER_BAR: Duration = Duration::from_secs(5);
/// The goal is a second; two cores that serve the crowd, too, take longer to open them.
const BEGUN_WITHIN_MAX: Duration = Duration::from_secs(8);
const THREADS: usize = 2;
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A connection to be opened for one request.
struct Visitor {
    from: Ipv4Addr,
    request: Request,
}

/// A connection that was opened for one request.
#[derive(Clone, Copy, Debug)]
struct Visit {
    begun: Instant,
    /// An error if it was not answered.
    answered: Result<Instant, io::ErrorKind>,
}

/// Descriptors that this process and the server need besides the crowd's connections.
const OTHER_FILES: u64 = 400;

/// All buyers, or as many as there are descriptors for.
fn buyers_at_most() -> usize {
    let files = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft);
    let connections = usize::try_from(files.saturating_sub(OTHER_FILES)).unwrap_or(usize::MAX);
    BUYERS.min(connections / CONNECTIONS_EACH)
}

/// See the module.
pub async fn comes(context: &mut FaultContext<'_>) -> anyhow::Result<Struck> {
    let address = context
        .servers
        .iter()
        .flatten()
        .next()
        .context("a server runs")?
        .http();
    let buyers: Vec<_> = context
        .load
        .in_need
        .borrow_mut()
        .drain(..)
        .take(buyers_at_most())
        .collect();
    let visitors: Vec<_> = buyers
        .iter()
        .zip(addresses())
        .flat_map(|(buyer, from)| visitors_of(context, buyer, from))
        .collect();
    let overflows = overflows();
    let began = Instant::now();
    let visits = from_threads(address, visitors).await?;
    let last = visits
        .iter()
        .map(|it| it.begun - began)
        .max()
        .unwrap_or_default();
    let longest = visits
        .iter()
        .filter_map(|it| Some(it.answered.ok()? - it.begun))
        .max();
    let unanswered: Vec<_> = visits.iter().filter_map(|it| it.answered.err()).collect();
    let overflowed = overflows
        .zip(self::overflows())
        .map(|(before, after)| after - before);
    sleep(context.lasts.saturating_sub(began.elapsed())).await;
    let mut struck = Struck::since(
        began,
        visits.len() == buyers_at_most() * CONNECTIONS_EACH && last <= BEGUN_WITHIN_MAX,
        format!(
            "{} connections begun within {:.2} s, the longest answer {:.2} s, {} without one{}; \
             the listener's queue overflowed {} times",
            visits.len(),
            last.as_secs_f64(),
            longest.unwrap_or_default().as_secs_f64(),
            unanswered.len(),
            unanswered
                .first()
                .map_or_else(String::new, |why| format!(" ({why})")),
            overflowed.map_or_else(|| "?".to_owned(), |it| it.to_string()),
        ),
    );
    if !unanswered.is_empty() || longest.is_none_or(|it| it > ANSWER_BAR) {
        struck.complaint = Some(format!(
            "not all of the crowd were answered within {} s",
            ANSWER_BAR.as_secs()
        ));
    }
    Ok(struck)
}

/// Runs the visitors on threads of their own: the others' clients must not wait for them.
async fn from_threads(
    address: SocketAddr,
    mut visitors: Vec<Visitor>,
) -> anyhow::Result<Vec<Visit>> {
    let (tell, told) = mpsc::channel();
    for left in (1..=THREADS).rev() {
        let some = visitors.split_off(visitors.len() - visitors.len() / left);
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

/// A source address for each buyer, as buyers have. (From one address, most of the machine's time would go
/// into the search for a free port.)
fn addresses() -> impl Iterator<Item = Ipv4Addr> {
    (u32::from(Ipv4Addr::new(127, 1, 0, 1))..).map(Ipv4Addr::from)
}

fn visitors_of(context: &FaultContext<'_>, buyer: &Checkout, from: Ipv4Addr) -> Vec<Visitor> {
    let look = Request::get_cart(context.environment.token(buyer.cart));
    let mut requests = vec![look; CONNECTIONS_EACH - 1];
    requests.push(buyer.request.clone());
    requests
        .into_iter()
        .map(|request| Visitor { from, request })
        .collect()
}

fn run(address: SocketAddr, visitors: Vec<Visitor>) -> anyhow::Result<Vec<Visit>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(async {
        // Tasks run in their order, so that all have begun before much is read.
        let visits: Vec<_> = visitors
            .into_iter()
            .map(|visitor| tokio::spawn(visit(address, visitor)))
            .collect();
        join_all(visits).await.into_iter().flatten().collect()
    }))
}

async fn visit(address: SocketAddr, visitor: Visitor) -> Visit {
    let begun = Instant::now();
    let exchange = timeout(ANSWER_WAIT_MAX, exchange(address, &visitor)).await;
    let answered = match exchange {
        Ok(Ok(())) => Ok(Instant::now()),
        Ok(Err(error)) => Err(error.kind()),
        Err(_) => Err(io::ErrorKind::TimedOut),
    };
    Visit { begun, answered }
}

async fn exchange(address: SocketAddr, visitor: &Visitor) -> io::Result<()> {
    let endpoint = Endpoint::plain(address);
    let mut connection = Connection::from_address(&endpoint, visitor.from.into());
    connection.exchange(&visitor.request).await.map(drop)
}

/// Connections that found no place in a listener's queue, on the whole machine.
fn overflows() -> Option<u64> {
    let text = fs::read_to_string("/proc/net/netstat").ok()?;
    let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:"));
    let (names, values) = (lines.next()?, lines.next()?);
    let mut both = names.split_whitespace().zip(values.split_whitespace());
    let (_, value) = both.find(|(name, _)| *name == "ListenOverflows")?;
    value.parse().ok()
}
