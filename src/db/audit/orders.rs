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
        sentence: "an order's figures are the sums of its lines that are not rejected, less the vendor's \
            discount",
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
        sentence: "an order is rejected, canceled or expired if and only if none of its lines is left, \
            and has a reason if and only if it is rejected",
        subject: "order",
        query: r"
            select o.id
            from vendor_orders o
            left join (
                select distinct order_id
                from order_line_items
                where status <> 'rejected'
            ) kept on kept.order_id = o.id
            where (o.status = 'rejected') <> (o.rejection_reason is not null)
                -- The other statuses belong to systems behind this one.
                or o.status not in ('hold', 'in_transit', 'delivered', 'closed')
                    and (o.status in ('rejected', 'canceled', 'expired')) <> (kept.order_id is null)
            ",
    },
    Rule {
        code: "order_fits_its_lines",
        sentence: "an order waits, is accepted, partially accepted or fulfilled as its lines are, and \
            was ended by what ended its lines",
        subject: "order",
        query: r"
            select o.id
            from vendor_orders o
            join (
                select
                    order_id,
                    count(*) filter (where status = 'pending') as pending,
                    count(*) filter (where status = 'accepted') as accepted,
                    count(*) filter (where status = 'fulfilled') as fulfilled,
                    count(*) filter (where status = 'hold') as on_hold,
                    count(*) filter (where rejection_reason = 'vendor_rejected') as declined,
                    count(*) filter (where rejection_reason = 'order_canceled') as canceled,
                    count(*) filter (where rejection_reason = 'order_expired') as expired
                from order_line_items
                group by order_id
            ) l on l.order_id = o.id
            -- These belong to systems behind this one.
            where o.status not in ('hold', 'in_transit', 'delivered', 'closed')
                and l.on_hold = 0
                and (
                    not case o.status
                        when 'created_pending' then l.pending > 0 and l.fulfilled = 0
                        when 'accepted' then
                            l.accepted > 0 and l.pending = 0 and l.fulfilled = 0 and l.declined = 0
                        when 'partially_accepted' then
                            l.accepted > 0 and l.pending = 0 and l.fulfilled = 0 and l.declined > 0
                        when 'fulfilled' then l.fulfilled > 0 and l.pending = 0 and l.accepted = 0
                        when 'rejected' then
                            (o.rejection_reason is not distinct from 'vendor_rejected')
                                = (l.declined > 0)
                        else true
                    end
                    or l.canceled > 0 and o.status <> 'canceled'
                    or l.expired > 0 and o.status <> 'expired'
                )
            ",
    },
];
