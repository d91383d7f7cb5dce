//! The role that serves: all of the service works with its rights, and it has no others.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, PgConnection, error::DatabaseError,
    postgres::PgConnectOptions,
};
use uuid::Uuid;

use crate::support::{
    Buyer, Database, Market, Product, Redis, Server, Vendor,
    client::fresh_key,
    market::item,
    server::{refusal_to_start, splitcart},
    wait,
};

/// A database, and a role that may serve it.
struct Granted {
    database: Database,
    role: String,
    url: String,
}

impl Granted {
    async fn new() -> Self {
        let database = Database::create().await;
        let options = database.url.parse::<PgConnectOptions>().unwrap();
        // Roles belong to the whole server.
        let role = format!("serving \"{}\"", options.get_database().unwrap());
        database.run(&create_role(&role)).await;
        let granted = grant(&database, &role);
        assert!(granted.is_empty(), "{granted}");
        let url = options.username(&role).to_url_lossy().to_string();
        Self {
            database,
            role,
            url,
        }
    }

    async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }
}

fn create_role(name: &str) -> String {
    format!("create role \"{}\" login", name.replace('"', "\"\""))
}

/// Runs `splitcart migrate --grant-to`, without any Redis; returns its complaints.
fn grant(database: &Database, role: &str) -> String {
    let mut command = splitcart("migrate");
    command
        .args(["--grant-to", role])
        .env("SPLITCART_DATABASE_URL", &database.url);
    let output = command.output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.success(), told.is_empty(), "{told}");
    told
}

const SETTINGS: [(&str, &str); 2] = [
    ("SPLITCART_DATABASE_MIGRATE_ON_START", "false"),
    ("SPLITCART_OUTBOX_RETENTION", "1day"),
];

/// Counts a product, and one that was never counted, whose row is inserted.
async fn count_stock(market: &Market, server: &Server, product: Product) {
    let never_counted = market.product(product.vendor, 300, 0).await;
    let remove = format!(
        "delete from inventory_items where product_id = '{}'",
        never_counted.id
    );
    market.database.run(&remove).await;
    let shop = Buyer {
        user_id: Uuid::now_v7(),
        store_id: product.vendor.store_id,
    };
    let vendor = server.client(&market.colleague(&shop, "ops").await);
    let count = json!([
        { "product_id": product.id, "delta_qty": 1, "low_stock_threshold": 3 },
        { "product_id": never_counted.id, "on_hand_qty": 4 },
    ]);
    let counted = crate::inventory::count(&vendor, count.as_array().unwrap()).await;
    for told in crate::inventory::results(&counted) {
        assert_eq!(told["result"], "changed");
    }
    assert_eq!(vendor.get(crate::inventory::PATH).await.status, 200);
}

/// For the sweepers, which run at once.
const EXPIRED_ROWS: &str = "
    insert into cart_put_keys (
        scope, cart_id, request_fingerprint, response_body, created_at, expires_at)
    values (gen_random_uuid(), gen_random_uuid(), '', '', now() - interval '9 days',
        now() - interval '1 day');
    insert into inventory_keys (
        scope, request_fingerprint, response_body, created_at, expires_at)
    values (gen_random_uuid(), '', '', now() - interval '9 days', now() - interval '1 day');
    insert into outbox_events (id, event_type, aggregate_type, aggregate_id, payload,
        created_at, published_at)
    values ('019412c8-0000-7000-8000-000000000001', 'order_created', 'checkout_group',
        gen_random_uuid(), '{}', now() - interval '9 days', now() - interval '8 days')";

/// The vendor accepts and fulfils an order.
async fn move_orders(market: &Market, server: &Server, vendor: Vendor, order: &Value) {
    let person = Buyer {
        user_id: Uuid::now_v7(),
        store_id: vendor.store_id,
    };
    let vendor = server.client(&market.colleague(&person, "ops").await);
    let accepted = crate::moves::accept(&vendor, order).await;
    assert_eq!(accepted.status, 200, "{}", accepted.text());
    let fulfilled = crate::moves::fulfil(&vendor, order).await;
    assert_eq!(fulfilled.status, 200, "{}", fulfilled.text());
}

