//! What is accepted, what is refused, and what never shows.

use super::*;

fn load(variables: &[(&str, &str)]) -> Result<Config, Error> {
    let owned = variables
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()));
    Config::load(None, owned.collect::<Vec<_>>())
}

#[test]
fn the_defaults_are_usable_and_embedded() {
    let config = load(&[]).unwrap();
    assert!(matches!(config.services(), Services::Embedded));
    assert_eq!(
        (config.batch_max, config.auth.issuer.as_str()),
        (64, "splitcart")
    );
    assert!(config.has_development_secret());
}

#[test]
fn the_fixed_variables_reach_their_settings() {
    let config = load(&[
        ("SPLITCART_DATABASE_URL", "postgres://db/x"),
        ("SPLITCART_REDIS_URL", "redis://r"),
        ("SPLITCART_HTTP_ADDR", "0.0.0.0:80"),
        ("SPLITCART_OPS_ADDR", "127.0.0.1:81"),
        ("SPLITCART_AUTH_HS256_SECRET", "s3cret"),
        ("SPLITCART_AUTH_ISSUER", "issuer"),
        ("SPLITCART_BATCH_MAX", "1"),
        ("SPLITCART_TRANSACTIONS_IN_FLIGHT", "3"),
        ("SPLITCART_ALLOW_ACH", "true"),
        ("HOME", "/ignored"),
    ])
    .unwrap();
    assert!(matches!(config.services(), Services::External { .. }));
    assert_eq!(config.http.addr.to_string(), "0.0.0.0:80");
    assert_eq!(config.ops.addr.to_string(), "127.0.0.1:81");
    assert_eq!((config.batch_max, config.transactions_in_flight), (1, 3));
    assert!(config.allow_ach && config.auth.issuer == "issuer");
}

#[test]
fn a_file_overrides_the_defaults_and_the_environment_overrides_the_file() {
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    std::io::Write::write_all(&mut file, b"batch_max = 4\nallow_ach = true\n").unwrap();
    let variables = [("SPLITCART_BATCH_MAX".to_owned(), "8".to_owned())];
    let config = Config::load(Some(file.path()), variables).unwrap();
    assert_eq!((config.batch_max, config.allow_ach), (8, true));
}

#[test]
fn unknown_keys_and_variables_are_refused_by_name() {
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    std::io::Write::write_all(&mut file, b"[http]\nport = 1\n").unwrap();
    let error = Config::load(Some(file.path()), []).unwrap_err().to_string();
    assert!(error.contains("port"), "{error}");
    let error = load(&[("SPLITCART_BATCHMAX", "1")])
        .unwrap_err()
        .to_string();
    assert!(error.contains("SPLITCART_BATCHMAX"), "{error}");
}

