//! What a PUT of a cart would come to now, by the rules of a PUT. Nothing is written or locked.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::{
    db,
    domain::{
        cart::{CartContent, Quote},
        ids::VendorStoreId,
        rules,
        store::EligibleBuyer,
    },
};

/// A quote with the names of its vendors.
#[derive(Clone, Debug)]
pub struct NamedQuote {
    /// The quote.
    pub quote: Quote,
    /// By vendor.
    pub vendor_names: HashMap<VendorStoreId, String>,
}

/// Prices and judges what a buyer wants. Call it inside a `repeatable read` transaction, so that all is of
/// one moment.
///
/// # Errors
/// A failed statement.
pub async fn quote(
    connection: &mut PgConnection,
    content: &CartContent,
    buyer: EligibleBuyer,
    now: DateTime<Utc>,
) -> Result<NamedQuote, db::Error> {
    let mut catalogs = db::catalog::load_for(connection, &[content]).await?;
    let catalog = catalogs.pop().expect("one request, one catalogue");
    let quote = rules::quote(content, &catalog, &buyer, now);
    let vendors = catalog.vendors.into_iter();
    Ok(NamedQuote {
        quote,
        vendor_names: vendors.map(|(id, store)| (id, store.name)).collect(),
    })
}
