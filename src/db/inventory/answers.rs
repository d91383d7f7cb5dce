//! The first answers of stock counts, which decide about replays; Redis has copies only.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::idempotency::{Fingerprint, ScopeDigest, StoredResponse};

use super::super::{
    error::{Doing, Error},
    stored_answers,
};

/// The constraint that refuses a count whose key is in use.
pub const COUNT_KEY_TAKEN: &str = "inventory_keys_pkey";

/// An answer about to be written, with the rows that it is about.
#[derive(Clone, Debug)]
pub struct NewAnswer {
    pub scope: ScopeDigest,
    pub fingerprint: Fingerprint,
    pub response: StoredResponse,
    /// Later than the time of the transaction.
    pub expires_at: DateTime<Utc>,
}

/// Finds the first answer of a scope and the fingerprint of its request: `None` if there was none or it has
/// expired. Removes an expired one, so that its key can be used again.
pub async fn find_first_answer(
    connection: &mut PgConnection,
    scope: ScopeDigest,
) -> Result<Option<(Fingerprint, StoredResponse)>, Error> {
    let row = sqlx::query!(
        r#"
        with expired as (
            delete from inventory_keys
            where scope = $1
                and expires_at <= now()
        )
        select request_fingerprint, response_body
        from inventory_keys
        where scope = $1
            and expires_at > now()
        "#,
        scope.half(),
    )
    .fetch_optional(connection)
    .await
    .doing("look up the key of a stock count")?;
    Ok(row.and_then(|row| stored_answers::read(row.request_fingerprint, &row.response_body)))
}

/// Removes at most `limit` expired answers. Returns their number.
pub async fn sweep_expired_answers(
    connection: &mut PgConnection,
    limit: i64,
) -> Result<u64, Error> {
    let done = sqlx::query!(
        r#"
        delete from inventory_keys
        where scope in (
            select scope
            from inventory_keys
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
    .doing("sweep expired keys of stock counts")?;
    Ok(done.rows_affected())
}
