//! Reads a buyer's active cart with everything that is shown of it.

use std::collections::HashMap;

use sqlx::PgConnection;

use crate::domain::{
    cart::{CartHead, CartLine, CartRecord, CartStatus, GrantedDiscount, Totals},
    ids::{BuyerStoreId, CartId, CartItemId, ProductId, UserId, VendorStoreId},
    money::{Money, Percent},
    pricing::{DiscountKind, DiscountTerms, LinePrice},
    product::{Unit, VolumeTier},
};

use super::super::error::{Doing, Error};

/// The buyer's active cart and the names of its vendors, in one statement, and so from one snapshot:
/// a PUT or a checkout at the same time is seen whole or not at all.
///
/// # Errors
/// The statement failed.
#[expect(clippy::too_many_lines, reason = "one statement, column by column")]
pub async fn find_active(
    connection: &mut PgConnection,
    buyer_store_id: BuyerStoreId,
) -> Result<Option<(CartRecord, HashMap<VendorStoreId, String>)>, Error> {
    let rows = sqlx::query!(
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
    .doing("read an active cart")?;
    let mut found: Option<CartRecord> = None;
    let mut vendor_names = HashMap::new();
    for row in rows {
        let cart = found.get_or_insert_with(|| CartRecord {
            head: CartHead {
                id: row.cart_id,
                buyer_store_id,
                created_by: row.created_by,
                status: CartStatus::Active,
                currency: row.currency,
                totals: Totals {
                    subtotal: row.cart_subtotal,
                    discount_total: row.cart_discount_total,
                    total: row.cart_total,
                },
                shipping_address: super::address(row.shipping_address),
                version: row.version,
                created_at: row.created_at,
                updated_at: row.updated_at,
            },
            items: Vec::new(),
            discounts: Vec::new(),
        });
        let line = (|| {
            let tier = row.volume_discount_min_qty.zip(row.volume_discount_percent);
            Some(CartLine {
                product_id: row.product_id?,
                vendor_store_id: row.vendor_store_id?,
                sku: row.sku?,
                title: row.title?,
                unit: row.unit?,
                image_url: row.image_url,
                qty: row.qty?,
                moq: row.moq?,
                max_qty: row.max_qty,
                price: LinePrice {
                    list_price: row.list_price?,
                    tier: tier.map(|(min_qty, discount_percent)| VolumeTier {
                        min_qty,
                        discount_percent,
                    }),
                    unit_price: row.unit_price?,
                    subtotal: row.line_subtotal?,
                    discount: row.line_discount?,
                    total: row.line_total?,
                },
            })
        })();
        let Some((id, line)) = row.id.zip(line) else {
            continue;
        };
        let is_new_vendor = vendor_names
            .insert(line.vendor_store_id, row.vendor_name.unwrap_or_default())
            .is_none();
        if is_new_vendor && let Some(code) = row.discount_code {
            let discount = (|| {
                Some(GrantedDiscount {
                    vendor_store_id: line.vendor_store_id,
                    code,
                    title: row.discount_title?,
                    terms: DiscountTerms::from_columns(row.discount_kind?, row.discount_value?),
                    amount: row.discount_amount?,
                })
            })();
            cart.discounts.extend(discount);
        }
        cart.items.push((id, line));
    }
    Ok(found.map(|cart| (cart, vendor_names)))
}
