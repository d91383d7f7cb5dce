//! Rules about first answers.

use super::Rule;

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "key_of_its_buyer",
        sentence: "the key of a checkout points at an existing group of the person and the store that used it",
        subject: "checkout group",
        query: r"
            select k.checkout_group_id
            from idempotency_keys k
            left join checkout_groups g on g.id = k.checkout_group_id
            where k.path = '/api/v1/checkout'
                and (k.user_id, k.store_id) is distinct from (g.created_by, g.buyer_store_id)
            ",
    },
    Rule {
        code: "key_of_a_move",
        sentence: "the key of a move points at the group that its path names, or whose order it names, \
            and was used by a store on the side that makes such a move",
        subject: "checkout group",
        query: r"
            select k.checkout_group_id
            from idempotency_keys k
            where k.path <> '/api/v1/checkout'
                and not exists (
                    select
                    from vendor_orders o
                    where o.checkout_group_id = k.checkout_group_id
                        and (k.path, k.store_id) in (
                            ('/api/v1/orders/' || o.id || '/decision', o.vendor_store_id),
                            ('/api/v1/orders/' || o.id || '/fulfillment', o.vendor_store_id),
                            ('/api/v1/orders/' || o.id || '/cancellation', o.buyer_store_id),
                            ('/api/v1/checkout-groups/' || o.checkout_group_id || '/cancellation',
                                o.buyer_store_id))
                )
            ",
    },
    Rule {
        code: "key_answers_with_its_group",
        sentence: "the answer that is kept under a key is about the group that the key points at",
        subject: "checkout group",
        query: r#"
            select checkout_group_id
            from idempotency_keys
            -- Not parsed as JSON: a body that is not JSON must be found, not end the audit.
            where position(
                    convert_to('"checkout_group_id":"' || checkout_group_id || '"', 'UTF8')
                    in response_body) = 0
            "#,
    },
    Rule {
        code: "key_of_a_cart",
        sentence: "the key of a cart PUT points at a cart that exists",
        subject: "cart",
        query: r"
            select k.cart_id
            from cart_put_keys k
            left join cart_records c on c.id = k.cart_id
            where c.id is null
            ",
    },
    Rule {
        code: "key_per_group",
        sentence: "each group was bought under one key, which is kept for as long as was promised",
        subject: "checkout group",
        query: r"
            select g.id
            from checkout_groups g
            left join (
                select checkout_group_id, count(*) as keys
                from idempotency_keys
                where path = '/api/v1/checkout'
                group by checkout_group_id
            ) k on k.checkout_group_id = g.id
            where k.keys > 1
                or (k.keys is null and g.created_at > (select keys_kept_since from bounds))
            ",
    },
];
