//! The tables, columns and indexes that the data design requires.

use sqlx::Connection;

use crate::support::Database;

use super::rows;

async fn list(database: &Database, query: &'static str) -> Vec<String> {
    sqlx::query_scalar(query)
        .fetch_all(&database.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn migrations_apply_to_an_empty_database_and_only_once() {
    let database = Database::create_bare().await;
    let mut connection = sqlx::PgConnection::connect(&database.url).await.unwrap();
    let missing = splitcart::db::migrations::missing_migrations(&mut connection).await;
    assert!(missing.unwrap() > 0);

    splitcart::db::migrations::migrate(&mut connection)
        .await
        .unwrap();
    let once = database.contents().await;
    splitcart::db::migrations::migrate(&mut connection)
        .await
        .unwrap();

    assert_eq!(database.contents().await, once);
    let missing = splitcart::db::migrations::missing_migrations(&mut connection).await;
    assert_eq!(missing.unwrap(), 0);
    let tables = "select relname::text from pg_class
                  where relnamespace = 'public'::regnamespace and relkind = 'r' order by 1";
    assert_eq!(
        list(&database, tables).await,
        [
            "_sqlx_migrations",
            "cart_items",
            "cart_put_keys",
            "cart_records",
            "cart_vendor_discounts",
            "checkout_groups",
            "expiry_progress",
            "idempotency_keys",
            "inventory_items",
            "inventory_keys",
            "licenses",
            "order_line_items",
            "outbox_backlog",
            "outbox_dead_letters",
            "outbox_events",
            "outbox_sequencing",
            "outbox_sinks",
            "payment_intents",
            "product_volume_discounts",
            "products",
            "store_discounts",
            "store_memberships",
            "stores",
            "subscriptions",
            "users",
            "vendor_orders",
            "webhook_deliveries",
            "webhook_endpoints",
        ]
    );
}

/// A migration over existing data changes none of it.
#[tokio::test]
async fn migrating_again_leaves_the_rows_alone() {
    let database = rows::database().await;
    let before = database.contents().await;
    let mut connection = sqlx::PgConnection::connect(&database.url).await.unwrap();

    splitcart::db::migrations::migrate(&mut connection)
        .await
        .unwrap();

    assert_eq!(database.contents().await, before);
}

#[tokio::test]
async fn a_reservation_touches_no_index_and_finds_room_on_its_page() {
    let database = Database::create().await;
    let fill = "select option_value::bigint
                from pg_class, pg_options_to_table(reloptions)
                where oid = 'inventory_items'::regclass and option_name = 'fillfactor'";
    assert!((50..=70).contains(&database.count(fill).await));
    let indexed = "select distinct a.attname::text from pg_index x
                   join pg_attribute a on a.attrelid = x.indrelid and a.attnum = any(x.indkey)
                   where x.indrelid = 'inventory_items'::regclass";
    assert_eq!(list(&database, indexed).await, ["product_id"]);
    let odd = "select count(*) from pg_index where indrelid = 'inventory_items'::regclass
               and (indpred is not null or indexprs is not null)";
    assert_eq!(database.count(odd).await, 0);
    let reserve = "update inventory_items
                   set available_qty = available_qty - 1, reserved_qty = reserved_qty + 1";
    let database = rows::database().await;
    let mut connection = database.pool.acquire().await.unwrap();
    sqlx::query(reserve)
        .execute(&mut *connection)
        .await
        .unwrap();
    sqlx::query("select pg_stat_force_next_flush()")
        .execute(&mut *connection)
        .await
        .unwrap();
    let hot = "select n_tup_hot_upd from pg_stat_user_tables where relname = 'inventory_items'";
    crate::support::wait::until("the update is counted", async || {
        database.count(hot).await == 1
    })
    .await;
}

#[tokio::test]
async fn tables_that_churn_are_vacuumed_long_before_a_fifth_of_them_is_dead() {
    let database = Database::create().await;
    let soon = "select relname::text
                from pg_class, pg_options_to_table(reloptions)
                where option_name = 'autovacuum_vacuum_scale_factor'
                    and option_value::numeric <= 0.02
                order by relname";
    let churning = [
        "cart_records",
        "idempotency_keys",
        "inventory_items",
        "outbox_events",
        "webhook_deliveries",
    ];
    assert_eq!(list(&database, soon).await, churning);
}

#[tokio::test]
async fn the_indexes_of_the_design_exist() {
    let database = Database::create().await;
    let indexes = list(
        &database,
        "select indexdef from pg_indexes where schemaname = 'public'",
    )
    .await;
    for wanted in [
        "stores USING btree (type, kyc_status)",
        "licenses USING btree (store_id, status, expires_on)",
        "checkout_groups USING btree (buyer_store_id, created_at DESC)",
        "vendor_orders USING btree (vendor_store_id, created_at DESC)",
        "vendor_orders USING btree (buyer_store_id, created_at DESC)",
        "order_line_items USING btree (order_id)",
        "WHERE (published_at IS NULL)",
        "UNIQUE INDEX users_email_key ON public.users USING btree (email_folded)",
        "UNIQUE INDEX cart_records_one_active_per_buyer",
        "(vendor_store_id, code_folded)",
    ] {
        let found = indexes.iter().filter(|index| index.contains(wanted));
        assert_eq!(found.count(), 1, "{wanted} in {indexes:#?}");
    }
}

#[tokio::test]
async fn only_the_columns_of_the_design_may_be_null() {
    let database = Database::create().await;
    let nullable = "select table_name || '.' || column_name from information_schema.columns
                    where table_schema = 'public' and is_nullable = 'YES' order by 1";
    assert_eq!(
        list(&database, nullable).await,
        [
            "cart_items.image_url",
            "cart_items.max_qty",
            "cart_items.volume_discount_min_qty",
            "cart_items.volume_discount_percent",
            "cart_records.converted_at",
            "cart_records.shipping_address",
            "licenses.expires_on",
            "licenses.issued_on",
            "order_line_items.rejection_detail",
            "order_line_items.rejection_reason",
            "outbox_backlog.dead_at",
            "outbox_backlog.last_error",
            "outbox_dead_letters.actor_store_id",
            "outbox_dead_letters.actor_user_id",
            "outbox_dead_letters.last_error",
            "outbox_dead_letters.published_at",
            "outbox_dead_letters.seq",
            "outbox_dead_letters.traceparent",
            "outbox_events.actor_store_id",
            "outbox_events.actor_user_id",
            "outbox_events.last_error",
            "outbox_events.published_at",
            "outbox_events.seq",
            "outbox_events.traceparent",
            "outbox_sequencing.primary_sink",
            "outbox_sinks.claimed_by",
            "outbox_sinks.claimed_until",
            "outbox_sinks.last_error",
            "products.buyer_limit_days",
            "products.buyer_limit_qty",
            "products.image_url",
            "products.max_qty",
            "store_discounts.ends_at",
            "stores.address",
            "vendor_orders.rejection_reason",
            "webhook_deliveries.at",
            "webhook_deliveries.claimed_until",
            "webhook_deliveries.duration_ms",
            "webhook_deliveries.error",
            "webhook_deliveries.outcome",
            "webhook_deliveries.source_event_id",
            "webhook_deliveries.status",
            "webhook_endpoints.disabled_at",
            "webhook_endpoints.disabled_reason",
            "webhook_endpoints.failing_since",
            "webhook_endpoints.old_secret",
            "webhook_endpoints.old_secret_until",
        ]
    );
}

#[tokio::test]
async fn columns_have_the_types_of_the_design() {
    let database = Database::create().await;
    let numbers = "
        select table_name || '.' || column_name || ' ' || numeric_precision || ',' || numeric_scale
        from information_schema.columns
        where table_schema = 'public' and data_type = 'numeric'
        and (numeric_precision, numeric_scale) <> (14, 2) order by 1";
    assert_eq!(
        list(&database, numbers).await,
        [
            "cart_items.volume_discount_percent 7,4",
            "cart_vendor_discounts.value 14,4",
            "product_volume_discounts.discount_percent 7,4",
            "store_discounts.value 14,4",
        ]
    );
    for (what, query) in [
        (
            "times without a zone, floats, enums, lists, ids made by the database, and bigints, but for \
             what counts without end or lists words",
            "select count(*) from information_schema.columns
             where table_schema = 'public' and table_name not like '\\_sqlx%'
             and (data_type not in ('uuid', 'text', 'character', 'boolean', 'integer', 'smallint',
                    'numeric', 'date', 'jsonb', 'bytea', 'timestamp with time zone')
                or data_type = 'uuid' and column_default is not null
                or is_identity = 'YES' or column_default like 'nextval%')
             and (table_name, column_name) not in
                (('inventory_items', 'fulfilled_qty'), ('inventory_items', 'version'),
                 ('outbox_events', 'seq'), ('outbox_dead_letters', 'seq'),
                 ('outbox_sinks', 'position'), ('outbox_backlog', 'seq'),
                 ('webhook_deliveries', 'position'), ('webhook_endpoints', 'event_types'))",
        ),
        (
            "tables without a time of creation",
            "select count(*) from pg_class c
             where relnamespace = 'public'::regnamespace and relkind = 'r'
             and relname not like '\\_sqlx%' and not exists (
                select from pg_attribute a where a.attrelid = c.oid and attname = 'created_at')",
        ),
        (
            "triggers, functions, and sequences but those of events and webhooks, which make no keys",
            "select (select count(*) from pg_trigger where not tgisinternal)
                + (select count(*) from pg_class
                    where relkind = 'S' and relnamespace = 'public'::regnamespace
                    and relname not in ('outbox_events_seq', 'webhook_deliveries_position_seq'))
                + (select count(*) from pg_proc where pronamespace = 'public'::regnamespace)",
        ),
        (
            "deferred constraints",
            "select count(*) from pg_constraint where condeferrable",
        ),
    ] {
        assert_eq!(database.count(query).await, 0, "{what}");
    }
}
