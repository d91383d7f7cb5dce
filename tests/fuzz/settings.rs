//! Values of variables, and whole configuration files.

use std::{fs, path::PathBuf};

use splitcart::config::{Config, Error};

use crate::fuzz_support::{self, fuzz};

const WORDS: &[&str] = &[
    "[auth]",
    "[http]",
    "[database]",
    "hs256_secret",
    "url",
    "=",
    "\"",
    "'''",
    "\n",
    "[",
    "]",
    "true",
    "24h",
    "1e9",
    "postgres://",
    "redis://",
    "0.0.0.0:8080",
    "price_hold",
    "#",
    "{",
    "}",
];
/// A secret that is in every file: no complaint may show it.
const SECRET: &str = "fuzz-secret-of-more-than-thirty-two-bytes";

fuzz!("settings", WORDS, check);

/// Settings are accepted or refused with a sentence that does not contain the secret. A text with a
/// line break is a file, any other one is the value of a variable.
fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).replace("SECRET", SECRET);
    if text.contains('\n') {
        let file = File::of(&text);
        let loaded = Config::load(Some(&file.0), []);
        if is_kept_secret(&text) {
            check_error(loaded);
        }
        return;
    }
    let name = VARIABLES[bytes.len() % VARIABLES.len()];
    let is_secret = name.ends_with("URL") || name.ends_with("SECRET");
    let value = if is_secret {
        format!("{text}{SECRET}")
    } else {
        text.replace(SECRET, "")
    };
    check_error(Config::load(None, [(format!("SPLITCART_{name}"), value)]));
}

const VARIABLES: [&str; 8] = [
    "HTTP_ADDR",
    "DATABASE_URL",
    "CART_PRICE_HOLD",
    "REDIS_URL",
    "HTTP_TRUSTED_PROXIES",
    "AUTH_HS256_SECRET",
    "HTTP_CORS_ORIGINS",
    "LOG_FORMAT",
];

/// True if the secret is the value of a secret setting, or in a text that is not TOML. Elsewhere, such
/// as in an unknown name, an error may show it.
fn is_kept_secret(text: &str) -> bool {
    fn stands_in(value: &toml::Value, at: &str) -> bool {
        let is_secret = ["auth.hs256_secret", "database.url", "redis.url"].contains(&at);
        !is_secret
            && match value {
                toml::Value::Table(table) => table.iter().any(|(name, value)| {
                    name.contains(SECRET) || stands_in(value, &format!("{at}.{name}"))
                }),
                value => format!("{value:?}").contains(SECRET),
            }
    }
    let Ok(table) = text.parse::<toml::Table>() else {
        return true;
    };
    table
        .iter()
        .all(|(name, value)| !name.contains(SECRET) && !stands_in(value, name))
}

fn check_error(loaded: Result<Config, Error>) {
    if let Err(error) = loaded {
        let told = format!("{error} {error:?}");
        assert!(!told.contains(SECRET), "{told}");
    }
}

/// A file that is removed afterwards.
struct File(PathBuf);

impl File {
    fn of(text: &str) -> Self {
        let thread = format!("{:?}", std::thread::current().id());
        let name = format!(
            "splitcart-fuzz-{}-{}",
            std::process::id(),
            thread.replace(['(', ')'], "")
        );
        let path = std::env::temp_dir().join(name);
        fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}
