-- A checkout may ask for whole orders only (`shortage_policy: "reject_vendor"`): then a line can be
-- rejected because of another one.

alter table order_line_items
    drop constraint order_line_items_rejection_reason_known,
    add constraint order_line_items_rejection_reason_known check (rejection_reason in
        ('insufficient_inventory', 'product_unavailable', 'vendor_license_invalid',
         'vendor_subscription_inactive', 'vendor_state_mismatch', 'vendor_order_incomplete'));
