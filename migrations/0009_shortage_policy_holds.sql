-- See 0008: looks at all rows while others read and write them.

alter table order_line_items validate constraint order_line_items_rejection_reason_known;
