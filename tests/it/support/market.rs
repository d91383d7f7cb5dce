//! Buyers, vendors and products in the test's database, and carts made of them.

use serde_json::{Value, json};
use splitcart::domain::folding::Folded;
use sqlx::{PgConnection, Postgres, Transaction};
use uuid::Uuid;

use super::{Database, wait};

/// A buyer in Oklahoma whose owner has a token.
#[derive(Clone, Copy, Debug)]
pub struct Buyer {
    pub user_id: Uuid,
    pub store_id: Uuid,
}

/// A vendor in Oklahoma.
#[derive(Clone, Copy, Debug)]
pub struct Vendor {
    pub store_id: Uuid,
}

/// A product without tiers, MOQ 1, no cap.
#[derive(Clone, Copy, Debug)]
pub struct Product {
    pub id: Uuid,
    pub vendor: Vendor,
    /// In cents.
    pub price: i64,
}

/// Adds buyers, vendors and products to the test's database.
pub struct Market {
    pub database: Database,
}

impl Market {
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// A verified buyer with a valid licence and an active owner.
    pub async fn buyer(&self) -> Buyer {
        let buyer = Buyer {
            user_id: Uuid::now_v7(),
            store_id: Uuid::now_v7(),
        };
        self.store(buyer.store_id, "buyer", "dispensary").await;
        self.member(buyer.user_id, buyer.store_id, "owner").await;
        buyer
    }

    /// Another member of a buyer's store.
    pub async fn colleague(&self, buyer: &Buyer, role: &str) -> Buyer {
        let colleague = Buyer {
            user_id: Uuid::now_v7(),
            ..*buyer
        };
        self.member(colleague.user_id, buyer.store_id, role).await;
        colleague
    }

    /// A verified vendor with a valid licence and an active subscription.
    pub async fn vendor(&self) -> Vendor {
        let vendor = Vendor {
            store_id: Uuid::now_v7(),
        };
        self.store(vendor.store_id, "vendor", "grower").await;
        sqlx::query(
            "insert into subscriptions (id, vendor_store_id, status, current_period_end)
             values ($1, $2, 'active', now() + interval '30 days')",
        )
        .bind(Uuid::now_v7())
        .bind(vendor.store_id)
        .execute(&self.database.pool)
        .await
        .unwrap();
        vendor
    }

