//! The plans: table, key and rules of every kind.

use crate::import_rules::{Kind, Need};

use super::plan::{Folding, Lookup, Plan};

/// The plan of a kind.
pub(super) const fn of(kind: Kind) -> &'static Plan {
    match kind {
        Kind::Stores => &STORES,
        Kind::Users => &USERS,
        Kind::Memberships => &MEMBERSHIPS,
        Kind::Licenses => &LICENSES,
        Kind::Subscriptions => &SUBSCRIPTIONS,
        Kind::Products => &PRODUCTS,
        Kind::Tiers => &TIERS,
        Kind::Discounts => &DISCOUNTS,
        Kind::Stock => &STOCK,
    }
}

/// The columns that are stored under their own name, the id aside.
pub(super) fn stored(kind: Kind) -> impl Iterator<Item = &'static str> {
    let columns = kind.spec().columns.iter();
    let stored = columns
        .filter(|column| !matches!(column.need, Need::GeneratedId | Need::Optional))
        .map(|column| column.name);
    let folded = of(kind).folded.as_ref();
    let is_stored = |folding: &&Folding| {
        kind.spec().columns.iter().any(|column| {
            column.name == folding.source
                && !matches!(column.need, Need::GeneratedId | Need::Optional)
        })
    };
    stored.chain(folded.filter(is_stored).map(|folding| folding.column))
}

const STORES: Plan = Plan {
    table: "stores",
    key: &["id"],
    folded: None,
    kept: &["type"],
    lookup: None,
    checks: &[],
};

const USERS: Plan = Plan {
    table: "users",
    key: &["email_folded"],
    folded: Some(EMAIL),
    kept: &[],
    lookup: None,
    checks: &[],
};

const MEMBERSHIPS: Plan = Plan {
    table: "store_memberships",
    key: &["store_id", "user_id"],
    folded: Some(EMAIL),
    kept: &["store_id", "user_id"],
    lookup: Some(Lookup {
        column: "user_id",
        by: &["email"],
        from: "users f on f.email_folded = l.email_folded",
    }),
    checks: &[
        STORE_EXISTS,
        "select r.line, 'user_id', 'no user has this id'
         from import_rows r
         where r.user_id is not null
            and not exists (select from users u where u.id = r.user_id)",
        "select r.line, 'email', 'no user has this address'
         from import_rows r
         where r.email is not null and r.user_id is null",
        "select r.line, 'user_id', 'is another user than email names'
         from import_rows r
         join users u on u.id = r.user_id
         where u.email_folded <> r.email_folded",
    ],
};

const LICENSES: Plan = Plan {
    table: "licenses",
    key: &["issuing_state", "number"],
    folded: None,
    kept: &["store_id"],
    lookup: None,
    checks: &[STORE_EXISTS],
};

const SUBSCRIPTIONS: Plan = Plan {
    table: "subscriptions",
    key: &["vendor_store_id"],
    folded: None,
    kept: &["vendor_store_id"],
    lookup: None,
    checks: &[VENDOR_EXISTS, VENDOR_SELLS],
};

const PRODUCTS: Plan = Plan {
    table: "products",
    key: &["vendor_store_id", "sku"],
    folded: None,
    kept: &["vendor_store_id"],
    lookup: None,
    checks: &[
        VENDOR_EXISTS,
        VENDOR_SELLS,
        "select r.line, 'max_qty', format('must not be less than moq, which is %s', r.moq)
         from import_rows r
         where r.max_qty < r.moq",
        "select r.line, 'buyer_limit_days', 'must be empty where there is no buyer_limit_qty'
         from import_rows r
         where r.buyer_limit_days is not null and r.buyer_limit_qty is null",
    ],
};

const TIERS: Plan = Plan {
    table: "product_volume_discounts",
    key: &["product_id", "min_qty"],
    folded: None,
    kept: &["product_id"],
    lookup: Some(PRODUCT),
    checks: &[PRODUCT_EXISTS, PRODUCT_FOUND, PRODUCT_AGREES],
};

const DISCOUNTS: Plan = Plan {
    table: "store_discounts",
    key: &["vendor_store_id", "code_folded"],
    folded: Some(Folding {
        source: "code",
        column: "code_folded",
    }),
    kept: &["vendor_store_id"],
    lookup: None,
    checks: &[
        VENDOR_EXISTS,
        VENDOR_SELLS,
        "select r.line, 'value', 'must be at most 100, because it is a percentage'
         from import_rows r
         where r.kind = 'percentage' and r.value > 100",
        "select r.line, 'value',
            'must have at most 2 digits after the point, because it is an amount'
         from import_rows r
         where r.kind = 'fixed' and r.value <> round(r.value, 2)",
        "select r.line, 'ends_at', 'must be later than starts_at'
         from import_rows r
         where r.ends_at <= r.starts_at",
    ],
};

/// A row of stock has no id of its own: [`super::stock`] resolves and applies the rows.
const STOCK: Plan = Plan {
    table: "inventory_items",
    key: &["product_id"],
    folded: None,
    kept: &[],
    lookup: Some(PRODUCT),
    checks: &[
        PRODUCT_EXISTS,
        PRODUCT_FOUND,
        PRODUCT_AGREES,
        "select r.line, 'available_qty', 'must not be given beside on_hand_qty'
         from import_rows r
         where r.available_qty is not null and r.on_hand_qty is not null",
    ],
};

const EMAIL: Folding = Folding {
    source: "email",
    column: "email_folded",
};

const PRODUCT: Lookup = Lookup {
    column: "product_id",
    by: &["vendor_store_id", "sku"],
    from: "products f on f.vendor_store_id = l.vendor_store_id and f.sku = l.sku",
};

const STORE_EXISTS: &str = "
    select r.line, 'store_id', 'no store has this id'
    from import_rows r
    where r.store_id is not null
        and not exists (select from stores s where s.id = r.store_id)";

const VENDOR_EXISTS: &str = "
    select r.line, 'vendor_store_id', 'no store has this id'
    from import_rows r
    where r.vendor_store_id is not null
        and not exists (select from stores s where s.id = r.vendor_store_id)";

const VENDOR_SELLS: &str = "
    select r.line, 'vendor_store_id', 'is a store that buys; only a vendor sells'
    from import_rows r
    join stores s on s.id = r.vendor_store_id
    where s.type <> 'vendor'";

const PRODUCT_EXISTS: &str = "
    select r.line, 'product_id', 'no product has this id'
    from import_rows r
    where r.product_id is not null
        and not exists (select from products p where p.id = r.product_id)";

const PRODUCT_FOUND: &str = "
    select r.line, 'sku', 'no product of this vendor has this SKU'
    from import_rows r
    where r.product_id is null and r.vendor_store_id is not null and r.sku is not null";

const PRODUCT_AGREES: &str = "
    select r.line, 'product_id', 'is another product than vendor_store_id and sku name'
    from import_rows r
    join products p on p.id = r.product_id
    where p.vendor_store_id <> r.vendor_store_id or p.sku <> r.sku";
