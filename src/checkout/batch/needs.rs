//! The rows that the members of a batch need, as far as is known.

use crate::{domain::checkout::CheckoutPlan, held_rows::Row};

use super::super::command::CheckoutCommand;

/// The rows that each member needs, by its index.
pub(super) struct Needs(Vec<Vec<Row>>);

impl Needs {
    /// Before anything is read, only the carts are known.
    pub(super) fn of_carts(commands: &[&CheckoutCommand]) -> Self {
        let carts = commands
            .iter()
            .map(|command| vec![Row::Cart(command.request.asked_cart())]);
        Self(carts.collect())
    }

    /// Adds the rows that a member's plan needs.
    pub(super) fn add(&mut self, index: usize, command: &CheckoutCommand, plan: &CheckoutPlan) {
        let needs = &mut self.0[index];
        let request = command.request;
        needs.extend([Row::Store(request.store_id), Row::User(request.user_id)]);
        for demand in plan.bid().demands {
            let stock = demand.stock;
            needs.extend([
                Row::Stock(stock),
                Row::Store(stock.vendor_store_id.into()),
                Row::Product(stock.product_id),
            ]);
        }
    }

    pub(super) fn of(&self, index: usize) -> &[Row] {
        &self.0[index]
    }

    pub(super) fn by_member(&self) -> impl Iterator<Item = &[Row]> {
        self.0.iter().map(Vec::as_slice)
    }

    /// The rows of all members.
    pub(super) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.0.iter().flatten()
    }

    /// The stock that the transaction has locked, or may have.
    pub(super) fn stock_rows(&self) -> Vec<Row> {
        let stock = self.rows().filter(|row| matches!(row, Row::Stock(_)));
        stock.copied().collect()
    }
}
