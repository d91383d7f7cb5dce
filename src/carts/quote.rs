//! Prices a cart as a PUT would freeze it now. Nothing is written or locked.

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
    pub quote: Quote,
    pub vendor_names: HashMap<VendorStoreId, String>,
}

/// Prices a cart and checks it against all rules. Call it inside a `repeatable read` transaction, so that
/// everything is of one moment.
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
