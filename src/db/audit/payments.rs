//! Rules about payment intents.

use super::Rule;

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "payment_per_reserved_order",
        sentence: "an order has exactly one payment intent if its checkout reserved something for it that \
            costs more than 0.00, and none otherwise",
        subject: "order",
        query: r"
            with bought as (
                select
                    o.id as order_id,
                    o.checkout_group_id,
                    o.vendor_store_id,
                    sum(l.total) as total
                from vendor_orders o
                join order_line_items l on l.order_id = o.id
                -- What was ended after the checkout had been reserved.
                where l.status <> 'rejected'
                    or l.rejection_reason in ('vendor_rejected', 'order_canceled', 'order_expired')
                group by o.id
            ),
            due as (
                select
                    b.order_id,
                    b.total > coalesce(
                        case d.kind
                            when 'percentage' then round(b.total * d.value / 100, 2)
                            when 'fixed' then least(d.value, b.total)
                        end, 0) as collects
                from bought b
                left join checkout_groups g on g.id = b.checkout_group_id
                left join cart_vendor_discounts d
                    on d.cart_id = g.cart_id
                    and d.vendor_store_id = b.vendor_store_id
            )
            select order_id
            from (
                select order_id, count(*) as intents, max(amount) as amount
                from payment_intents
                group by order_id
            ) made
            full join due using (order_id)
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
    Rule {
        code: "payment_of_nothing",
        sentence: "after a move, an intent has failed if nothing is left of its order, and is settled if \
            what is left costs 0.00",
        subject: "order",
        query: r"
            select o.id
            from payment_intents p
            join vendor_orders o on o.id = p.order_id
            join (
                select
                    order_id,
                    bool_or(status <> 'rejected') as is_any_left,
                    bool_or(
                        coalesce(rejection_reason, '')
                            in ('vendor_rejected', 'order_canceled', 'order_expired')) as is_any_ended
                from order_line_items
                group by order_id
            ) l on l.order_id = o.id
            where case
                when not l.is_any_left then l.is_any_ended and p.status <> 'failed'
                -- Only a move sets the amount to 0.00; earlier versions intended to collect it.
                when l.is_any_ended and p.amount = 0 then p.status in ('unpaid', 'pending')
                else false
            end
            ",
    },
];
