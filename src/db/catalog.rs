//! What the catalogue says about the things that a cart mentions.

use std::collections::{HashMap, HashSet};

use sqlx::PgConnection;

use crate::domain::{
    cart::CartRequest,
    ids::{ProductId, StoreId, VendorStoreId},
    money::{Money, Percent},
    pricing::{DiscountKind, DiscountTerms, StoreDiscount},
    product::{Product, Unit, VolumeTier},
    rules::Catalog,
};

use super::{
    error::{Doing, Error},
    stores,
};

/// Everything that is needed to judge a cart, in two statements, or three with discounts.
///
/// # Errors
/// A statement failed.
pub async fn load_for(
    connection: &mut PgConnection,
    request: &CartRequest,
) -> Result<Catalog, Error> {
    let product_ids: Vec<_> = request.items.iter().map(|item| item.product_id).collect();
    let vendor_ids: HashSet<StoreId> = request
        .items
        .iter()
        .map(|item| item.vendor_store_id.into())
        .collect();
    let vendor_ids: Vec<_> = vendor_ids.into_iter().collect();
    let products = find_products(connection, &product_ids).await?;
    let vendors = stores::find_stores(connection, &vendor_ids).await?;
    let discounts = if request.discounts.is_empty() {
        HashMap::new()
    } else {
        find_discounts(connection, request).await?
    };
    Ok(Catalog {
        products,
        vendors: vendors
            .into_iter()
            .map(|store| (VendorStoreId::new(store.id.uuid()), store))
            .collect(),
        discounts,
    })
}

/// Products with their tiers and what is available of them; unknown ids are left out.
///
/// # Errors
/// The statement failed.
pub async fn find_products(
    connection: &mut PgConnection,
    ids: &[ProductId],
) -> Result<HashMap<ProductId, Product>, Error> {
    let rows = sqlx::query!(
        r#"
        select
            p.id as "id!: ProductId",
            p.vendor_store_id as "vendor_store_id!: VendorStoreId",
            p.sku as "sku!",
            p.title as "title!",
            p.unit as "unit!: Unit",
            p.image_url as "image_url?",
            p.price as "price!: Money",
            p.moq as "moq!",
            p.max_qty as "max_qty?",
            p.is_active as "is_active!",
            coalesce(i.available_qty, 0) as "available_qty!",
            t.min_qty as "tier_min_qty?",
            t.discount_percent as "tier_percent?: Percent"
        from products p
        left join inventory_items i
            on i.product_id = p.id
            and i.vendor_store_id = p.vendor_store_id
        left join product_volume_discounts t on t.product_id = p.id
        where p.id = any($1)
        "#,
        ids as &[ProductId],
    )
    .fetch_all(connection)
    .await
    .doing("read products")?;
    let mut products = HashMap::with_capacity(ids.len());
    for row in rows {
        let product = products.entry(row.id).or_insert_with(|| Product {
            id: row.id,
            vendor_store_id: row.vendor_store_id,
            sku: row.sku,
            title: row.title,
            unit: row.unit,
            image_url: row.image_url,
            price: row.price,
            moq: row.moq,
            max_qty: row.max_qty,
            is_active: row.is_active,
            tiers: Vec::new(),
            available_qty: row.available_qty,
        });
        product
            .tiers
            .extend(
                row.tier_min_qty
                    .zip(row.tier_percent)
                    .map(|(min_qty, discount_percent)| VolumeTier {
                        min_qty,
                        discount_percent,
                    }),
            );
    }
    Ok(products)
}

async fn find_discounts(
    connection: &mut PgConnection,
    request: &CartRequest,
) -> Result<HashMap<VendorStoreId, StoreDiscount>, Error> {
    let vendor_ids: Vec<_> = request
        .discounts
        .iter()
        .map(|asked| asked.vendor_store_id)
        .collect();
    let codes: Vec<_> = request
        .discounts
        .iter()
        .map(|asked| asked.code.clone())
        .collect();
    let rows = sqlx::query!(
        r#"
        select
            d.vendor_store_id as "vendor_store_id: VendorStoreId",
            d.code,
            d.title,
            d.kind as "kind: DiscountKind",
            d.value,
            d.min_subtotal as "min_subtotal: Money",
            -- An infinite or far-off time must not be beyond what a client can hold.
            greatest(
                least(d.starts_at, timestamptz '9999-12-31 00:00Z'),
                timestamptz '0001-01-02 00:00Z'
            ) as "starts_at!",
            case when d.ends_at is not null
                then greatest(
                    least(d.ends_at, timestamptz '9999-12-31 00:00Z'),
                    timestamptz '0001-01-02 00:00Z'
                )
            end as "ends_at?",
            d.is_active
        from unnest($1::uuid[], $2::text[]) as asked (vendor_store_id, code)
        join store_discounts d
            on d.vendor_store_id = asked.vendor_store_id
            and upper(d.code) = upper(asked.code)
        "#,
        &vendor_ids as &[VendorStoreId],
        &codes,
    )
    .fetch_all(connection)
    .await
    .doing("read store discounts")?;
    let discounts = rows.into_iter().map(|row| {
        let discount = StoreDiscount {
            vendor_store_id: row.vendor_store_id,
            code: row.code,
            title: row.title,
            terms: DiscountTerms::from_columns(row.kind, row.value),
            min_subtotal: row.min_subtotal,
            starts_at: row.starts_at,
            ends_at: row.ends_at,
            is_active: row.is_active,
        };
        (row.vendor_store_id, discount)
    });
    Ok(discounts.collect())
}
