//! Metrics of events, of webhooks and of live streams.

use super::{Section, counter, gauge, histogram};

pub(super) const EVENTS: Section = Section {
    title: "Events",
    question: "Are they published?",
    entries: &[
        gauge(
            "splitcart_outbox_waiting",
            &[],
            "Events not yet published to the primary sink; 10001 means 10001 or more",
            "See the sink's state; the relay publishes thousands a second once it is up",
        ),
        gauge(
            "splitcart_outbox_oldest_seconds",
            &[],
            "Age of the oldest event not yet published to the primary sink",
            "A second or so. More: the sink is away or refuses one event",
        ),
        gauge(
            "splitcart_outbox_measured_timestamp_seconds",
            &[],
            "Unix time of the last measurement of the outbox",
            "Old: what the other gauges of events say is out of date; PostgreSQL does not answer, or \
             answers slowly",
        ),
        counter(
            "splitcart_outbox_published_total",
            &["sink"],
            "Events published, by sink",
            "0 while checkouts are made: see `splitcart_outbox_sink_up`",
        ),
        counter(
            "splitcart_outbox_refused_total",
            &["sink"],
            "Publications refused by a sink while it accepted others, by sink",
            "The log names the event and the sink's reason; after `outbox.attempts_max` it is a dead \
             letter",
        ),
        gauge(
            "splitcart_outbox_sink_up",
            &["sink"],
            "1 while the sink accepts events, 0 while it accepts none, by sink",
            "[The reason](operations.md#reasons-of-a-sink) is in the log, in `/readyz`, and counted below",
        ),
        gauge(
            "splitcart_outbox_sink_waiting",
            &["sink"],
            "Events that the sink has yet to take; 10001 means 10001 or more",
            "Growth with the sink up: it takes less than is written. Growth with the sink down: nothing \
             is lost, mend the sink",
        ),
        gauge(
            "splitcart_outbox_sink_oldest_seconds",
            &["sink"],
            "Age of the oldest event that the sink has yet to take",
            "As above",
        ),
        gauge(
            "splitcart_outbox_sink_dead_letters",
            &["sink"],
            "Dead letters of the sink",
            "`splitcart outbox list --dead` shows them; `retry` sends them again, `discard` gives them up",
        ),
        counter(
            "splitcart_outbox_sink_failures_total",
            &["sink", "reason"],
            "Attempts to publish that failed because of the sink, not of an event, by sink and reason",
            "[What each reason asks for](operations.md#reasons-of-a-sink)",
        ),
        counter(
            "splitcart_outbox_buried_total",
            &["sink"],
            "Events that became dead letters, by sink",
            "Above 0: see the dead letters",
        ),
        counter(
            "splitcart_outbox_claims_ended_total",
            &[],
            "Events left unpublished by a relay because their claim had expired; they are claimed again",
            "Above 0: a relay was frozen or very slow. See the event loop's lag and the machine",
        ),
        counter(
            "splitcart_outbox_removed_total",
            &[],
            "Published events removed after their retention",
            "0 for a day with a retention set: the outbox grows; see if a sink that is configured takes \
             nothing",
        ),
    ],
};

pub(super) const WEBHOOKS: Section = Section {
    title: "Webhooks and live streams",
    question: "Do other systems and screens follow?",
    entries: &[
        counter(
            "splitcart_webhook_deliveries_total",
            &["outcome"],
            "Attempts to deliver an event to an endpoint of a store, by outcome",
            "Failures of one endpoint are its owner's; of all: see DNS, the proxy and the time that \
             attempts take",
        ),
        gauge(
            "splitcart_webhook_waiting",
            &[],
            "Deliveries to endpoints of stores that wait, those after a failure among them; 10001 means \
             10001 or more",
            "Endpoints are down or slow; each is tried for three days",
        ),
        histogram(
            "splitcart_webhook_duration_seconds",
            &[],
            "Time of an attempt to deliver a webhook, from the look-up of the host to the answer",
            "Near the time limit: receivers should acknowledge first and work later",
        ),
        counter(
            "splitcart_webhook_endpoints_disabled_total",
            &[],
            "Endpoints disabled because they failed for five days or are gone",
            "Tell the store that owns the endpoint",
        ),
        gauge(
            "splitcart_live_streams",
            &[],
            "Open live streams of orders",
            "Near `live.streams_max` further ones are refused",
        ),
        counter(
            "splitcart_live_streams_dropped_total",
            &[],
            "Live streams of orders ended because their reader was too slow",
            "They come back by themselves. Many: a proxy in between buffers",
        ),
        counter(
            "splitcart_live_streams_refused_total",
            &["reason"],
            "Live streams of orders that were not opened, by reason",
            "`streams` and `user_streams` are limits of `live.*`; `unavailable` is PostgreSQL",
        ),
    ],
};
