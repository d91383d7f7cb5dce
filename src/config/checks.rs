//! Rules of settings: the range of every number, and what must not be set together.

use secrecy::ExposeSecret;

use super::{
    Config, Error, PoolMode, Protocol, Sink,
    redis::{self, Access},
    urls,
};

impl Config {
    /// Refuses numbers out of range. Every number has a maximum: beyond it a wait would never end, or a
    /// time could not be represented.
    pub(super) fn refuse_out_of_range(&self) -> Result<(), Error> {
        const HOUR_MS: u64 = 60 * 60 * 1000;
        const YEAR_S: u64 = 365 * 24 * 60 * 60;
        // A table: a setting a line, with its least and its greatest value.
        #[rustfmt::skip]
        let numbers = [
            ("batch_max", self.batch_max as u64, 1, 1024),
            ("batch_lines_max", self.batch_lines_max as u64, 1, 1_000_000),
            ("transactions_in_flight", self.transactions_in_flight as u64, 1, 64),
            ("transactions_overdue_max", self.transactions_overdue_max as u64, 0, 64),
            ("batch_min_in_parallel", self.batch_min_in_parallel as u64, 1, 1024),
            ("queue_max", self.queue_max as u64, 1, 1_000_000),
            ("queue_wait_ms_max", self.queue_wait_ms_max, 1, HOUR_MS),
            ("transaction_ms_max", self.transaction_ms_max, 1, HOUR_MS),
            ("commit_ms_max", self.commit_ms_max, 1, HOUR_MS),
            ("lock_ms_max", self.lock_ms_max, 1, HOUR_MS),
            ("held_wait_ms_max", self.held_wait_ms_max, 0, HOUR_MS),
            ("aside_max", self.aside_max as u64, 0, 1_000_000),
            ("attempts_max", self.attempts_max.into(), 1, 100),
            ("database.pool_per_worker", self.database.pool_per_worker.into(), 1, 1000),
            ("database.acquire_ms_max", self.database.acquire_ms_max, 1, HOUR_MS),
            ("database.start_wait_s_max", self.database.start_wait_s_max, 0, 3600),
            ("redis.timeout_ms", self.redis.timeout_ms, 1, HOUR_MS),
            ("redis.pause_ms", self.redis.pause_ms, 0, HOUR_MS),
            ("http.workers", self.http.workers as u64, 0, 1024),
            ("http.drain_delay_s", self.http.drain_delay_s, 0, 3600),
            ("http.drain_s_max", self.http.drain_s_max, 0, 3600),
            ("http.head_ms_max", self.http.head_ms_max, 100, HOUR_MS),
            ("http.keep_alive_ms", self.http.keep_alive_ms, 100, HOUR_MS),
            ("http.answer_ms_max", self.http.answer_ms_max, 100, HOUR_MS),
            ("http.streams_max", self.http.streams_max as u64, 1, 10_000),
            ("http.bodies_mb_max", self.http.bodies_mb_max as u64, 1, 1_000_000),
            ("http.connections_per_worker", self.http.connections_per_worker as u64, 1, 1_000_000),
            ("reload_files_ms", self.reload_files_ms, 10, HOUR_MS),
            ("auth.leeway_s", self.auth.leeway_s.into(), 0, 300),
            ("auth.lifetime_s_max", self.auth.lifetime_s_max.into(), 0, YEAR_S),
            ("limits.refused_tokens_per_s", self.limits.refused_tokens_per_s.get().into(), 1, 1_000_000),
            ("limits.refused_tokens_burst", self.limits.refused_tokens_burst.get().into(), 1, 1_000_000),
            ("limits.code_guesses_per_minute", self.limits.code_guesses_per_minute.get().into(), 1, 1_000_000),
            ("limits.code_guesses_burst", self.limits.code_guesses_burst.get().into(), 1, 1_000_000),
            ("limits.address_per_s", self.limits.address_per_s.get().into(), 1, 1_000_000),
            ("limits.address_burst", self.limits.address_burst.get().into(), 1, 1_000_000),
            ("limits.user_per_s", self.limits.user_per_s.get().into(), 1, 1_000_000),
            ("limits.user_burst", self.limits.user_burst.get().into(), 1, 1_000_000),
            ("limits.address_connections", self.limits.address_connections.get().into(), 1, 1_000_000),
            ("cart.batch_max", self.cart.batch_max as u64, 1, 1024),
            ("cart.transactions_in_flight", self.cart.transactions_in_flight as u64, 1, 64),
            ("cart.batch_min_in_parallel", self.cart.batch_min_in_parallel as u64, 1, 1024),
            ("cart.queue_max", self.cart.queue_max as u64, 1, 1_000_000),
            ("orders.batch_max", self.orders.batch_max as u64, 1, 1024),
            ("orders.transactions_in_flight", self.orders.transactions_in_flight as u64, 1, 64),
            ("orders.batch_min_in_parallel", self.orders.batch_min_in_parallel as u64, 1, 1024),
            ("orders.queue_max", self.orders.queue_max as u64, 1, 1_000_000),
            ("inventory.transactions_in_flight", self.inventory.transactions_in_flight as u64, 1, 64),
            ("inventory.queue_max", self.inventory.queue_max as u64, 1, 1_000_000),
            ("live.streams_max", self.live.streams_max as u64, 0, 1_000_000),
            ("live.user_streams_max", self.live.user_streams_max as u64, 1, 1_000_000),
            ("live.heartbeat_s", self.live.heartbeat_s, 1, 300),
            ("vendors.idle_s_max", self.vendors.idle_s_max, 1, YEAR_S),
            // Bounded, so that a crash frees its keys soon.
            ("idempotency.claim_lease_ms", self.idempotency.claim_lease_ms, 100, 10_000),
            ("idempotency.cart_hours", self.idempotency.cart_hours, 1, 10 * 365 * 24),
            ("idempotency.redis_minutes", self.idempotency.redis_minutes, 1, 7 * 24 * 60),
            ("idempotency.redis_store_kb_max", self.idempotency.redis_store_kb_max as u64, 0, 1_000_000),
            ("idempotency.checkout_days", self.idempotency.checkout_days, 1, 10 * 365),
            ("outbox.poll_ms", self.outbox.poll_ms, 1, HOUR_MS),
            ("outbox.claim_max", self.outbox.claim_max.try_into().unwrap_or(0), 1, 10_000),
            ("outbox.claim_lease_s", self.outbox.claim_lease_s, 1, 24 * 60 * 60),
            ("telemetry.trace_slower_than_ms", self.telemetry.trace_slower_than_ms, 0, HOUR_MS),
            ("outbox.attempts_max", self.outbox.attempts_max.try_into().unwrap_or(0), 1, 1000),
        ];
        match numbers
            .iter()
            .find(|(_, value, least, most)| !(least..=most).contains(&value))
        {
            Some((key, value, least, most)) => Err(Error::Contradiction(format!(
                "{key} is {value}; it must be {least} to {most}"
            ))),
            None => Ok(()),
        }
    }