    /// A product at a price in cents, with some units in stock.
    pub async fn product(&self, vendor: Vendor, price: i64, available: i32) -> Product {
        let id = Uuid::now_v7();
        sqlx::query(
            "with product as (
                insert into products (id, vendor_store_id, sku, title, category, unit, price)
                values ($1, $2, $3, 'Product ' || $3, 'flower', 'unit', $4::numeric / 100)
                returning id
             )
             insert into inventory_items (product_id, vendor_store_id, available_qty, reserved_qty)
             select id, $2, $5, 0 from product",
        )
        .bind(id)
        .bind(vendor.store_id)
        .bind(id.simple().to_string())
        .bind(price)
        .bind(available)
        .execute(&self.database.pool)
        .await
        .unwrap();
        Product { id, vendor, price }
    }

    /// A product of a new vendor.
    pub async fn sold_product(&self, price: i64, available: i32) -> Product {
        let vendor = self.vendor().await;
        self.product(vendor, price, available).await
    }

    /// A volume tier.
    pub async fn tier(&self, product: Product, min_qty: i32, percent: &str) {
        sqlx::query(
            "insert into product_volume_discounts (id, product_id, min_qty, discount_percent)
             values ($1, $2, $3, $4::numeric)",
        )
        .bind(Uuid::now_v7())
        .bind(product.id)
        .bind(min_qty)
        .bind(percent)
        .execute(&self.database.pool)
        .await
        .unwrap();
    }

    /// A store discount that runs since yesterday; `kind` is `percentage` or `fixed`.
    pub async fn discount(&self, vendor: Vendor, code: &str, kind: &str, value: &str) {
        sqlx::query(
            "insert into store_discounts (
                id, vendor_store_id, code, code_folded, title, kind, value, min_subtotal, starts_at,
                is_active)
             values ($1, $2, $3, $6, $3, $4, $5::numeric, 0, now() - interval '1 day', true)",
        )
        .bind(Uuid::now_v7())
        .bind(vendor.store_id)
        .bind(code)
        .bind(kind)
        .bind(value)
        .bind(Folded::of(code))
        .execute(&self.database.pool)
        .await
        .unwrap();
    }

    /// Makes a store's licences end yesterday.
    pub async fn lapse_licence(&self, store_id: Uuid) {
        sqlx::query("update licenses set expires_on = current_date - 1 where store_id = $1")
            .bind(store_id)
            .execute(&self.database.pool)
            .await
            .unwrap();
    }

    /// Sets the available units of a product.
    pub async fn stock(&self, product: Product, available: i32) {
        let mut connection = self.database.pool.acquire().await.unwrap();
        stock_in(&mut connection, product, available).await;
    }

    /// The available and the reserved units of a product.
    pub async fn stock_of(&self, product: Product) -> (i32, i32) {
        sqlx::query_as(
            "select available_qty, reserved_qty from inventory_items where product_id = $1",
        )
        .bind(product.id)
        .fetch_one(&self.database.pool)
        .await
        .unwrap()
    }

    /// Locks a product's stock in a transaction of another session, until the transaction is dropped.
    pub async fn hold_stock(&self, product: Product) -> Transaction<'static, Postgres> {
        let mut foreign = self.database.pool.begin().await.unwrap();
        sqlx::query("select from inventory_items where product_id = $1 for update")
            .bind(product.id)
            .execute(&mut *foreign)
            .await
            .unwrap();
        foreign
    }

    /// Waits until a checkout's transaction waits for a lock.
    pub async fn until_a_checkout_waits_for_a_lock(&self) {
        let waiting = "select count(*) from pg_stat_activity
                       where datname = current_database() and wait_event_type = 'Lock'
                       and application_name = 'splitcart checkout'";
        wait::until("a checkout waits for a lock", async || {
            self.database.count(waiting).await > 0
        })
        .await;
    }

    async fn store(&self, id: Uuid, store_type: &str, licence_type: &str) {
        sqlx::query(
            "with store as (
                insert into stores (id, type, name, state, kyc_status)
                values ($1, $2, 'Store ' || $1::text, 'OK', 'verified')
                returning id
             )
             insert into licenses (
                id, store_id, number, type, issuing_state, status, issued_on, expires_on)
             select $3, id, id::text, $4, 'OK', 'verified', current_date - 30, current_date + 300
             from store",
        )
        .bind(id)
        .bind(store_type)
        .bind(Uuid::now_v7())
        .bind(licence_type)
        .execute(&self.database.pool)
        .await
        .unwrap();
    }

    async fn member(&self, user_id: Uuid, store_id: Uuid, role: &str) {
        sqlx::query(
            "with person as (
                insert into users (id, email, email_folded, full_name, is_active)
                values ($1, $1::text || '@example.com', $1::text || '@example.com', 'A Person', true)
                returning id
             )
             insert into store_memberships (id, store_id, user_id, role, status)
             select $2, $3, id, $4, 'active' from person",
        )
        .bind(user_id)
        .bind(Uuid::now_v7())
        .bind(store_id)
        .bind(role)
        .execute(&self.database.pool)
        .await
        .unwrap();
    }
}

/// Sets the available units of a product, in a transaction of another session.
pub async fn stock_in(connection: &mut PgConnection, product: Product, available: i32) {
    sqlx::query("update inventory_items set available_qty = $2 where product_id = $1")
        .bind(product.id)
        .bind(available)
        .execute(connection)
        .await
        .unwrap();
}

/// A cart of products without tiers or discounts, at their list prices.
pub fn cart_of(lines: &[(Product, i32)]) -> Value {
    let total: i64 = lines
        .iter()
        .map(|(product, qty)| product.price * i64::from(*qty))
        .sum();
    let items: Vec<_> = lines
        .iter()
        .map(|(product, qty)| item(*product, *qty))
        .collect();
    json!({
        "items": items,
        "totals": { "subtotal": money(total), "discount_total": "0.00", "total": money(total) },
    })
}

/// A line of a cart.
pub fn item(product: Product, qty: i32) -> Value {
    json!({ "product_id": product.id, "vendor_store_id": product.vendor.store_id, "qty": qty })
}

/// An amount of cents as the API writes it.
pub fn money(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}
