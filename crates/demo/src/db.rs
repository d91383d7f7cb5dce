//! The queries of `splitcart demo` on the seeded catalogue, and the one change that it makes.

use chrono::NaiveDate;
use sqlx::PgConnection;

use splitcart::domain::ids::{BuyerStoreId, ProductId, UserId, VendorStoreId};

use splitcart::db::error::{Doing, Error};

/// A buyer that has not bought anything yet, and its owner.
#[derive(Clone, Copy, Debug)]
pub struct Shopper {
    /// The owner.
    pub user_id: UserId,
    /// The buyer.
    pub store_id: BuyerStoreId,
}

/// Something worth buying, from a vendor that may sell.
#[derive(Clone, Debug)]
pub struct Offer {
    pub product_id: ProductId,
    pub vendor_store_id: VendorStoreId,
    /// The least quantity that earns a volume tier.
    pub qty: i32,
    /// A discount code of the vendor that this quantity alone is enough for.
    pub discount_code: Option<String>,
}

/// Owners of buyers without a cart, in the order of their ids.
///
/// # Errors
/// The statement failed.
pub async fn find_shoppers(
    connection: &mut PgConnection,
    limit: u32,
) -> Result<Vec<Shopper>, Error> {
    sqlx::query_as!(
        Shopper,
        r#"
        select m.user_id as "user_id: UserId", m.store_id as "store_id: BuyerStoreId"
        from store_memberships m
        join stores s on s.id = m.store_id
        where s.type = 'buyer'
            and s.state = 'OK'
            and m.role = 'owner'
            and not exists (select from cart_records c where c.buyer_store_id = s.id)
        order by s.id
        limit $1
        "#,
        i64::from(limit),
    )
    .fetch_all(connection)
    .await
    .doing("look for buyers without a cart")
}

/// One offer per vendor, those with a discount code first.
///
/// # Errors
/// The statement failed.
pub async fn find_offers(connection: &mut PgConnection, limit: u32) -> Result<Vec<Offer>, Error> {
    let rows = sqlx::query!(
        r#"
        select distinct on (d.code is null, p.vendor_store_id)
            p.id as "product_id!: ProductId",
            p.vendor_store_id as "vendor_store_id!: VendorStoreId",
            t.min_qty as "qty!",
            d.code as "discount_code?"
        from products p
        join product_volume_discounts t on t.product_id = p.id and t.min_qty >= p.moq
        join inventory_items i on i.product_id = p.id and i.available_qty between t.min_qty and 3000
        join stores s on s.id = p.vendor_store_id and s.state = 'OK'
        join subscriptions u
            on u.vendor_store_id = s.id
            and u.status in ('trialing', 'active')
            and u.current_period_end > now()
        left join store_discounts d
            on d.vendor_store_id = s.id
            and d.is_active
            and now() between d.starts_at and coalesce(d.ends_at, 'infinity')
            and d.min_subtotal <= p.price * t.min_qty / 2
        where p.is_active
            and p.max_qty is null
            and p.buyer_limit_qty is null
            and exists (
                select
                from licenses l
                where l.store_id = s.id
                    and l.status = 'verified'
                    and l.issuing_state = s.state
                    and l.expires_on > current_date
            )
        order by d.code is null, p.vendor_store_id, i.available_qty desc, p.id, t.min_qty
        "#,
    )
    .fetch_all(connection)
    .await
    .doing("look for offers")?;
    let mut offers: Vec<Offer> = Vec::new();
    for row in rows {
        let known = |offer: &Offer| offer.vendor_store_id == row.vendor_store_id;
        if offers.len() == limit as usize || offers.iter().any(known) {
            continue;
        }
        offers.push(Offer {
            product_id: row.product_id,
            vendor_store_id: row.vendor_store_id,
            qty: row.qty,
            discount_code: row.discount_code,
        });
    }
    Ok(offers)
}

/// Another product of the vendor of an offer, in the least quantity that is sold at once.
///
/// # Errors
/// The statement failed.
pub async fn find_another(
    connection: &mut PgConnection,
    offer: &Offer,
) -> Result<Option<Offer>, Error> {
    let row = sqlx::query!(
        r#"
        select p.id as "product_id: ProductId", p.moq
        from products p
        join inventory_items i on i.product_id = p.id and i.available_qty >= p.moq
        where p.vendor_store_id = $1
            and p.id <> $2
            and p.is_active
            and p.buyer_limit_qty is null
        order by p.id
        limit 1
        "#,
        offer.vendor_store_id as VendorStoreId,
        offer.product_id as ProductId,
    )
    .fetch_optional(connection)
    .await
    .doing("look for another product of a vendor")?;
    Ok(row.map(|row| Offer {
        product_id: row.product_id,
        vendor_store_id: offer.vendor_store_id,
        qty: row.moq,
        // A vendor grants one code per cart.
        discount_code: None,
    }))
}

/// The owner of a vendor.
///
/// # Errors
/// The statement failed.
pub async fn find_vendor_owner(
    connection: &mut PgConnection,
    vendor_store_id: VendorStoreId,
) -> Result<UserId, Error> {
    sqlx::query_scalar!(
        r#"
        select user_id as "user_id: UserId"
        from store_memberships
        where store_id = $1
            and role = 'owner'
            and status = 'active'
        order by user_id
        limit 1
        "#,
        vendor_store_id as VendorStoreId,
    )
    .fetch_one(connection)
    .await
    .doing("look for a vendor's owner")
}

/// The available quantity of a product.
///
/// # Errors
/// The statement failed.
pub async fn available_qty(
    connection: &mut PgConnection,
    product_id: ProductId,
) -> Result<i32, Error> {
    sqlx::query_scalar!(
        "select available_qty from inventory_items where product_id = $1",
        product_id as ProductId,
    )
    .fetch_one(connection)
    .await
    .doing("read a product's stock")
}

/// Sets the last day of a vendor's licences; returns what it was.
///
/// # Errors
/// The statement failed.
pub async fn set_license_end(
    connection: &mut PgConnection,
    vendor_store_id: VendorStoreId,
    last_day: Option<NaiveDate>,
) -> Result<Option<NaiveDate>, Error> {
    let row = sqlx::query!(
        r#"
        update licenses l
        set
            expires_on = $2,
            updated_at = now()
        from licenses before
        where l.store_id = $1
            and before.id = l.id
        returning before.expires_on as "expires_on?"
        "#,
        vendor_store_id as VendorStoreId,
        last_day,
    )
    .fetch_one(connection)
    .await
    .doing("change a licence's last day")?;
    Ok(row.expires_on)
}
