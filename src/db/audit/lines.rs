//! Rules about order lines.

use super::Rule;

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "line_reserved_or_rejected",
        sentence: "a line is either reserved or rejected with a reason, never both, never neither",
        subject: "line",
        query: r"
            select id
            from order_line_items
            where (status = 'rejected') <> (rejection_reason is not null)
                or (status <> 'rejected' and rejection_detail is not null)
            ",
    },
    Rule {
        code: "line_of_its_cart",
        sentence: "the lines of a group's orders are the lines of its cart, as they were frozen",
        subject: "line",
        query: r"
            select coalesce(bought.id, asked.id)
            from (
                -- The two parts of a partly filled line make up the line.
                select
                    o.checkout_group_id, o.vendor_store_id, l.product_id, l.position, l.sku, l.title,
                    l.unit, l.list_price, l.unit_price,
                    sum(l.qty) as qty,
                    sum(l.discount) as discount,
                    sum(l.total) as total,
                    (array_agg(l.id order by l.id))[1] as id
                from order_line_items l
                left join vendor_orders o on o.id = l.order_id
                group by
                    o.checkout_group_id, o.vendor_store_id, l.product_id, l.position, l.sku, l.title,
                    l.unit, l.list_price, l.unit_price
            ) bought
            full join (
                select g.id as checkout_group_id, i.*
                from cart_items i
                join checkout_groups g on g.cart_id = i.cart_id
            ) asked
                on asked.checkout_group_id = bought.checkout_group_id
                and asked.product_id = bought.product_id
            where (
                    bought.vendor_store_id, bought.position, bought.sku, bought.title, bought.unit,
                    bought.qty, bought.list_price, bought.unit_price, bought.discount, bought.total)
                is distinct from (
                    asked.vendor_store_id, asked.position, asked.sku, asked.title, asked.unit,
                    asked.qty, asked.list_price, asked.unit_price, asked.line_discount,
                    asked.line_total)
            ",
    },
    Rule {
        code: "line_once",
        sentence: "a group has each product at most once, or as what there was of it and the rest",
        subject: "checkout group",
        query: r"
            select o.checkout_group_id
            from order_line_items l
            join vendor_orders o on o.id = l.order_id
            group by o.checkout_group_id, l.product_id
            having count(*) > 2
                or count(*) > 1 + count(*) filter (where l.rejection_detail ? 'reserved_qty')
            ",
    },
    Rule {
        code: "line_of_its_group",
        sentence: "a line belongs to the group of its order",
        subject: "line",
        query: r"
            select l.id
            from order_line_items l
            left join vendor_orders o on o.id = l.order_id
            where l.checkout_group_id is distinct from o.checkout_group_id
            ",
    },
    Rule {
        code: "line_figures",
        sentence: "a line costs its unit price for each unit, and its discount is the rest",
        subject: "line",
        query: r"
            select id
            from order_line_items
            where (total, discount) <> (unit_price * qty, (list_price - unit_price) * qty)
            ",
    },
    Rule {
        code: "line_filled",
        sentence: "what a short line says was left, of the stock or of a purchase limit, is less than \
            it wanted, and what it says was reserved is its other part",
        subject: "line",
        query: r"
            select l.id
            from (
                select
                    *,
                    case rejection_reason
                        when 'insufficient_inventory' then
                            (rejection_detail ->> 'available_qty')::bigint
                        when 'purchase_limit_reached' then
                            case when limit_qty > bought_qty then limit_qty - bought_qty
                                when limit_qty <= bought_qty then 0 end
                    end as left_qty
                from order_line_items
                cross join lateral (
                    select
                        (rejection_detail ->> 'limit_qty')::bigint as limit_qty,
                        (rejection_detail ->> 'bought_qty')::bigint as bought_qty
                ) limits
                where rejection_detail is not null
            ) l
            where case
                -- What ends a line after the checkout leaves words and no figures.
                when l.rejection_reason in ('vendor_rejected', 'order_canceled') then
                    l.rejection_detail - 'note' <> '{}'
                when l.left_qty is null then true
                when l.rejection_detail ? 'reserved_qty' then
                    (l.rejection_detail ->> 'reserved_qty')::bigint <> l.left_qty
                    or 1 <> (
                        select count(*)
                        from order_line_items part
                        where part.order_id = l.order_id
                            and part.product_id = l.product_id
                            and part.position = l.position
                            and part.id <> l.id
                            and part.qty = l.left_qty
                            and not coalesce(part.rejection_detail ? 'reserved_qty', false)
                    )
                else l.left_qty >= l.qty
            end
            ",
    },
    Rule {
        code: "line_within_limit",
        sentence: "no line that was reserved more than an hour after its product last changed made \
            its buyer have more of the product than its purchase limit",
        subject: "line",
        // A limit has no history: it is known to be the one of the checkout if the product has not
        // changed since. An hour is longer than the import that changes it.
        query: r"
            select line_id
            from (
                select
                    line_id, buyer_limit_qty, at, updated_at,
                    sum(qty) over (partition by buyer_store_id, product_id order by at) as bought_qty
                from (
                    select
                        p.id as product_id, p.buyer_limit_qty, p.updated_at, o.buyer_store_id,
                        change.line_id, change.at, change.qty
                    from products p
                    join order_line_items l on l.product_id = p.id
                    join vendor_orders o
                        on o.id = l.order_id
                        and o.vendor_store_id = p.vendor_store_id
                    -- A line counts from its order on, until the days of the limit are over.
                    cross join lateral (
                        values
                            (l.id, o.created_at, l.qty),
                            (null, o.created_at + make_interval(hours => 24 * p.buyer_limit_days), -l.qty)
                    ) as change (line_id, at, qty)
                    where p.buyer_limit_qty is not null
                        and l.status <> 'rejected'
                        and change.at is not null
                ) changes
            ) counted
            where line_id is not null
                and at > updated_at + interval '1 hour'
                and bought_qty > buyer_limit_qty
            ",
    },
    Rule {
        code: "line_withheld",
        sentence: "where a line is rejected because its vendor's order was incomplete, none of the \
            order is reserved, and another line has a reason of its own",
        subject: "line",
        query: r"
            select l.id
            from order_line_items l
            where l.rejection_reason = 'vendor_order_incomplete'
                and (
                    exists (
                        select
                        from order_line_items other
                        where other.order_id = l.order_id
                            and other.status <> 'rejected'
                    )
                    or not exists (
                        select
                        from order_line_items other
                        where other.order_id = l.order_id
                            and other.rejection_reason <> 'vendor_order_incomplete'
                    )
                )
            ",
    },
];