    /// Refuses settings that lack what a server needs and other commands do not: Redis, and keys of tokens.
    pub fn check_for_serving(&self) -> Result<(), Error> {
        let database = !self.database.url.expose_secret().is_empty();
        let redis = !self.redis.url.expose_secret().is_empty();
        let missing = if database && !redis {
            "database.url is set and redis.url is not, and a server needs both: set SPLITCART_REDIS_URL, \
             too, or neither to have private ones started"
        } else if database && !self.auth.has_keys() {
            "there is nothing to check tokens with: set SPLITCART_AUTH_HS256_SECRET to what `openssl rand \
             -hex 32` prints (or SPLITCART_AUTH_HS256_SECRET_FILE to a file with it), or \
             SPLITCART_AUTH_PUBLIC_KEY_FILE or SPLITCART_AUTH_JWKS_FILE for public keys"
        } else {
            return Ok(());
        };
        Err(Error::Contradiction(missing.to_owned()))
    }

    fn check_access_to_redis(&self) -> Result<(), Error> {
        // Files of TLS are also for the sinks that have none of their own.
        let urls: Vec<_> = [&self.redis.url, &self.outbox.redis_url]
            .into_iter()
            .chain(self.outbox.sinks.iter().filter_map(Sink::own_redis_url))
            .collect();
        let access = Access {
            place: "[redis]",
            urls: &urls,
            ca_file: &self.redis.tls_ca_file,
            cert_file: &self.redis.tls_cert_file,
            key_file: &self.redis.tls_key_file,
            sentinel_user: &self.redis.sentinel_user,
            sentinel_password: &self.redis.sentinel_password,
        };
        access.check()
    }

