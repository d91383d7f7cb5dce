//! Carts: the active one of a buyer is replaced, read, locked for a checkout and converted.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, types::Json};

use crate::domain::{
    cart::{
        CartHead, CartLine, CartRecord, CartStatus, GrantedDiscount, PricedCart, ShippingAddress,
        Totals,
    },
    ids::{
        BuyerStoreId, CartId, CartItemId, CartVendorDiscountId, ProductId, StoreId, UserId,
        VendorStoreId,
    },
    money::{Money, Percent},
    pricing::{DiscountKind, DiscountTerms, LinePrice},
    product::{Unit, VolumeTier},
};

use super::error::{Doing, Error};

/// The identity of a cart that is about to be saved.
#[derive(Clone, Copy, Debug)]
pub struct NewCart {
    /// Used only if the buyer has no active cart yet.
    pub id: CartId,
    /// Whose cart.
    pub buyer_store_id: BuyerStoreId,
    /// Who sent it.
    pub user_id: UserId,
    /// When.
    pub now: DateTime<Utc>,
}

/// Creates the buyer's active cart or takes over the one that exists, and returns its head. The
/// row stays locked, so the lines may be replaced.
///
/// The partial unique index makes this safe: a parallel first PUT waits for ours and then takes
/// over its row; a PUT that waited for a checkout finds the cart converted, no longer in the index,
/// and starts a new one.
///
/// # Errors
/// The statement failed.
pub async fn upsert_active(
    connection: &mut PgConnection,
    new: NewCart,
    cart: &PricedCart,
) -> Result<CartHead, Error> {
    let row = sqlx::query!(
        r#"
        insert into cart_records as c (
            id, buyer_store_id, created_by, status, currency, subtotal, discount_total, total,
            shipping_address, version, created_at, updated_at)
        values ($1, $2, $3, 'active', $4, $5, $6, $7, $8, 1, $9, $9)
        on conflict (buyer_store_id) where status = 'active' do update
        set
            currency = excluded.currency,
            subtotal = excluded.subtotal,
            discount_total = excluded.discount_total,
            total = excluded.total,
            shipping_address = excluded.shipping_address,
            version = c.version + 1,
            updated_at = excluded.updated_at
        returning
            id as "id: CartId", created_by as "created_by: UserId", version, created_at, updated_at
        "#,
        new.id as CartId,
        new.buyer_store_id as BuyerStoreId,
        new.user_id as UserId,
        cart.currency,
        cart.totals.subtotal as Money,
        cart.totals.discount_total as Money,
        cart.totals.total as Money,
        cart.shipping_address.as_ref().map(Json) as _,
        new.now,
    )
    .fetch_one(connection)
    .await
    .doing("save the cart")?;
    Ok(CartHead {
        id: row.id,
        buyer_store_id: new.buyer_store_id,
        created_by: row.created_by,
        status: CartStatus::Active,
        currency: cart.currency.clone(),
        totals: cart.totals,
        shipping_address: cart.shipping_address.clone(),
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

/// Removes a cart's lines and discounts.
///
/// # Errors
/// The statement failed.
pub async fn clear_lines(connection: &mut PgConnection, cart_id: CartId) -> Result<(), Error> {
    sqlx::query!(
        r#"
        with discounts as (
            delete from cart_vendor_discounts where cart_id = $1
        )
        delete from cart_items where cart_id = $1
        "#,
        cart_id as CartId,
    )
    .execute(connection)
    .await
    .doing("remove the cart's old lines")?;
    Ok(())
}

/// Writes a cart's lines, in their order.
///
/// # Errors
/// The statement failed.
pub async fn insert_lines(
    connection: &mut PgConnection,
    cart_id: CartId,
    items: &[(CartItemId, CartLine)],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let ids: Vec<_> = items.iter().map(|(id, _)| *id).collect();
    let lines = || items.iter().map(|(_, line)| line);
    let tier = |line: &CartLine| line.price.tier;
    sqlx::query!(
        r#"
        insert into cart_items (
            cart_id, created_at, updated_at, id, product_id, vendor_store_id, sku, title, unit,
            image_url, qty, moq, max_qty, list_price, volume_discount_min_qty,
            volume_discount_percent, unit_price, line_subtotal, line_discount, line_total, position)
        select
            $1::uuid, $2::timestamptz, $2::timestamptz, n.id, n.product_id, n.vendor_store_id,
            n.sku, n.title, n.unit, n.image_url, n.qty, n.moq, n.max_qty, n.list_price,
            n.tier_min_qty, n.tier_percent, n.unit_price, n.subtotal, n.discount, n.total, n.nr - 1
        from unnest(
            $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::text[],
            $10::integer[], $11::integer[], $12::integer[], $13::numeric[], $14::integer[],
            $15::numeric[], $16::numeric[], $17::numeric[], $18::numeric[], $19::numeric[])
            with ordinality as n (
                id, product_id, vendor_store_id, sku, title, unit, image_url, qty, moq, max_qty,
                list_price, tier_min_qty, tier_percent, unit_price, subtotal, discount, total, nr)
        "#,
        cart_id as CartId,
        now,
        &ids as &[CartItemId],
        &lines().map(|line| line.product_id).collect::<Vec<_>>() as &[ProductId],
        &lines().map(|line| line.vendor_store_id).collect::<Vec<_>>() as &[VendorStoreId],
        &lines().map(|line| line.sku.clone()).collect::<Vec<_>>(),
        &lines().map(|line| line.title.clone()).collect::<Vec<_>>(),
        &lines().map(|line| line.unit).collect::<Vec<_>>() as &[Unit],
        &lines()
            .map(|line| line.image_url.clone())
            .collect::<Vec<_>>() as &[Option<String>],
        &lines().map(|line| line.qty).collect::<Vec<_>>(),
        &lines().map(|line| line.moq).collect::<Vec<_>>(),
        &lines().map(|line| line.max_qty).collect::<Vec<_>>() as &[Option<i32>],
        &lines()
            .map(|line| line.price.list_price)
            .collect::<Vec<_>>() as &[Money],
        &lines()
            .map(|line| tier(line).map(|it| it.min_qty))
            .collect::<Vec<_>>() as &[Option<i32>],
        &lines()
            .map(|line| tier(line).map(|it| it.discount_percent))
            .collect::<Vec<_>>() as &[Option<Percent>],
        &lines()
            .map(|line| line.price.unit_price)
            .collect::<Vec<_>>() as &[Money],
        &lines().map(|line| line.price.subtotal).collect::<Vec<_>>() as &[Money],
        &lines().map(|line| line.price.discount).collect::<Vec<_>>() as &[Money],
        &lines().map(|line| line.price.total).collect::<Vec<_>>() as &[Money],
    )
    .execute(connection)
    .await
    .doing("write the cart's lines")?;
    Ok(())
}

/// Writes a cart's store discounts.
///
/// # Errors
/// The statement failed.
pub async fn insert_discounts(
    connection: &mut PgConnection,
    cart_id: CartId,
    discounts: &[(CartVendorDiscountId, &GrantedDiscount)],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let ids: Vec<_> = discounts.iter().map(|(id, _)| *id).collect();
    let granted = || discounts.iter().map(|(_, granted)| *granted);
    sqlx::query!(
        r#"
        insert into cart_vendor_discounts (
            cart_id, created_at, updated_at, id, vendor_store_id, code, title, kind, value, amount)
        select $1::uuid, $2::timestamptz, $2::timestamptz, n.*
        from unnest(
            $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::numeric[],
            $9::numeric[]) as n
        "#,
        cart_id as CartId,
        now,
        &ids as &[CartVendorDiscountId],
        &granted().map(|it| it.vendor_store_id).collect::<Vec<_>>() as &[VendorStoreId],
        &granted().map(|it| it.code.clone()).collect::<Vec<_>>(),
        &granted().map(|it| it.title.clone()).collect::<Vec<_>>(),
        &granted().map(|it| it.terms.kind()).collect::<Vec<_>>() as &[DiscountKind],
        &granted().map(|it| it.terms.value()).collect::<Vec<_>>(),
        &granted().map(|it| it.amount).collect::<Vec<_>>() as &[Money],
    )
    .execute(connection)
    .await
    .doing("write the cart's discounts")?;
    Ok(())
}

/// The id of a buyer's active cart, if there is one.
///
/// # Errors
/// The statement failed.
pub async fn find_active(
    connection: &mut PgConnection,
    buyer_store_id: BuyerStoreId,
) -> Result<Option<CartHead>, Error> {
    let row = sqlx::query_as!(
        HeadRow,
        r#"
        select
            id as "id: CartId",
            buyer_store_id as "buyer_store_id: BuyerStoreId",
            created_by as "created_by: UserId",
            status as "status: CartStatus",
            currency,
            subtotal as "subtotal: Money",
            discount_total as "discount_total: Money",
            total as "total: Money",
            shipping_address as "shipping_address: Json<ShippingAddress>",
            version,
            created_at,
            updated_at
        from cart_records
        where buyer_store_id = $1
            and status = 'active'
        "#,
        buyer_store_id as BuyerStoreId,
    )
    .fetch_optional(connection)
    .await
    .doing("look for an active cart")?;
    Ok(row.map(HeadRow::into_head))
}

/// Locks carts in ascending id until the transaction ends; unknown ids are left out.
///
/// What depends on the carts must be read by later statements: only those see what the holder of a
/// lock that we waited for has written.
///
/// # Errors
/// The statement failed.
pub async fn lock(
    connection: &mut PgConnection,
    ids: &[CartId],
) -> Result<HashMap<CartId, CartHead>, Error> {
    let rows = sqlx::query_as!(
        HeadRow,
        r#"
        select
            id as "id: CartId",
            buyer_store_id as "buyer_store_id: BuyerStoreId",
            created_by as "created_by: UserId",
            status as "status: CartStatus",
            currency,
            subtotal as "subtotal: Money",
            discount_total as "discount_total: Money",
            total as "total: Money",
            shipping_address as "shipping_address: Json<ShippingAddress>",
            version,
            created_at,
            updated_at
        from cart_records
        where id = any($1)
        order by id
        for update
        "#,
        ids as &[CartId],
    )
    .fetch_all(connection)
    .await
    .doing("lock carts")?;
    Ok(rows
        .into_iter()
        .map(|row| (row.id, row.into_head()))
        .collect())
}

/// The lines and discounts of carts, and what has become of their products since.
#[derive(Debug, Default)]
pub struct Snapshots {
    /// Lines in the buyer's order.
    pub items: HashMap<CartId, Vec<(CartItemId, CartLine)>>,
    /// At most one per vendor.
    pub discounts: HashMap<CartId, Vec<GrantedDiscount>>,
    /// Those of the products that are still sold.
    pub products_sold: HashSet<ProductId>,
}

impl Snapshots {
    /// Puts a cart together, taking its parts out.
    pub fn take(&mut self, head: CartHead) -> CartRecord {
        CartRecord {
            items: self.items.remove(&head.id).unwrap_or_default(),
            discounts: self.discounts.remove(&head.id).unwrap_or_default(),
            head,
        }
    }

    /// The vendors of all lines, in ascending id.
    pub fn vendor_ids(&self) -> Vec<StoreId> {
        let lines = self.items.values().flatten();
        let mut ids: Vec<_> = lines.map(|(_, line)| line.vendor_store_id.into()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

/// Reads the lines and discounts of carts.
///
/// # Errors
/// A statement failed.
pub async fn load_snapshots(
    connection: &mut PgConnection,
    ids: &[CartId],
) -> Result<Snapshots, Error> {
    let mut snapshots = Snapshots::default();
    let rows = sqlx::query!(
        r#"
        select
            i.cart_id as "cart_id: CartId",
            i.id as "id: CartItemId",
            i.product_id as "product_id: ProductId",
            i.vendor_store_id as "vendor_store_id: VendorStoreId",
            i.sku,
            i.title,
            i.unit as "unit: Unit",
            i.image_url,
            i.qty,
            i.moq,
            i.max_qty,
            i.list_price as "list_price: Money",
            i.volume_discount_min_qty,
            i.volume_discount_percent as "volume_discount_percent: Percent",
            i.unit_price as "unit_price: Money",
            i.line_subtotal as "line_subtotal: Money",
            i.line_discount as "line_discount: Money",
            i.line_total as "line_total: Money",
            -- A product that has moved to another vendor is gone for this one.
            (p.is_active and p.vendor_store_id = i.vendor_store_id) as "is_sold!"
        from cart_items i
        join products p on p.id = i.product_id
        where i.cart_id = any($1)
        order by i.cart_id, i.position
        "#,
        ids as &[CartId],
    )
    .fetch_all(&mut *connection)
    .await
    .doing("read the lines of carts")?;
    for row in rows {
        if row.is_sold {
            snapshots.products_sold.insert(row.product_id);
        }
        let tier = row
            .volume_discount_min_qty
            .zip(row.volume_discount_percent)
            .map(|(min_qty, discount_percent)| VolumeTier {
                min_qty,
                discount_percent,
            });
        let line = CartLine {
            product_id: row.product_id,
            vendor_store_id: row.vendor_store_id,
            sku: row.sku,
            title: row.title,
            unit: row.unit,
            image_url: row.image_url,
            qty: row.qty,
            moq: row.moq,
            max_qty: row.max_qty,
            price: LinePrice {
                list_price: row.list_price,
                tier,
                unit_price: row.unit_price,
                subtotal: row.line_subtotal,
                discount: row.line_discount,
                total: row.line_total,
            },
        };
        snapshots
            .items
            .entry(row.cart_id)
            .or_default()
            .push((row.id, line));
    }
    let rows = sqlx::query!(
        r#"
        select
            cart_id as "cart_id: CartId",
            vendor_store_id as "vendor_store_id: VendorStoreId",
            code,
            title,
            kind as "kind: DiscountKind",
            value,
            amount as "amount: Money"
        from cart_vendor_discounts
        where cart_id = any($1)
        "#,
        ids as &[CartId],
    )
    .fetch_all(connection)
    .await
    .doing("read the discounts of carts")?;
    for row in rows {
        snapshots
            .discounts
            .entry(row.cart_id)
            .or_default()
            .push(GrantedDiscount {
                vendor_store_id: row.vendor_store_id,
                code: row.code,
                title: row.title,
                terms: DiscountTerms::from_columns(row.kind, row.value),
                amount: row.amount,
            });
    }
    Ok(snapshots)
}

/// Marks active carts as converted; returns how many it changed.
///
/// # Errors
/// The statement failed.
pub async fn convert(
    connection: &mut PgConnection,
    ids: &[CartId],
    now: DateTime<Utc>,
) -> Result<u64, Error> {
    let done = sqlx::query!(
        r#"
        update cart_records
        set
            status = 'converted',
            converted_at = $2,
            updated_at = $2
        where id = any($1)
            and status = 'active'
        "#,
        ids as &[CartId],
        now,
    )
    .execute(connection)
    .await
    .doing("mark carts as converted")?;
    Ok(done.rows_affected())
}

struct HeadRow {
    id: CartId,
    buyer_store_id: BuyerStoreId,
    created_by: UserId,
    status: CartStatus,
    currency: String,
    subtotal: Money,
    discount_total: Money,
    total: Money,
    shipping_address: Option<Json<ShippingAddress>>,
    version: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl HeadRow {
    fn into_head(self) -> CartHead {
        CartHead {
            id: self.id,
            buyer_store_id: self.buyer_store_id,
            created_by: self.created_by,
            status: self.status,
            currency: self.currency,
            totals: Totals {
                subtotal: self.subtotal,
                discount_total: self.discount_total,
                total: self.total,
            },
            shipping_address: self.shipping_address.map(|Json(address)| address),
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}
