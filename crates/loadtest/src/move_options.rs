//! The options about what becomes of orders, for the modes that move them.

use clap::Args;

use super::moves::MoveShares;

/// The moves.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "The moves (--mode lifecycle and decisions)")]
pub struct MoveArgs {
    /// The share of decisions that reject the whole order; the others accept [default: 0.2]
    #[arg(long = "reject-share", value_name = "0..1")]
    pub(super) reject: Option<f64>,
    /// The share of decisions about single lines, of which the first is rejected if there are more
    /// [default: 0.1]
    #[arg(long = "by-line-share", value_name = "0..1")]
    pub(super) by_line: Option<f64>,
    /// The share of accepted orders that are fulfilled [default: 0.5]
    #[arg(long = "fulfill-share", value_name = "0..1")]
    pub(super) fulfill: Option<f64>,
    /// The share of orders that the buyer cancels, half of them before the vendor decides
    /// [default: 0.1]
    #[arg(long = "cancel-share", value_name = "0..1")]
    pub(super) cancel: Option<f64>,
    /// The share of checkouts that the buyer cancels as a whole [default: 0.02]
    #[arg(long = "cancel-group-share", value_name = "0..1")]
    pub(super) cancel_group: Option<f64>,
}

impl MoveArgs {
    /// The shares, with their defaults.
    pub(super) fn shares(&self) -> MoveShares {
        MoveShares {
            reject: self.reject.unwrap_or(0.2),
            by_line: self.by_line.unwrap_or(0.1),
            fulfill: self.fulfill.unwrap_or(0.5),
            cancel: self.cancel.unwrap_or(0.1),
            cancel_group: self.cancel_group.unwrap_or(0.02),
        }
    }

    /// The options about what follows a decision, or comes instead of it.
    pub(super) fn is_any_beside_decisions_given(&self) -> bool {
        let options = [self.fulfill, self.cancel, self.cancel_group];
        options.iter().any(Option::is_some)
    }

    pub(super) fn is_any_given(&self) -> bool {
        let decisions = [self.reject, self.by_line];
        decisions.iter().any(Option::is_some) || self.is_any_beside_decisions_given()
    }
}
