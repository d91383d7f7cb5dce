//! The state of the database at one moment, before and after a test.

use std::collections::BTreeMap;

use sqlx::PgConnection;

use splitcart::{
    db::transaction,
    domain::ids::{CartId, ProductId},
};

use crate::db::{self, Bought, Stock};

use super::prepare::Prepared;

/// See the module.
#[derive(Debug)]
pub struct Look {
    /// The products that are not hot.
    pub spread: Stock,
    pub hot: Stock,
    /// The units of each product, wherever they are, in ascending id.
    units: Vec<(ProductId, i64)>,
    /// Purchases from the test's carts.
    pub bought: Bought,
    /// Units that are reserved for late orders.
    pub late_units: i64,
}

/// Looks at everything in one snapshot: the server may expire orders meanwhile.
pub async fn look(
    connection: &mut PgConnection,
    prepared: &Prepared,
    carts: &[CartId],
    late_carts: &[CartId],
) -> anyhow::Result<Look> {
    let mut snapshot = transaction::begin_snapshot_on(connection).await?;
    let products = prepared.spread.iter().chain(&prepared.hot).copied();
    let products: Vec<_> = products.collect();
    let look = Look {
        spread: db::stock_of(&mut snapshot, &prepared.spread).await?,
        hot: db::stock_of(&mut snapshot, &prepared.hot).await?,
        units: db::units_of(&mut snapshot, &products).await?,
        bought: db::count_bought(&mut snapshot, carts).await?,
        late_units: db::count_bought(&mut snapshot, late_carts).await?.units,
    };
    snapshot.rollback().await?;
    Ok(look)
}

impl Look {
    /// The number of products with another sum of units than before.
    pub fn unbalanced_since(&self, before: &Self) -> usize {
        let before: BTreeMap<_, _> = before.units.iter().copied().collect();
        let changed = self.units.iter();
        changed
            .filter(|(id, units)| before.get(id) != Some(units))
            .count()
    }
}
