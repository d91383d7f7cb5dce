//! The queue of deliveries: which are claimed, and that none is overlooked.

use std::time::Duration;

use splitcart::{
    db::{
        self,
        webhooks::{Attempt, Failed, Look, NewDelivery, Places, Redelivery},
    },
    domain::ids::{EventId, StoreId, WebhookDeliveryId, WebhookEndpointId},
};
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use crate::support::{Database, Market, wait};

const LEASE: Duration = Duration::from_secs(30);

/// Endpoints without a worker.
struct Queue {
    market: Market,
    connection: PgConnection,
}

impl Queue {
    async fn create() -> Self {
        let market = Market::new(Database::create().await);
        let connection = market.database.pool.acquire().await.unwrap().detach();
        Self { market, connection }
    }

    async fn run(&mut self, statement: String) {
        sqlx::query(AssertSqlSafe(statement))
            .execute(&mut self.connection)
            .await
            .unwrap();
    }

    async fn store(&self) -> StoreId {
        StoreId::new(self.market.vendor().await.store_id)
    }

    async fn endpoint(&mut self, store: StoreId) -> WebhookEndpointId {
        let id = Uuid::now_v7();
        self.run(format!(
            "insert into webhook_endpoints (id, store_id, url, secret)
             values ('{id}', '{store}', 'https://example.com', 'whsec_AAAA')"
        ))
        .await;
        WebhookEndpointId::new(id)
    }

    /// Writes deliveries of an aggregate each.
    async fn write(&mut self, endpoint: WebhookEndpointId, number: usize) -> Vec<NewDelivery> {
        let new: Vec<_> = (0..number).map(|_| delivery(endpoint)).collect();
        let written = db::webhooks::write_deliveries(&mut self.connection, &new).await;
        assert_eq!(written.unwrap(), number as u64);
        new
    }

    async fn find(&mut self, limit: i64, places: &Places) -> Vec<WebhookEndpointId> {
        let look = Look::Recent(Vec::new());
        db::webhooks::find_due(&mut self.connection, limit, &look, places)
            .await
            .unwrap()
    }

    async fn claim(
        &mut self,
        endpoints: &[WebhookEndpointId],
        places: &Places,
    ) -> Vec<db::webhooks::ClaimedDelivery> {
        let claimed = db::webhooks::claim_due(&mut self.connection, endpoints, 64, places, LEASE);
        claimed.await.unwrap()
    }
}

fn delivery(endpoint_id: WebhookEndpointId) -> NewDelivery {
    NewDelivery {
        id: WebhookDeliveryId::new(Uuid::now_v7()),
        endpoint_id,
        event_id: EventId::new(Uuid::now_v7()),
        source_event_id: EventId::new(Uuid::now_v7()),
        event_type: "order_canceled".to_owned(),
        aggregate_id: Uuid::now_v7(),
        body: "{}".to_owned(),
    }
}

fn places() -> Places {
    Places {
        of_stores: Vec::new(),
        per_store_max: 64,
        per_endpoint_max: 4,
    }
}

#[tokio::test]
async fn endpoints_without_a_free_place_hold_up_no_other() {
    let mut queue = Queue::create().await;
    let mut slow = Vec::new();
    for _ in 0..6 {
        let store = queue.store().await;
        for _ in 0..12 {
            let endpoint = queue.endpoint(store).await;
            queue.write(endpoint, 5).await;
            slow.push(endpoint);
        }
    }
    for some in slow.chunks(16) {
        assert_eq!(
            queue.claim(some, &places()).await.len(),
            64.min(some.len() * 4)
        );
    }
    let store = queue.store().await;
    let quick = queue.endpoint(store).await;
    queue.write(quick, 1).await;

    assert_eq!(queue.find(64, &places()).await, [quick]);
    assert_eq!(queue.claim(&[quick], &places()).await.len(), 1);
    assert_eq!(queue.find(64, &places()).await, []);
}

#[tokio::test]
async fn the_endpoint_that_was_claimed_from_last_comes_last() {
    let mut queue = Queue::create().await;
    let store = queue.store().await;
    let mut endpoints = Vec::new();
    for _ in 0..3 {
        let endpoint = queue.endpoint(store).await;
        queue.write(endpoint, 3).await;
        endpoints.push(endpoint);
    }
    let mut seen = Vec::new();
    for _ in 0..3 {
        let first = queue.find(1, &places()).await;
        queue.claim(&first, &places()).await;
        queue.write(first[0], 1).await;
        seen.extend(first);
    }
    assert_eq!(seen, endpoints);
}

#[tokio::test]
async fn a_store_has_a_share_of_an_instances_places() {
    let mut queue = Queue::create().await;
    let (one, other) = (queue.store().await, queue.store().await);
    let (of_one, of_other) = (queue.endpoint(one).await, queue.endpoint(other).await);
    queue.write(of_one, 4).await;
    queue.write(of_other, 4).await;
    let taken = |number| Places {
        of_stores: vec![(one, number)],
        ..places()
    };

    assert_eq!(queue.find(64, &taken(64)).await, [of_other]);
    assert_eq!(queue.claim(&[of_one], &taken(64)).await.len(), 0);
    let both = queue.find(64, &taken(62)).await;
    assert_eq!(both, [of_one, of_other]);
    let claimed = queue.claim(&both, &taken(62)).await;
    let of = |store| claimed.iter().filter(|it| it.store_id == store).count();
    assert_eq!((of(one), of(other)), (2, 4));
}

