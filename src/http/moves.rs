//! Moving orders: `POST /api/v1/orders/{id}/decision`, `…/fulfillment` and `…/cancellation`, and
//! `POST /api/v1/checkout-groups/{id}/cancellation`.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse};

use crate::{
    batching::Undecided,
    domain::{
        idempotency::StoredResponse,
        ids::{CheckoutGroupId, OrderId},
        order_moves::Move,
    },
    orders::command::{Decision, Done, MoveCommand, Request, Target as MoveTarget},
};

use super::{
    bodies::{
        self,
        moves::{CancellationBody, DecisionBody, FulfillmentBody},
    },
    error::ApiError,
    idempotent::{self, Answer},
    keyed::{Gate, Keyed, KeyedBody},
    paths::{GROUP_CANCELLATION, ORDER_CANCELLATION, ORDER_DECISION, ORDER_FULFILLMENT},
    state::State,
    target::Target,
};

/// Declares a body that moves orders.
macro_rules! moves_orders {
    ($body:ty, $path:expr, $target:ty) => {
        impl KeyedBody for $body {
            const METHOD: &'static str = "POST";
            const PATH: &'static str = $path;
            const GATE: Gate = Gate::Member;
            type Target = $target;
            type Condition = ();

            fn check_room(state: &State) -> Result<(), Undecided> {
                state.orders.check_room()
            }

            fn condition(_: &HttpRequest) -> Result<(), ApiError> {
                Ok(())
            }

            fn keep_for(state: &State) -> Duration {
                state.keep_checkout_answers_for
            }
        }
    };
}

moves_orders!(DecisionBody, ORDER_DECISION, OrderId);
moves_orders!(FulfillmentBody, ORDER_FULFILLMENT, OrderId);
moves_orders!(CancellationBody<OrderId>, ORDER_CANCELLATION, OrderId);
moves_orders!(
    CancellationBody<CheckoutGroupId>,
    GROUP_CANCELLATION,
    CheckoutGroupId
);

/// The vendor decides about lines.
pub async fn decide(keyed: Keyed<DecisionBody>) -> Result<HttpResponse, ApiError> {
    carry_out(keyed, MoveTarget::Order, |DecisionBody(decision)| {
        Move::Decide(decision)
    })
    .await
}

/// The vendor has handed over what it accepted.
pub async fn fulfil(keyed: Keyed<FulfillmentBody>) -> Result<HttpResponse, ApiError> {
    carry_out(keyed, MoveTarget::Order, |FulfillmentBody {}| Move::Fulfil).await
}

/// The buyer calls an order off.
pub async fn cancel(keyed: Keyed<CancellationBody<OrderId>>) -> Result<HttpResponse, ApiError> {
    carry_out(keyed, MoveTarget::Order, |body| Move::Cancel {
        note: body.note,
    })
    .await
}

/// The buyer calls every order of a group off that can still be.
pub async fn cancel_group(
    keyed: Keyed<CancellationBody<CheckoutGroupId>>,
) -> Result<HttpResponse, ApiError> {
    carry_out(keyed, MoveTarget::Group, |body| Move::Cancel {
        note: body.note,
    })
    .await
}

async fn carry_out<T: KeyedBody>(
    keyed: Keyed<T>,
    target: impl FnOnce(T::Target) -> MoveTarget,
    order_move: impl FnOnce(T) -> Move,
) -> Result<HttpResponse, ApiError>
where
    T::Target: Target,
{
    let Keyed {
        state,
        attempt,
        target: id,
        traceparent,
        body,
        ..
    } = keyed;
    let (target, order_move) = (target(id), order_move(body));
    let fingerprint = attempt.fingerprint;
    let desk = state.orders.clone();
    let work = move |scope| async move {
        let command = MoveCommand {
            target,
            order_move,
            request: Some(Request {
                scope,
                fingerprint,
                traceparent,
                render,
            }),
        };
        match desk.submit(command).await? {
            Decision::Moved(response) => {
                let response = response.expect("a request is answered");
                Ok(Answer::Fresh(response))
            }
            Decision::Replayed(response) => Ok(Answer::Replayed(response)),
            Decision::Refused(refusal) => Err(refusal.into()),
        }
    };
    let answer = idempotent::once(&state, attempt, work).await?;
    Ok(answer.respond())
}

/// The answer to a move, as it is kept under the key.
pub fn render(done: &Done) -> StoredResponse {
    StoredResponse {
        status: 200,
        body: match done {
            Done::Order(placed) => bodies::orders::render(placed),
            Done::Group(group) => bodies::moves::render_group(group),
        },
    }
}
