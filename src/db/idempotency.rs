//! The first answers of checkouts, which decide about replays; Redis has copies only (PF-081).

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{
    idempotency::{Fingerprint, FirstAnswer, Scope, StoredResponse},
    ids::{CheckoutGroupId, StoreId, UserId},
};

use super::{
    error::{Doing, Error, Fault},
    transaction::{begin_on, wait_for_locks},
};

/// The time that a trial waits for a key that may be held.
const HELD_KEY_WAIT: Duration = Duration::from_millis(2);

/// Finds the first answer of each scope: `None` if there was none or it has expired.
pub async fn find_first_answers(
    connection: &mut PgConnection,
    scopes: &[&Scope],
    now: DateTime<Utc>,
) -> Result<Vec<Option<FirstAnswer>>, Error> {
    let columns = ScopeColumns::of(scopes);
    let rows = sqlx::query!(
        r#"
        select
            asked.nr as "nr!",
            k.request_fingerprint,
            k.checkout_group_id as "checkout_group_id: CheckoutGroupId",
            k.response_status,
            k.response_body
        from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[])
            with ordinality as asked (user_id, store_id, method, path, key, nr)
        join idempotency_keys k
            on k.user_id = asked.user_id
            and k.store_id = asked.store_id
            and k.method = asked.method
            and k.path = asked.path
            and k.key = asked.key
        where k.expires_at > $6
        "#,
        &columns.user_ids as &[UserId],
        &columns.store_ids as &[StoreId],
        &columns.methods,
        &columns.paths,
        &columns.keys,
        now,
    )
    .fetch_all(connection)
    .await
    .doing("look up idempotency keys")?;
    let mut answers = vec![None; scopes.len()];
    for row in rows {
        let index = usize::try_from(row.nr - 1).expect("ordinality counts from 1");
        // A row that was written by hand may contain anything; no request has an all-zero digest.
        let digest = row.request_fingerprint.try_into().unwrap_or_default();
        answers[index] = Some(FirstAnswer {
            fingerprint: Fingerprint::new(digest),
            checkout_group_id: row.checkout_group_id,
            response: StoredResponse {
                status: u16::try_from(row.response_status).expect("a CHECK bounds the status"),
                body: row.response_body,
            },
        });
    }
    Ok(answers)
}

