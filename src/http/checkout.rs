//! `POST /api/v1/checkout` and `GET /api/v1/checkout-groups/{id}`.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::{
    actors::command::{CheckoutCommand, Decision},
    db,
    domain::{
        caller::Access,
        checkout::CheckoutRequest,
        idempotency::{Fingerprint, IdempotencyKey, Scope, StoredResponse},
        ids::{CartId, CheckoutGroupId},
        order::{Checkout, PaymentMethod},
    },
    idempotency::fingerprint,
};

use super::{
    auth, body, checkout_body,
    error::{ApiError, Code},
    idempotent::{self, Ran},
    json::{FieldProblem, Node, Shape},
    routes::CHECKOUT,
    worker::Worker,
};

/// Buys a cart, exactly once per key (PF-083).
///
/// # Errors
/// See the contract.
pub async fn post(
    request: HttpRequest,
    payload: web::Payload,
    worker: web::Data<Worker>,
) -> Result<HttpResponse, ApiError> {
    let identity = auth::identity(&request, &worker)?;
    // Before anything that costs: under a crowd most of what can be done for the rest is to say so.
    worker.desk.check_room()?;
    // Rarely needed, and a query's future is large: boxed, it is no part of every request's.
    let admit = || Box::pin(auth::admit_to_change(&worker, identity));
    let asked = match read(&request, payload).await {
        Ok(asked) => asked,
        Err(error) => {
            // Who may not buy hears that, not what was wrong with the request.
            admit().await?;
            return Err(error);
        }
    };
    let scope = Scope {
        user_id: identity.user_id,
        store_id: identity.store_id,
        method: "POST",
        path: CHECKOUT,
        key: asked.key,
    };
    let fingerprint = asked.fingerprint;
    let request = CheckoutRequest {
        cart_id: asked.cart_id,
        store_id: identity.store_id,
        user_id: identity.user_id,
        payment_method: asked.payment_method,
    };
    let desk = worker.desk.clone();
    // The gate of a checkout that is carried out is in its transaction, beside all else that decides
    // it: one statement for a whole batch of callers.
    let work = |scope| async move {
        let command = CheckoutCommand {
            request,
            scope,
            fingerprint,
            render,
        };
        match desk.submit(command).await? {
            Decision::Created(response) => Ok(Ran::Now(response)),
            Decision::Replayed(response) => Ok(Ran::Before(response)),
            Decision::Refused(refusal) => Err(refusal.into()),
        }
    };
    let keep_for = worker.keep_checkout_answers_for;
    idempotent::once(&worker, scope, fingerprint, keep_for, admit, work).await
}

/// What a request for a checkout says.
struct Asked {
    key: IdempotencyKey,
    fingerprint: Fingerprint,
    cart_id: CartId,
    payment_method: PaymentMethod,
}

async fn read(request: &HttpRequest, payload: web::Payload) -> Result<Asked, ApiError> {
    let key = body::idempotency_key(request)?;
    let body = body::json(request, payload).await?;
    let (cart_id, payment_method) =
        parse(&body).map_err(|problems| ApiError::malformed(&problems))?;
    Ok(Asked {
        key,
        fingerprint: fingerprint::of_body(&body.canonical()),
        cart_id,
        payment_method,
    })
}

/// Reads what a checkout created, in the shape in which it was answered.
///
/// # Errors
/// See the contract.
pub async fn get_group(
    request: HttpRequest,
    id: web::Path<String>,
    worker: web::Data<Worker>,
) -> Result<HttpResponse, ApiError> {
    let caller = auth::caller(&request, &worker, Access::Read).await?;
    let id: CheckoutGroupId = id.parse().map_err(|_| {
        let problem = "must be a UUID".to_owned();
        ApiError::malformed(&[FieldProblem {
            path: "id".to_owned(),
            problem,
        }])
    })?;
    let checkout = worker
        .in_time(async {
            let mut snapshot = db::pool::begin_snapshot(&worker.pool).await?;
            let found = db::orders::find_checkout(&mut snapshot, id, caller.buyer.id).await?;
            db::pool::commit(snapshot).await?;
            Ok::<_, db::Error>(found)
        })
        .await?;
    let checkout = checkout
        .ok_or_else(|| ApiError::new(Code::NotFound, "Your store has no such checkout group."))?;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .body(checkout_body::render(&checkout)))
}

/// The answer that is kept of a checkout.
pub fn render(checkout: &Checkout) -> StoredResponse {
    StoredResponse {
        status: 201,
        body: checkout_body::render(checkout),
    }
}

/// Reads a checkout.
///
/// # Errors
/// All that is wrong with its shape.
pub fn parse(body: &Node) -> Result<(CartId, PaymentMethod), Vec<FieldProblem>> {
    let mut shape = Shape::default();
    let checkout = read_checkout(&mut shape, body);
    shape.finish(checkout)
}

fn read_checkout(shape: &mut Shape, node: &Node) -> Option<(CartId, PaymentMethod)> {
    let checkout = shape.object(node, "", &["cart_id", "payment_method"])?;
    let cart_id = shape.required(&checkout, "cart_id", Shape::id::<CartId>);
    let payment_method = shape.optional(&checkout, "payment_method", read_payment_method);
    Some((cart_id?, payment_method?.unwrap_or_default()))
}

fn read_payment_method(shape: &mut Shape, node: &Node, path: &str) -> Option<PaymentMethod> {
    match node {
        Node::String(text) if text == "cash" => Some(PaymentMethod::Cash),
        Node::String(text) if text == "ach" => Some(PaymentMethod::Ach),
        _ => {
            shape.problem(path, "must be \"cash\" or \"ach\"");
            None
        }
    }
}
