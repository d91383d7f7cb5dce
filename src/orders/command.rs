//! The commands of the orders desk, and its decisions.

use std::fmt;

use crate::domain::{
    caller::Forbidden,
    event::EventActor,
    idempotency::{Fingerprint, Scope, StoredResponse},
    ids::{CheckoutGroupId, OrderId},
    money::Money,
    order::PlacedOrder,
    order_moves::{Move, MoveRefusal, StateConflict},
    trace_context::TraceParent,
};

/// A move that is to be made exactly once.
#[derive(Clone, Debug)]
pub struct MoveCommand {
    pub target: Target,
    pub order_move: Move,
    /// The request that asks for it; `None` for what the service does by itself.
    pub request: Option<Request>,
}

/// The orders that are to be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    Order(OrderId),
    /// Every order of the group for which the move is allowed.
    Group(CheckoutGroupId),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Order(id) => write!(f, "order {id}"),
            Self::Group(id) => write!(f, "checkout group {id}"),
        }
    }
}

/// A request that asks for a move.
#[derive(Clone, Debug)]
pub struct Request {
    /// The Idempotency-Key, with the caller and the path for which it is unique.
    pub scope: Scope,
    /// The fingerprint of the request's body.
    pub fingerprint: Fingerprint,
    /// The trace of the request, which its events go on with.
    pub traceparent: Option<TraceParent>,
    /// Writes the answer that is kept in the transaction.
    pub render: fn(&Done) -> StoredResponse,
}

impl Request {
    /// The person who asks, and their store.
    pub fn actor(&self) -> EventActor {
        EventActor {
            user_id: self.scope.user_id,
            store_id: self.scope.store_id,
        }
    }
}

/// What a move has come to.
#[derive(Clone, Debug)]
pub enum Done {
    /// The order as it is afterwards.
    Order(Box<PlacedOrder>),
    Group(MovedGroup),
}

/// A group of which some orders were moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedGroup {
    pub id: CheckoutGroupId,
    /// The orders that were moved, in ascending vendor id.
    pub moved: Vec<OrderId>,
    /// The orders from whose status there is no such move, likewise.
    pub others: Vec<OrderId>,
    /// The total of what is left of the group.
    pub total: Money,
}

/// The database's decision about a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The move was made just now; `None` where nobody has asked.
    Moved(Option<StoredResponse>),
    /// The move had been made before: this is its first answer again.
    Replayed(StoredResponse),
    /// The move was refused. Nothing was written and the key stays free.
    Refused(Refusal),
}

/// The reason for which a move is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    Forbidden(Forbidden),
    /// The key was used for another request.
    KeyReused,
    /// The store has no such order or group.
    NotFound(Target),
    /// The decision names lines that the order does not have, at these places.
    UnknownLines(Vec<usize>),
    StateConflict(StateConflict),
}

impl From<MoveRefusal> for Refusal {
    fn from(refusal: MoveRefusal) -> Self {
        match refusal {
            MoveRefusal::UnknownLines(places) => Self::UnknownLines(places),
            MoveRefusal::StateConflict(conflict) => Self::StateConflict(conflict),
        }
    }
}
