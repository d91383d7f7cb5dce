//! Rows that violate each constraint, and that one only.

/// Checks: assignments that make a good row violate the check.
pub const CHECKS: &[(&str, &str)] = &[
    ("stores_type_known", "type = 'shop'"),
    ("stores_type_known", "type = 'Buyer'"),
    ("stores_type_known", "type = ''"),
    ("stores_state_two_capitals", "state = 'ok'"),
    ("stores_state_two_capitals", "state = 'O'"),
    ("stores_state_two_capitals", "state = 'O1'"),
    ("stores_kyc_status_known", "kyc_status = 'unknown'"),
    ("store_memberships_role_known", "role = 'boss'"),
    ("store_memberships_status_known", "status = 'left'"),
    ("licenses_type_known", "type = 'driver'"),
    (
        "licenses_issuing_state_two_capitals",
        "issuing_state = 'ok'",
    ),
    ("licenses_status_known", "status = 'lost'"),
    ("subscriptions_status_known", "status = 'ended'"),
    ("products_unit_known", "unit = 'kilo'"),
    ("products_price_not_negative", "price = -0.01"),
    ("products_moq_positive", "moq = 0"),
    ("products_max_qty_at_least_moq", "moq = 2, max_qty = 1"),
    ("product_volume_discounts_min_qty_positive", "min_qty = 0"),
    (
        "product_volume_discounts_percent_in_range",
        "discount_percent = 0",
    ),
    (
        "product_volume_discounts_percent_in_range",
        "discount_percent = 100.0001",
    ),
    ("store_discounts_code_not_empty", "code = ''"),
    ("store_discounts_kind_known", "kind = 'gift'"),
    ("store_discounts_value_fits_kind", "value = -1"),
    ("store_discounts_value_fits_kind", "value = 100.0001"),
    (
        "store_discounts_value_fits_kind",
        "kind = 'fixed', value = 1.001",
    ),
    (
        "store_discounts_value_fits_kind",
        "kind = 'fixed', value = -1",
    ),
    (
        "store_discounts_min_subtotal_not_negative",
        "min_subtotal = -0.01",
    ),
    ("store_discounts_window_forward", "ends_at = starts_at"),
    (
        "inventory_items_available_not_negative",
        "available_qty = -1",
    ),
    ("inventory_items_reserved_not_negative", "reserved_qty = -1"),
    (
        "inventory_items_low_stock_not_negative",
        "low_stock_threshold = -1",
    ),
    (
        "inventory_items_total_fits",
        "available_qty = 2147483647, reserved_qty = 1",
    ),
    (
        "inventory_items_fulfilled_not_negative",
        "fulfilled_qty = -1",
    ),
    ("inventory_items_version_not_negative", "version = -1"),
    ("products_buyer_limit_qty_positive", "buyer_limit_qty = 0"),
    (
        "products_buyer_limit_days_in_range",
        "buyer_limit_qty = 1, buyer_limit_days = 0",
    ),
    (
        "products_buyer_limit_days_in_range",
        "buyer_limit_qty = 1, buyer_limit_days = 3651",
    ),
    (
        "products_buyer_limit_days_only_with_qty",
        "buyer_limit_days = 30",
    ),
    ("cart_records_status_known", "status = 'open'"),
    ("cart_records_currency_three_capitals", "currency = 'usd'"),
    ("cart_records_currency_three_capitals", "currency = 'US'"),
    ("cart_records_currency_three_capitals", "currency = 'U$D'"),
    (
        "cart_records_subtotal_not_negative",
        "subtotal = -1, discount_total = 0, total = -1",
    ),
    (
        "cart_records_discount_total_not_negative",
        "discount_total = -1, total = 101",
    ),
    (
        "cart_records_total_not_negative",
        "subtotal = 0, discount_total = 1, total = -1",
    ),
    ("cart_records_total_adds_up", "total = 95.01"),
    ("cart_records_total_adds_up", "discount_total = 0"),
    ("cart_records_version_positive", "version = 0"),
    (
        "cart_records_converted_at_with_status",
        "status = 'converted'",
    ),
    (
        "cart_records_converted_at_with_status",
        "converted_at = now()",
    ),
    ("cart_items_position_not_negative", "position = -1"),
    ("cart_items_unit_known", "unit = 'kilo'"),
    ("cart_items_qty_positive", "qty = 0"),
    ("cart_items_qty_positive", "qty = -1"),
    ("cart_items_moq_positive", "moq = 0"),
    ("cart_items_max_qty_positive", "max_qty = 0"),
    (
        "cart_items_list_price_not_negative",
        "list_price = -1, unit_price = -1",
    ),
    (
        "cart_items_volume_discount_min_qty_positive",
        "volume_discount_min_qty = 0",
    ),
    (
        "cart_items_volume_discount_percent_in_range",
        "volume_discount_percent = 0",
    ),
    (
        "cart_items_volume_discount_percent_in_range",
        "volume_discount_percent = 100.0001",
    ),
    ("cart_items_unit_price_in_range", "unit_price = -0.01"),
    ("cart_items_unit_price_in_range", "unit_price = 10.01"),
    (
        "cart_items_line_subtotal_not_negative",
        "line_subtotal = -1, line_discount = 0, line_total = -1",
    ),
    (
        "cart_items_line_discount_not_negative",
        "line_discount = -1, line_total = 101",
    ),
    (
        "cart_items_line_total_not_negative",
        "line_subtotal = 0, line_discount = 1, line_total = -1",
    ),
    (
        "cart_items_volume_discount_whole",
        "volume_discount_min_qty = null",
    ),
    (
        "cart_items_volume_discount_whole",
        "volume_discount_percent = null",
    ),
    ("cart_items_line_total_adds_up", "line_total = 95.01"),
    ("cart_vendor_discounts_kind_known", "kind = 'gift'"),
    ("cart_vendor_discounts_value_fits_kind", "value = -1"),
    ("cart_vendor_discounts_value_fits_kind", "value = 100.0001"),
    (
        "cart_vendor_discounts_value_fits_kind",
        "kind = 'fixed', value = 1.001",
    ),
    (
        "cart_vendor_discounts_value_fits_kind",
        "kind = 'fixed', value = -1",
    ),
    (
        "cart_vendor_discounts_amount_not_negative",
        "amount = -0.01",
    ),
    (
        "checkout_groups_currency_three_capitals",
        "currency = 'usd'",
    ),
    ("checkout_groups_currency_three_capitals", "currency = 'US'"),
    (
        "checkout_groups_currency_three_capitals",
        "currency = 'U$D'",
    ),
    (
        "checkout_groups_subtotal_not_negative",
        "subtotal = -1, discount_total = 0, total = -1",
    ),
    (
        "checkout_groups_discount_total_not_negative",
        "discount_total = -1, total = 101",
    ),
    (
        "checkout_groups_total_not_negative",
        "subtotal = 0, discount_total = 1, total = -1",
    ),
    ("checkout_groups_total_adds_up", "total = 95.01"),
    ("checkout_groups_total_adds_up", "discount_total = 0"),
    ("vendor_orders_status_known", "status = 'new'"),
    ("vendor_orders_currency_three_capitals", "currency = 'usd'"),
    ("vendor_orders_currency_three_capitals", "currency = 'US'"),
    ("vendor_orders_currency_three_capitals", "currency = 'U$D'"),
    (
        "vendor_orders_subtotal_not_negative",
        "subtotal = -1, discount_total = 0, total = -1",
    ),
    (
        "vendor_orders_discount_total_not_negative",
        "discount_total = -1, total = 101",
    ),
    (
        "vendor_orders_total_not_negative",
        "subtotal = 0, discount_total = 1, total = -1",
    ),
    ("vendor_orders_total_adds_up", "total = 95.01"),
    ("vendor_orders_total_adds_up", "discount_total = 0"),
    (
        "vendor_orders_balance_due_not_negative",
        "balance_due = -0.01",
    ),
    (
        "vendor_orders_rejection_reason_known",
        "status = 'rejected', rejection_reason = 'mood'",
    ),
    (
        "vendor_orders_buyer_is_not_vendor",
        "vendor_store_id = buyer_store_id",
    ),
    (
        "vendor_orders_reason_only_when_rejected",
        "rejection_reason = 'no_line_reserved'",
    ),
    ("order_line_items_position_not_negative", "position = -1"),
    ("order_line_items_unit_known", "unit = 'kilo'"),
    ("order_line_items_qty_positive", "qty = 0"),
    ("order_line_items_qty_positive", "qty = -1"),
    (
        "order_line_items_list_price_not_negative",
        "list_price = -1, unit_price = -1",
    ),
    ("order_line_items_unit_price_in_range", "unit_price = -0.01"),
    ("order_line_items_unit_price_in_range", "unit_price = 10.01"),
    ("order_line_items_discount_not_negative", "discount = -0.01"),
    ("order_line_items_total_not_negative", "total = -0.01"),
    ("order_line_items_status_known", "status = 'new'"),
    (
        "order_line_items_rejection_reason_known",
        "status = 'rejected', rejection_reason = 'mood'",
    ),
    (
        "order_line_items_reason_iff_rejected",
        "status = 'rejected'",
    ),
    (
        "order_line_items_reason_iff_rejected",
        "rejection_reason = 'product_unavailable'",
    ),
    (
        "order_line_items_detail_only_when_rejected",
        "rejection_detail = '{}'",
    ),
    ("payment_intents_method_known", "method = 'card'"),
    ("payment_intents_status_known", "status = 'lost'"),
    ("payment_intents_amount_not_negative", "amount = -0.01"),
    ("idempotency_keys_key_visible_ascii", "key = ''"),
    ("idempotency_keys_key_visible_ascii", "key = 'a b'"),
    ("idempotency_keys_key_visible_ascii", "key = 'schlüssel'"),
    (
        "idempotency_keys_key_visible_ascii",
        "key = repeat('k', 256)",
    ),
    ("idempotency_keys_key_visible_ascii", "key = e'a\\nb'"),
    (
        "idempotency_keys_response_status_is_success",
        "response_status = 199",
    ),
    (
        "idempotency_keys_response_status_is_success",
        "response_status = 300",
    ),
    ("idempotency_keys_expires_later", "expires_at = created_at"),
    ("cart_put_keys_expires_later", "expires_at = created_at"),
    ("inventory_keys_expires_later", "expires_at = created_at"),
    ("expiry_progress_one_row", "is_the_row = false"),
    ("outbox_events_attempts_not_negative", "attempts = -1"),
    ("outbox_dead_letters_attempts_not_negative", "attempts = -1"),
    ("outbox_dead_letters_reason_known", "reason = 'mood'"),
    ("outbox_sequencing_one_row", "is_the_row = false"),
    ("outbox_backlog_attempts_not_negative", "attempts = -1"),
    (
        "webhook_endpoints_secret_has_prefix",
        "secret = 'whsecAAAA'",
    ),
    (
        "webhook_endpoints_disabled_reason_known",
        "is_active = false, disabled_at = now(), disabled_reason = 'mood'",
    ),
    (
        "webhook_endpoints_old_secrets_end",
        "old_secrets = array['whsec_']",
    ),
    ("webhook_endpoints_disabled_says_why", "is_active = false"),
    (
        "webhook_endpoints_disabled_says_why",
        "is_active = false, disabled_at = now()",
    ),
    ("webhook_endpoints_disabled_says_why", "disabled_at = now()"),
    ("webhook_deliveries_attempt_positive", "attempt = 0"),
    ("webhook_deliveries_outcome_known", "outcome = 'lost'"),
];

