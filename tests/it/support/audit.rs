//! What must be true of the database whatever has happened: each query finds what breaks a rule.

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::Database;

const RULES: &[(&str, &str)] = &[
    (
        "stock is never negative",
        "select product_id from inventory_items where available_qty < 0 or reserved_qty < 0",
    ),
    (
        "what is reserved of a product is the sum of the lines that hold it",
        "select i.product_id
         from inventory_items i
         where i.reserved_qty <> (
            select coalesce(sum(l.qty), 0)
            from order_line_items l
            where l.product_id = i.product_id and l.status = 'pending')",
    ),
    (
        "a cart is converted if and only if it has exactly one group",
        "select c.id
         from cart_records c
         where (select count(*) from checkout_groups g where g.cart_id = c.id)
            <> (c.status = 'converted')::integer",
    ),
    (
        "a group belongs to the buyer of its cart",
        "select g.id
         from checkout_groups g
         join cart_records c on c.id = g.cart_id
         where (g.buyer_store_id, g.currency) is distinct from (c.buyer_store_id, c.currency)",
    ),
    (
        "a group has one order for each vendor of its cart",
        "select g.id
         from checkout_groups g
         where array(
                select o.vendor_store_id from vendor_orders o
                where o.checkout_group_id = g.id and o.buyer_store_id = g.buyer_store_id order by 1)
            is distinct from array(
                select distinct i.vendor_store_id from cart_items i
                where i.cart_id = g.cart_id order by 1)",
    ),
    (
        "the lines of a group are the lines of its cart, each once",
        "with bought as (
            select
                o.checkout_group_id, o.vendor_store_id, l.product_id, l.position, l.qty,
                l.list_price, l.unit_price, l.discount, l.total
            from order_line_items l
            join vendor_orders o on o.id = l.order_id
         ),
         asked as (
            select
                g.id, i.vendor_store_id, i.product_id, i.position, i.qty,
                i.list_price, i.unit_price, i.line_discount, i.line_total
            from cart_items i
            join checkout_groups g on g.cart_id = i.cart_id
         )
         (table bought except all table asked) union all (table asked except all table bought)",
    ),
    (
        "a line belongs to the group of its order",
        "select l.id
         from order_line_items l
         join vendor_orders o on o.id = l.order_id
         where l.checkout_group_id <> o.checkout_group_id",
    ),
    (
        "an order's figures are the sums of its reserved lines less the vendor's discount",
        "with sums as (
            select
                o.id, o.subtotal, o.total,
                coalesce(sum(l.list_price * l.qty), 0) as list_sum,
                coalesce(sum(l.total), 0) as line_sum
            from vendor_orders o
            left join order_line_items l on l.order_id = o.id and l.status <> 'rejected'
            group by o.id
         )
         select s.id
         from sums s
         join vendor_orders o on o.id = s.id
         join checkout_groups g on g.id = o.checkout_group_id
         left join cart_vendor_discounts d
            on d.cart_id = g.cart_id and d.vendor_store_id = o.vendor_store_id
         where s.subtotal <> s.list_sum
            or s.total <> s.line_sum - coalesce(
                case d.kind
                    when 'percentage' then round(s.line_sum * d.value / 100, 2)
                    when 'fixed' then least(d.value, s.line_sum)
                end, 0)",
    ),
    (
        "a group's figures are the sums of its orders",
        "select g.id
         from checkout_groups g
         where (g.subtotal, g.discount_total, g.total) is distinct from (
            select (sum(o.subtotal), sum(o.discount_total), sum(o.total))
            from vendor_orders o where o.checkout_group_id = g.id)",
    ),
    (
        "an order is to be paid, in full, if and only if something was reserved for it",
        "select o.id
         from vendor_orders o
         left join payment_intents p on p.order_id = o.id
         where (p.id is not null) <> exists (
                select from order_line_items l where l.order_id = o.id and l.status <> 'rejected')
            or (p.id is null) <> (o.status = 'rejected')
            or p.amount <> o.total
            or o.balance_due <> o.total",
    ),
    (
        "each group is announced once, with exactly its orders",
        "with events as (
            select event_type, aggregate_type, aggregate_id, payload from outbox_events
            union all
            select event_type, aggregate_type, aggregate_id, payload from outbox_dead_letters
         )
         select g.id
         from checkout_groups g
         where array(
                select e.payload -> 'vendor_order_ids'
                from events e
                where e.event_type = 'order_created'
                    and e.aggregate_type = 'checkout_group'
                    and e.aggregate_id = g.id
                    and e.payload ->> 'checkout_group_id' = g.id::text)
            is distinct from array[(
                select jsonb_agg(o.id order by o.vendor_store_id)
                from vendor_orders o where o.checkout_group_id = g.id)]",
    ),
    (
        "nothing is announced that was not bought",
        "with events as (
            select id, aggregate_id from outbox_events
            union all
            select id, aggregate_id from outbox_dead_letters
         )
         select e.id
         from events e
         where not exists (select from checkout_groups g where g.id = e.aggregate_id)",
    ),
    (
        "an idempotency key answers with a group of the one who used it",
        "select k.key
         from idempotency_keys k
         join checkout_groups g on g.id = k.checkout_group_id
         where (k.store_id, k.user_id) is distinct from (g.buyer_store_id, g.created_by)
            or convert_from(k.response_body, 'UTF8')::jsonb #>> '{data,checkout_group_id}'
                is distinct from g.id::text",
    ),
    (
        "each group was bought under one key",
        "select g.id
         from checkout_groups g
         where (select count(*) from idempotency_keys k where k.checkout_group_id = g.id) <> 1",
    ),
];

/// Panics with everything that breaks a rule.
pub async fn assert_consistent(database: &Database) {
    let mut connection = database.pool.acquire().await.unwrap();
    let findings = findings(&mut connection).await;
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

/// One sentence for each rule that is broken, beginning with the rule.
pub async fn findings(connection: &mut PgConnection) -> Vec<String> {
    let mut findings = Vec::new();
    for (rule, query) in RULES {
        let count = format!("select count(*), min(f::text) from ({query}) as f");
        let row = sqlx::query(AssertSqlSafe(count))
            .fetch_one(&mut *connection)
            .await
            .unwrap_or_else(|error| panic!("{rule}: {error}"));
        let broken: i64 = row.get(0);
        if broken > 0 {
            let example: String = row.get(1);
            findings.push(format!("{rule}: broken {broken} times, as by {example}"));
        }
    }
    findings
}
