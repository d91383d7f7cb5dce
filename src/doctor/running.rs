//! Finds the splitcart that runs on this machine, by its private listener.

use std::{net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::time::timeout;

use crate::ops::ask;

/// The splitcart at the address of the private listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Running {
    /// Nothing listens there.
    Nothing,
    /// Something listens there that is no splitcart, or hangs.
    Other(&'static str),
    /// It answers `/readyz` with this.
    Splitcart(Value),
}

impl Running {
    pub(super) fn is_splitcart(&self) -> bool {
        matches!(self, Self::Splitcart(_))
    }
}

/// Asks what listens at this address.
pub(super) async fn find(ops: SocketAddr, limit: Duration) -> Running {
    let Some(page) = ask::readiness_at(ops) else {
        return Running::Nothing;
    };
    let body = match timeout(limit, ask::ask(&page)).await {
        Ok(Ok((_, body))) => body,
        Ok(Err(error)) if error.is_about_connecting() => return Running::Nothing,
        Ok(Err(_)) => return Running::Other("is not splitcart"),
        Err(_) => return Running::Other("does not answer"),
    };
    let state: Value = serde_json::from_slice(&body).unwrap_or_default();
    if state.get("status").is_some() && state.get("postgresql").is_some() {
        Running::Splitcart(state)
    } else {
        Running::Other("is not splitcart")
    }
}
