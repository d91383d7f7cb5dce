//! Rules about vendor orders.

use super::Rule;

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "order_of_its_group",
        sentence: "an order has the buyer and the currency of its group",
        subject: "order",
        query: r"
            select o.id
            from vendor_orders o
            left join checkout_groups g on g.id = o.checkout_group_id
            where (o.buyer_store_id, o.currency) is distinct from (g.buyer_store_id, g.currency)
            ",
    },
    Rule {
        code: "order_figures",
        sentence: "an order's figures are the sums of its reserved lines less the vendor's discount",
        subject: "order",
        query: r"
            with sums as (
                select
                    o.id,
                    o.checkout_group_id,
                    o.vendor_store_id,
                    o.subtotal,
                    o.discount_total,
                    o.total,
                    coalesce(sum(l.list_price * l.qty), 0) as line_subtotal,
                    coalesce(sum(l.total), 0) as line_total
                from vendor_orders o
                left join order_line_items l on l.order_id = o.id and l.status <> 'rejected'
                group by o.id
            ),
            due as (
                select
                    s.*,
                    s.line_total - coalesce(
                        case d.kind
                            when 'percentage' then round(s.line_total * d.value / 100, 2)
                            when 'fixed' then least(d.value, s.line_total)
                        end, 0) as due
                from sums s
                left join checkout_groups g on g.id = s.checkout_group_id
                left join cart_vendor_discounts d
                    on d.cart_id = g.cart_id
                    and d.vendor_store_id = s.vendor_store_id
            )
            select id
            from due
            where (subtotal, discount_total, total)
                <> (line_subtotal, line_subtotal - due, due)
            ",
    },
    Rule {
        code: "order_rejected_if_empty",
        sentence: "an order is rejected, with a reason, if and only if none of its lines was reserved",
        subject: "order",
        query: r"
            select o.id
            from vendor_orders o
            left join (
                select distinct order_id
                from order_line_items
                where status <> 'rejected'
            ) reserved on reserved.order_id = o.id
            where (o.status = 'rejected') <> (reserved.order_id is null)
                or (o.status = 'rejected') <> (o.rejection_reason is not null)
            ",
    },
];
