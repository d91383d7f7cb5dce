//! Queries of the comparison, on a database of its own.

use splitcart::db::error::{Doing, Error};
use splitcart::domain::ids::VendorStoreId;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

/// Ids as the application makes them: version 7, so that they ascend as ours do.
const CREATE_ID: &str = "
    create or replace function textbook_id() returns uuid language sql volatile as $$
        select encode(
            set_bit(
                set_bit(
                    overlay(
                        uuid_send(gen_random_uuid())
                        placing substring(
                            int8send((extract(epoch from clock_timestamp()) * 1000)::bigint)
                            from 3)
                        from 1 for 6),
                    52, 1),
                53, 1),
            'hex')::uuid
    $$";

/// The value of a setting of PostgreSQL's.
pub async fn setting(connection: &mut PgConnection, name: &'static str) -> Result<String, Error> {
    let show = AssertSqlSafe(format!("show {name}"));
    sqlx::query_scalar(show)
        .fetch_one(connection)
        .await
        .doing("read a setting")
}

/// Fills the stock of every product.
pub async fn fill_stock(connection: &mut PgConnection, available_qty: i32) -> Result<(), Error> {
    sqlx::query("update inventory_items set available_qty = $1")
        .bind(available_qty)
        .execute(connection)
        .await
        .doing("fill the stock")?;
    Ok(())
}

/// Lets a vendor's subscription end within a day.
pub async fn end_subscription_soon(
    connection: &mut PgConnection,
    vendor: VendorStoreId,
) -> Result<(), Error> {
    sqlx::query(
        "update subscriptions set current_period_end = now() + interval '20 hours' \
         where vendor_store_id = $1",
    )
    .bind(vendor)
    .execute(connection)
    .await
    .doing("let a subscription end soon")?;
    Ok(())
}

/// Makes the table of the carts that the textbook buys.
pub async fn create_textbook_carts(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::query("create table textbook_carts (nr integer primary key, cart_id uuid not null)")
        .execute(connection)
        .await
        .doing("make the textbook's table")?;
    Ok(())
}

/// Fills that table, in the order in which the carts were made, so that neighbours are bought at about
/// the same time.
pub async fn number_textbook_carts(connection: &mut PgConnection) -> Result<(), Error> {
    for statement in [
        CREATE_ID,
        "insert into textbook_carts \
         select row_number() over (order by id), id from cart_records where status = 'active'",
        "vacuum (analyze) textbook_carts",
    ] {
        sqlx::query(statement)
            .execute(&mut *connection)
            .await
            .doing("number the textbook's carts")?;
    }
    Ok(())
}

/// An answer that ours has given, for the textbook to write.
pub async fn an_answer(connection: &mut PgConnection) -> Result<String, Error> {
    sqlx::query_scalar(
        "select convert_from(response_body, 'UTF8') from idempotency_keys order by key limit 1",
    )
    .fetch_one(connection)
    .await
    .doing("read an answer")
}

/// The groups and lines that were bought.
pub async fn bought(connection: &mut PgConnection) -> Result<(i64, i64), Error> {
    sqlx::query_as(
        "select (select count(*) from checkout_groups), (select count(*) from order_line_items)",
    )
    .fetch_one(connection)
    .await
    .doing("count what was bought")
}

/// Writes carts of one line, of the vendor's first product, whatever the vendor may sell.
pub async fn write_carts_of(
    connection: &mut PgConnection,
    vendor: VendorStoreId,
    carts: &[Uuid],
    stores: &[Uuid],
    users: &[Uuid],
) -> Result<(), Error> {
    sqlx::query(
        "with product as (
            select p.*, p.price * p.moq as total
            from products p
            where p.vendor_store_id = $1 and p.is_active
            order by p.id
            limit 1
        ),
        carts as (
            insert into cart_records (
                id, buyer_store_id, created_by, subtotal, discount_total, total)
            select c.id, c.store_id, c.user_id, p.total, 0, p.total
            from unnest($2::uuid[], $3::uuid[], $4::uuid[]) as c (id, store_id, user_id), product p
            returning id
        )
        insert into cart_items (
            id, cart_id, position, product_id, vendor_store_id, sku, title, unit, image_url, qty,
            moq, max_qty, list_price, unit_price, line_subtotal, line_discount, line_total)
        select
            gen_random_uuid(), c.id, 0, p.id, p.vendor_store_id, p.sku, p.title, p.unit,
            p.image_url, p.moq, p.moq, p.max_qty, p.price, p.price, p.total, 0, p.total
        from carts c, product p",
    )
    .bind(vendor)
    .bind(carts)
    .bind(stores)
    .bind(users)
    .execute(connection)
    .await
    .doing("write the probe's carts")?;
    Ok(())
}