#[tokio::test]
async fn all_of_the_service_works_as_a_role_that_owns_nothing() {
    let granted = Granted::new().await;
    let market = Market::new(granted.database);
    let redis = Redis::start().await;
    market.database.run(EXPIRED_ROWS).await;
    let server = Server::start(&granted.url, &redis.url, &SETTINGS).await;
    let (ready, reasons) = server.operations("/readyz").await;
    assert_eq!(ready, 200, "{reasons}");

    let client = server.client(&market.buyer().await);
    let (plenty, short) = (
        market.sold_product(500, 90).await,
        market.sold_product(700, 9).await,
    );
    market.tier(plenty, 2, "5").await;
    market.discount(plenty.vendor, "SPRING", "fixed", "1").await;
    let cart = json!({
        "items": [item(plenty, 2), item(short, 5)],
        "discounts": [{ "vendor_store_id": plenty.vendor.store_id, "code": "spring" }],
        "totals": { "subtotal": "45.00", "discount_total": "1.50", "total": "43.50" },
    });
    let key = fresh_key();
    let first = client.put_cart(&key, &cart).await;
    assert_eq!(first.status, 200, "{}", first.text());
    redis.empty().await;
    assert!(client.put_cart(&key, &cart).await.is_replay());
    let cart_id = client.freeze(&cart).await;
    assert_eq!(client.get_cart().await.status, 200);
    let preview = json!({ "cart_id": cart_id });
    let preview = client
        .request(reqwest::Method::POST, "/api/v1/checkout/preview")
        .json(&preview);
    assert_eq!(crate::support::Client::send(preview).await.status, 200);

    // One line falls short; another session holds another row for a while.
    market.stock(short, 1).await;
    let held = market.hold_stock(plenty).await;
    let key = fresh_key();
    let refused = client.check_out(&key, cart_id).await;
    assert_eq!(refused.status, 503, "{}", refused.text());
    held.rollback().await.unwrap();
    let mut store = market.database.pool.begin().await.unwrap();
    sqlx::query("select from stores where id = $1 for update")
        .bind(plenty.vendor.store_id)
        .execute(&mut *store)
        .await
        .unwrap();
    let refused = client.check_out(&key, cart_id).await;
    assert_eq!(refused.status, 503, "{}", refused.text());
    store.rollback().await.unwrap();
    let mut bought = client.check_out(&key, cart_id).await;
    wait::until("nothing is held any more", async || {
        if bought.status == 503 {
            bought = client.check_out(&key, cart_id).await;
        }
        bought.status != 503
    })
    .await;
    assert_eq!(bought.status, 201, "{}", bought.text());
    redis.empty().await;
    assert!(client.check_out(&key, cart_id).await.is_replay());
    let group = bought.data()["checkout_group_id"].clone();
    let group = format!("/api/v1/checkout-groups/{}", group.as_str().unwrap());
    let order = bought.data()["vendor_orders"][0]["order_id"].clone();
    let order = format!("/api/v1/orders/{}", order.as_str().unwrap());
    for path in [
        &group,
        &order,
        "/api/v1/orders",
        "/api/v1/orders?status=created_pending",
    ] {
        assert_eq!(client.get(path).await.status, 200, "{path}");
    }

    let orders = bought.data()["vendor_orders"].clone();
    let mut orders = orders.as_array().unwrap().iter();
    let reserved = orders.find(|order| order["status"] == "created_pending");
    move_orders(&market, &server, plenty.vendor, reserved.unwrap()).await;
    count_stock(&market, &server, plenty).await;
    let published =
        "select count(*) from outbox_events where published_at > now() - interval '1 hour'";
    wait::until("the events are published", async || {
        market.database.count(published).await == 3
    })
    .await;
    let old = "select (select count(*) from cart_put_keys where expires_at < now())
        + (select count(*) from inventory_keys where expires_at < now())
        + (select count(*) from outbox_events where created_at < now() - interval '1 day')";
    wait::until("what is old is swept", async || {
        market.database.count(old).await == 0
    })
    .await;
    let log = server.log().join("\n");
    assert!(!log.contains("permission denied"), "{log}");
    assert!(!log.contains("superuser"), "{log}");
}

