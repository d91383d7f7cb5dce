//! Rules about payment intents.

use super::Rule;

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "payment_per_reserved_order",
        sentence: "an order has exactly one payment intent if something was reserved for it that costs \
            more than 0.00, and none otherwise",
        subject: "order",
        query: r"
            select order_id
            from (
                select order_id, count(*) as intents, max(amount) as amount
                from payment_intents
                group by order_id
            ) made
            full join (
                select o.id as order_id, o.total > 0 as collects
                from vendor_orders o
                where exists (
                    select from order_line_items l where l.order_id = o.id and l.status <> 'rejected'
                )
            ) due using (order_id)
            where case
                when due.collects then made.intents is distinct from 1
                -- Earlier versions intended to collect 0.00.
                when not due.collects then made.intents > 1 or made.amount <> 0
                else true
            end
            ",
    },
    Rule {
        code: "payment_amount",
        sentence: "an intent's amount is its order's total",
        subject: "order",
        query: r"
            select p.order_id
            from payment_intents p
            left join vendor_orders o on o.id = p.order_id
            where p.amount is distinct from o.total
            ",
    },
    Rule {
        code: "payment_balance",
        sentence: "an order's whole total is due until something was paid, and never more than that",
        subject: "order",
        query: r"
            select o.id
            from vendor_orders o
            left join payment_intents p on p.order_id = o.id
            where o.balance_due > o.total
                or (o.balance_due < o.total and coalesce(p.status, 'unpaid') in ('unpaid', 'pending'))
            ",
    },
];
