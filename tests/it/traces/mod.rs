//! Traces: the spans of requests, as a collector gets them.

mod collectors;
mod real_collector;
mod sampling;
mod tree;

use opentelemetry_proto::tonic::trace::v1::Span;

use crate::support::{Shopper, World, collector::Collector, market::cart_of};

const CHECKOUT: &str = "POST /api/v1/checkout";
/// A client's trace, which is kept.
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";

/// A service that sends its spans soon.
async fn world_with(collector: &Collector, settings: &[(&str, &str)]) -> World {
    let url = collector.url();
    let mut all = vec![
        ("SPLITCART_TELEMETRY_OTLP_ENDPOINT", url.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "20"),
    ];
    all.extend(settings);
    World::with_settings(&all).await
}

/// A buyer with a cart of one product of which there is plenty.
async fn shopper(world: &World) -> Shopper {
    let product = world.market.sold_product(500, 1_000).await;
    Shopper::with_cart(&world.market, &world.server, &cart_of(&[(product, 1)])).await
}

/// The spans of one trace.
fn of_trace(spans: &[Span], trace_id: &[u8]) -> Vec<Span> {
    let mut spans = spans.to_vec();
    spans.retain(|span| span.trace_id == trace_id);
    spans
}
