//! Reads products, vendors and store discounts that carts mention.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
};

use sqlx::PgConnection;

use crate::domain::{
    cart::CartContent,
    folding::Folded,
    ids::{ProductId, StoreId, VendorStoreId},
    money::{Money, Percent},
    pricing::{DiscountKind, DiscountTerms, StoreDiscount},
    product::{Product, Unit, VolumeTier},
    purchase_limit::PurchaseLimit,
    rules::Catalog,
    store::Store,
};

use super::{
    column,
    error::{Doing, Error},
    stores,
};

/// Loads everything that the rules of each cart need, in two statements, or three with discounts.
pub async fn load_for(
    connection: &mut PgConnection,
    requests: &[&CartContent],
) -> Result<Vec<Catalog>, Error> {
    let items = || requests.iter().flat_map(|request| &request.items);
    let product_ids: Vec<_> = distinct(items().map(|item| item.product_id));
    let vendor_ids: Vec<_> = distinct(items().map(|item| StoreId::from(item.vendor_store_id)));
    let products = find_products(&mut *connection, &product_ids).await?;
    let stores = stores::find_stores(&mut *connection, &vendor_ids).await?;
    let by_vendor = |store: Store| (VendorStoreId::new(store.id.uuid()), store);
    let vendors: HashMap<_, _> = stores.into_iter().map(by_vendor).collect();
    let mut discounts = find_discounts(connection, requests).await?;
    let catalogs = requests.iter().enumerate().map(|(nr, request)| {
        let mut catalog = Catalog::default();
        for item in &request.items {
            let product = products.get_key_value(&item.product_id);
            catalog
                .products
                .extend(product.map(|(id, product)| (*id, product.clone())));
            let vendor = vendors.get_key_value(&item.vendor_store_id);
            catalog
                .vendors
                .extend(vendor.map(|(id, vendor)| (*id, vendor.clone())));
        }
        catalog.discounts = discounts.remove(&nr).unwrap_or_default();
        catalog
    });
    Ok(catalogs.collect())
}

fn distinct<Id: Eq + Hash>(ids: impl Iterator<Item = Id>) -> Vec<Id> {
    ids.collect::<HashSet<_>>().into_iter().collect()
}

/// Finds products with their tiers and their available stock. Unknown ids are left out.
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
            p.buyer_limit_qty as "buyer_limit_qty?",
            p.buyer_limit_days as "buyer_limit_days?",
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
            purchase_limit: PurchaseLimit::from_columns(row.buyer_limit_qty, row.buyer_limit_days),
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

/// Finds the discounts that requests name, by the index of the request and by vendor.
async fn find_discounts(
    connection: &mut PgConnection,
    requests: &[&CartContent],
) -> Result<HashMap<usize, HashMap<VendorStoreId, StoreDiscount>>, Error> {
    let asked: Vec<_> = requests
        .iter()
        .enumerate()
        .flat_map(|(nr, request)| request.discounts.iter().map(move |asked| (nr, asked)))
        .collect();
    if asked.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query!(
        r#"
        select
            asked.nr as "nr!",
            d.vendor_store_id as "vendor_store_id: VendorStoreId",
            d.code,
            d.title,
            d.kind as "kind: DiscountKind",
            d.value,
            d.min_subtotal as "min_subtotal: Money",
            -- An infinite or remote time must stay within what clients can represent.
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
        from unnest($1::uuid[], $2::text[])
            with ordinality as asked (vendor_store_id, code_folded, nr)
        join store_discounts d
            on d.vendor_store_id = asked.vendor_store_id
            and d.code_folded = asked.code_folded
        "#,
        &column(&asked, |(_, asked)| asked.vendor_store_id) as &[VendorStoreId],
        &column(&asked, |(_, asked)| Folded::of(&asked.code)) as &[Folded],
    )
    .fetch_all(connection)
    .await
    .doing("read store discounts")?;
    let mut discounts: HashMap<usize, HashMap<_, _>> = HashMap::new();
    for row in rows {
        let index = usize::try_from(row.nr - 1).expect("ordinality counts from 1");
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
        let of_request = discounts.entry(asked[index].0).or_default();
        of_request.insert(row.vendor_store_id, discount);
    }
    Ok(discounts)
}
