//! The steps of a round, in its order.

use serde::Serialize;

/// The clients of a step, where the bars say "64 clients".
pub const CLIENTS: u32 = 64;

/// One measurement. The order is the round's: what is compared with each other stands close, so that
/// what else the machine does in these minutes hits both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    TextbookSpread,
    Unbatched,
    Spread,
    Large,
    Hot,
    TextbookHot,
    CartPut,
    CartGet,
    TextbookOne,
    One,
    Crowd,
    Overload,
}

impl Step {
    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TextbookSpread => "textbook, spread, 64 connections",
            Self::Unbatched => "ours, batch_max 1, spread, 64 clients",
            Self::Spread => "ours, spread, 64 clients",
            Self::Large => "ours, spread, 64 clients, large catalogue",
            Self::Hot => "ours, one hot product, 64 clients",
            Self::TextbookHot => "textbook, one hot product, 64 connections",
            Self::CartPut => "ours, PUT /cart, 64 clients",
            Self::CartGet => "ours, GET /cart, 64 clients",
            Self::TextbookOne => "textbook, one connection",
            Self::One => "ours, one client",
            Self::Crowd => "ours, 5,000 buyers of 100 units",
            Self::Overload => "ours, twice the spread rate",
        }
    }

    /// True of the textbook's steps, which pgbench drives.
    pub const fn is_textbook(self) -> bool {
        matches!(
            self,
            Self::TextbookSpread | Self::TextbookHot | Self::TextbookOne
        )
    }

    /// The number of clients.
    pub const fn clients(self) -> u32 {
        match self {
            Self::TextbookOne | Self::One => 1,
            _ => CLIENTS,
        }
    }

    /// The share of carts with the hot product in them.
    pub const fn hot_share(self) -> &'static str {
        match self {
            Self::Hot | Self::TextbookHot => "1",
            _ => "0",
        }
    }
}