    /// Refuses settings that make no sense together.
    pub(super) fn refuse_contradictions(&self) -> Result<(), Error> {
        let database = !self.database.url.expose_secret().is_empty();
        let has_redis = !self.redis.url.expose_secret().is_empty();
        urls::check_database("database.url", &self.database.url)?;
        redis::check_url("redis.url", &self.redis.url)?;
        redis::check_url("outbox.redis_url", &self.outbox.redis_url)?;
        self.check_access_to_redis()?;
        let rules = [
            (
                !(0.0..=1.0).contains(&self.telemetry.trace_ratio),
                "telemetry.trace_ratio must be 0 to 1",
            ),
            (
                has_redis && !database,
                "redis.url is set and database.url is not, and private servers are started together: set \
                 SPLITCART_DATABASE_URL, too, or unset SPLITCART_REDIS_URL",
            ),
            (
                !self.database.prepared_statements && self.database.pool_mode == PoolMode::Session,
                "database.prepared_statements is false, which is for poolers of transactions that keep no \
                 statements, and database.pool_mode is \"session\": set both, or neither",
            ),
            (
                self.auth.has_short_secret() && !self.http.addr.ip().is_loopback(),
                "auth.hs256_secret is shorter than 32 bytes, and can be found by trial from a single token, \
                 and http.addr is not a loopback address: set SPLITCART_AUTH_HS256_SECRET to what \
                 `openssl rand -hex 32` prints",
            ),
            (
                self.http.tls_cert_file.as_os_str().is_empty()
                    != self.http.tls_key_file.as_os_str().is_empty(),
                "http.tls_cert_file and http.tls_key_file go together: set both for TLS, or neither",
            ),
            (
                self.http.h2c && matches!(self.http.protocol(), Protocol::Tls { .. }),
                "http.h2c is HTTP/2 without TLS, and http.tls_cert_file is set: with TLS a client may \
                 choose HTTP/2 anyway, so leave http.h2c off",
            ),
            (
                self.http.addr == self.ops.addr && self.http.addr.port() != 0,
                "http.addr and ops.addr are the same: operations need a listener of their own",
            ),
            (
                self.queue_max < self.batch_max,
                "queue_max must be at least batch_max, or no batch could ever be full",
            ),
            (
                self.http.drain_delay_s > 0 && self.http.drain_delay_s * 2 > self.http.drain_s_max,
                "http.drain_delay_s is more than half of http.drain_s_max, which bounds the whole stop: \
                 nothing would be left for requests in progress",
            ),
            (
                self.auth.issuer.is_empty(),
                "auth.issuer is empty: set SPLITCART_AUTH_ISSUER",
            ),
            (
                self.outbox.stream.is_empty(),
                "outbox.stream is empty: set SPLITCART_OUTBOX_STREAM",
            ),
        ];
        let broken = rules.iter().find(|(broken, _)| *broken);
        match self
            .auth
            .contradiction()
            .or(broken.map(|(_, sentence)| *sentence))
        {
            Some(sentence) => Err(Error::Contradiction(sentence.to_owned())),
            None => Ok(()),
        }
    }
}
