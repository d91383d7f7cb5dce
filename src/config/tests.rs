//! Settings that are accepted, settings that are refused, and secrets that are never shown.

use super::*;

fn load(variables: &[(&str, &str)]) -> Result<Config, Error> {
    let owned = variables
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()));
    Config::load(None, owned.collect::<Vec<_>>())
}

/// The shortest secret that may leave the loopback address.
const LONG: &str = "0123456789abcdef0123456789abcdef";

fn refused(variables: &[(&str, &str)]) -> String {
    load(variables).unwrap_err().to_string()
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    file
}

#[test]
fn the_defaults_are_usable_and_embedded() {
    let config = load(&[]).unwrap();
    assert!(matches!(config.services(), Services::Embedded));
    assert_eq!(
        (config.batch_max, config.auth.issuer.as_str()),
        (64, "splitcart")
    );
    assert!(!config.auth.has_keys(), "there is no known secret");
    config.check_for_serving().unwrap();
}

#[test]
fn the_fixed_variables_reach_their_settings() {
    let config = load(&[
        ("SPLITCART_DATABASE_URL", "postgres://db/x"),
        ("SPLITCART_REDIS_URL", "redis://r"),
        ("SPLITCART_HTTP_ADDR", "0.0.0.0:80"),
        ("SPLITCART_OPS_ADDR", "127.0.0.1:81"),
        ("SPLITCART_AUTH_HS256_SECRET", LONG),
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
            vec![("SPLITCART_REDIS_URL", "redis://x")],
            "redis.url is set and database.url is not",
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
            "\"*\" is not an origin",
        ),
        (
            vec![("SPLITCART_HTTP_CORS_ORIGINS", "https://shop.example/")],
            "is not an origin",
        ),
    ] {
        let error = load(&variables).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
}

#[test]
fn keys_that_contradict_each_other_or_are_too_weak_are_refused() {
    for (variables, named) in [
        (
            vec![
                ("SPLITCART_HTTP_ADDR", "0.0.0.0:80"),
                ("SPLITCART_AUTH_HS256_SECRET", &LONG[1..]),
            ],
            "openssl rand -hex 32",
        ),
        (
            vec![
                ("SPLITCART_HTTP_ADDR", "[::]:80"),
                ("SPLITCART_AUTH_HS256_SECRET", &format!("{}  ", &LONG[1..])),
            ],
            "shorter than 32 bytes",
        ),
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
fn public_keys_may_leave_the_loopback_address_without_a_secret() {
    for file in ["SPLITCART_AUTH_JWKS_FILE", "SPLITCART_AUTH_PUBLIC_KEY_FILE"] {
        let config = load(&[(file, "keys"), ("SPLITCART_HTTP_ADDR", "0.0.0.0:80")]).unwrap();
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

/// The secret is not in the source: `KNOWN_SECRET` is its digest, and this test makes the secret from
/// its words.
#[test]
fn the_secret_that_everybody_knows_is_refused_even_on_loopback() {
    let known = [
        "splitcart",
        "development",
        "secret",
        "do",
        "not",
        "use",
        "in",
        "production",
    ];
    let known = known.join("-");
    for text in [known.clone(), format!(" {known}\n")] {
        let told = refused(&[("SPLITCART_AUTH_HS256_SECRET", &text)]);
        assert!(told.contains("development secret"), "{told}");
        assert!(!told.contains(&known), "{told}");
    }
}

#[test]
fn a_server_needs_redis_and_keys_where_other_commands_do_not() {
    let database = ("SPLITCART_DATABASE_URL", "postgres://db/x");
    let redis = ("SPLITCART_REDIS_URL", "redis://r");
    for (variables, named) in [
        (vec![database], "SPLITCART_REDIS_URL"),
        (vec![database, redis], "SPLITCART_AUTH_HS256_SECRET_FILE"),
    ] {
        let config = load(&variables).unwrap();
        let told = config.check_for_serving().unwrap_err().to_string();
        assert!(told.contains(named), "{told}");
    }
    let secret = ("SPLITCART_AUTH_HS256_SECRET", LONG);
    load(&[database, redis, secret])
        .unwrap()
        .check_for_serving()
        .unwrap();
}

#[test]
fn what_is_likely_to_be_a_mistake_is_warned_of() {
    for (variable, value, named) in [
        (
            "SPLITCART_AUTH_HS256_SECRET",
            "short",
            "openssl rand -hex 32",
        ),
        ("SPLITCART_OPS_ADDR", "0.0.0.0:9090", "ops.addr"),
        ("SPLITCART_OPS_ADDR", "[::]:9090", "ops.addr"),
        ("SPLITCART_OPS_ADDR", "203.0.113.7:9090", "ops.addr"),
        (
            "SPLITCART_OPS_ADDR",
            "[::ffff:203.0.113.7]:9090",
            "ops.addr",
        ),
        (
            "SPLITCART_HTTP_TRUSTED_PROXIES",
            "0.0.0.0/0",
            "trusted_proxies",
        ),
        (
            "SPLITCART_HTTP_TRUSTED_PROXIES",
            "10.0.0.1,::/0",
            "trusted_proxies",
        ),
        (
            "SPLITCART_HTTP_TRUSTED_PROXIES",
            "128.0.0.0/1",
            "trusted_proxies",
        ),
    ] {
        let warnings = load(&[(variable, value)]).unwrap().warnings();
        assert!(
            warnings.len() == 1 && warnings[0].text.contains(named),
            "{value}: {warnings:?}"
        );
    }
    for (variable, value) in [
        ("SPLITCART_AUTH_HS256_SECRET", LONG),
        ("SPLITCART_OPS_ADDR", "10.1.2.3:9090"),
        ("SPLITCART_OPS_ADDR", "[fd00::1]:9090"),
        ("SPLITCART_HTTP_TRUSTED_PROXIES", "10.0.0.0/8,fc00::/7"),
    ] {
        assert_eq!(
            load(&[(variable, value)]).unwrap().warnings(),
            [],
            "{value}"
        );
    }
}

#[test]
fn a_stop_that_cuts_off_accepted_checkouts_is_warned_of() {
    let warned = |drain_s_max, delay_s| {
        let settings = [
            ("SPLITCART_HTTP_DRAIN_S_MAX", drain_s_max),
            ("SPLITCART_HTTP_DRAIN_DELAY_S", delay_s),
        ];
        let warnings = load(&settings).unwrap().warnings();
        warnings.iter().any(|it| it.setting == "http.drain_s_max")
    };
    assert!(!warned("25", "5"));
    // 4.5 s are needed, and 16 s leave 12 s less the delay.
    assert!(!warned("16", "7"));
    assert!(warned("16", "8"));
    assert!(warned("4", "0"));
}

#[test]
fn secrets_may_stand_in_files_of_their_own() {
    let secret = file(&format!("{LONG}\n"));
    let url = file("postgres://u:hunter2@db/x\r\n");
    let redis = file("redis://r");
    let name = |file: &tempfile::NamedTempFile| file.path().to_str().unwrap().to_owned();
    let config = load(&[
        ("SPLITCART_AUTH_HS256_SECRET_FILE", &name(&secret)),
        ("SPLITCART_DATABASE_URL_FILE", &name(&url)),
        ("SPLITCART_REDIS_URL_FILE", &name(&redis)),
        ("SPLITCART_OUTBOX_REDIS_URL_FILE", &name(&redis)),
    ])
    .unwrap();
    let Services::External {
        database_url,
        redis_url,
    } = config.services()
    else {
        panic!("they are given");
    };
    assert_eq!(database_url.expose_secret(), "postgres://u:hunter2@db/x");
    assert_eq!(redis_url.expose_secret(), "redis://r");
    assert_eq!(config.outbox.redis_url.expose_secret(), "redis://r");
    assert_eq!(config.auth.hs256_secret.expose_secret(), LONG);
}

#[test]
fn a_secret_s_file_that_can_t_be_used_is_named() {
    let (empty, full) = (file("\n"), file(LONG));
    let name = |file: &tempfile::NamedTempFile| file.path().to_str().unwrap().to_owned();
    for (variables, named) in [
        (
            vec![("SPLITCART_REDIS_URL_FILE", "/nowhere/url".to_owned())],
            "redis.url_file: /nowhere/url can't be read",
        ),
        (
            vec![("SPLITCART_AUTH_HS256_SECRET_FILE", name(&empty))],
            "is empty (SPLITCART_AUTH_HS256_SECRET_FILE)",
        ),
        (
            vec![
                ("SPLITCART_AUTH_HS256_SECRET_FILE", name(&full)),
                ("SPLITCART_AUTH_HS256_SECRET", LONG.to_owned()),
            ],
            "unset one of them",
        ),
    ] {
        let variables: Vec<_> = variables.iter().map(|(a, b)| (*a, b.as_str())).collect();
        let told = refused(&variables);
        assert!(told.contains(named) && !told.contains(LONG), "{told}");
    }
}

#[test]
fn a_malformed_url_is_refused_with_its_form_and_never_quoted() {
    for (variable, url, named) in [
        ("SPLITCART_DATABASE_URL", "hunter2", "this is not a URL"),
        (
            "SPLITCART_DATABASE_URL",
            "mysql://u:hunter2@h/d",
            "begin with postgres://",
        ),
        (
            "SPLITCART_DATABASE_URL",
            "postgre://u:hunter2@h/d",
            "begin with postgres://",
        ),
        ("SPLITCART_DATABASE_URL", "postgres://u:hun/ter2@h/d", "%2F"),
        ("SPLITCART_DATABASE_URL", "postgres://u:hun#ter2@h/d", "%23"),
        ("SPLITCART_REDIS_URL", "localhost:6379", "this is not a URL"),
        (
            "SPLITCART_REDIS_URL",
            "http://hunter2@h",
            "begin with redis://",
        ),
        (
            "SPLITCART_REDIS_URL",
            "redis+sentinel://:hunter2@h",
            "does not name the service",
        ),
        (
            "SPLITCART_OUTBOX_REDIS_URL",
            "kafka://hunter2",
            "begin with redis://",
        ),
    ] {
        let mut variables = vec![(variable, url)];
        if variable == "SPLITCART_REDIS_URL" {
            variables.push(("SPLITCART_DATABASE_URL", "postgres://db/x"));
        }
        let told = refused(&variables);
        assert!(told.contains(named) && told.contains(variable), "{told}");
        assert!(
            !told.contains("hunter2") && !told.contains("ter2"),
            "{told}"
        );
    }
    for url in [
        "postgres:///d?host=/a%20b&user=u",
        "postgresql://u:p%40@[::1]:5432/d?sslmode=require",
        "postgres://u:p@one:5432,two:5433/d?target_session_attrs=read-write",
    ] {
        load(&[("SPLITCART_DATABASE_URL", url)]).unwrap();
    }
}

#[test]
fn whatever_connects_learns_from_the_url_how_the_pooler_works() {
    let url = ("SPLITCART_DATABASE_URL", "postgres://u@h/d?sslmode=disable");
    let mode = ("SPLITCART_DATABASE_POOL_MODE", "transaction");
    let names = ("SPLITCART_DATABASE_PREPARED_STATEMENTS", "false");
    for (variables, rest) in [
        (&[url][..], ""),
        (
            &[url, mode],
            "&pool_mode=transaction&prepared_statements=on",
        ),
        (
            &[url, mode, names],
            "&pool_mode=transaction&prepared_statements=off",
        ),
    ] {
        let Services::External { database_url, .. } = load(variables).unwrap().services() else {
            panic!("a URL is set");
        };
        assert_eq!(database_url.expose_secret(), format!("{}{rest}", url.1));
    }
    let told = refused(&[url, names]);
    assert!(told.contains("database.pool_mode is \"session\""), "{told}");
    let told = refused(&[url, ("SPLITCART_DATABASE_POOL_MODE", "statement")]);
    assert!(told.contains("\"transaction\""), "{told}");
}

#[test]
fn a_value_that_can_t_be_used_is_told_by_its_setting_and_where_it_stands() {
    for (variable, value, told) in [
        (
            "SPLITCART_BATCH_MAX",
            "many",
            "batch_max: it is string \"many\", not an integer (SPLITCART_BATCH_MAX)",
        ),
        ("SPLITCART_HTTP_ADDR", "127.0.0.1", "such as 127.0.0.1:8080"),
        ("SPLITCART_OPS_ADDR", "localhost:8080", "ops.addr: "),
    ] {
        let complaint = refused(&[(variable, value)]);
        assert!(complaint.contains(told), "{complaint}");
    }
    let in_a_file = file("[limits]\n\n[ops]\naddr = \"here\"\n");
    let complaint = Config::load(Some(in_a_file.path()), [])
        .unwrap_err()
        .to_string();
    let place = format!("line 4 of {}", in_a_file.path().display());
    assert!(
        complaint.starts_with("ops.addr: ") && complaint.contains(&place),
        "{complaint}"
    );
}

#[test]
fn an_unknown_name_is_told_by_its_line_and_the_one_that_was_meant() {
    for (text, told) in [
        (
            "batch_max = 1\nbatch_mx = 4\n",
            "line 2: there is no setting batch_mx; did you mean batch_max?",
        ),
        (
            "[http]\nport = 1\n",
            "line 2: there is no setting http.port",
        ),
        (
            "\n[databse]\nacquire_ms_max = 1",
            "did you mean database.acquire_ms_max?",
        ),
        (
            "[database]\nconnections_per_worker = 4",
            "database.connections_per_worker is now called database.pool_per_worker",
        ),
    ] {
        let file = file(text);
        let complaint = Config::load(Some(file.path()), []).unwrap_err().to_string();
        assert!(complaint.contains(told), "{complaint}");
        assert!(
            complaint.contains(file.path().to_str().unwrap()),
            "{complaint}"
        );
    }
    for (variable, told) in [
        ("SPLITCART_BATCHMAX", "did you mean SPLITCART_BATCH_MAX?"),
        (
            "SPLITCART_DATABASE_CONNECTIONS_PER_WORKER",
            "it is now called SPLITCART_DATABASE_POOL_PER_WORKER",
        ),
        ("SPLITCART_XYZ", "config/default.toml"),
    ] {
        let complaint = refused(&[(variable, "1")]);
        assert!(complaint.contains(told), "{complaint}");
    }
}

/// All files of a directory and of those in it, as text.
fn texts_in(directory: &Path) -> Vec<(PathBuf, String)> {
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts.extend(texts_in(&path));
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            texts.push((path, text));
        }
    }
    texts
}

/// The files in deploy/ would be refused at start otherwise, on somebody else's machine.
#[test]
fn deployments_have_settings_that_are_accepted() {
    for path in [
        "deploy/systemd/splitcart.toml",
        "deploy/kubernetes/service/splitcart.toml",
    ] {
        let variables = [
            ("SPLITCART_DATABASE_URL", "postgres://db/x"),
            ("SPLITCART_AUTH_HS256_SECRET", LONG),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::load(Some(Path::new(path)), variables).unwrap();
        config.check_for_serving().unwrap();
    }
    let defaults = Sources::builder()
        .add_source(File::from_str(DEFAULTS, FileFormat::Toml))
        .build()
        .unwrap();
    let known = settings(&defaults);
    let is_name = |it: char| it.is_ascii_uppercase() || it.is_ascii_digit() || it == '_';
    let mut named = 0;
    for (path, text) in texts_in(Path::new("deploy")) {
        for (at, _) in text.match_indices(ENV_PREFIX) {
            let name = text[at..].split(|it| !is_name(it)).next().unwrap();
            let is_known = known.iter().any(|setting| setting.variable == name);
            assert!(is_known, "{}: {name} is no setting", path.display());
            named += 1;
        }
    }
    assert!(named > 10, "the variables are where this test looks");
}
