//! `PUT` and `GET /api/v1/cart`, and `POST /api/v1/cart/quote`.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use chrono::Utc;

use crate::{
    carts::{self, Decision, FreezeCart, NamedCart},
    domain::{
        caller::Access,
        cart::{
            CartContent, CartRequest, LINES_MAX, PriceHold, RequestedDiscount, RequestedItem,
            ShippingAddress, Totals,
        },
        idempotency::{Fingerprint, Scope, StoredResponse},
        ids::{ProductId, VendorStoreId},
    },
    idempotency::fingerprint,
};

use super::{
    auth,
    bodies::{cart, quote},
    body,
    error::{ApiError, Code},
    idempotent::{self, Ran},
    json::{FieldProblem, Node, Object, Shape},
    paths::CART,
    precondition,
    state::State,
};

/// The longest discount code and the longest line of an address, in characters.
const CODE_LEN_MAX: usize = 255;
const ADDRESS_LEN_MAX: usize = 200;

/// Freezes a cart (PF-075).
///
/// # Errors
/// See the contract.
pub async fn put(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let identity = auth::identity(&request, &state)?;
    state.carts.check_room()?;
    // Rarely needed, and a query's future is large: boxed, it is no part of every request's.
    let admit = || Box::pin(auth::admit_to_key(&state, identity));
    let head =
        body::idempotency_key(&request).and_then(|key| Ok((key, precondition::of_put(&request)?)));
    let (key, precondition) = match head {
        Ok(head) => head,
        Err(error) => {
            admit().await?;
            return Err(error);
        }
    };
    let (cart, fingerprint) = match read(&request, payload).await {
        Ok(asked) => asked,
        Err(error) => {
            // A store that may not buy is told so, not what was wrong with the body.
            auth::admit_to_buy(&state, identity, Access::Change).await?;
            return Err(error);
        }
    };
    let scope = Scope {
        user_id: identity.user_id,
        store_id: identity.store_id,
        method: "PUT",
        path: CART,
        key,
    };
    let command = FreezeCart {
        user_id: identity.user_id,
        store_id: identity.store_id,
        request: cart,
        scope: fingerprint::of_scope(&scope),
        fingerprint,
        precondition,
        render,
    };
    let desk = state.carts.clone();
    let work = move |_| async move {
        match desk.submit(command).await? {
            Decision::Frozen(response) => Ok(Ran::Now(response)),
            Decision::Replayed(response) => Ok(Ran::Before(response)),
            Decision::Refused(refusal) => Err(refusal.into()),
        }
    };
    let keep_for = state.keep_cart_answers_for;
    let ran = idempotent::once(&state, scope, fingerprint, keep_for, admit, work).await?;
    let tag = cart::tag(ran.body());
    let mut response = idempotent::respond(ran);
    // Of the version that the answer tells of, also when it is a first answer repeated.
    if let Some(tag) = tag {
        let value = precondition::etag(tag);
        response.headers_mut().insert(header::ETAG, value);
    }
    Ok(response)
}

/// The answer that is kept of a cart.
pub fn render(cart: &NamedCart, price_hold: PriceHold) -> StoredResponse {
    StoredResponse {
        status: 200,
        body: cart::render(cart, price_hold),
    }
}

async fn read(
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<(CartRequest, Fingerprint), ApiError> {
    let body = body::json(request, payload).await?;
    let cart = parse(&body).map_err(|problems| ApiError::malformed(&problems))?;
    Ok((cart, fingerprint::of_body(&body.canonical())))
}

/// Reads the active cart (PF-076).
///
/// # Errors
/// See the contract.
pub async fn get(request: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let identity = auth::identity(&request, &state)?;
    let known = precondition::known(&request);
    let buyer = auth::admit_to_buy(&state, identity, Access::Read).await?;
    let known = known?;
    let found = state
        .read(async |connection| carts::get_active(connection, buyer.id).await)
        .await?;
    let cart = found.ok_or_else(|| {
        let message = "Your store has no active cart; PUT /api/v1/cart starts one.";
        ApiError::new(Code::NotFound, message)
    })?;
    let tag = cart.cart.head.tag();
    let etag = (header::ETAG, precondition::etag(tag));
    if known.is_some_and(|known| known.name(Some(tag))) {
        return Ok(HttpResponse::NotModified().insert_header(etag).finish());
    }
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .insert_header(etag)
        .body(cart::render(&cart, state.terms.price_hold)))
}

/// Says what a PUT of a cart would freeze now: the same body without `totals`, the same rules, all of them
/// at once. Nothing is written or locked.
///
/// # Errors
/// See the contract.
pub async fn post_quote(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let identity = auth::identity(&request, &state)?;
    let buyer = auth::admit_to_buy(&state, identity, Access::Read).await?;
    let body = body::json(&request, payload).await?;
    let content = parse_content(&body).map_err(|problems| ApiError::malformed(&problems))?;
    let now = Utc::now();
    let quoted = state
        .read_snapshot(async |snapshot| carts::quote(snapshot, &content, buyer, now).await)
        .await?;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .body(quote::render(&quoted)))
}

/// Reads a cart.
///
/// # Errors
/// All that is wrong with its shape.
pub fn parse(body: &Node) -> Result<CartRequest, Vec<FieldProblem>> {
    let mut shape = Shape::default();
    let cart = read_cart(&mut shape, body);
    shape.finish(cart)
}

