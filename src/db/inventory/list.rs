//! Lists a vendor's stock by product, a page at a time.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::ids::{ProductId, VendorStoreId};

use super::super::error::{Doing, Error};

/// Before and behind all products.
const FIRST: ProductId = ProductId::new(Uuid::nil());
const LAST: ProductId = ProductId::new(Uuid::max());

/// A product of the vendor with its stock; one without a row of stock has none of it.
#[derive(Clone, Debug)]
pub struct ListedStock {
    pub product_id: ProductId,
    pub sku: String,
    pub title: String,
    pub is_active: bool,
    pub available_qty: i32,
    pub reserved_qty: i32,
    pub fulfilled_qty: i64,
    pub low_stock_threshold: i32,
    pub version: i64,
    /// The last change of the stock; the product's own if it has no row of stock.
    pub updated_at: DateTime<Utc>,
}

/// The part of a vendor's stock that is wanted.
#[derive(Clone, Debug, Default)]
pub struct StockFilter {
    pub product_id: Option<ProductId>,
    pub sku: Option<String>,
    /// The page begins behind this product.
    pub behind: Option<ProductId>,
    pub limit: usize,
}

/// The statement of a page, with a condition on the SKU: one that also covers its absence would not use the
/// index of SKUs.
macro_rules! select_page {
    ($on_sku:tt, $vendor:expr, $filter:expr, $sought:expr) => {
        sqlx::query_as!(
            ListedStock,
            r#"
            select
                p.id as "product_id: ProductId",
                p.sku,
                p.title,
                p.is_active,
                coalesce(i.available_qty, 0) as "available_qty!",
                coalesce(i.reserved_qty, 0) as "reserved_qty!",
                coalesce(i.fulfilled_qty, 0) as "fulfilled_qty!",
                coalesce(i.low_stock_threshold, 0) as "low_stock_threshold!",
                coalesce(i.version, 0) as "version!",
                coalesce(i.updated_at, p.updated_at) as "updated_at!"
            from products p
            left join inventory_items i on i.product_id = p.id
            where p.vendor_store_id = $1
                and p.id > $2
                and p.id >= $3
                and p.id <= $4
                and "#
                + $on_sku
                + r#"
            order by p.vendor_store_id, p.id
            limit $6
            "#,
            $vendor as VendorStoreId,
            $filter.behind.unwrap_or(FIRST) as ProductId,
            $filter.product_id.unwrap_or(FIRST) as ProductId,
            $filter.product_id.unwrap_or(LAST) as ProductId,
            $filter.sku.as_deref() as Option<&str>,
            $sought,
        )
    };
}

/// Finds a page, in the order of the products' ids, and whether another one follows.
pub async fn find_page(
    connection: &mut PgConnection,
    vendor: VendorStoreId,
    filter: &StockFilter,
) -> Result<(Vec<ListedStock>, bool), Error> {
    // One more product than the page has shows that there is another page.
    let sought = i64::try_from(filter.limit)
        .unwrap_or(i64::MAX)
        .saturating_add(1);
    let rows = if filter.sku.is_some() {
        select_page!("p.sku = $5", vendor, filter, sought)
            .fetch_all(connection)
            .await
    } else {
        select_page!("$5::text is null", vendor, filter, sought)
            .fetch_all(connection)
            .await
    };
    let mut rows = rows.doing("list stock")?;
    let has_more = rows.len() > filter.limit;
    rows.truncate(filter.limit);
    Ok((rows, has_more))
}
