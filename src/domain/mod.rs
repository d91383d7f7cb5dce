//! The rules of the marketplace, free of I/O.
//!
//! Nothing here is async, reads a clock, makes an id or knows SQL, actors or HTTP: `now` and new
//! ids come in as arguments. Where each rule lives:
//!
//! | rule | file |
//! |---|---|
//! | which stores may buy and sell | [`store`] |
//! | why a vendor may not sell, and how that is reported | [`vendor_ineligible`] |
//! | what a member may do for a store | [`caller`] |
//! | keys, scopes and the first answer of a request | [`idempotency`] |
//! | tiers, rounding, store discounts | [`pricing`], [`money`] |
//! | the frozen cart and its figures, how long its prices are held | [`cart`] |
//! | what a cart must satisfy, all violations at once | [`rules`] |
//! | If-Match and If-None-Match of a cart | [`precondition`] |
//! | the total and version that a buyer expects | [`expected_cart`] |
//! | ways of paying, price hold | [`terms`] |
//! | why a checkout is refused | [`refusal`] |
//! | splitting a cart by vendor and settling the outcomes | [`checkout`], `vendor_plan`, [`plan_inputs`] |
//! | what becomes of lines that are short; MOQ of a partial fill | [`shortage_policy`] |
//! | who gets the last units | [`reservation`] |
//! | what a vendor's count makes of its stock | [`stock_count`] |
//! | when stock has run low | [`low_stock`] |
//! | optimistic concurrency: for which stock a result is right | [`optimistic`] |
//! | the order in which locks are taken | [`lock_order`] |
//! | orders, lines, intents and their statuses | [`order`] |
//! | decision, fulfilment, cancellation, expiry: from which status, to which, and what becomes of stock | [`order_moves`] |
//! | the figures of an order of which lines are gone | [`order_figures`] |
//! | why lines and orders are rejected | [`rejection`] |
//! | how many of a product a buyer may have | [`purchase_limit`] |
//! | words that go with a rejection | [`note`] |
//! | what is announced | [`event`] |
//! | the trace to which a request belongs | [`trace_context`] |
//! | which stores may see what is announced, and in which form | [`audience`] |
//! | retries of webhooks, and when an endpoint is disabled | [`webhook`] |
//! | an order as its checkout made it | [`order_as_placed`] |

pub mod audience;
pub mod caller;
pub mod cart;
pub mod checkout;
pub mod event;
pub mod expected_cart;
pub mod folding;
pub mod idempotency;
pub mod ids;
pub mod lock_order;
pub mod low_stock;
pub mod money;
pub mod note;
pub mod optimistic;
pub mod order;
pub mod order_as_placed;
pub mod order_figures;
pub mod order_moves;
pub mod plan_inputs;
pub mod precondition;
pub mod pricing;
pub mod product;
pub mod purchase_limit;
pub mod refusal;
pub mod rejection;
pub mod reservation;
pub mod rules;
pub mod shortage_policy;
pub mod stock_count;
pub mod store;
pub mod terms;
pub mod trace_context;
pub mod vendor_ineligible;
mod vendor_plan;
pub mod violation;
pub mod webhook;

#[cfg(test)]
mod tests;
