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

/// The kind of a file's rows. Files are imported in this order: a kind comes before those that refer to
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

/// The description of a kind.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// The name of its files.
    pub name: &'static str,
    /// The word for one of its rows.
    pub noun: &'static str,
    /// A sentence for people.
    pub about: &'static str,
    /// The columns of its files.
    pub columns: &'static [Column],
    /// The sets of columns any of which names the thing that a row is about.
    pub named_by: &'static [&'static [&'static str]],
}

impl Kind {
    /// All kinds, in order.
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

    /// The description of this kind.
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
    /// The index of a column.
    pub fn position(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|known| known.name == column)
    }

    /// The names of all columns.
    pub fn column_names(&self) -> Vec<&'static str> {
        self.columns.iter().map(|column| column.name).collect()
    }

    /// The columns that are there name the thing that a row is about.
    pub fn is_named_by(&self, is_there: impl Fn(&'static str) -> bool) -> bool {
        self.named_by
            .iter()
            .any(|columns| columns.iter().all(|name| is_there(name)))
    }

    /// A list for people, such as `id, or vendor_store_id and sku`.
    pub fn ways_to_name(&self) -> String {
        let ways: Vec<_> = self
            .named_by
            .iter()
            .map(|columns| columns.join(" and "))
            .collect();
        ways.join(", or ")
    }
}
