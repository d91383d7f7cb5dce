-- Discount codes and e-mail addresses are compared by a folded copy that the application makes (NFKC, full
-- case folding), never by the database's locale: upper() and lower() differ between C, C.UTF-8 and the
-- locales of ICU, and a code that one database finds another does not.
--
-- `splitcart migrate` folds the texts beyond ASCII beforehand, into a temporary table of its connection.
-- Without it, as where plain SQL builds an empty schema, there are none.
create temporary table if not exists folding (
    original text primary key,
    folded   text not null
);

alter table users add column email_folded text;
update users u
set email_folded = coalesce(
    (select f.folded from pg_temp.folding f where f.original = u.email),
    -- Of ASCII this is the whole of folding, in every database.
    lower(btrim(u.email) collate "C")
);
alter table users alter column email_folded set not null;
drop index users_email_key;
create unique index users_email_key on users (email_folded);

alter table store_discounts add column code_folded text;
update store_discounts d
set code_folded = coalesce(
    (select f.folded from pg_temp.folding f where f.original = d.code),
    lower(btrim(d.code) collate "C")
);
alter table store_discounts alter column code_folded set not null;
drop index store_discounts_vendor_code_key;
create unique index store_discounts_vendor_code_key on store_discounts (vendor_store_id, code_folded);

drop table pg_temp.folding;