/// Writes first answers, sorted by scope, so that instances that write the same keys can't deadlock.
///
/// A row that has expired and was not swept yet is overwritten. A row that is still valid stays, and
/// makes the returned count smaller than the slice: another request was faster.
pub async fn record_first_answers(
    connection: &mut PgConnection,
    answers: &[(&Scope, FirstAnswer)],
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<u64, Error> {
    let mut answers: Vec<_> = answers.iter().collect();
    answers.sort_unstable_by_key(|(scope, _)| *scope);
    let scopes: Vec<_> = answers.iter().map(|(scope, _)| *scope).collect();
    let columns = ScopeColumns::of(&scopes);
    let answers = || answers.iter().map(|(_, answer)| answer);
    let fingerprints: Vec<_> = answers()
        .map(|answer| answer.fingerprint.as_bytes().to_vec())
        .collect();
    let groups: Vec<_> = answers().map(|answer| answer.checkout_group_id).collect();
    let statuses: Vec<_> = answers()
        .map(|answer| {
            i16::try_from(answer.response.status).expect("an HTTP status has three digits")
        })
        .collect();
    let bodies: Vec<_> = answers()
        .map(|answer| answer.response.body.clone())
        .collect();
    let done = sqlx::query!(
        r#"
        insert into idempotency_keys as k (
            user_id, store_id, method, path, key, request_fingerprint, checkout_group_id,
            response_status, response_body, created_at, expires_at)
        select n.*, $10::timestamptz, $11::timestamptz
        from unnest(
            $1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::uuid[],
            $8::smallint[], $9::bytea[]) as n
        on conflict (user_id, store_id, method, path, key) do update
        set
            request_fingerprint = excluded.request_fingerprint,
            checkout_group_id = excluded.checkout_group_id,
            response_status = excluded.response_status,
            response_body = excluded.response_body,
            created_at = excluded.created_at,
            expires_at = excluded.expires_at
        where k.expires_at <= excluded.created_at
        "#,
        &columns.user_ids as &[UserId],
        &columns.store_ids as &[StoreId],
        &columns.methods,
        &columns.paths,
        &columns.keys,
        &fingerprints,
        &groups as &[CheckoutGroupId],
        &statuses,
        &bodies,
        now,
        expires_at,
    )
    .execute(connection)
    .await
    .doing("write idempotency keys")?;
    Ok(done.rows_affected())
}

/// Finds the scopes, by index, whose first answers another transaction has written and not yet committed.
///
/// No statement can see such a row, so this writes the same keys on trial and rolls back, by bisection:
/// one held key among `n` costs about `2 log2(n)` statements, half of which wait for two milliseconds.
/// The connection must not be in a transaction.
pub async fn find_held(
    connection: &mut PgConnection,
    scopes: &[&Scope],
) -> Result<Vec<usize>, Error> {
    let mut held = Vec::new();
    let mut suspects = vec![(0, scopes.len())];
    while let Some((begin, end)) = suspects.pop() {
        if begin == end || !is_any_held(connection, &scopes[begin..end]).await? {
            continue;
        }
        if end - begin == 1 {
            held.push(begin);
            continue;
        }
        let middle = usize::midpoint(begin, end);
        suspects.extend([(middle, end), (begin, middle)]);
    }
    Ok(held)
}

async fn is_any_held(connection: &mut PgConnection, scopes: &[&Scope]) -> Result<bool, Error> {
    // Beside the rollback two things keep the trial from leaving a row: the foreign key refuses its
    // checkout group, and its time is long past, so it overwrites no answer.
    let placeholder = FirstAnswer {
        fingerprint: Fingerprint::new([0; 32]),
        checkout_group_id: CheckoutGroupId::new(Uuid::nil()),
        response: StoredResponse {
            status: 201,
            body: Vec::new(),
        },
    };
    let answers: Vec<_> = scopes
        .iter()
        .map(|scope| (*scope, placeholder.clone()))
        .collect();
    let long_ago = DateTime::UNIX_EPOCH;
    let mut trial = begin_on(connection).await?;
    wait_for_locks(&mut trial, HELD_KEY_WAIT).await?;
    let written =
        record_first_answers(&mut trial, &answers, long_ago, long_ago + HELD_KEY_WAIT).await;
    trial.rollback().await.doing("undo a trial")?;
    Ok(written.is_err_and(|error| error.fault() == Fault::Busy))
}

/// Removes at most `limit` expired answers. Returns their number.
pub async fn sweep_expired(connection: &mut PgConnection, limit: i64) -> Result<u64, Error> {
    let done = sqlx::query!(
        r#"
        delete from idempotency_keys
        where (user_id, store_id, method, path, key) in (
            select user_id, store_id, method, path, key
            from idempotency_keys
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
    .doing("sweep expired idempotency keys")?;
    Ok(done.rows_affected())
}

/// The columns of scopes, for `unnest`.
#[derive(Default)]
struct ScopeColumns {
    user_ids: Vec<UserId>,
    store_ids: Vec<StoreId>,
    methods: Vec<String>,
    paths: Vec<String>,
    keys: Vec<String>,
}

impl ScopeColumns {
    fn of(scopes: &[&Scope]) -> Self {
        let mut columns = Self::default();
        for scope in scopes {
            columns.user_ids.push(scope.user_id);
            columns.store_ids.push(scope.store_id);
            columns.methods.push(scope.method.to_owned());
            columns.paths.push(scope.path.to_string());
            columns.keys.push(scope.key.as_str().to_owned());
        }
        columns
    }
}
