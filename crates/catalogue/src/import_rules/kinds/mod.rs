//! The kinds of rows, in the order in which they depend on each other.

mod discounts;
mod licenses;
mod memberships;
mod products;
mod stock;
mod stores;
mod subscriptions;
mod tiers;
mod users;

use super::Column;

/// What a file's rows are. The order is the order in which files are taken: what is referred to
/// comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Kind {
    Stores,
    Users,
    Memberships,
    Licenses,
    Subscriptions,
    Products,
    Tiers,
    Discounts,
    Stock,
}

/// What a kind's rows look like.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// What files of it are called.
    pub name: &'static str,
    /// One of it.
    pub noun: &'static str,
    /// What it is good for, for people.
    pub about: &'static str,
    /// Its columns.
    pub columns: &'static [Column],
    /// The sets of columns any of which says which one a row is about.
    pub named_by: &'static [&'static [&'static str]],
}

impl Kind {
    /// All of them, in order.
    pub const ALL: [Self; 9] = [
        Self::Stores,
        Self::Users,
        Self::Memberships,
        Self::Licenses,
        Self::Subscriptions,
        Self::Products,
        Self::Tiers,
        Self::Discounts,
        Self::Stock,
    ];

    /// What its rows look like.
    pub const fn spec(self) -> &'static Spec {
        match self {
            Self::Stores => &stores::SPEC,
            Self::Users => &users::SPEC,
            Self::Memberships => &memberships::SPEC,
            Self::Licenses => &licenses::SPEC,
            Self::Subscriptions => &subscriptions::SPEC,
            Self::Products => &products::SPEC,
            Self::Tiers => &tiers::SPEC,
            Self::Discounts => &discounts::SPEC,
            Self::Stock => &stock::SPEC,
        }
    }

    /// The kind of this name, such as `products`.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.spec().name == name)
    }
}

impl Spec {
    /// Where a column stands.
    pub fn position(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|it| it.name == column)
    }

    /// The names of all columns.
    pub fn column_names(&self) -> Vec<&'static str> {
        self.columns.iter().map(|column| column.name).collect()
    }

    /// Whether the columns that are there say which one a row is about.
    pub fn is_named_by(&self, is_there: impl Fn(&str) -> bool) -> bool {
        self.named_by
            .iter()
            .any(|columns| columns.iter().all(|name| is_there(name)))
    }

    /// Such as `id, or vendor_store_id and sku`.
    pub fn ways_to_name(&self) -> String {
        let ways: Vec<_> = self.named_by.iter().map(|it| it.join(" and ")).collect();
        ways.join(", or ")
    }
}
