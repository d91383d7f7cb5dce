//! The reasons for which a vendor may not sell, and what each of them is called where it is reported: as a
//! violation of a cart, as the rejection of a line, as the rejection of an order.

use super::{
    rejection::{LineRejectionReason, OrderRejectionReason},
    violation::ViolationCode,
};

/// A reason for which a vendor may not sell to a buyer, in the order in which they are reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VendorIneligible {
    VendorLicenseInvalid,
    VendorSubscriptionInactive,
    VendorStateMismatch,
}

/// The reason has the same name in all of these.
macro_rules! reported_as {
    ($($reported:ty),+) => {$(
        impl From<VendorIneligible> for $reported {
            fn from(reason: VendorIneligible) -> Self {
                match reason {
                    VendorIneligible::VendorLicenseInvalid => Self::VendorLicenseInvalid,
                    VendorIneligible::VendorSubscriptionInactive => Self::VendorSubscriptionInactive,
                    VendorIneligible::VendorStateMismatch => Self::VendorStateMismatch,
                }
            }
        }
    )+};
}

reported_as!(ViolationCode, LineRejectionReason, OrderRejectionReason);
