//! Rules about checkout groups and the carts that they come from.

use super::Rule;

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "group_per_converted_cart",
        sentence: "a cart is converted if and only if it has exactly one group",
        subject: "cart",
        query: r"
            select cart_id
            from (
                select id as cart_id, status
                from cart_records
            ) c
            full join (
                select cart_id, count(*) as groups
                from checkout_groups
                group by cart_id
            ) g using (cart_id)
            where coalesce(g.groups, 0) <> case c.status when 'converted' then 1 else 0 end
            ",
    },
    Rule {
        code: "group_of_its_cart",
        sentence: "a group has the buyer and the currency of its cart",
        subject: "checkout group",
        query: r"
            select g.id
            from checkout_groups g
            left join cart_records c on c.id = g.cart_id
            where (g.buyer_store_id, g.currency) is distinct from (c.buyer_store_id, c.currency)
            ",
    },
    Rule {
        code: "group_order_per_vendor",
        sentence: "a group has exactly one order for each vendor of its cart",
        subject: "checkout group",
        query: r"
            select checkout_group_id
            from (
                select checkout_group_id, vendor_store_id, count(*) as orders
                from vendor_orders
                group by checkout_group_id, vendor_store_id
            ) made
            full join (
                select distinct g.id as checkout_group_id, i.vendor_store_id, 1 as orders
                from checkout_groups g
                join cart_items i on i.cart_id = g.cart_id
            ) due using (checkout_group_id, vendor_store_id)
            where made.orders is distinct from due.orders
            ",
    },
    Rule {
        code: "group_figures",
        sentence: "a group's figures are the sums of its orders",
        subject: "checkout group",
        query: r"
            select g.id
            from checkout_groups g
            left join (
                select
                    checkout_group_id,
                    sum(subtotal) as subtotal,
                    sum(discount_total) as discount_total,
                    sum(total) as total
                from vendor_orders
                group by checkout_group_id
            ) o on o.checkout_group_id = g.id
            where (g.subtotal, g.discount_total, g.total)
                is distinct from (o.subtotal, o.discount_total, o.total)
            ",
    },
];
