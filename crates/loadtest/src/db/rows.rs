//! Carts as `COPY` writes them, many at once.

use catalogue::db::bulk::{CopyRow, CopyText};
use splitcart::domain::{
    cart::Totals,
    ids::{BuyerStoreId, CartId, UserId},
};

/// An active cart.
#[derive(Clone, Copy, Debug)]
pub struct CartRow {
    pub id: CartId,
    pub buyer_store_id: BuyerStoreId,
    pub created_by: UserId,
    pub currency: &'static str,
    pub totals: Totals,
}

impl CopyRow for CartRow {
    const TABLE: &'static str = "cart_records";
    const COLUMNS: &'static str =
        "id, buyer_store_id, created_by, currency, subtotal, discount_total, total";

    fn encode(&self, line: &mut CopyText) {
        line.field(self.id)
            .field(self.buyer_store_id)
            .field(self.created_by)
            .field(self.currency)
            .field(self.totals.subtotal)
            .field(self.totals.discount_total)
            .field(self.totals.total);
    }
}
