//! Webhooks: posts events to the endpoints of stores, signed by Standard Webhooks.
//!
//! Deliveries are written by a sink of the kind `webhook` (`outbox::sink`), or for a test, and are rows of
//! `webhook_deliveries` from then on.
//!
//! | rule | file |
//! |---|---|
//! | which deliveries are made when, and what becomes of each | [`worker`] |
//! | how an event is posted, and within which limits | [`client`] |
//! | which addresses may be connected to | [`address`] |
//! | which URLs an endpoint may have | [`url`] |
//! | secrets, and signatures made with them | [`signature`] |

pub mod address;
pub mod client;
pub mod signature;
pub mod url;
pub mod worker;
