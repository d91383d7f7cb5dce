//! The plans: table, key and rules of every kind.

use crate::import_rules::Kind;

use super::plan::{Check, Folding, Lookup, Plan};

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

const STORES: Plan = Plan {
    table: "stores",
    key: &["$.id"],
    folded: None,
    kept: &["type"],
    lookup: None,
    checks: &[],
};

const USERS: Plan = Plan {
    table: "users",
    key: &["$.email_folded"],
    folded: Some(EMAIL),
    kept: &[],
    lookup: None,
    checks: &[],
};

const MEMBERSHIPS: Plan = Plan {
    table: "store_memberships",
    key: &["$.store_id", "$.user_id"],
    folded: Some(EMAIL),
    kept: &["store_id", "user_id"],
    lookup: Some(Lookup {
        column: "user_id",
        by: &["email"],
        from: "users f on f.email_folded = l.email_folded",
    }),
    checks: &[
        STORE_EXISTS,
        Check {
            column: "user_id",
            broken: "not exists (select from users x where x.id = r.user_id)",
            problem: "'no user has this id'",
        },
        Check {
            column: "email",
            broken: "r.user_id is null and r.email is not null",
            problem: "'no user has this address'",
        },
        Check {
            column: "user_id",
            broken: "exists (
                select from users x
                where x.id = r.user_id and x.email_folded <> r.email_folded)",
            problem: "'is another user than email names'",
        },
    ],
};

const LICENSES: Plan = Plan {
    table: "licenses",
    key: &["$.issuing_state", "$.number"],
    folded: None,
    kept: &["store_id"],
    lookup: None,
    checks: &[STORE_EXISTS],
};

const SUBSCRIPTIONS: Plan = Plan {
    table: "subscriptions",
    key: &["$.vendor_store_id"],
    folded: None,
    kept: &["vendor_store_id"],
    lookup: None,
    checks: &[VENDOR_EXISTS, VENDOR_SELLS],
};

const PRODUCTS: Plan = Plan {
    table: "products",
    key: &["$.vendor_store_id", "$.sku"],
    folded: None,
    kept: &["vendor_store_id"],
    lookup: None,
    checks: &[
        VENDOR_EXISTS,
        VENDOR_SELLS,
        Check {
            column: "max_qty",
            broken: "r.max_qty < r.moq",
            problem: "format('must not be less than moq, which is %s', r.moq)",
        },
    ],
};

const TIERS: Plan = Plan {
    table: "product_volume_discounts",
    key: &["$.product_id", "$.min_qty"],
    folded: None,
    kept: &["product_id"],
    lookup: Some(PRODUCT),
    checks: &[PRODUCT_EXISTS, PRODUCT_FOUND, PRODUCT_AGREES],
};

const DISCOUNTS: Plan = Plan {
    table: "store_discounts",
    key: &["$.vendor_store_id", "$.code_folded"],
    folded: Some(Folding {
        of: "code",
        column: "code_folded",
    }),
    kept: &["vendor_store_id"],
    lookup: None,
    checks: &[
        VENDOR_EXISTS,
        VENDOR_SELLS,
        Check {
            column: "value",
            broken: "r.kind = 'percentage' and r.value > 100",
            problem: "'must be at most 100, because it is a percentage'",
        },
        Check {
            column: "value",
            broken: "r.kind = 'fixed' and r.value <> round(r.value, 2)",
            problem: "'must have at most 2 digits after the point, because it is an amount'",
        },
        Check {
            column: "ends_at",
            broken: "r.ends_at <= r.starts_at",
            problem: "'must be later than starts_at'",
        },
    ],
};

/// It has no id of its own: [`super::stock`] resolves and applies it.
const STOCK: Plan = Plan {
    table: "inventory_items",
    key: &["$.product_id"],
    folded: None,
    kept: &[],
    lookup: Some(PRODUCT),
    checks: &[
        PRODUCT_EXISTS,
        PRODUCT_FOUND,
        PRODUCT_AGREES,
        Check {
            column: "available_qty",
            broken: "r.available_qty is not null and r.on_hand_qty is not null",
            problem: "'must not be given beside on_hand_qty'",
        },
    ],
};

const EMAIL: Folding = Folding {
    of: "email",
    column: "email_folded",
};

const STORE_EXISTS: Check = Check {
    column: "store_id",
    broken: "not exists (select from stores x where x.id = r.store_id)",
    problem: "'no store has this id'",
};

const VENDOR_EXISTS: Check = Check {
    column: "vendor_store_id",
    broken: "not exists (select from stores x where x.id = r.vendor_store_id)",
    problem: "'no store has this id'",
};

const VENDOR_SELLS: Check = Check {
    column: "vendor_store_id",
    broken: "exists (
        select from stores x
        where x.id = r.vendor_store_id and x.type <> 'vendor')",
    problem: "'is a store that buys; only a vendor sells'",
};

const PRODUCT: Lookup = Lookup {
    column: "product_id",
    by: &["vendor_store_id", "sku"],
    from: "products f on f.vendor_store_id = l.vendor_store_id and f.sku = l.sku",
};

const PRODUCT_EXISTS: Check = Check {
    column: "product_id",
    broken: "not exists (select from products x where x.id = r.product_id)",
    problem: "'no product has this id'",
};

const PRODUCT_FOUND: Check = Check {
    column: "sku",
    broken: "r.product_id is null and r.vendor_store_id is not null and r.sku is not null",
    problem: "'no product of this vendor has this SKU'",
};

const PRODUCT_AGREES: Check = Check {
    column: "product_id",
    broken: "exists (
        select from products x
        where x.id = r.product_id
            and (x.vendor_store_id <> r.vendor_store_id or x.sku <> r.sku))",
    problem: "'is another product than vendor_store_id and sku name'",
};