/// Reads what a quote is asked for.
///
/// # Errors
/// All that is wrong with its shape.
pub fn parse_content(body: &Node) -> Result<CartContent, Vec<FieldProblem>> {
    let mut shape = Shape::default();
    let content = shape
        .object(body, "", &CONTENT)
        .and_then(|cart| read_content(&mut shape, &cart));
    shape.finish(content)
}

/// The fields of what is wanted.
const CONTENT: [&str; 4] = ["currency", "shipping_address", "items", "discounts"];

fn read_cart(shape: &mut Shape, node: &Node) -> Option<CartRequest> {
    let [currency, shipping_address, items, discounts] = CONTENT;
    let known = [currency, shipping_address, items, discounts, "totals"];
    let cart = shape.object(node, "", &known)?;
    let content = read_content(shape, &cart);
    let totals = shape.required(&cart, "totals", read_totals);
    Some(CartRequest {
        content: content?,
        totals: totals?,
    })
}

fn read_content(shape: &mut Shape, cart: &Object<'_>) -> Option<CartContent> {
    let currency = shape.optional(cart, "currency", read_currency);
    let shipping_address = shape.optional(cart, "shipping_address", read_address);
    let items = shape.required(cart, "items", read_items);
    let discounts = shape.optional(cart, "discounts", read_discounts);
    Some(CartContent {
        currency: currency?.unwrap_or_else(|| "USD".to_owned()),
        shipping_address: shipping_address?,
        items: items?,
        discounts: discounts?.unwrap_or_default(),
    })
}

fn read_currency(shape: &mut Shape, node: &Node, path: &str) -> Option<String> {
    match node {
        Node::String(text)
            if text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase()) =>
        {
            Some(text.clone())
        }
        _ => {
            shape.problem(path, "must be three capitals, such as \"USD\"");
            None
        }
    }
}

fn read_address(shape: &mut Shape, node: &Node, path: &str) -> Option<ShippingAddress> {
    let known = ["line1", "line2", "city", "state", "postal_code", "country"];
    let address = shape.object(node, path, &known)?;
    let text = |shape: &mut Shape, node: &Node, path: &str| shape.text(node, path, ADDRESS_LEN_MAX);
    let line1 = shape.required(&address, "line1", text);
    let line2 = shape.optional(&address, "line2", text);
    let city = shape.required(&address, "city", text);
    let state = shape.required(&address, "state", text);
    let postal_code = shape.required(&address, "postal_code", text);
    let country = shape.required(&address, "country", text);
    Some(ShippingAddress {
        line1: line1?,
        line2: line2?,
        city: city?,
        state: state?,
        postal_code: postal_code?,
        country: country?,
    })
}

fn read_items(shape: &mut Shape, node: &Node, path: &str) -> Option<Vec<RequestedItem>> {
    let items = shape.list(node, path, LINES_MAX, read_item)?;
    if items.is_empty() {
        shape.problem(path, "must have at least one line");
        return None;
    }
    Some(items)
}

fn read_item(shape: &mut Shape, node: &Node, path: &str) -> Option<RequestedItem> {
    let known = [
        "product_id",
        "vendor_store_id",
        "qty",
        "unit_price",
        "line_total",
    ];
    let item = shape.object(node, path, &known)?;
    let product_id = shape.required(&item, "product_id", Shape::id::<ProductId>);
    let vendor_store_id = shape.required(&item, "vendor_store_id", Shape::id::<VendorStoreId>);
    let qty = shape.required(&item, "qty", Shape::positive);
    let unit_price = shape.optional(&item, "unit_price", Shape::money);
    let line_total = shape.optional(&item, "line_total", Shape::money);
    Some(RequestedItem {
        product_id: product_id?,
        vendor_store_id: vendor_store_id?,
        qty: qty?,
        unit_price: unit_price?,
        line_total: line_total?,
    })
}

fn read_discounts(shape: &mut Shape, node: &Node, path: &str) -> Option<Vec<RequestedDiscount>> {
    let discounts = shape.list(node, path, LINES_MAX, read_discount)?;
    let mut seen = std::collections::HashSet::new();
    for (index, discount) in discounts.iter().enumerate() {
        if !seen.insert(discount.vendor_store_id) {
            let path = format!("{path}/{index}/vendor_store_id");
            shape.problem(
                &path,
                "has a discount already; a vendor grants one per cart",
            );
        }
    }
    Some(discounts)
}

fn read_discount(shape: &mut Shape, node: &Node, path: &str) -> Option<RequestedDiscount> {
    let discount = shape.object(node, path, &["vendor_store_id", "code"])?;
    let vendor_store_id = shape.required(&discount, "vendor_store_id", Shape::id::<VendorStoreId>);
    let code = shape.required(&discount, "code", |shape, node, path| {
        shape.text(node, path, CODE_LEN_MAX)
    });
    Some(RequestedDiscount {
        vendor_store_id: vendor_store_id?,
        code: code?,
    })
}

fn read_totals(shape: &mut Shape, node: &Node, path: &str) -> Option<Totals> {
    let totals = shape.object(node, path, &["subtotal", "discount_total", "total"])?;
    let subtotal = shape.required(&totals, "subtotal", Shape::money);
    let discount_total = shape.required(&totals, "discount_total", Shape::money);
    let total = shape.required(&totals, "total", Shape::money);
    Some(Totals {
        subtotal: subtotal?,
        discount_total: discount_total?,
        total: total?,
    })
}
