//! Writes the lines and store discounts of carts whose rows are locked.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::{
    compression::compress,
    domain::{
        cart::{CartLine, GrantedDiscount},
        ids::{CartId, CartItemId, CartVendorDiscountId, ProductId, VendorStoreId},
        money::{Money, Percent},
        pricing::DiscountKind,
        product::Unit,
    },
};

use super::{
    super::{
        column,
        error::{Doing, Error},
    },
    answers::{AnswerTimes, NewAnswer},
};

/// A line about to be written.
#[derive(Clone, Copy, Debug)]
pub struct NewLine<'a> {
    /// The cart that the line belongs to.
    pub cart_id: CartId,
    /// The line's id.
    pub id: CartItemId,
    /// The position in the cart, from 0.
    pub position: i32,
    /// The content.
    pub line: &'a CartLine,
}

/// A store discount about to be written.
#[derive(Clone, Copy, Debug)]
pub struct NewDiscount<'a> {
    /// The cart that the discount belongs to.
    pub cart_id: CartId,
    /// The discount's id.
    pub id: CartVendorDiscountId,
    /// The content.
    pub granted: &'a GrantedDiscount,
}

/// Removes the lines and discounts of carts.
pub async fn clear_lines(connection: &mut PgConnection, carts: &[CartId]) -> Result<(), Error> {
    sqlx::query!(
        r#"
        with discounts as (
            delete from cart_vendor_discounts where cart_id = any($1)
        )
        delete from cart_items where cart_id = any($1)
        "#,
        carts as &[CartId],
    )
    .execute(connection)
    .await
    .doing("remove the old lines of carts")?;
    Ok(())
}

/// Writes the lines of carts and the answers of their PUTs. One statement, so that a key costs no round
/// trip.
///
/// # Errors
/// With the constraint [`PUT_KEY_TAKEN`](super::PUT_KEY_TAKEN) if one of the keys is in use.
pub async fn insert_lines(
    connection: &mut PgConnection,
    lines: &[NewLine<'_>],
    answers: &[NewAnswer],
    times: AnswerTimes,
) -> Result<(), Error> {
    let tier_min_qty = |new: &NewLine<'_>| new.line.price.tier.map(|tier| tier.min_qty);
    let tier_percent = |new: &NewLine<'_>| new.line.price.tier.map(|tier| tier.discount_percent);
    sqlx::query!(
        r#"
        with answers as (
            insert into cart_put_keys (
                created_at, expires_at, scope, cart_id, request_fingerprint, response_body)
            select $1::timestamptz, $21::timestamptz, n.*
            from unnest($22::uuid[], $23::uuid[], $24::bytea[], $25::bytea[]) as n
        )
        insert into cart_items (
            created_at, updated_at, cart_id, id, position, product_id, vendor_store_id, sku, title,
            unit, image_url, qty, moq, max_qty, list_price, volume_discount_min_qty,
            volume_discount_percent, unit_price, line_subtotal, line_discount, line_total)
        select $1::timestamptz, $1::timestamptz, n.*
        from unnest(
            $2::uuid[], $3::uuid[], $4::integer[], $5::uuid[], $6::uuid[], $7::text[], $8::text[],
            $9::text[], $10::text[], $11::integer[], $12::integer[], $13::integer[],
            $14::numeric[], $15::integer[], $16::numeric[], $17::numeric[], $18::numeric[],
            $19::numeric[], $20::numeric[]) as n
        "#,
        times.now,
        &column(lines, |new| new.cart_id) as &[CartId],
        &column(lines, |new| new.id) as &[CartItemId],
        &column(lines, |new| new.position),
        &column(lines, |new| new.line.product_id) as &[ProductId],
        &column(lines, |new| new.line.vendor_store_id) as &[VendorStoreId],
        &column(lines, |new| new.line.sku.clone()),
        &column(lines, |new| new.line.title.clone()),
        &column(lines, |new| new.line.unit) as &[Unit],
        &column(lines, |new| new.line.image_url.clone()) as &[Option<String>],
        &column(lines, |new| new.line.qty),
        &column(lines, |new| new.line.moq),
        &column(lines, |new| new.line.max_qty) as &[Option<i32>],
        &column(lines, |new| new.line.price.list_price) as &[Money],
        &column(lines, tier_min_qty) as &[Option<i32>],
        &column(lines, tier_percent) as &[Option<Percent>],
        &column(lines, |new| new.line.price.unit_price) as &[Money],
        &column(lines, |new| new.line.price.subtotal) as &[Money],
        &column(lines, |new| new.line.price.discount) as &[Money],
        &column(lines, |new| new.line.price.total) as &[Money],
        times.expires_at,
        &column(answers, |new| new.scope.half()),
        &column(answers, |new| new.cart_id) as &[CartId],
        &column(answers, |new| new.fingerprint.as_bytes().to_vec()),
        &column(answers, |new| compress(&new.response.body)),
    )
    .execute(connection)
    .await
    .doing("write the lines of carts")?;
    Ok(())
}

/// Writes the store discounts of carts.
pub async fn insert_discounts(
    connection: &mut PgConnection,
    discounts: &[NewDiscount<'_>],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        insert into cart_vendor_discounts (
            created_at, updated_at, cart_id, id, vendor_store_id, code, title, kind, value, amount)
        select $1::timestamptz, $1::timestamptz, n.*
        from unnest(
            $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::numeric[],
            $9::numeric[]) as n
        "#,
        now,
        &column(discounts, |new| new.cart_id) as &[CartId],
        &column(discounts, |new| new.id) as &[CartVendorDiscountId],
        &column(discounts, |new| new.granted.vendor_store_id) as &[VendorStoreId],
        &column(discounts, |new| new.granted.code.clone()),
        &column(discounts, |new| new.granted.title.clone()),
        &column(discounts, |new| new.granted.terms.kind()) as &[DiscountKind],
        &column(discounts, |new| new.granted.terms.value()),
        &column(discounts, |new| new.granted.amount) as &[Money],
    )
    .execute(connection)
    .await
    .doing("write the discounts of carts")?;
    Ok(())
}
