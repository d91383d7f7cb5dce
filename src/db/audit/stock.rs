//! Rules about stock.
//!
//! That available, reserved and fulfilled units add up to what was stocked can't be asked: no column
//! says what was stocked. Who stocked a product can compare the sum.

use super::Rule;

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "stock_not_negative",
        sentence: "stock is never negative",
        subject: "product",
        query: r"
            select product_id
            from inventory_items
            where available_qty < 0
                or reserved_qty < 0
            ",
    },
    Rule {
        code: "stock_reserved_by_lines",
        sentence: "what is reserved of a product is the sum of the lines that hold it, \
            and a rejected line holds none",
        subject: "product",
        query: r"
            select product_id
            from inventory_items i
            full join (
                select product_id, sum(qty) as qty
                from order_line_items
                -- What is fulfilled has left the stock.
                where status in ('pending', 'accepted', 'hold')
                group by product_id
            ) held using (product_id)
            where coalesce(i.reserved_qty, 0) <> coalesce(held.qty, 0)
            ",
    },
];
