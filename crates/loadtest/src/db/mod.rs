//! Everything that `splitcart loadtest` reads from the database and writes to it.
//!
//! Only this crate uses it. It may take its time: nothing here is on the path of a request.

pub mod compare;
pub mod events;
pub mod faults;
pub mod late;
mod outcome;
pub mod past;
mod rows;

use sqlx::PgConnection;
use uuid::Uuid;

use splitcart::{
    db::error::{Doing, Error},
    domain::ids::{BuyerStoreId, ProductId, UserId, VendorStoreId},
};

pub use outcome::{Bought, Stock, count_bought, stock_of, units_of};
pub use rows::CartRow;

/// The number of events that are not published yet.
pub async fn unpublished(connection: &mut PgConnection) -> Result<i64, Error> {
    sqlx::query_scalar("select count(*) from outbox_events where published_at is null")
        .fetch_one(connection)
        .await
        .doing("count the unpublished events")
}

/// Something that can be put into a cart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    pub product_id: ProductId,
    pub vendor_store_id: VendorStoreId,
    /// The least quantity that is sold at once.
    pub moq: i32,
    /// The greatest quantity that is sold at once.
    pub max_qty: Option<i32>,
}

/// Which vendors' products are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vendors {
    /// Those who may sell to a buyer in the state.
    MaySell,
    /// All, whether they may sell or not.
    Any,
}

/// The active products of vendors, in ascending id.
pub async fn find_offers(
    connection: &mut PgConnection,
    state: &str,
    vendors: Vendors,
) -> Result<Vec<Offer>, Error> {
    sqlx::query_as!(
        Offer,
        r#"
        with sellers as (
            select s.id
            from stores s
            where s.type = 'vendor'
                and ($2 or (
                    s.state = $1
                    and s.kyc_status = 'verified'
                    and exists (
                        select
                        from subscriptions u
                        where u.vendor_store_id = s.id
                            and u.status in ('trialing', 'active')
                            -- Not only now, but until the test is over.
                            and u.current_period_end > now() + interval '1 day')
                    and exists (
                        select
                        from licenses l
                        where l.store_id = s.id
                            and l.status = 'verified'
                            and l.issuing_state = s.state
                            and coalesce(l.expires_on > current_date, true))))
        )
        select
            p.id as "product_id: ProductId",
            p.vendor_store_id as "vendor_store_id: VendorStoreId",
            p.moq,
            p.max_qty
        from products p
        join sellers on sellers.id = p.vendor_store_id
        where p.is_active
            -- Buyers come back in some modes.
            and p.buyer_limit_qty is null
        order by p.id
        "#,
        state,
        vendors == Vendors::Any,
    )
    .fetch_all(connection)
    .await
    .doing("read the catalogue")
}

/// A person who may decide about a vendor's orders.
#[derive(Clone, Copy, Debug)]
pub struct Owner {
    pub vendor_store_id: VendorStoreId,
    pub user_id: UserId,
}

/// An active owner of each of the vendors that have one.
pub async fn owners_of(
    connection: &mut PgConnection,
    vendors: &[VendorStoreId],
) -> Result<Vec<Owner>, Error> {
    sqlx::query_as!(
        Owner,
        r#"
        select distinct on (store_id)
            store_id as "vendor_store_id: VendorStoreId",
            user_id as "user_id: UserId"
        from store_memberships
        where store_id = any($1)
            and role = 'owner'
            and status = 'active'
        order by store_id, user_id
        "#,
        vendors as &[VendorStoreId],
    )
    .fetch_all(connection)
    .await
    .doing("look for the owners of vendors")
}

/// Those of the ids that are stores.
pub async fn known_stores(connection: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Uuid>, Error> {
    sqlx::query_scalar!("select id from stores where id = any($1)", ids)
        .fetch_all(connection)
        .await
        .doing("look for the test's buyers")
}

/// Those of the ids that are products.
pub async fn known_products(
    connection: &mut PgConnection,
    ids: &[Uuid],
) -> Result<Vec<Uuid>, Error> {
    sqlx::query_scalar!("select id from products where id = any($1)", ids)
        .fetch_all(connection)
        .await
        .doing("look for the products of the vendor that counts its stock")
}

/// Removes the buyers' active carts, which an earlier test has left; returns how many there were.
pub async fn remove_active_carts(
    connection: &mut PgConnection,
    buyers: &[BuyerStoreId],
) -> Result<u64, Error> {
    let removed = sqlx::query_scalar!(
        r#"
        with removed as (
            delete from cart_records
            where status = 'active'
                and buyer_store_id = any($1)
            returning id
        ),
        -- Their keys point at nothing any more.
        keys as (
            delete from cart_put_keys k using removed r where k.cart_id = r.id
        )
        select count(*) as "count!" from removed
        "#,
        buyers as &[BuyerStoreId],
    )
    .fetch_one(connection)
    .await
    .doing("remove the carts of an earlier test")?;
    Ok(removed.unsigned_abs())
}

/// Puts so much into the stock of each product. What is reserved stays, and leaves less room.
pub async fn restock(
    connection: &mut PgConnection,
    products: &[ProductId],
    qty: i32,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        with wanted as (
            select i.product_id
            from inventory_items i
            where i.product_id = any($1)
            order by i.product_id
            for update
        )
        update inventory_items i
        set
            available_qty = least($2, 2147483647 - i.reserved_qty),
            updated_at = now()
        from wanted
        where i.product_id = wanted.product_id
        "#,
        products as &[ProductId],
        qty,
    )
    .execute(connection)
    .await
    .doing("restock products")?;
    Ok(())
}

/// Leaves the tables as a long-lived server would find them: planned for what is in them, without
/// work for the first readers.
pub async fn settle(connection: &mut PgConnection) -> Result<(), Error> {
    for statement in [
        "vacuum (analyze) users, stores, store_memberships, licenses, products, inventory_items",
        "vacuum (analyze) cart_records, cart_items",
    ] {
        vacuum(connection, statement).await?;
    }
    Ok(())
}

/// The same for the tables of orders.
pub async fn settle_orders(connection: &mut PgConnection) -> Result<(), Error> {
    let statement = "vacuum (analyze) checkout_groups, vendor_orders, order_line_items, payment_intents, \
                     inventory_items";
    vacuum(connection, statement).await
}

async fn vacuum(connection: &mut PgConnection, statement: &'static str) -> Result<(), Error> {
    sqlx::query(statement)
        .execute(connection)
        .await
        .doing("vacuum what was prepared")?;
    Ok(())
}
pub mod soak;
