//! The rows that checkouts need, and sorting them by kind.

use crate::domain::{
    checkout::AskedCart,
    ids::{ProductId, StoreId, UserId},
    lock_order::StockKey,
};

/// A row that a checkout locks, or that a row it writes refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Row {
    Cart(AskedCart),
    Stock(StockKey),
    Store(StoreId),
    Product(ProductId),
    User(UserId),
}

/// Rows by the tables that they are in.
#[derive(Default)]
pub(super) struct RowsByKind {
    pub carts: Vec<AskedCart>,
    pub stock: Vec<StockKey>,
    pub stores: Vec<StoreId>,
    pub products: Vec<ProductId>,
    pub users: Vec<UserId>,
}

impl<'a> FromIterator<&'a Row> for RowsByKind {
    fn from_iter<I: IntoIterator<Item = &'a Row>>(rows: I) -> Self {
        let mut by_kind = Self::default();
        for row in rows {
            match *row {
                Row::Cart(cart) => by_kind.carts.push(cart),
                Row::Stock(stock) => by_kind.stock.push(stock),
                Row::Store(id) => by_kind.stores.push(id),
                Row::Product(id) => by_kind.products.push(id),
                Row::User(id) => by_kind.users.push(id),
            }
        }
        by_kind
    }
}
