-- A checkout may ask for whole orders only (`shortage_policy: "reject_vendor"`): then a line can be
-- rejected because of another one. `not valid` spares the table's readers and writers the look at all
-- rows, which satisfied the narrower rule; the next migration takes it without keeping anybody waiting.

alter table order_line_items
    drop constraint order_line_items_rejection_reason_known,
    add constraint order_line_items_rejection_reason_known check (rejection_reason in
        ('insufficient_inventory', 'product_unavailable', 'vendor_license_invalid',
         'vendor_subscription_inactive', 'vendor_state_mismatch', 'vendor_order_incomplete')) not valid;