#[tokio::test]
async fn an_event_whose_first_attempt_was_removed_does_not_refuse_the_others() {
    let mut queue = Queue::create().await;
    let store = queue.store().await;
    let endpoint = queue.endpoint(store).await;
    let old = queue.write(endpoint, 1).await.remove(0);
    queue
        .run("update webhook_deliveries set attempt = 2".to_owned())
        .await;

    let again = NewDelivery {
        id: WebhookDeliveryId::new(Uuid::now_v7()),
        ..old
    };
    let both = [again, delivery(endpoint)];
    let written = db::webhooks::write_deliveries(&mut queue.connection, &both).await;

    assert_eq!(written.unwrap(), 1);
}

#[tokio::test]
async fn a_delivery_that_is_written_while_the_due_times_are_moved_on_is_found() {
    let mut queue = Queue::create().await;
    let store = queue.store().await;
    let endpoint = queue.endpoint(store).await;
    queue.write(endpoint, 1).await;
    queue
        .run("update webhook_deliveries set outcome = 'delivered'".to_owned())
        .await;
    let mut moving = queue.market.database.pool.begin().await.unwrap();
    db::webhooks::move_due_times_on(&mut moving).await.unwrap();
    let pool = queue.market.database.pool.clone();
    let writing = tokio::spawn(async move {
        let mut connection = pool.acquire().await.unwrap();
        let new = [delivery(endpoint)];
        db::webhooks::write_deliveries(&mut connection, &new)
            .await
            .unwrap()
    });
    until_somebody_waits(&queue).await;

    moving.commit().await.unwrap();

    assert_eq!(writing.await.unwrap(), 1);
    assert_eq!(queue.find(64, &places()).await, [endpoint]);
    // And the other way round: an endpoint that is written to keeps its time.
    let mut writing = queue.market.database.pool.begin().await.unwrap();
    let new = [delivery(endpoint)];
    db::webhooks::write_deliveries(&mut writing, &new)
        .await
        .unwrap();
    queue.run("delete from webhook_deliveries".to_owned()).await;
    db::webhooks::move_due_times_on(&mut queue.connection)
        .await
        .unwrap();
    writing.commit().await.unwrap();
    assert_eq!(queue.find(64, &places()).await, [endpoint]);
}

#[tokio::test]
async fn an_endpoint_is_not_looked_at_before_its_next_attempt() {
    let mut queue = Queue::create().await;
    let store = queue.store().await;
    let endpoint = queue.endpoint(store).await;
    queue.write(endpoint, 1).await;
    let claimed = queue.claim(&[endpoint], &places()).await.remove(0);
    fail(&mut queue.connection, &claimed).await;

    db::webhooks::move_due_times_on(&mut queue.connection)
        .await
        .unwrap();

    let later = "select count(*) from webhook_endpoints e join webhook_deliveries d
        on d.endpoint_id = e.id and d.outcome is null
        where e.next_due_at = d.due_at and d.due_at > now() + interval '4 seconds'";
    assert_eq!(queue.market.database.count(later).await, 1);
    // One that comes meanwhile is found.
    queue.write(endpoint, 1).await;
    assert_eq!(queue.find(64, &places()).await, [endpoint]);
}

#[tokio::test]
async fn a_delivery_that_is_sent_again_while_it_fails_has_the_id_of_its_next_attempt() {
    let mut queue = Queue::create().await;
    let store = queue.store().await;
    let endpoint = queue.endpoint(store).await;
    queue.write(endpoint, 1).await;
    let claimed = queue.claim(&[endpoint], &places()).await.remove(0);
    let mut failing = queue.market.database.pool.begin().await.unwrap();
    let next = fail(&mut failing, &claimed).await;
    let pool = queue.market.database.pool.clone();
    let (id, new) = (claimed.id, WebhookDeliveryId::new(Uuid::now_v7()));
    let again = tokio::spawn(async move {
        let mut again = pool.begin().await.unwrap();
        let attempt = db::webhooks::redeliver(&mut again, store, id, new)
            .await
            .unwrap();
        again.commit().await.unwrap();
        attempt
    });
    until_somebody_waits(&queue).await;

    failing.commit().await.unwrap();

    assert_eq!(again.await.unwrap(), Redelivery::Due(next));
    let due = "select count(*) from webhook_deliveries where outcome is null and due_at <= now()";
    assert_eq!(queue.market.database.count(due).await, 1);
}

/// Records a failure of an attempt; the id of the next one.
async fn fail(
    connection: &mut PgConnection,
    claimed: &db::webhooks::ClaimedDelivery,
) -> WebhookDeliveryId {
    let attempt = Attempt {
        id: claimed.id,
        claimed_until: claimed.claimed_until,
        status: Some(500),
        duration: Duration::ZERO,
    };
    let next = WebhookDeliveryId::new(Uuid::now_v7());
    let failed = Failed {
        error: "the answer is 500",
        next: Some((next, Duration::from_secs(5))),
        is_gone: false,
        failing_max: Duration::from_hours(1),
    };
    let marked = db::webhooks::mark_failed(connection, &attempt, &failed).await;
    assert_eq!(marked.unwrap(), db::webhooks::MarkOutcome::Recorded);
    next
}

async fn until_somebody_waits(queue: &Queue) {
    let waiting = "select count(*) from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'";
    wait::until("a statement waits for a lock", async || {
        queue.market.database.count(waiting).await == 1
    })
    .await;
}
