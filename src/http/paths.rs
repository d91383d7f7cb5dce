//! The paths of the public API and the methods that each takes.

/// The buyer's cart.
pub const CART: &str = "/api/v1/cart";
/// A quote of a cart.
pub const CART_QUOTE: &str = "/api/v1/cart/quote";
/// Buying a cart.
pub const CHECKOUT: &str = "/api/v1/checkout";
/// A preview of a checkout.
pub const CHECKOUT_PREVIEW: &str = "/api/v1/checkout/preview";
/// The orders of the active store.
pub const ORDERS: &str = "/api/v1/orders";
/// The live stream of the active store's orders.
pub const ORDERS_STREAM: &str = "/api/v1/orders/stream";
/// One order.
pub const ORDER: &str = "/api/v1/orders/{id}";
/// A vendor's decision about an order.
pub const ORDER_DECISION: &str = "/api/v1/orders/{id}/decision";
/// The fulfilment of an order.
pub const ORDER_FULFILLMENT: &str = "/api/v1/orders/{id}/fulfillment";
/// The cancellation of an order.
pub const ORDER_CANCELLATION: &str = "/api/v1/orders/{id}/cancellation";
/// The orders of one checkout.
pub const CHECKOUT_GROUP: &str = "/api/v1/checkout-groups/{id}";
/// The cancellation of all orders of one checkout.
pub const GROUP_CANCELLATION: &str = "/api/v1/checkout-groups/{id}/cancellation";
/// A vendor's stock.
pub const INVENTORY: &str = "/api/v1/inventory";
/// A store's endpoints of webhooks.
pub const WEBHOOK_ENDPOINTS: &str = "/api/v1/webhook-endpoints";
/// One of them.
pub const WEBHOOK_ENDPOINT: &str = "/api/v1/webhook-endpoints/{id}";
/// The change of its secret.
pub const WEBHOOK_ROTATION: &str = "/api/v1/webhook-endpoints/{id}/rotate-secret";
/// A test of it.
pub const WEBHOOK_TEST: &str = "/api/v1/webhook-endpoints/{id}/test";
/// What was delivered to it.
pub const WEBHOOK_DELIVERIES: &str = "/api/v1/webhook-endpoints/{id}/deliveries";
/// Another attempt of a delivery.
pub const WEBHOOK_REDELIVERY: &str = "/api/v1/webhook-endpoints/deliveries/{id}/redeliver";
/// The OpenAPI document.
pub const OPENAPI: &str = "/openapi.json";
/// The document as a page.
pub const DOCS: &str = "/docs";
/// The page's files.
pub const DOCS_FILE: &str = "/docs/{file}";

/// Every route with the methods that it takes, as `Allow` names them. The OpenAPI document has just
/// these, but for HEAD.
pub const ALL: [(&str, &str); 22] = [
    (CART, "GET, HEAD, PUT"),
    (CART_QUOTE, "POST"),
    (CHECKOUT, "POST"),
    (CHECKOUT_PREVIEW, "POST"),
    (CHECKOUT_GROUP, "GET, HEAD"),
    (GROUP_CANCELLATION, "POST"),
    (ORDERS, "GET, HEAD"),
    (ORDERS_STREAM, "GET, HEAD"),
    (ORDER, "GET, HEAD"),
    (ORDER_DECISION, "POST"),
    (ORDER_FULFILLMENT, "POST"),
    (ORDER_CANCELLATION, "POST"),
    (INVENTORY, "GET, HEAD, PUT"),
    (WEBHOOK_ENDPOINTS, "GET, HEAD, POST"),
    (WEBHOOK_ENDPOINT, "GET, HEAD, PATCH, DELETE"),
    (WEBHOOK_ROTATION, "POST"),
    (WEBHOOK_TEST, "POST"),
    (WEBHOOK_DELIVERIES, "GET, HEAD"),
    (WEBHOOK_REDELIVERY, "POST"),
    (OPENAPI, "GET, HEAD"),
    (DOCS, "GET, HEAD"),
    (DOCS_FILE, "GET, HEAD"),
];
