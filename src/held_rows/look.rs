//! Looking for rows that other transactions hold, without waiting for any of them.

use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

use sqlx::{PgConnection, PgPool};

use crate::{
    db::{self, held::Holder},
    domain::lock_order::StockKey,
};

use super::{
    HeldRows,
    row::{Row, RowsByKind},
};

/// The time that a look may take. It waits for no row.
pub(crate) const LOOK_MAX: Duration = Duration::from_millis(250);

/// A held row. The holder is known of rows that are read, and not of rows that were tried to be locked.
type Found = (Row, Option<Holder>);

impl HeldRows {
    /// Finds the rows that transactions of others hold at this moment. Stock and carts are looked at first,
    /// and the rows that are only referred to if none of those is held.
    ///
    /// # Errors
    /// A statement failed.
    pub(crate) async fn look(
        &self,
        connection: &mut PgConnection,
        rows: &BTreeSet<Row>,
    ) -> Result<Vec<Row>, db::Error> {
        let rows: RowsByKind = rows.iter().collect();
        let mut held = rows.find_locked(connection).await?;
        if held.is_empty() {
            held = rows.find_locked_for_reference(connection).await?;
        }
        let known = self.known();
        let foreign = held
            .into_iter()
            .filter(|(_, by)| !by.is_some_and(|by| known.own.contains(&by)));
        Ok(foreign.map(|(row, _)| row).collect())
    }

    /// Finds the rows of stock that transactions of others hold at this moment, in one statement.
    ///
    /// # Errors
    /// The statement failed.
    pub(crate) async fn look_at_stock(
        &self,
        connection: &mut PgConnection,
        stock: &[StockKey],
    ) -> Result<HashSet<Row>, db::Error> {
        // Copied before the look: a transaction of ours that ends meanwhile was ours all the same.
        let own = self.known().own.clone();
        let held = db::held::find_held_stock(connection, stock).await?;
        let foreign = held.into_iter().filter(|(_, by)| !own.contains(by));
        Ok(foreign.map(|(stock, _)| Row::Stock(stock)).collect())
    }
}

/// Finds the rows that any transaction holds, over a connection of the pool.
pub(super) async fn look_once(
    pool: &PgPool,
    rows: &BTreeSet<Row>,
) -> Result<Vec<Found>, db::Error> {
    const DOING: &str = "look for held rows";
    let mut connection = db::in_time(LOOK_MAX, DOING, db::pool::acquire(pool)).await?;
    let rows: RowsByKind = rows.iter().collect();
    let look = async {
        let mut held = rows.find_locked(&mut connection).await?;
        held.extend(rows.find_locked_for_reference(&mut connection).await?);
        Ok(held)
    };
    let found = db::in_time(LOOK_MAX, DOING, look).await;
    if found.is_err() {
        // The connection may be silent, in the middle of a statement.
        connection.close();
    }
    found
}

impl RowsByKind {
    /// The held ones among the rows that checkouts lock themselves.
    async fn find_locked(&self, connection: &mut PgConnection) -> Result<Vec<Found>, db::Error> {
        let mut held = Vec::new();
        if !self.stock.is_empty() {
            let found = db::held::find_held_stock(connection, &self.stock).await?;
            let rows = found.into_iter();
            held.extend(rows.map(|(stock, by)| (Row::Stock(stock), Some(by))));
        }
        if !self.carts.is_empty() {
            let found = db::held::find_held_carts(connection, &self.carts).await?;
            let rows = found.into_iter();
            held.extend(rows.map(|(cart, by)| (Row::Cart(cart), Some(by))));
        }
        Ok(held)
    }

    /// The held ones among the rows that checkouts only refer to.
    async fn find_locked_for_reference(
        &self,
        connection: &mut PgConnection,
    ) -> Result<Vec<Found>, db::Error> {
        let mut held = Vec::new();
        if !self.stores.is_empty() {
            let found = db::held::find_held_stores(connection, &self.stores).await?;
            held.extend(found.into_iter().map(Row::Store));
        }
        if !self.products.is_empty() {
            let found = db::held::find_held_products(connection, &self.products).await?;
            held.extend(found.into_iter().map(Row::Product));
        }
        if !self.users.is_empty() {
            let found = db::held::find_held_users(connection, &self.users).await?;
            held.extend(found.into_iter().map(Row::User));
        }
        Ok(held.into_iter().map(|row| (row, None)).collect())
    }
}
