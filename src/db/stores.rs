//! Reads stores with everything that decides about their eligibility, and the memberships of callers.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgConnection;

use crate::domain::{
    caller::{Membership, MembershipStatus, Role},
    ids::{StoreId, UserId},
    store::{
        KycStatus, License, LicenseStatus, Store, StoreType, Subscription, SubscriptionStatus,
        UsState,
    },
};

use super::error::{Doing, Error};

/// A store joined with one of its licences: a store with two licences comes as two rows.
struct StoreRow {
    id: StoreId,
    store_type: StoreType,
    name: String,
    state: String,
    kyc_status: KycStatus,
    license: Option<(String, LicenseStatus, Option<NaiveDate>)>,
    subscription: Option<(SubscriptionStatus, DateTime<Utc>)>,
}

/// Finds stores. Unknown ids are left out.
pub async fn find_stores(
    connection: &mut PgConnection,
    ids: &[StoreId],
) -> Result<Vec<Store>, Error> {
    let rows = sqlx::query!(
        r#"
        select
            s.id as "id!: StoreId",
            s.type as "store_type!: StoreType",
            s.name as "name!",
            s.state as "state!",
            s.kyc_status as "kyc_status!: KycStatus",
            l.issuing_state as "issuing_state?",
            l.status as "license_status?: LicenseStatus",
            -- An infinite or remote date must stay within what clients can represent.
            case when l.expires_on is not null
                then greatest(least(l.expires_on, date '9999-12-31'), date '0001-01-01')
            end as "expires_on?",
            sub.status as "subscription_status?: SubscriptionStatus",
            greatest(
                least(sub.current_period_end, timestamptz '9999-12-31 00:00Z'),
                timestamptz '0001-01-02 00:00Z'
            ) as "current_period_end?"
        from stores s
        left join licenses l on l.store_id = s.id
        left join subscriptions sub on sub.vendor_store_id = s.id
        where s.id = any($1)
        "#,
        ids as &[StoreId],
    )
    .fetch_all(connection)
    .await
    .doing("read stores and their licences")?;
    Ok(gather(rows.into_iter().map(|row| {
        StoreRow {
            id: row.id,
            store_type: row.store_type,
            name: row.name,
            state: row.state,
            kyc_status: row.kyc_status,
            license: row
                .issuing_state
                .zip(row.license_status)
                .map(|(state, status)| (state, status, row.expires_on)),
            subscription: row.subscription_status.zip(row.current_period_end),
        }
    })))
}

/// Finds the membership of a user in a store: `None` if user, store or membership does not exist.
pub async fn find_membership(
    connection: &mut PgConnection,
    user_id: UserId,
    store_id: StoreId,
) -> Result<Option<Membership>, Error> {
    let found = find_memberships(connection, &[(user_id, store_id)]).await?;
    Ok(found.into_iter().next().flatten())
}

/// Finds the membership for each pair, in the same sequence; see [`find_membership`].
pub async fn find_memberships(
    connection: &mut PgConnection,
    asked: &[(UserId, StoreId)],
) -> Result<Vec<Option<Membership>>, Error> {
    let (memberships, _) = find_memberships_and_time(connection, asked).await?;
    Ok(memberships)
}

/// Finds memberships, and the time by PostgreSQL's clock, which all instances share: `None` if no
/// membership was found.
pub async fn find_memberships_and_time(
    connection: &mut PgConnection,
    asked: &[(UserId, StoreId)],
) -> Result<(Vec<Option<Membership>>, Option<DateTime<Utc>>), Error> {
    let (user_ids, store_ids): (Vec<_>, Vec<_>) = asked.iter().copied().unzip();
    let rows = sqlx::query!(
        r#"
        select
            asked.nr as "nr!",
            clock_timestamp() as "now!",
            u.is_active as "user_is_active!",
            m.role as "role!: Role",
            m.status as "membership_status!: MembershipStatus",
            s.id as "id!: StoreId",
            s.type as "store_type!: StoreType",
            s.name as "name!",
            s.state as "state!",
            s.kyc_status as "kyc_status!: KycStatus",
            l.issuing_state as "issuing_state?",
            l.status as "license_status?: LicenseStatus",
            -- An infinite or remote date must stay within what clients can represent.
            case when l.expires_on is not null
                then greatest(least(l.expires_on, date '9999-12-31'), date '0001-01-01')
            end as "expires_on?"
        from unnest($1::uuid[], $2::uuid[]) with ordinality as asked (user_id, store_id, nr)
        join store_memberships m on m.store_id = asked.store_id and m.user_id = asked.user_id
        join users u on u.id = m.user_id
        join stores s on s.id = m.store_id
        left join licenses l on l.store_id = s.id
        "#,
        &user_ids as &[UserId],
        &store_ids as &[StoreId],
    )
    .fetch_all(connection)
    .await
    .doing("read callers' memberships")?;
    let now = rows.iter().map(|row| row.now).max();
    let mut memberships: Vec<Option<Membership>> = vec![None; asked.len()];
    for row in rows {
        let index = usize::try_from(row.nr - 1).expect("ordinality counts from 1");
        let membership = memberships[index].get_or_insert_with(|| Membership {
            user_is_active: row.user_is_active,
            role: row.role,
            status: row.membership_status,
            store: Store {
                id: row.id,
                store_type: row.store_type,
                name: row.name,
                state: us_state(&row.state),
                kyc_status: row.kyc_status,
                licenses: Vec::new(),
                // Not read: only the vendors of a cart need one.
                subscription: None,
            },
        });
        let license = row.issuing_state.zip(row.license_status);
        membership
            .store
            .licenses
            .extend(license.map(|(state, status)| license_of(&state, status, row.expires_on)));
    }
    Ok((memberships, now))
}

fn gather(rows: impl Iterator<Item = StoreRow>) -> Vec<Store> {
    let mut stores: BTreeMap<StoreId, Store> = BTreeMap::new();
    for row in rows {
        let store = stores.entry(row.id).or_insert_with(|| Store {
            id: row.id,
            store_type: row.store_type,
            name: row.name,
            state: us_state(&row.state),
            kyc_status: row.kyc_status,
            licenses: Vec::new(),
            subscription: row
                .subscription
                .map(|(status, current_period_end)| Subscription {
                    status,
                    current_period_end,
                }),
        });
        let license = row.license;
        store
            .licenses
            .extend(license.map(|(state, status, end)| license_of(&state, status, end)));
    }
    stores.into_values().collect()
}

fn license_of(
    issuing_state: &str,
    status: LicenseStatus,
    expires_on: Option<NaiveDate>,
) -> License {
    License {
        issuing_state: us_state(issuing_state),
        status,
        expires_on,
    }
}

fn us_state(text: &str) -> UsState {
    UsState::parse(text).expect("stores_state_two_capitals admits nothing else")
}
