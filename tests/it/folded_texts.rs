//! Discount codes and e-mail addresses are compared as Unicode folds them, in any locale of the database.

use serde_json::{Value, json};
use splitcart::{db::migrations::MIGRATIONS, domain::folding::Folded};
use sqlx::PgConnection;

use crate::support::{
    Client, Database, Market, Product, Redis, Reply, Server, World,
    client::fresh_key,
    market::{cart_of, money},
};

/// A cart of one unit for 5.00, with a code that takes 1.00 off.
fn cart_with(product: Product, code: &str) -> Value {
    let mut cart = cart_of(&[(product, 1)]);
    cart["discounts"] = json!([{ "vendor_store_id": product.vendor.store_id, "code": code }]);
    cart["totals"]["discount_total"] = json!(money(100));
    cart["totals"]["total"] = json!(money(400));
    cart
}

async fn put_with(client: &Client, product: Product, code: &str) -> Reply {
    client
        .put_cart(&fresh_key(), &cart_with(product, code))
        .await
}

/// Codes as they are in the database, and as a buyer types them.
const SAME: [(&str, &str); 12] = [
    ("ÉTÉ10", "été10"),
    ("ÉTÉ10", "E\u{301}TE\u{301}10"),
    ("e\u{301}te\u{301}10", "ÉTÉ10"),
    ("SPRING", "spring"),
    ("SPRING", "  Spring\u{a0}"),
    ("straße", "STRASSE"),
    ("GROẞ", "gross"),
    ("ＦＵＬＬ", "full"),
    ("ΣΊΣΥΦΟΣ", "σίσυφος"),
    ("ﬁx", "FIX"),
    ("INDIGO", "indigo"),
    ("İZMİR", "i̇zmi̇r"),
];

/// Codes with letters that fold to different ones: two codes each.
const APART: [(&str, &str); 3] = [("I10", "ı10"), ("ETE10", "ÉTÉ10"), ("İ10", "i10")];

async fn assert_codes_are_folded(market: &Market, server: &Server) {
    let client = server.client(&market.buyer().await);
    for (code, typed) in SAME {
        let product = market.sold_product(500, 99).await;
        market.discount(product.vendor, code, "fixed", "1.00").await;
        let reply = put_with(&client, product, typed).await;
        assert_eq!(reply.status, 200, "{code} by {typed}: {}", reply.text());
        // The answer has the vendor's spelling.
        let granted = &reply.data()["vendor_groups"][0]["store_discount"];
        assert_eq!(granted["code"], code);
    }
    for (code, typed) in APART {
        let product = market.sold_product(500, 99).await;
        market.discount(product.vendor, code, "fixed", "1.00").await;
        let reply = put_with(&client, product, typed).await;
        assert_eq!(reply.status, 422, "{code} by {typed}");
        assert!(
            reply
                .violations()
                .contains(&"discount_not_found".to_owned())
        );
        // Both codes can exist.
        market
            .discount(product.vendor, typed, "fixed", "1.00")
            .await;
        assert_eq!(
            put_with(&client, product, typed).await.status,
            200,
            "{typed}"
        );
    }
}

#[tokio::test]
async fn a_code_is_found_however_it_is_cased_composed_and_surrounded_by_spaces() {
    let world = World::start().await;
    assert_codes_are_folded(&world.market, &world.server).await;
}

#[tokio::test]
async fn a_code_is_found_in_a_database_of_a_turkish_locale() {
    let database = Database::create_in_icu_locale("tr-TR").await;
    let upper: String = sqlx::query_scalar("select upper('i') || lower('I')")
        .fetch_one(&database.pool)
        .await
        .unwrap();
    assert_eq!(upper, "İı", "the database folds as Turkish does");
    let redis = Redis::start().await;
    let server = Server::start(&database.url, &redis.url, &[]).await;

    assert_codes_are_folded(&Market::new(database), &server).await;
}

async fn folded_columns(connection: &mut PgConnection) -> Vec<(String, String)> {
    sqlx::query_as(
        "select email, email_folded from users
         union all select code, code_folded from store_discounts order by 1",
    )
    .fetch_all(connection)
    .await
    .unwrap()
}

/// A database from before the folded copies.
async fn unfolded(database: &Database) -> PgConnection {
    let mut connection = database.pool.acquire().await.unwrap().detach();
    MIGRATIONS.run_to(11, &mut connection).await.unwrap();
    connection
}

const EMAILS: [&str; 4] = [
    "Anna@Example.com",
    "ÅSA@EXAMPLE.SE",
    "jose\u{301}@example.es",
    "I@i.com",
];
const CODES: [&str; 5] = ["ÉTÉ10", "SPRING", "İZMİR", " padded ", "ı10"];

async fn insert_unfolded(connection: &mut PgConnection, emails: &[&str], codes: &[&str]) {
    sqlx::query(
        "insert into users (id, email) select gen_random_uuid(), unnest from unnest($1::text[])",
    )
    .bind(emails)
    .execute(&mut *connection)
    .await
    .unwrap();
    sqlx::query(
        "with vendor as (
            insert into stores (id, type, name, state)
            values (gen_random_uuid(), 'vendor', 'V', 'OK') returning id
         )
         insert into store_discounts (id, vendor_store_id, code, kind, value)
         select gen_random_uuid(), v.id, c, 'fixed', 1 from vendor v, unnest($1::text[]) as c",
    )
    .bind(codes)
    .execute(connection)
    .await
    .unwrap();
}

#[tokio::test]
async fn what_was_written_before_is_folded_when_the_database_is_migrated() {
    for database in [Database::create_bare().await, bare_turkish().await] {
        let mut connection = unfolded(&database).await;
        insert_unfolded(&mut connection, &EMAILS, &CODES).await;

        splitcart::db::migrations::migrate(&mut connection)
            .await
            .unwrap();

        let columns = folded_columns(&mut connection).await;
        assert_eq!(columns.len(), EMAILS.len() + CODES.len());
        for (text, folded) in columns {
            assert_eq!(folded, Folded::of(&text).as_str(), "{text}");
        }
    }
}

async fn bare_turkish() -> Database {
    let database = Database::create_in_icu_locale("tr-TR").await;
    database
        .run("drop schema public cascade; create schema public")
        .await;
    database
}

#[tokio::test]
async fn texts_that_fold_to_the_same_are_named_and_nothing_is_changed() {
    let database = Database::create_bare().await;
    let mut connection = unfolded(&database).await;
    let emails = ["josé@example.es", "jose\u{301}@example.es"];
    insert_unfolded(
        &mut connection,
        &emails,
        &["ÉTÉ", "E\u{301}TE\u{301}", "ok"],
    )
    .await;

    let error = splitcart::db::migrations::migrate(&mut connection)
        .await
        .unwrap_err();

    let message = error.to_string();
    for named in [
        "josé@example.es",
        "été",
        "users ",
        "store_discounts ",
        "migrate again",
    ] {
        assert!(message.contains(named), "{message}");
    }
    let columns =
        "select count(*) from information_schema.columns where column_name like '%_folded'";
    assert_eq!(database.count(columns).await, 0);
    database.run("delete from users where email like 'jos_@%'; delete from store_discounts where code like 'É%'").await;
    splitcart::db::migrations::migrate(&mut connection)
        .await
        .unwrap();
}
