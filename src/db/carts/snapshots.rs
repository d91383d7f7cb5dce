//! Reads the frozen lines of carts, with the present state of their products.

use std::collections::{BTreeMap, HashMap, HashSet};

use sqlx::PgConnection;

use crate::domain::{
    cart::{CartHead, CartLine, CartRecord, GrantedDiscount},
    ids::{CartId, CartItemId, ProductId, StoreId, VendorStoreId},
    lock_order::StockKey,
    money::{Money, Percent},
    pricing::{DiscountKind, DiscountTerms, LinePrice},
    product::{Unit, VolumeTier},
    purchase_limit::PurchaseLimit,
};

use super::super::error::{Doing, Error};

/// The lines and discounts of carts, with the present state of their products.
#[derive(Debug, Default)]
pub struct Snapshots {
    /// Lines in the buyer's sequence.
    pub items: HashMap<CartId, Vec<(CartItemId, CartLine)>>,
    /// Discounts, at most one per vendor.
    pub discounts: HashMap<CartId, Vec<GrantedDiscount>>,
    /// Products that their vendors still sell.
    pub products_sold: HashSet<ProductId>,
    /// The purchase limits of products that have one.
    pub purchase_limits: HashMap<ProductId, PurchaseLimit>,
    /// Available stock at the time of reading. Nothing is locked, so it may have changed since.
    pub available: BTreeMap<StockKey, i32>,
}

impl Snapshots {
    /// Removes the parts of a cart and assembles them.
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
pub async fn load_snapshots(
    connection: &mut PgConnection,
    carts: &[&CartHead],
) -> Result<Snapshots, Error> {
    let mut snapshots = Snapshots::default();
    let ids: Vec<_> = carts.iter().map(|cart| cart.id).collect();
    read_lines(connection, &ids, &mut snapshots).await?;
    // Carts without a discount save the round trip.
    let discounted = carts
        .iter()
        .filter(|cart| cart.totals.discount_total > Money::ZERO);
    let discounted: Vec<_> = discounted.map(|cart| cart.id).collect();
    if !discounted.is_empty() {
        read_discounts(connection, &discounted, &mut snapshots).await?;
    }
    Ok(snapshots)
}

async fn read_lines(
    connection: &mut PgConnection,
    ids: &[CartId],
    snapshots: &mut Snapshots,
) -> Result<(), Error> {
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
            -- A product that was transferred to another vendor is no longer sold by this one.
            (p.is_active and p.vendor_store_id = i.vendor_store_id) as "is_sold!",
            p.buyer_limit_qty,
            p.buyer_limit_days,
            coalesce(s.available_qty, 0) as "available_qty!"
        from cart_items i
        join products p on p.id = i.product_id
        left join inventory_items s
            on s.product_id = i.product_id
            and s.vendor_store_id = i.vendor_store_id
        where i.cart_id = any($1)
        order by i.cart_id, i.position
        "#,
        ids as &[CartId],
    )
    .fetch_all(connection)
    .await
    .doing("read the lines of carts")?;
    for row in rows {
        if row.is_sold {
            snapshots.products_sold.insert(row.product_id);
        }
        let limit = PurchaseLimit::from_columns(row.buyer_limit_qty, row.buyer_limit_days);
        if let Some(limit) = limit {
            snapshots.purchase_limits.insert(row.product_id, limit);
        }
        let stock = StockKey {
            vendor_store_id: row.vendor_store_id,
            product_id: row.product_id,
        };
        snapshots.available.insert(stock, row.available_qty);
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
    Ok(())
}

async fn read_discounts(
    connection: &mut PgConnection,
    ids: &[CartId],
    snapshots: &mut Snapshots,
) -> Result<(), Error> {
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
    Ok(())
}
