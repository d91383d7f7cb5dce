-- A vendor reads its stock page by page in the order of the products' ids. Without this index a page reads
-- and sorts all products of the vendor. Nothing that a checkout writes is in it. For a catalogue of
-- millions, make the index by hand beforehand, with `create index concurrently`.

create index if not exists products_vendor_id_idx on products (vendor_store_id, id);
