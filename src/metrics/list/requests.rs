//! Metrics of the public listener.

use super::{Section, counter, gauge, histogram};

pub(super) const HTTP: Section = Section {
    title: "HTTP",
    question: "Who is served, who is refused?",
    entries: &[
        counter(
            "splitcart_http_requests_total",
            &["method", "route", "status"],
            "Requests, by route and status",
            "5xx: see checkouts and PostgreSQL. A jump of 4xx: a client was changed",
        ),
        histogram(
            "splitcart_http_request_duration_seconds",
            &[],
            "Duration of requests",
            "See the stages of checkouts, the pools, and the event loop's lag",
        ),
        gauge(
            "splitcart_http_requests_under_way",
            &[],
            "Requests of the public listener that are not yet answered",
            "It follows the load; steady growth means that something hangs",
        ),
        gauge(
            "splitcart_http_connections",
            &[],
            "Open connections of the public listener",
            "Near the limit that the log names at start, clients wait to be accepted",
        ),
        counter(
            "splitcart_http_connections_cut_total",
            &["reason"],
            "Connections that the server closed early, by reason",
            "Slow or hostile clients, or a proxy that keeps connections too long",
        ),
        counter(
            "splitcart_http_broken_requests_total",
            &["reason"],
            "Requests that were invalid HTTP and reached no route, by reason",
            "A scanner, or a client or proxy that is broken",
        ),
        gauge(
            "splitcart_http_bodies_bytes",
            &[],
            "Bytes of request bodies in memory",
            "Near its limit, bodies are refused with 503: see who sends slowly",
        ),
        counter(
            "splitcart_http_rate_limited_total",
            &["limit"],
            "Requests refused by a rate limit, by limit",
            "[The limits](http.md#rate-limits). `address` for all at once: the proxy's address is not \
             trusted",
        ),
        counter(
            "splitcart_auth_refused_total",
            &["reason"],
            "Requests answered with 401 or 403, by reason",
            "One reason for all callers: keys, issuer or clocks ([identity](identity.md)); `auth.reason` \
             is in the log line",
        ),
        gauge(
            "splitcart_watched_file_ok",
            &["setting"],
            "1 if the present content of a file of keys or certificates is in use, 0 if it is invalid",
            "0: the previous content stays in use; the log says what is wrong",
        ),
        gauge(
            "splitcart_watched_file_read_timestamp_seconds",
            &["setting"],
            "Unix time of the last valid reading of a file of keys or certificates",
            "Older than the last rotation: the new file did not arrive",
        ),
        gauge(
            "splitcart_tls_certificate_not_after_timestamp_seconds",
            &[],
            "Unix time at which the public listener's certificate expires; 0 without TLS",
            "Renew it two weeks before",
        ),
    ],
};
