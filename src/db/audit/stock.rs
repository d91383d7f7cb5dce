//! Rules about stock.
//!
//! No rule compares the sum of available, reserved and fulfilled units with the stocked units, because
//! no column has the latter. The owner of the stock can compare them.

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
                or fulfilled_qty < 0
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
                -- Fulfilled units have left the stock.
                where status in ('pending', 'accepted', 'hold')
                group by product_id
            ) held using (product_id)
            where coalesce(i.reserved_qty, 0) <> coalesce(held.qty, 0)
            ",
    },
    Rule {
        code: "stock_fulfilled_by_lines",
        sentence: "what is gone of a product is the sum of the lines that were fulfilled since orders \
            are moved by the service",
        subject: "product",
        query: r"
            select product_id
            from inventory_items i
            full join (
                select product_id, sum(qty) as qty
                from order_line_items
                where status = 'fulfilled'
                    and updated_at >= (select moves_since from bounds)
                group by product_id
            ) gone using (product_id)
            where coalesce(i.fulfilled_qty, 0) <> coalesce(gone.qty, 0)
            ",
    },
];
