//! Writes the lines and store discounts of a cart whose row is locked.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::{
    cart::{CartLine, GrantedDiscount},
    ids::{CartId, CartItemId, CartVendorDiscountId, ProductId, VendorStoreId},
    money::{Money, Percent},
    pricing::DiscountKind,
    product::Unit,
};

use super::super::error::{Doing, Error};

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
