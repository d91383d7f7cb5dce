-- See 0013: looks at all rows while others read and write them.

alter table vendor_orders validate constraint vendor_orders_rejection_reason_known;
alter table order_line_items validate constraint order_line_items_rejection_reason_known;
