//! The column `rejection_detail`: what belongs to the reason of a rejected line.

use serde::{Deserialize, Serialize};
use sqlx::types::Json;

use crate::domain::{
    note::Note,
    purchase_limit::LimitReached,
    rejection::{LineRejectionReason, Rejection},
};

/// The column. A field that says nothing is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RejectionDetail {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    available_qty: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reserved_qty: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    moq: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limit_qty: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bought_qty: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<Note>,
}

/// The detail of a rejection; `None` if its reason says all.
pub(super) fn detail(rejection: &Rejection) -> Option<Json<RejectionDetail>> {
    let detail = RejectionDetail {
        available_qty: rejection.available_qty,
        reserved_qty: rejection.reserved_qty,
        moq: rejection.moq,
        limit_qty: rejection.limit.map(|limit| limit.limit_qty),
        bought_qty: rejection.limit.map(|limit| limit.bought_qty),
        note: rejection.note.clone(),
    };
    (detail != RejectionDetail::default()).then_some(Json(detail))
}

/// The rejection that a row tells of.
pub(super) fn rejection(
    reason: LineRejectionReason,
    detail: Option<Json<RejectionDetail>>,
) -> Rejection {
    let detail = detail.map(|Json(detail)| detail).unwrap_or_default();
    let limit = detail.limit_qty.zip(detail.bought_qty);
    Rejection {
        reason,
        available_qty: detail.available_qty,
        reserved_qty: detail.reserved_qty,
        moq: detail.moq,
        limit: limit.map(|(limit_qty, bought_qty)| LimitReached {
            limit_qty,
            bought_qty,
        }),
        note: detail.note,
    }
}
