//! Rules about events. `announcements` are the events of checkouts, including dead letters.

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
