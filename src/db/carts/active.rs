//! Reads a buyer's active cart with its lines, discounts and the names of its vendors.

use std::collections::{HashMap, hash_map::Entry};

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use sqlx::PgConnection;

use crate::domain::{
    cart::{CartHead, CartLine, CartRecord, CartStatus, GrantedDiscount, Totals},
    ids::{BuyerStoreId, CartId, CartItemId, ProductId, UserId, VendorStoreId},
    money::{Money, Percent},
    pricing::{DiscountKind, DiscountTerms, LinePrice},
    product::{Unit, VolumeTier},
};

use super::super::error::{Doing, Error};

/// Finds the buyer's active cart and the names of its vendors. One statement sees one snapshot, so a
/// concurrent PUT or checkout is visible completely or not at all.
pub async fn find_active(
    connection: &mut PgConnection,
    buyer_store_id: BuyerStoreId,
) -> Result<Option<(CartRecord, HashMap<VendorStoreId, String>)>, Error> {
    let rows = find_rows(connection, buyer_store_id).await?;
    let mut found: Option<CartRecord> = None;
    let mut vendor_names = HashMap::new();
    for row in rows {
        let cart = found.get_or_insert_with(|| CartRecord {
            head: row.head(buyer_store_id),
            items: Vec::new(),
            discounts: Vec::new(),
        });
        let Some((id, line)) = row.line() else {
            continue;
        };
        let vendor = line.vendor_store_id;
        cart.items.push((id, line));
        if let Entry::Vacant(vendor_name) = vendor_names.entry(vendor) {
            cart.discounts.extend(row.discount(vendor));
            vendor_name.insert(row.vendor_name.unwrap_or_default());
        }
    }
    Ok(found.map(|cart| (cart, vendor_names)))
}

async fn find_rows(
    connection: &mut PgConnection,
    buyer_store_id: BuyerStoreId,
) -> Result<Vec<Row>, Error> {
    sqlx::query_as!(
        Row,
        r#"
        select
            c.id as "cart_id!: CartId",
            c.created_by as "created_by!: UserId",
            c.currency as "currency!",
            c.subtotal as "cart_subtotal!: Money",
            c.discount_total as "cart_discount_total!: Money",
            c.total as "cart_total!: Money",
            c.shipping_address,
            c.version as "version!",
            c.created_at as "created_at!",
            c.updated_at as "updated_at!",
            i.id as "id?: CartItemId",
            i.product_id as "product_id?: ProductId",
            i.vendor_store_id as "vendor_store_id?: VendorStoreId",
            i.sku as "sku?",
            i.title as "title?",
            i.unit as "unit?: Unit",
            i.image_url,
            i.qty as "qty?",
            i.moq as "moq?",
            i.max_qty,
            i.list_price as "list_price?: Money",
            i.volume_discount_min_qty,
            i.volume_discount_percent as "volume_discount_percent: Percent",
            i.unit_price as "unit_price?: Money",
            i.line_subtotal as "line_subtotal?: Money",
            i.line_discount as "line_discount?: Money",
            i.line_total as "line_total?: Money",
            s.name as "vendor_name?",
            d.code as "discount_code?",
            d.title as "discount_title?",
            d.kind as "discount_kind?: DiscountKind",
            d.value as "discount_value?",
            d.amount as "discount_amount?: Money"
        from cart_records c
        -- A cart without lines is still a cart.
        left join (cart_items i join stores s on s.id = i.vendor_store_id) on i.cart_id = c.id
        left join cart_vendor_discounts d
            on d.cart_id = i.cart_id
            and d.vendor_store_id = i.vendor_store_id
        where c.buyer_store_id = $1
            and c.status = 'active'
        order by i.position
        "#,
        buyer_store_id as BuyerStoreId,
    )
    .fetch_all(connection)
    .await
    .doing("read an active cart")
}

/// A cart joined with one of its lines, the line's vendor and that vendor's discount. A cart without
/// lines is one row in which the others are null.
struct Row {
    cart_id: CartId,
    created_by: UserId,
    currency: String,
    cart_subtotal: Money,
    cart_discount_total: Money,
    cart_total: Money,
    shipping_address: Option<serde_json::Value>,
    version: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    id: Option<CartItemId>,
    product_id: Option<ProductId>,
    vendor_store_id: Option<VendorStoreId>,
    sku: Option<String>,
    title: Option<String>,
    unit: Option<Unit>,
    image_url: Option<String>,
    qty: Option<i32>,
    moq: Option<i32>,
    max_qty: Option<i32>,
    list_price: Option<Money>,
    volume_discount_min_qty: Option<i32>,
    volume_discount_percent: Option<Percent>,
    unit_price: Option<Money>,
    line_subtotal: Option<Money>,
    line_discount: Option<Money>,
    line_total: Option<Money>,
    vendor_name: Option<String>,
    discount_code: Option<String>,
    discount_title: Option<String>,
    discount_kind: Option<DiscountKind>,
    discount_value: Option<Decimal>,
    discount_amount: Option<Money>,
}

impl Row {
    fn head(&self, buyer_store_id: BuyerStoreId) -> CartHead {
        CartHead {
            id: self.cart_id,
            buyer_store_id,
            created_by: self.created_by,
            status: CartStatus::Active,
            currency: self.currency.clone(),
            totals: Totals {
                subtotal: self.cart_subtotal,
                discount_total: self.cart_discount_total,
                total: self.cart_total,
            },
            shipping_address: super::address(self.shipping_address.clone()),
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }

    fn line(&self) -> Option<(CartItemId, CartLine)> {
        let tier = self
            .volume_discount_min_qty
            .zip(self.volume_discount_percent);
        let line = CartLine {
            product_id: self.product_id?,
            vendor_store_id: self.vendor_store_id?,
            sku: self.sku.clone()?,
            title: self.title.clone()?,
            unit: self.unit?,
            image_url: self.image_url.clone(),
            qty: self.qty?,
            moq: self.moq?,
            max_qty: self.max_qty,
            price: LinePrice {
                list_price: self.list_price?,
                tier: tier.map(|(min_qty, discount_percent)| VolumeTier {
                    min_qty,
                    discount_percent,
                }),
                unit_price: self.unit_price?,
                subtotal: self.line_subtotal?,
                discount: self.line_discount?,
                total: self.line_total?,
            },
        };
        Some((self.id?, line))
    }

    fn discount(&self, vendor_store_id: VendorStoreId) -> Option<GrantedDiscount> {
        Some(GrantedDiscount {
            vendor_store_id,
            code: self.discount_code.clone()?,
            title: self.discount_title.clone()?,
            terms: DiscountTerms::from_columns(self.discount_kind?, self.discount_value?),
            amount: self.discount_amount?,
        })
    }
}
