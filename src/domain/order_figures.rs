//! An order's figures after its checkout: computed anew over the lines that are left, by the money rules
//! of the checkout. A discount once granted is not withdrawn.

use super::{
    cart::{Totals, vendor_totals},
    money::Money,
    order::{LineStatus, OrderLine, PaymentIntent, PaymentStatus, VendorOrder},
    pricing::{DiscountTerms, LinePrice},
};

/// Computes totals, balance and payment intent anew.
pub fn compute_anew(order: &mut VendorOrder, discount: Option<DiscountTerms>) {
    let left = order.lines.iter().filter(|line| counts(line));
    let left: Vec<LinePrice> = left.map(price).collect();
    order.totals = if left.is_empty() {
        Totals::default()
    } else {
        vendor_totals(&left, discount)
    };
    order.balance_due = order.totals.total;
    if let Some(intent) = &mut order.payment_intent {
        collect(intent, order.totals.total, left.is_empty());
    }
}

/// An intent whose amount came to nothing has failed if nothing is left to pay for, and is settled if
/// something is.
fn collect(intent: &mut PaymentIntent, amount: Money, is_nothing_left: bool) {
    intent.amount = amount;
    if is_nothing_left {
        intent.status = PaymentStatus::Failed;
    } else if amount.is_zero() {
        intent.status = PaymentStatus::Settled;
    }
}

/// A rejected line keeps the figures it was offered at, and counts in no sum.
fn counts(line: &OrderLine) -> bool {
    line.status != LineStatus::Rejected
}

fn price(line: &OrderLine) -> LinePrice {
    LinePrice {
        list_price: line.list_price,
        tier: None,
        unit_price: line.unit_price,
        subtotal: line.list_price.times(line.qty),
        discount: line.discount,
        total: line.total,
    }
}