/// Foreign keys: the column that is set to an id that does not exist.
pub const FOREIGN_KEYS: &[(&str, &str)] = &[
    ("store_memberships_store_fkey", "store_id"),
    ("store_memberships_user_fkey", "user_id"),
    ("licenses_store_fkey", "store_id"),
    ("subscriptions_vendor_store_fkey", "vendor_store_id"),
    ("products_vendor_store_fkey", "vendor_store_id"),
    ("product_volume_discounts_product_fkey", "product_id"),
    ("store_discounts_vendor_store_fkey", "vendor_store_id"),
    ("inventory_items_product_fkey", "product_id"),
    ("inventory_items_vendor_store_fkey", "vendor_store_id"),
    ("cart_records_buyer_store_fkey", "buyer_store_id"),
    ("cart_records_created_by_fkey", "created_by"),
    ("cart_items_cart_fkey", "cart_id"),
    ("cart_items_product_fkey", "product_id"),
    ("cart_items_vendor_store_fkey", "vendor_store_id"),
    ("cart_vendor_discounts_cart_fkey", "cart_id"),
    ("cart_vendor_discounts_vendor_store_fkey", "vendor_store_id"),
    ("checkout_groups_buyer_store_fkey", "buyer_store_id"),
    ("checkout_groups_cart_fkey", "cart_id"),
    ("checkout_groups_created_by_fkey", "created_by"),
    ("vendor_orders_checkout_group_fkey", "checkout_group_id"),
    ("vendor_orders_buyer_store_fkey", "buyer_store_id"),
    ("vendor_orders_vendor_store_fkey", "vendor_store_id"),
    ("order_line_items_order_fkey", "order_id"),
    ("order_line_items_checkout_group_fkey", "checkout_group_id"),
    ("order_line_items_product_fkey", "product_id"),
    ("payment_intents_order_fkey", "order_id"),
    ("idempotency_keys_user_fkey", "user_id"),
    ("idempotency_keys_store_fkey", "store_id"),
    ("idempotency_keys_checkout_group_fkey", "checkout_group_id"),
    ("webhook_endpoints_store_fkey", "store_id"),
    ("outbox_backlog_sink_fkey", "sink"),
];

