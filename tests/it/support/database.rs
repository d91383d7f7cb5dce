//! A database of its own for every test, copied from a migrated template.

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool, postgres::PgConnectOptions,
};
use tokio::sync::OnceCell;

use super::cluster;

const TEMPLATE: &str = "splitcart_template";

static TEMPLATE_MADE: OnceCell<()> = OnceCell::const_new();
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// The database of one test.
pub struct Database {
    pub url: String,
    pub pool: PgPool,
}

impl Database {
    /// A migrated, empty database.
    pub async fn create() -> Self {
        TEMPLATE_MADE.get_or_init(make_template).await;
        Self::copy_of(TEMPLATE).await
    }

    /// A database without any table.
    pub async fn create_bare() -> Self {
        Self::copy_of("template0").await
    }

    /// A migrated, empty database with a locale of ICU.
    pub async fn create_in_icu_locale(locale: &str) -> Self {
        let how = format!(
            "template template0 encoding 'UTF8' locale_provider icu icu_locale '{locale}' \
             lc_collate 'C' lc_ctype 'C'"
        );
        let database = Self::create_as(&how).await;
        let mut connection = database.pool.acquire().await.unwrap();
        splitcart::db::migrations::migrate(&mut connection)
            .await
            .unwrap();
        database
    }

    async fn copy_of(template: &str) -> Self {
        Self::create_as(&format!("template {template}")).await
    }

    async fn create_as(how: &str) -> Self {
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut admin = admin().await;
        let create = format!("create database {name} {how}");
        sqlx::query(AssertSqlSafe(create))
            .execute(&mut admin)
            .await
            .unwrap();
        let options = options_for(&name);
        let url = options.to_url_lossy().to_string();
        let pool = PgPool::connect_with(options).await.unwrap();
        Self { url, pool }
    }

    /// The result of a query that returns one number.
    pub async fn count(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query)
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// A digest of every row of every table, to show that nothing was changed.
    pub async fn contents(&self) -> Vec<(String, String)> {
        let list = "select relname::text from pg_class
                    where relnamespace = 'public'::regnamespace and relkind = 'r' order by 1";
        let tables: Vec<String> = sqlx::query_scalar(list)
            .fetch_all(&self.pool)
            .await
            .unwrap();
        assert!(tables.len() > 10, "{tables:?}");
        let mut contents = Vec::new();
        for table in tables {
            let digest = format!(
                "select md5(coalesce(string_agg(t::text, ';' order by t::text), '')) from {table} t"
            );
            let digest = sqlx::query_scalar(AssertSqlSafe(digest))
                .fetch_one(&self.pool)
                .await
                .unwrap();
            contents.push((table, digest));
        }
        contents
    }

    /// Runs several statements in one text.
    pub async fn run(&self, statements: &str) {
        sqlx::raw_sql(AssertSqlSafe(statements.to_owned()))
            .execute(&self.pool)
            .await
            .unwrap();
    }
}

async fn make_template() {
    let mut admin = admin().await;
    let create = format!("create database {TEMPLATE}");
    sqlx::query(AssertSqlSafe(create))
        .execute(&mut admin)
        .await
        .unwrap();
    let mut connection = PgConnection::connect_with(&options_for(TEMPLATE))
        .await
        .unwrap();
    splitcart::db::migrations::migrate(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
}

async fn admin() -> PgConnection {
    PgConnection::connect(cluster::url()).await.unwrap()
}

fn options_for(name: &str) -> PgConnectOptions {
    cluster::url()
        .parse::<PgConnectOptions>()
        .unwrap()
        .database(name)
}
