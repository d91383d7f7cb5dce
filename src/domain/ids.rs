//! Ids as newtypes, so that a buyer can never be passed where a vendor is meant.
//!
//! All ids are `UUIDv7` made by the application. Their `Ord` is the byte order of the UUID, which is also
//! PostgreSQL's order for `uuid`: locks are taken in this order (`lock_order`).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta] $name:ident),+ $(,)?) => {$(
        #[$doc]
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
            ToSchema, sqlx::Type,
        )]
        #[serde(transparent)]
        #[sqlx(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID that is known to name such a thing.
            pub const fn new(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The bare UUID.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::try_parse(text).map(Self)
            }
        }
    )+};
}

id! {
    /// A person.
    UserId,
    /// A store: a buyer or a vendor.
    StoreId,
    /// A store that buys.
    BuyerStoreId,
    /// A store that sells.
    VendorStoreId,
    /// A product of a vendor.
    ProductId,
    /// A cart record.
    CartId,
    /// A line of a cart.
    CartItemId,
    /// A store discount frozen into a cart.
    CartVendorDiscountId,
    /// A checkout group: everything that one checkout created.
    CheckoutGroupId,
    /// One vendor's order.
    OrderId,
    /// A line of an order.
    LineItemId,
    /// The payment intent of an order.
    PaymentIntentId,
    /// An event in the outbox, or one that is made from it.
    EventId,
    /// A URL of a store that events are posted to.
    WebhookEndpointId,
    /// An attempt to post an event.
    WebhookDeliveryId,
}

impl From<BuyerStoreId> for StoreId {
    fn from(id: BuyerStoreId) -> Self {
        Self(id.0)
    }
}

impl From<VendorStoreId> for StoreId {
    fn from(id: VendorStoreId) -> Self {
        Self(id.0)
    }
}
