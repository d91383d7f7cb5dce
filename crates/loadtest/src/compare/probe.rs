//! Checkouts of our own beside a load test: buyers of the seed, who are none of the load test's, with
//! carts of a vendor that it passes over.

use std::time::{Duration, Instant};

use anyhow::ensure;
use catalogue::seed::{self, SeedPlan};
use reqwest::{Client, StatusCode};
use serde_json::json;
use splitcart::{cli::token, config::Config, domain::ids::VendorStoreId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    bench::server::{self, Server},
    compare::{cluster::Cluster, history::PROBED_VENDOR},
    db::compare::write_carts_of,
};

const TOKEN_GOOD_FOR: Duration = Duration::from_hours(1);
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);

struct Cart {
    id: Uuid,
    token: String,
}

/// Carts that are not bought yet.
pub struct Probe {
    http: Client,
    carts: Vec<Cart>,
}

/// The outcome of a checkout.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    pub is_bought: bool,
    pub took: Duration,
}

impl Probe {
    /// Freezes so many carts, of a buyer each.
    pub async fn prepare(cluster: &mut Cluster, count: u32) -> anyhow::Result<Self> {
        let plan = cluster.plan();
        ensure!(count <= plan.buyers, "the catalogue has too few buyers");
        // The server has the same one.
        let (name, value) = server::SECRET;
        let config = Config::load(None, [(name.to_owned(), value.to_owned())])?;
        let cart = |buyer: u32| {
            let user = seed::buyer_user_id(plan.seed, buyer);
            let store = seed::buyer_store_id(plan.seed, buyer);
            let token = token::issue(&config, user, store, TOKEN_GOOD_FOR)?;
            anyhow::Ok(Cart {
                id: Uuid::now_v7(),
                token,
            })
        };
        let carts = (1..=count).map(cart).collect::<anyhow::Result<Vec<_>>>()?;
        freeze(cluster.connection(), plan, &carts).await?;
        Ok(Self {
            http: Client::new(),
            carts,
        })
    }

    /// Buys one of them; none if none is left.
    pub async fn buy(&mut self, server: &Server) -> anyhow::Result<Option<Answer>> {
        let Some(cart) = self.carts.pop() else {
            return Ok(None);
        };
        let started = Instant::now();
        let request = self
            .http
            .post(format!("http://{}/api/v1/checkout", server.http()))
            .timeout(ANSWER_WAIT_MAX)
            .bearer_auth(cart.token)
            .header("Idempotency-Key", Uuid::now_v7().to_string())
            .json(&json!({ "cart_id": cart.id }));
        let answer = request.send().await;
        Ok(Some(Answer {
            is_bought: answer.is_ok_and(|it| it.status() == StatusCode::CREATED),
            took: started.elapsed(),
        }))
    }
}

/// One line each, of the vendor's first product.
async fn freeze(
    connection: &mut PgConnection,
    plan: SeedPlan,
    carts: &[Cart],
) -> anyhow::Result<()> {
    let buyers = (1..).take(carts.len());
    let ids: Vec<_> = carts.iter().map(|cart| cart.id).collect();
    let stores: Vec<_> = buyers
        .clone()
        .map(|buyer| seed::buyer_store_id(plan.seed, buyer))
        .collect();
    let users: Vec<_> = buyers
        .map(|buyer| seed::buyer_user_id(plan.seed, buyer))
        .collect();
    let vendor = VendorStoreId::new(seed::vendor_store_id(plan.seed, PROBED_VENDOR));
    write_carts_of(connection, vendor, &ids, &stores, &users).await?;
    Ok(())
}