/// Unique keys: the columns, beside the id, that differ in a second row.
pub const UNIQUE_KEYS: &[(&str, &str)] = &[
    ("users_email_key", "{}"),
    ("store_memberships_store_user_key", "{}"),
    ("licenses_issuing_state_number_key", "{}"),
    ("subscriptions_vendor_store_key", "{}"),
    ("products_vendor_sku_key", "{}"),
    ("product_volume_discounts_product_min_qty_key", "{}"),
    ("store_discounts_vendor_code_key", "{}"),
    ("cart_records_one_active_per_buyer", "{}"),
    ("cart_items_cart_product_key", "{}"),
    ("cart_vendor_discounts_cart_vendor_key", "{}"),
    ("checkout_groups_cart_key", "{}"),
    ("vendor_orders_group_vendor_key", "{}"),
    ("payment_intents_order_key", "{}"),
    ("outbox_events_once_only_key", "{}"),
    ("webhook_deliveries_attempt_key", r#"{"outcome": "failed"}"#),
    ("webhook_deliveries_waiting_key", r#"{"attempt": 2}"#),
    (
        "outbox_events_order_ends_once_key",
        r#"{"event_type": "order_canceled"}"#,
    ),
];

/// Checks that no row can violate alone: the other one follows from the same figures.
pub const IMPLIED: &[(&str, &str)] = &[
    (
        "cart_records_subtotal_not_negative",
        "cart_records_total_not_negative",
    ),
    (
        "cart_items_line_subtotal_not_negative",
        "cart_items_line_total_not_negative",
    ),
    (
        "cart_items_list_price_not_negative",
        "cart_items_unit_price_in_range",
    ),
    (
        "checkout_groups_subtotal_not_negative",
        "checkout_groups_total_not_negative",
    ),
    (
        "vendor_orders_subtotal_not_negative",
        "vendor_orders_total_not_negative",
    ),
    (
        "order_line_items_list_price_not_negative",
        "order_line_items_unit_price_in_range",
    ),
];
