//! The first answers of cart PUTs, which decide about replays; Redis has copies only.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{
    idempotency::{Fingerprint, FirstCartAnswer, ScopeDigest, StoredResponse},
    ids::CartId,
};

use super::super::{
    error::{Doing, Error},
    stored_answers,
};

/// The constraint that refuses a PUT whose key is in use.
pub const PUT_KEY_TAKEN: &str = "cart_put_keys_pkey";

/// An answer about to be written.
#[derive(Clone, Debug)]
pub struct NewAnswer {
    /// The scope of the PUT.
    pub scope: ScopeDigest,
    /// The fingerprint of the PUT's body.
    pub fingerprint: Fingerprint,
    /// The cart that the PUT froze.
    pub cart_id: CartId,
    /// The answer that the client gets.
    pub response: StoredResponse,
}

/// The time and the expiry of answers about to be written.
#[derive(Clone, Copy, Debug)]
pub struct AnswerTimes {
    /// The time of the transaction.
    pub now: DateTime<Utc>,
    /// The expiry, later than `now`.
    pub expires_at: DateTime<Utc>,
}

/// Finds the first answer of each scope: `None` if there was none or it has expired. Removes expired
/// ones, so that their keys can be used again.
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
        let stored = stored_answers::read(row.request_fingerprint, &row.response_body);
        if let Some((fingerprint, response)) = stored {
            let answer = FirstCartAnswer {
                fingerprint,
                cart_id: row.cart_id,
                created_at: row.created_at,
                response,
            };
            found.insert(row.scope, answer);
        }
    }
    Ok(asked.iter().map(|scope| found.remove(scope)).collect())
}

/// Removes at most `limit` expired answers. Returns their number.
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