/// Statements of the service that the test above runs too rarely or not at all.
#[tokio::test]
async fn the_rarer_statements_of_the_service_are_granted_too() {
    let granted = Granted::new().await;
    let mut connection = granted.connect().await;
    for statement in [
        // An expired key that is used again; a dead letter.
        "update idempotency_keys set expires_at = now()",
        "insert into outbox_dead_letters (id, event_type, aggregate_type, aggregate_id, payload,
            created_at, attempts, next_attempt_at, reason)
         values (gen_random_uuid(), 'x', 'x', gen_random_uuid(), '{}', now(), 1, now(), 'max_attempts')",
        "delete from outbox_events where attempts = 7",
        "select id from users for key share skip locked",
        "select id from stores for key share skip locked",
        "select id from products for key share skip locked",
    ] {
        sqlx::raw_sql(statement)
            .execute(&mut connection)
            .await
            .unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
    splitcart::db::incarnation::read(&mut connection)
        .await
        .unwrap();
    splitcart::db::server::settings(&mut connection)
        .await
        .unwrap();
    splitcart::db::idempotency::sweep_expired(&mut connection, 10)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_role_that_serves_can_do_no_more() {
    let granted = Granted::new().await;
    let mut connection = granted.connect().await;
    let owner: String = sqlx::query_scalar("select current_user::text")
        .fetch_one(&granted.database.pool)
        .await
        .unwrap();
    let set_role = format!("set role {owner}");
    for statement in [
        // Changes of the schema.
        "create table mine (id integer)",
        "create schema mine",
        "create function mine() returns integer language sql as 'select 1'",
        "alter table users add column mine integer",
        "drop table cart_items",
        "truncate cart_items",
        "create index on users (email)",
        "create trigger mine before update on users execute function suppress_redundant_updates_trigger()",
        // Rows that only the owner writes.
        "insert into users (id, email, full_name, is_active) values (gen_random_uuid(), '', '', true)",
        "update users set is_active = true",
        "update store_memberships set role = 'owner'",
        "update stores set kyc_status = 'verified'",
        "update licenses set status = 'verified'",
        "update subscriptions set status = 'active'",
        "update products set price = 0",
        "update store_discounts set value = 100",
        "insert into product_volume_discounts (id, product_id, min_qty, discount_percent)
         select gen_random_uuid(), id, 1, 100 from products",
        "insert into inventory_items (product_id, vendor_store_id, available_qty, reserved_qty)
         values (gen_random_uuid(), gen_random_uuid(), 1, 0)",
        "update inventory_items set product_id = gen_random_uuid()",
        "delete from inventory_items",
        "delete from users",
        "delete from stores",
        "delete from products",
        "delete from licenses",
        // Rows of purchases.
        "update checkout_groups set buyer_store_id = gen_random_uuid()",
        "update vendor_orders set vendor_store_id = gen_random_uuid()",
        "update order_line_items set qty = 1",
        "update payment_intents set method = 'ach'",
        "delete from checkout_groups",
        "delete from vendor_orders",
        "delete from order_line_items",
        "delete from payment_intents",
        "delete from cart_records",
        "update _sqlx_migrations set success = false",
        "delete from _sqlx_migrations",
        // Access to the server itself.
        "copy (select 1) to program 'true'",
        "copy (select 1) to '/tmp/splitcart-was-here'",
        "select pg_read_file('/etc/hostname')",
        "select pg_ls_dir('/')",
        "select lo_import('/etc/hostname')",
        "select rolpassword from pg_authid",
        "create role mine",
        "alter system set fsync = off",
        "create extension dblink",
        "create database mine",
        &set_role,
    ] {
        let error = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
            .execute(&mut connection)
            .await
            .expect_err(statement);
        let code = error.as_database_error().and_then(DatabaseError::code);
        assert_eq!(code.as_deref(), Some("42501"), "{statement}: {error}");
    }
    let options = "select count(*) from pg_roles where rolname = $1
        and (rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls)";
    let may: i64 = sqlx::query_scalar(options)
        .bind(&granted.role)
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(may, 0);
}

/// After the grant a role has exactly the rights that serving needs, whatever was granted before.
#[tokio::test]
async fn what_a_role_could_do_besides_is_taken_from_it() {
    let granted = Granted::new().await;
    let role = granted.role.replace('"', "\"\"");
    granted
        .database
        .run(&format!(
            "grant all on all tables in schema public to \"{role}\";
             grant update (price) on products to \"{role}\";
             grant create on schema public to \"{role}\""
        ))
        .await;
    assert_eq!(grant(&granted.database, &granted.role), "");
    let mut connection = granted.connect().await;
    for statement in [
        "delete from users",
        "update products set price = 0",
        "create table mine (id integer)",
    ] {
        let error = sqlx::raw_sql(statement)
            .execute(&mut connection)
            .await
            .expect_err(statement);
        assert!(error.to_string().contains("permission denied"), "{error}");
    }
}

#[tokio::test]
async fn a_role_that_is_not_there_or_may_do_everything_is_refused_with_a_sentence() {
    let database = Database::create().await;
    let options = database.url.parse::<PgConnectOptions>().unwrap();
    let name = options.get_database().unwrap();
    let told = grant(&database, "nobody-of-that-name");
    assert!(
        told.contains("create it first, as in `create role"),
        "{told}"
    );
    let told = grant(&database, options.get_username());
    assert!(told.contains("is a superuser"), "{told}");
    let owner = format!("owner_of_{name}");
    database
        .run(&format!(
            "create role {owner} login; alter table users owner to {owner}"
        ))
        .await;
    let told = grant(&database, &owner);
    assert!(told.contains("owner of the tables"), "{told}");
}

/// The settings of a role that may not migrate.
#[tokio::test]
async fn a_role_that_serves_and_is_to_migrate_is_told_what_it_lacks() {
    let bare = Database::create_bare().await;
    let options = bare.url.parse::<PgConnectOptions>().unwrap();
    let role = format!("stranger_to_{}", options.get_database().unwrap());
    bare.run(&create_role(&role)).await;
    let url = options.username(&role).to_url_lossy().to_string();
    let told = refusal_to_start(&[("SPLITCART_DATABASE_URL", &url)]);
    assert!(told.contains("must own the database"), "{told}");
    assert!(told.contains("splitcart migrate --grant-to ROLE"), "{told}");
    assert!(!told.contains("at line"), "{told}");
}

/// A private server migrates as the owner, and serves as a role with fewer rights.
#[tokio::test]
async fn a_private_server_serves_as_a_role_that_owns_nothing() {
    let dir = tempfile::Builder::new()
        .prefix("splitcart-serve-")
        .tempdir()
        .unwrap();
    let data_dir = dir.path().join("data");
    let server = Server::start_embedded(&data_dir).await;
    let url = format!(
        "postgres:///splitcart?host={}/run&user=splitcart",
        data_dir.display()
    );
    let mut owner = PgConnection::connect(&url).await.unwrap();
    let roles = "select array_agg(distinct usename::text) from pg_stat_activity
        where application_name like 'splitcart %'";
    wait::until("its pools are connected", async || {
        let roles: Option<Vec<String>> = sqlx::query_scalar(roles)
            .fetch_one(&mut owner)
            .await
            .unwrap();
        roles.is_some_and(|roles| roles == ["splitcart_serving"])
    })
    .await;
    assert_eq!(server.operations("/readyz").await.0, 200);
    let log = server.log();
    let of_the_start = log
        .iter()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let said: Vec<_> = of_the_start.map(|line| line["message"].clone()).collect();
    assert!(
        said.iter()
            .any(|it| it.as_str().is_some_and(|it| it.contains("migrations"))),
        "{said:?}"
    );
    let tcp: i64 = sqlx::query_scalar(
        "select count(*) from pg_hba_file_rules where type like 'host%' and auth_method <> 'reject'",
    )
    .fetch_one(&mut owner)
    .await
    .unwrap();
    assert_eq!(tcp, 0, "no role may connect over TCP");
    tokio::time::timeout(Duration::from_secs(5), owner.close())
        .await
        .unwrap()
        .unwrap();
}
