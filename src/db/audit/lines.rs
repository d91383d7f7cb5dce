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
        sentence: "what a short line says was left is less than it wanted, and what it says was \
            reserved is its other part",
        subject: "line",
        query: r"
            select l.id
            from order_line_items l
            where l.rejection_detail is not null
                and (
                    l.rejection_reason <> 'insufficient_inventory'
                    or case
                        when l.rejection_detail ? 'reserved_qty' then
                            l.rejection_detail -> 'reserved_qty'
                                is distinct from l.rejection_detail -> 'available_qty'
                            or 1 <> (
                                select count(*)
                                from order_line_items part
                                where part.order_id = l.order_id
                                    and part.product_id = l.product_id
                                    and part.position = l.position
                                    and part.id <> l.id
                                    and to_jsonb(part.qty) = l.rejection_detail -> 'reserved_qty'
                                    and not coalesce(part.rejection_detail ? 'reserved_qty', false)
                            )
                        else (l.rejection_detail ->> 'available_qty')::bigint >= l.qty
                    end
                )
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
