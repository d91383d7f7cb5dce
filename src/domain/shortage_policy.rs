//! Shortage policies: they decide about lines that can't be had whole, and about the lines beside them.

use serde::Serialize;
use utoipa::ToSchema;

/// The buyer's choice of what becomes of a line that can't be had whole, and of the lines beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShortagePolicy {
    /// The line is rejected, the rest goes through.
    #[default]
    RejectLine,
    /// The line is filled with what is left, unless that is less than the vendor sells at once.
    Fill,
    /// The order of the line's vendor goes through whole or not at all.
    RejectVendor,
    /// The checkout goes through whole or not at all.
    AllOrNothing,
}

impl ShortagePolicy {
    /// The fewest units that may be reserved in place of all `qty` of a line. A vendor sells no fewer
    /// than `moq` at once, also when that is all that is left for a partial fill.
    pub(super) fn qty_min(self, qty: i32, moq: i32) -> i32 {
        match self {
            Self::Fill => moq.min(qty),
            Self::RejectLine | Self::RejectVendor | Self::AllOrNothing => qty,
        }
    }
}
