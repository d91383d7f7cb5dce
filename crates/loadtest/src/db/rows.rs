//! Carts as `COPY` writes them, many at once.

use rust_decimal::Decimal;
use uuid::Uuid;

use catalogue::db::bulk::{CopyRow, CopyText};
use splitcart::domain::{
    cart::{CartLine, Totals},
    ids::{BuyerStoreId, CartId, CartItemId, UserId},
    product::Unit,
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

/// A line of a cart.
#[derive(Clone, Copy, Debug)]
pub struct CartItemRow<'a> {
    pub cart_id: CartId,
    pub position: usize,
    pub line: &'a CartLine,
}

impl CopyRow for CartItemRow<'_> {
    const TABLE: &'static str = "cart_items";
    const COLUMNS: &'static str = "id, cart_id, position, product_id, vendor_store_id, sku, title, \
                                   unit, image_url, qty, moq, max_qty, list_price, \
                                   volume_discount_min_qty, volume_discount_percent, unit_price, \
                                   line_subtotal, line_discount, line_total";

    fn encode(&self, text: &mut CopyText) {
        let line = self.line;
        let tier = line.price.tier;
        let percent: Option<Decimal> = tier.map(|tier| tier.discount_percent.decimal());
        text.field(CartItemId::new(Uuid::now_v7()))
            .field(self.cart_id)
            .field(self.position)
            .field(line.product_id)
            .field(line.vendor_store_id)
            .field(&line.sku)
            .field(&line.title)
            .field(unit_name(line.unit))
            .nullable(line.image_url.as_ref())
            .field(line.qty)
            .field(line.moq)
            .nullable(line.max_qty)
            .field(line.price.list_price)
            .nullable(tier.map(|tier| tier.min_qty))
            .nullable(percent)
            .field(line.price.unit_price)
            .field(line.price.subtotal)
            .field(line.price.discount)
            .field(line.price.total);
    }
}

/// As the column spells it; `sqlx` writes the same name, but does not expose it.
const fn unit_name(unit: Unit) -> &'static str {
    match unit {
        Unit::Unit => "unit",
        Unit::Gram => "gram",
        Unit::Ounce => "ounce",
        Unit::Pound => "pound",
        Unit::Eighth => "eighth",
        Unit::Sixteenth => "sixteenth",
    }
}
