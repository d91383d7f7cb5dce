//! `PUT` and `GET /api/v1/inventory`: a vendor's stock.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};

use crate::{
    batching::Undecided,
    db::{self, inventory::StockFilter},
    domain::{
        caller::Access,
        idempotency::StoredResponse,
        stock_count::{CountedItem, SKU_LEN_MAX},
    },
    idempotency::fingerprint,
    inventory::command::{CountStock, Decision, Refusal},
};

use super::{
    auth,
    bodies::inventory::{self, StockCountBody},
    cursor,
    error::ApiError,
    idempotent::{self, Answer},
    keyed::{Gate, Keyed, KeyedBody},
    paths::INVENTORY,
    query::Query,
    state::State,
    target::parse_id,
};

/// The number of products on a page, unless the request says otherwise.
pub const LIMIT_DEFAULT: usize = 50;
/// The most products on a page.
pub const LIMIT_MAX: usize = 200;

impl KeyedBody for StockCountBody {
    const METHOD: &'static str = "PUT";
    const PATH: &'static str = INVENTORY;
    const GATE: Gate = Gate::Vendor;
    type Target = ();
    type Condition = ();

    fn check_room(state: &State) -> Result<(), Undecided> {
        state.counts.check_room()
    }

    fn condition(_: &HttpRequest) -> Result<(), ApiError> {
        Ok(())
    }

    fn keep_for(state: &State) -> Duration {
        state.keep_count_answers_for
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Forbidden(reason) => reason.into(),
            Refusal::KeyReused => Self::key_reused(),
        }
    }
}

/// Counts stock, exactly once per key.
///
/// # Errors
/// See the contract.
pub async fn put(keyed: Keyed<StockCountBody>) -> Result<HttpResponse, ApiError> {
    let Keyed {
        state,
        attempt,
        traceparent,
        body,
        ..
    } = keyed;
    let command = CountStock {
        user_id: attempt.scope.user_id,
        store_id: attempt.scope.store_id,
        items: body.into(),
        scope: fingerprint::of_scope(&attempt.scope),
        fingerprint: attempt.fingerprint,
        traceparent,
        render,
    };
    let desk = state.counts.clone();
    let work = move |_| async move {
        match desk.submit(command).await? {
            Decision::Counted(response) => Ok(Answer::Fresh(response)),
            Decision::Replayed(response) => Ok(Answer::Replayed(response)),
            Decision::Refused(refusal) => Err(refusal.into()),
        }
    };
    let answer = idempotent::once(&state, attempt, work).await?;
    Ok(answer.respond())
}

/// The answer to a count, as it is kept under the key.
pub fn render(items: &[CountedItem]) -> StoredResponse {
    StoredResponse {
        status: 200,
        body: inventory::render(items),
    }
}

/// Lists the vendor's stock, by product.
///
/// # Errors
/// See the contract.
pub async fn list(request: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let identity = auth::identity(&request, &state)?;
    let filter = read(&request);
    // For callers who are no members of a vendor, 403 comes before the problems of the request.
    let vendor = auth::admit_vendor(&state, identity, Access::Read).await?;
    let filter = filter?;
    let (listed, has_more) = state
        .read(async |connection| db::inventory::find_page(connection, vendor, &filter).await)
        .await?;
    let last = listed.last().filter(|_| has_more);
    let next_cursor = last.map(|last| cursor::write_product(last.product_id));
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .body(inventory::render_page(&listed, next_cursor)))
}

fn read(request: &HttpRequest) -> Result<StockFilter, ApiError> {
    let mut query = Query::of(request, &["limit", "cursor", "product_id", "sku"]);
    let limit = query.limit(LIMIT_MAX);
    let expected = "the next_cursor of a page, as it was answered";
    let behind = query.optional("cursor", expected, cursor::read_product);
    let product_id = query.optional("product_id", "a UUID", parse_id);
    let expected = format!("a text of 1 to {SKU_LEN_MAX} characters, none a control character");
    let sku = query.optional("sku", &expected, |text| {
        let fits = (1..=SKU_LEN_MAX).contains(&text.chars().count());
        (fits && !text.chars().any(char::is_control)).then(|| text.to_owned())
    });
    query.finish()?;
    Ok(StockFilter {
        product_id,
        sku,
        behind,
        limit: limit.unwrap_or(LIMIT_DEFAULT),
    })
}