#[test]
fn contradictions_are_refused_by_name() {
    for (variables, named) in [
        (
            vec![("SPLITCART_DATABASE_URL", "postgres://x")],
            "redis.url",
        ),
        (
            vec![("SPLITCART_HTTP_ADDR", "0.0.0.0:80")],
            "auth.hs256_secret",
        ),
        (vec![("SPLITCART_OPS_ADDR", "127.0.0.1:8080")], "ops.addr"),
        (vec![("SPLITCART_BATCH_MAX", "0")], "batch_max"),
        (vec![("SPLITCART_BATCH_MAX", "many")], "batch_max"),
        (vec![("SPLITCART_QUEUE_MAX", "8")], "queue_max"),
        (
            vec![("SPLITCART_LOG_FORMAT", "xml")],
            "\"human\" or \"json\"",
        ),
        (
            vec![("SPLITCART_TRANSACTIONS_IN_FLIGHT", "0")],
            "transactions_in_flight is 0; it must be 1 to 64",
        ),
        (
            vec![("SPLITCART_IDEMPOTENCY_CHECKOUT_DAYS", "1000000000")],
            "checkout_days",
        ),
        (
            vec![("SPLITCART_TRANSACTION_MS_MAX", "3000000000")],
            "transaction_ms_max",
        ),
        (vec![("SPLITCART_AUTH_ISSUER", "")], "auth.issuer"),
        (vec![("SPLITCART_CART_PRICE_HOLD", "0s")], "from \"1s\" to"),
        (
            vec![("SPLITCART_CART_PRICE_HOLD", "367days")],
            "cart.price_hold",
        ),
        (vec![("SPLITCART_CART_PRICE_HOLD", "24")], "such as \"24h\""),
        (vec![("SPLITCART_OUTBOX_RETENTION", "0s")], "from \"1s\" to"),
        (
            vec![("SPLITCART_OUTBOX_RETENTION", "never")],
            "outbox.retention",
        ),
        (vec![("SPLITCART_FAULTY", "1")], "SPLITCART_FAULTY"),
        (vec![("SPLITCART_AUTH_HS256_SECRET", "")], "is empty"),
        (
            vec![
                ("SPLITCART_AUTH_HS256_SECRET", "mine"),
                ("SPLITCART_AUTH_JWKS_FILE", "keys.json"),
            ],
            "auth.hs256_secret is set beside a public key",
        ),
        (
            vec![
                ("SPLITCART_AUTH_PUBLIC_KEY_FILE", "key.pem"),
                ("SPLITCART_AUTH_JWKS_FILE", "keys.json"),
            ],
            "are both set",
        ),
        (
            vec![("SPLITCART_AUTH_LEEWAY_S", "301")],
            "auth.leeway_s is 301; it must be 0 to 300",
        ),
        (
            vec![("SPLITCART_RATE_LIMIT", "maybe")],
            "rate_limit must be \"on\" or \"off\"",
        ),
        (
            vec![("SPLITCART_LIMITS_USER_PER_S", "0")],
            "limits.user_per_s",
        ),
        (
            vec![("SPLITCART_HTTP_TLS_CERT_FILE", "cert.pem")],
            "go together",
        ),
        (
            vec![
                ("SPLITCART_HTTP_TLS_CERT_FILE", "cert.pem"),
                ("SPLITCART_HTTP_TLS_KEY_FILE", "key.pem"),
                ("SPLITCART_HTTP_H2C", "true"),
            ],
            "http.h2c",
        ),
        (
            vec![("SPLITCART_HTTP_TRUSTED_PROXIES", "10.0.0.0/8,localhost")],
            "\"localhost\" is neither an address nor a network",
        ),
        (
            vec![("SPLITCART_HTTP_CORS_ORIGINS", "*")],
            "\"*\" is no origin",
        ),
        (
            vec![("SPLITCART_HTTP_CORS_ORIGINS", "https://shop.example/")],
            "is no origin",
        ),
    ] {
        let error = load(&variables).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
}

#[test]
fn a_price_hold_is_a_time_or_off() {
    for (text, hold) in [
        ("off", PriceHold::Off),
        ("1s", PriceHold::Lasting(Duration::from_secs(1))),
        ("1day 12h", PriceHold::Lasting(Duration::from_hours(36))),
        (
            "366days",
            PriceHold::Lasting(Duration::from_hours(366 * 24)),
        ),
    ] {
        let config = load(&[("SPLITCART_CART_PRICE_HOLD", text)]).unwrap();
        assert_eq!(config.cart.price_hold, hold, "{text}");
    }
}

#[test]
fn the_retention_of_events_is_a_time_or_off() {
    for (text, retention) in [
        ("off", Retention::Off),
        ("1s", Retention::Lasting(Duration::from_secs(1))),
        ("7days", Retention::Lasting(Duration::from_hours(7 * 24))),
    ] {
        let config = load(&[("SPLITCART_OUTBOX_RETENTION", text)]).unwrap();
        assert_eq!(config.outbox.retention, retention, "{text}");
    }
}

#[test]
fn events_go_to_the_redis_for_everything_unless_they_have_one_of_their_own() {
    let of_all = SecretString::from("redis://all");
    for (own, used) in [("", "redis://all"), ("redis://own", "redis://own")] {
        let config = load(&[("SPLITCART_OUTBOX_REDIS_URL", own)]).unwrap();
        assert_eq!(config.outbox.redis_url(&of_all).expose_secret(), used);
    }
}

#[test]
fn a_variable_s_list_stands_between_commas() {
    let config = load(&[
        (
            "SPLITCART_HTTP_TRUSTED_PROXIES",
            "10.0.0.0/8, 192.168.0.1,fd00::/8,",
        ),
        ("SPLITCART_HTTP_CORS_ORIGINS", "https://a.example"),
    ])
    .unwrap();
    let trusts = |address: &str| {
        let address = address.parse().unwrap();
        let proxies = &config.http.trusted_proxies;
        proxies.iter().any(|proxy| proxy.contains(address))
    };
    assert!(trusts("10.9.8.7") && trusts("192.168.0.1") && trusts("fd00::7"));
    assert!(!trusts("192.168.0.2") && !trusts("11.0.0.1"));
    assert_eq!(config.http.cors_origins[0].as_str(), "https://a.example");
    let none = load(&[("SPLITCART_HTTP_TRUSTED_PROXIES", "")]).unwrap();
    assert!(none.http.trusted_proxies.is_empty());
}

#[test]
fn with_public_keys_the_known_secret_is_out_of_use() {
    for file in ["SPLITCART_AUTH_JWKS_FILE", "SPLITCART_AUTH_PUBLIC_KEY_FILE"] {
        let config = load(&[(file, "keys"), ("SPLITCART_HTTP_ADDR", "0.0.0.0:80")]).unwrap();
        assert!(!config.has_development_secret());
        assert!(!matches!(config.auth.token_keys(), TokenKeys::Secret(_)));
    }
}

#[test]
fn a_broken_file_is_named_and_not_quoted() {
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    let text = b"batch_max = 4\n[auth]\nhs256_secret = \"hunter2\n";
    std::io::Write::write_all(&mut file, text).unwrap();
    let error = Config::load(Some(file.path()), []).unwrap_err().to_string();
    assert!(
        error.contains("line 3") && !error.contains("hunter2"),
        "{error}"
    );
    assert!(error.contains(file.path().to_str().unwrap()), "{error}");
}

#[test]
fn secrets_never_show() {
    let config = load(&[
        ("SPLITCART_DATABASE_URL", "postgres://u:hunter2@db/x"),
        ("SPLITCART_REDIS_URL", "redis://:hunter2@r"),
        ("SPLITCART_AUTH_HS256_SECRET", "hunter2"),
    ])
    .unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
}
