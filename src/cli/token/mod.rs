//! `splitcart token`: a token to try the API with.

mod signer;

use std::{
    io::{self, Write},
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use chrono::Utc;
use clap::{ArgGroup, Args};
use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;

use crate::{cli::services::with_token_keys, config::Config, http::token::Claims, seed_ids};

use self::signer::Signer;

const EXAMPLES: &str = "\
Examples:
  splitcart token --buyer 1                       the owner of the seed's first buyer
  splitcart token --vendor 1                      the owner of the seed's first vendor
  splitcart token --buyers 1-5000                 a token for each, one JSON object a line
  splitcart token --user <UUID> --store <UUID>    anybody, for a store of theirs
  curl -H \"Authorization: Bearer $(splitcart token --buyer 1)\" http://127.0.0.1:8080/api/v1/cart

The token is signed with auth.hs256_secret (SPLITCART_AUTH_HS256_SECRET, or the file that
SPLITCART_AUTH_HS256_SECRET_FILE names), which must be the server's; if none is set, with the secret that
a private server keeps in its --data-dir; or with --private-key, if the server has the public one. The token says who calls; their rights are read
from the database.";

/// Print a token for a person acting for a store
#[derive(Args, Clone, Debug)]
#[command(
    after_help = EXAMPLES,
    group = ArgGroup::new("who").required(true).args(["buyer", "buyers", "vendor", "user"]),
)]
pub struct TokenArgs {
    /// The owner of the seed's buyer with this number, from 1
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub buyer: Option<u32>,
    /// The owners of the seed's buyers with these numbers: a line of JSON for each, with `buyer`,
    /// `user_id`, `store_id` and `token`
    #[arg(long, value_name = "FIRST-LAST", value_parser = parse_range)]
    pub buyers: Option<RangeInclusive<u32>>,
    /// The owner of the seed's vendor with this number, from 1
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub vendor: Option<u32>,
    /// With --buyer, --buyers or --vendor: the number that the catalogue was seeded with
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 1,
        conflicts_with = "user"
    )]
    pub seed: u64,
    /// A person's id
    #[arg(long, value_name = "UUID", requires = "store")]
    pub user: Option<Uuid>,
    /// The id of the store that the person acts for
    #[arg(long, value_name = "UUID", requires = "user")]
    pub store: Option<Uuid>,
    /// The lifetime of the token
    #[arg(
        long,
        value_name = "MINUTES",
        default_value_t = 60 * 24,
        value_parser = clap::value_parser!(u64).range(1..=60 * 24 * 365),
    )]
    pub minutes: u64,
    /// Sign with this key (PEM; RSA, P-256 or Ed25519) instead of the configured secret
    #[arg(long, value_name = "FILE")]
    pub private_key: Option<PathBuf>,
    /// With --private-key: the id of the key in the server's key set
    #[arg(long, value_name = "ID", requires = "private_key")]
    pub kid: Option<String>,
}

/// Prints the token, or one per line.
///
/// # Errors
/// A token can't be signed, or stdout is closed.
pub fn run(args: &TokenArgs, config: &Config, data_dir: Option<&Path>) -> anyhow::Result<()> {
    let signer = match &args.private_key {
        Some(file) => Signer::from_file(file, args.kid.clone())?,
        None => Signer::configured(&with_token_keys(config, data_dir)?)?,
    };
    if args.private_key.is_none() && config.auth.has_short_secret() {
        eprintln!(
            "splitcart: warning: signed with a secret that is shorter than 32 bytes, which can be found out \
             from this token; set SPLITCART_AUTH_HS256_SECRET, here and for the server, to what `openssl \
             rand -hex 32` prints"
        );
    }
    let good_for = Duration::from_mins(args.minutes);
    let sign = |user, store| signer.sign(&claims(config, user, store, good_for));
    let buyer = |nr| {
        (
            seed_ids::buyer_user_id(args.seed, nr),
            seed_ids::buyer_store_id(args.seed, nr),
        )
    };
    if let Some(buyers) = &args.buyers {
        let mut out = io::BufWriter::new(io::stdout().lock());
        for nr in buyers.clone() {
            let (user, store) = buyer(nr);
            let token = sign(user, store)?;
            let line = json!({ "buyer": nr, "user_id": user, "store_id": store, "token": token });
            writeln!(out, "{line}").context("could not write to stdout")?;
        }
        return out.flush().context("could not write to stdout");
    }
    let (user, store) = match (args.buyer, args.vendor, args.user, args.store) {
        (Some(nr), ..) => buyer(nr),
        (_, Some(nr), ..) => (
            seed_ids::vendor_user_id(args.seed, nr),
            seed_ids::vendor_store_id(args.seed, nr),
        ),
        (_, _, Some(user), Some(store)) => (user, store),
        _ => anyhow::bail!(
            "say who: --buyer NUMBER, --buyers FIRST-LAST, --vendor NUMBER, or --user UUID and \
             --store UUID"
        ),
    };
    println!("{}", sign(user, store)?);
    Ok(())
}

/// Reads such as `1-5000`; one number is a range of one.
fn parse_range(text: &str) -> Result<RangeInclusive<u32>, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) if 1 <= first && first <= last => Ok(first..=last),
        _ => Err("write a range of numbers from 1 on, such as 1-5000".to_owned()),
    }
}

/// Signs a token with the configured secret.
///
/// # Errors
/// There is none, because tokens are checked with a public key.
pub fn issue(
    config: &Config,
    user: Uuid,
    store: Uuid,
    good_for: Duration,
) -> anyhow::Result<String> {
    Signer::configured(config)?.sign(&claims(config, user, store, good_for))
}

/// A secret that nobody knows, for a server of our own: more than 100 random bits, though two ids of
/// one millisecond share some of theirs.
pub fn fresh_secret() -> SecretString {
    format!("{}{}", Uuid::now_v7(), Uuid::now_v7()).into()
}

fn claims(config: &Config, user: Uuid, store: Uuid, good_for: Duration) -> Claims {
    let now = u64::try_from(Utc::now().timestamp()).unwrap_or(0);
    Claims {
        sub: user.to_string(),
        active_store_id: Some(store.to_string()),
        iss: config.auth.issuer.clone(),
        aud: Some(config.auth.audience.clone()).filter(|audience| !audience.is_empty()),
        exp: now + good_for.as_secs(),
        iat: Some(now),
        jti: Some(Uuid::now_v7().to_string()),
    }
}
