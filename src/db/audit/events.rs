//! Rules about events. `announcements` are the events of checkouts, and `moves` those of orders, including
//! dead letters.

use super::Rule;

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "event_per_group",
        sentence: "each group is announced exactly once, by an event that is kept for its time",
        subject: "checkout group",
        query: r"
            select g.id
            from checkout_groups g
            left join (
                select aggregate_id, count(*) as events
                from announcements
                where aggregate_type = 'checkout_group'
                group by aggregate_id
            ) a on a.aggregate_id = g.id
            where a.events > 1
                or (a.events is null and g.created_at > (select events_kept_since from bounds))
            ",
    },
    Rule {
        code: "event_tells_its_group",
        sentence: "an announcement names its group, the buyer and exactly the group's orders",
        subject: "event",
        query: r"
            select a.id
            from announcements a
            join checkout_groups g on g.id = a.aggregate_id
            left join (
                select checkout_group_id, jsonb_agg(id order by vendor_store_id) as ids
                from vendor_orders
                group by checkout_group_id
            ) o on o.checkout_group_id = g.id
            where (
                    a.payload ->> 'checkout_group_id', a.payload ->> 'buyer_store_id',
                    a.payload -> 'vendor_order_ids')
                is distinct from (g.id::text, g.buyer_store_id::text, o.ids)
            ",
    },
    Rule {
        code: "event_of_a_group",
        sentence: "nothing is announced that was not bought",
        subject: "event",
        query: r"
            select a.id
            from announcements a
            left join checkout_groups g on g.id = a.aggregate_id
            where g.id is null
            ",
    },
    Rule {
        code: "event_per_ended_order",
        sentence: "the end of an order by a move is announced exactly once, by an event that is kept for \
            its time, and no other end of it",
        subject: "order",
        query: r"
            with ended as (
                select
                    id,
                    updated_at,
                    case
                        when status = 'rejected' then 'order_decided'
                        else 'order_' || status
                    end as event_type
                from vendor_orders
                where status in ('fulfilled', 'canceled', 'expired')
                    or status = 'rejected' and rejection_reason = 'vendor_rejected'
            ),
            ends as (
                select
                    m.aggregate_id as id,
                    m.event_type,
                    count(*) as events
                from moves m
                where m.event_type in ('order_fulfilled', 'order_canceled', 'order_expired')
                    or m.event_type = 'order_decided' and m.payload ->> 'status' = 'rejected'
                group by m.aggregate_id, m.event_type
            )
            select coalesce(o.id, e.id)
            from ended o
            full join ends e on e.id = o.id and e.event_type = o.event_type
            where e.events > 1
                or e.events is null
                    and o.updated_at > (select greatest(events_kept_since, moves_since) from bounds)
                -- A fulfilled order goes on in the systems behind this one.
                or o.id is null
                    and not exists (
                        select
                        from vendor_orders v
                        where v.id = e.id
                            and v.status in ('hold', 'in_transit', 'delivered', 'closed')
                    )
            ",
    },
    Rule {
        code: "event_tells_its_order",
        sentence: "the event of a move names the order, its group, both stores and lines of the order, and \
            only that of a decision says whether it was the last one",
        subject: "event",
        query: r"
            select m.id
            from moves m
            left join vendor_orders o on o.id = m.aggregate_id
            left join (
                select m.id, count(*) as named, count(l.id) as found
                from moves m
                cross join lateral jsonb_array_elements(
                    case jsonb_typeof(m.payload -> 'lines')
                        when 'array' then m.payload -> 'lines'
                        else '[]'
                    end) as line
                left join order_line_items l
                    on l.id::text = line ->> 'line_item_id'
                    and l.order_id = m.aggregate_id
                    and to_jsonb(l.qty) = line -> 'qty'
                group by m.id
            ) lines on lines.id = m.id
            where (
                    m.payload ->> 'order_id', m.payload ->> 'checkout_group_id',
                    m.payload ->> 'buyer_store_id', m.payload ->> 'vendor_store_id')
                is distinct from (
                    o.id::text, o.checkout_group_id::text, o.buyer_store_id::text,
                    o.vendor_store_id::text)
                or m.payload -> 'final' is distinct from case m.event_type
                    when 'order_decided' then to_jsonb(m.payload ->> 'status' <> 'created_pending')
                end
                or lines.named is null
                or lines.named <> lines.found
            ",
    },
    Rule {
        code: "event_published_in_time",
        sentence: "no event has waited longer than the bound to be published",
        subject: "event",
        query: r"
            select id
            from outbox_events
            where published_at is null
                and created_at < (select published_before from bounds)
            ",
    },
];
