//! The first answers of cart PUTs: the truth behind Redis.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    compression::decompress,
    domain::{
        idempotency::{Fingerprint, FirstCartAnswer, ScopeDigest, StoredResponse},
        ids::CartId,
    },
};

use super::super::error::{Doing, Error};

/// The constraint that refuses a PUT whose key was used before.
pub const PUT_KEY_TAKEN: &str = "cart_put_keys_pkey";

/// The only status that a PUT's answer is kept with.
const OK: u16 = 200;

/// An answer about to be written.
#[derive(Clone, Debug)]
pub struct NewAnswer {
    /// Whose.
    pub scope: ScopeDigest,
    /// Of the request.
    pub fingerprint: Fingerprint,
    /// The cart that it tells of.
    pub cart_id: CartId,
    /// What the client will be told.
    pub response: StoredResponse,
}

/// When answers are written, and until when they hold.
#[derive(Clone, Copy, Debug)]
pub struct AnswerTimes {
    /// The time of the transaction.
    pub now: DateTime<Utc>,
    /// Later than that.
    pub expires_at: DateTime<Utc>,
}

/// For each scope the answer that its first PUT got, `None` if there was none or it expired; what has
/// expired is removed, so that the key can be used.
///
/// # Errors
/// The statement failed.
pub async fn find_first_answers(
    connection: &mut PgConnection,
    scopes: &[ScopeDigest],
) -> Result<Vec<Option<FirstCartAnswer>>, Error> {
    let asked: Vec<_> = scopes.iter().map(ScopeDigest::half).collect();
    let rows = sqlx::query!(
        r#"
        with expired as (
            delete from cart_put_keys
            where scope = any($1)
                and expires_at <= now()
        )
        select
            scope,
            cart_id as "cart_id: CartId",
            request_fingerprint,
            response_body,
            created_at
        from cart_put_keys
        where scope = any($1)
            and expires_at > now()
        "#,
        &asked,
    )
    .fetch_all(connection)
    .await
    .doing("look up the keys of cart PUTs")?;
    let mut found: HashMap<Uuid, FirstCartAnswer> = HashMap::with_capacity(rows.len());
    for row in rows {
        // A row that somebody else wrote may hold anything: what is no answer is not repeated, and no
        // request has an all-zero digest.
        let Some(body) = decompress(&row.response_body) else {
            continue;
        };
        let digest = row.request_fingerprint.try_into().unwrap_or_default();
        let answer = FirstCartAnswer {
            fingerprint: Fingerprint::new(digest),
            cart_id: row.cart_id,
            created_at: row.created_at,
            response: StoredResponse { status: OK, body },
        };
        found.insert(row.scope, answer);
    }
    Ok(asked.iter().map(|scope| found.remove(scope)).collect())
}

/// Removes at most `limit` expired answers; returns how many it removed.
///
/// # Errors
/// The statement failed.
pub async fn sweep_expired_answers(
    connection: &mut PgConnection,
    limit: i64,
) -> Result<u64, Error> {
    let done = sqlx::query!(
        r#"
        delete from cart_put_keys
        where scope in (
            select scope
            from cart_put_keys
            where expires_at <= now()
            order by expires_at
            limit $1
            for update skip locked
        )
        "#,
        limit,
    )
    .execute(connection)
    .await
    .doing("sweep expired keys of cart PUTs")?;
    Ok(done.rows_affected())
}
