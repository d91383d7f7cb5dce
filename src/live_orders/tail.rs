//! The one reader of the log: hands new events to the open streams, and rests while none is open.

use std::time::Duration;

use sqlx::PgPool;

use crate::db::{self, outbox};

use super::{Page, hub::LiveOrders};

/// The pause between two looks at the log.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// The same when a stream is opened, which waits for the next look.
const LOOK_FOR_ONE_MORE: Duration = Duration::from_millis(20);
/// The pause after a failure.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);
/// The most events of one look.
const EVENTS_MAX: i64 = 1000;
/// The time that a look may take.
const LOOK_MAX: Duration = Duration::from_secs(3);

/// Reads the log until the service stops.
pub async fn follow(hub: LiveOrders, pool: PgPool) {
    let mut stopping = hub.stopping();
    let following = async {
        loop {
            hub.watched().await;
            follow_while_watched(&hub, &pool).await;
        }
    };
    tokio::select! {
        () = following => {}
        _ = stopping.wait_for(|stopping| *stopping) => {}
    }
}

async fn follow_while_watched(hub: &LiveOrders, pool: &PgPool) {
    let end = db::within(pool, LOOK_MAX, async |connection| {
        outbox::log_end(connection).await
    });
    let mut after = match end.await {
        Ok(end) => end,
        Err(error) => return rest(&error).await,
    };
    hub.begin_at(after);
    while let Some(stores) = hub.stores() {
        let read = db::within(pool, LOOK_MAX, async |connection| {
            Page::read(connection, after, EVENTS_MAX, &stores).await
        });
        match read.await {
            Ok(page) => {
                after = page.last_seq().unwrap_or(after);
                hub.hand_over(&page);
                if !page.is_full {
                    tokio::time::sleep(LOOK_FOR_ONE_MORE).await;
                    let rest = LOOK_EVERY.saturating_sub(LOOK_FOR_ONE_MORE);
                    drop(tokio::time::timeout(rest, hub.one_more()).await);
                }
            }
            // The next look begins where this one did: nothing is left out.
            Err(error) => rest(&error).await,
        }
    }
}

async fn rest(error: &db::Error) {
    tracing::info!("the live streams of orders wait for PostgreSQL: {error}");
    tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
}
