//! Everything that must be in the database before a test begins: buyers, carts, stock.

use std::collections::{BTreeSet, HashMap, HashSet};

use anyhow::{Context, ensure};
use chrono::Utc;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::{
    db::{
        self,
        bulk::copy_rows,
        loadtest::{CartItemRow, CartRow, Vendors},
    },
    domain::{
        cart::{CURRENCIES, CartLine, Totals},
        ids::{CartId, ProductId},
        pricing::price_line,
        product::Product,
        rules,
    },
};

use super::{
    buyers::{self, Buyer},
    market::{Line, Market, Shape},
};

/// How many products are read at once.
const PRODUCTS_AT_ONCE: usize = 10_000;

/// A cart that was priced as the server would do it.
#[derive(Clone, Debug)]
pub struct Cart {
    /// Whose it is.
    pub buyer: Buyer,
    /// Its id, when we write it ourselves.
    pub id: CartId,
    /// The lines.
    pub lines: Vec<CartLine>,
    /// What they come to.
    pub totals: Totals,
}

/// What a test works with.
#[derive(Debug)]
pub struct Prepared {
    /// One per buyer.
    pub carts: Vec<Cart>,
    /// The products in them, in ascending id, without the hot ones.
    pub spread: Vec<ProductId>,
    /// The hot products, in ascending id.
    pub hot: Vec<ProductId>,
}

/// Makes the carts of a test, in memory.
///
/// # Errors
/// The catalogue has too little for them, or the machine failed.
pub async fn draw_carts(
    connection: &mut PgConnection,
    shape: Shape,
    vendors: Vendors,
    count: u32,
    seed: u64,
) -> anyhow::Result<Prepared> {
    let offers = db::loadtest::find_offers(connection, buyers::STATE, vendors).await?;
    ensure!(
        !offers.is_empty(),
        "the catalogue has nothing for sale in {}: fill it with `splitcart seed`",
        buyers::STATE
    );
    let mut market = Market::open(offers, shape, seed).map_err(anyhow::Error::msg)?;
    let drawn = (0..count)
        .map(|_| market.next_cart())
        .collect::<Result<Vec<_>, _>>()
        .map_err(anyhow::Error::msg)?;
    let id_of = |offer: usize| market.offers()[offer].product_id;
    let used: BTreeSet<_> = drawn
        .iter()
        .flatten()
        .map(|line| id_of(line.offer))
        .collect();
    let hot: BTreeSet<_> = market.hot().map(id_of).collect();
    let products = read_products(connection, &used).await?;
    let carts = drawn
        .iter()
        .zip(1..)
        .map(|(lines, number)| price(Buyer::number(number), lines, &market, &products));
    Ok(Prepared {
        carts: carts.collect::<anyhow::Result<_>>()?,
        spread: used.difference(&hot).copied().collect(),
        hot: hot.into_iter().collect(),
    })
}

async fn read_products(
    connection: &mut PgConnection,
    ids: &BTreeSet<ProductId>,
) -> anyhow::Result<HashMap<ProductId, Product>> {
    let ids: Vec<_> = ids.iter().copied().collect();
    let mut products = HashMap::with_capacity(ids.len());
    for some in ids.chunks(PRODUCTS_AT_ONCE) {
        products.extend(db::catalog::find_products(connection, some).await?);
    }
    Ok(products)
}

/// By the rules of the domain: a cart that we write is the one that a PUT would have written.
fn price(
    buyer: Buyer,
    lines: &[Line],
    market: &Market,
    products: &HashMap<ProductId, Product>,
) -> anyhow::Result<Cart> {
    let line = |line: &Line| {
        let id = market.offers()[line.offer].product_id;
        let product = products
            .get(&id)
            .with_context(|| format!("product {id} has gone while the test was prepared"))?;
        let price = price_line(product.price, &product.tiers, line.qty);
        Ok(rules::freeze(product, line.qty, price))
    };
    let lines = lines.iter().map(line).collect::<anyhow::Result<Vec<_>>>()?;
    let totals = rules::cart_totals(&lines, &[]);
    Ok(Cart {
        buyer,
        id: CartId::new(Uuid::now_v7()),
        lines,
        totals,
    })
}

/// Makes the buyers of the carts that do not exist yet; returns how many it made.
///
/// # Errors
/// The machine failed; nothing was changed then.
pub async fn add_buyers(connection: &mut PgConnection, carts: &[Cart]) -> anyhow::Result<usize> {
    let ids: Vec<_> = carts
        .iter()
        .map(|cart| cart.buyer.store_id.uuid())
        .collect();
    let known: HashSet<_> = db::loadtest::known_stores(connection, &ids)
        .await?
        .into_iter()
        .collect();
    let missing: Vec<_> = carts
        .iter()
        .map(|cart| cart.buyer)
        .filter(|buyer| !known.contains(&buyer.store_id.uuid()))
        .collect();
    let now = Utc::now();
    let mut tx = connection.begin().await?;
    let buyers = || missing.iter().copied();
    copy_rows(&mut tx, buyers().map(Buyer::user), |_| {}).await?;
    copy_rows(&mut tx, buyers().map(Buyer::store), |_| {}).await?;
    copy_rows(&mut tx, buyers().map(Buyer::membership), |_| {}).await?;
    copy_rows(&mut tx, buyers().map(|buyer| buyer.license(now)), |_| {}).await?;
    tx.commit().await.context("could not commit the buyers")?;
    Ok(missing.len())
}

/// Writes the carts straight into the database, in the place of what their buyers have.
///
/// # Errors
/// The machine failed; nothing was changed then.
pub async fn write_carts(
    connection: &mut PgConnection,
    carts: &[Cart],
    progress: &dyn Fn(u64),
) -> anyhow::Result<()> {
    let mut tx = connection.begin().await?;
    remove_carts(&mut tx, carts).await?;
    let heads = carts.iter().map(|cart| CartRow {
        id: cart.id,
        buyer_store_id: cart.buyer.store_id,
        created_by: cart.buyer.user_id,
        currency: CURRENCIES[0],
        totals: cart.totals,
    });
    copy_rows(&mut tx, heads, |_| {}).await?;
    let lines = carts.iter().flat_map(|cart| {
        cart.lines
            .iter()
            .enumerate()
            .map(|(position, line)| CartItemRow {
                cart_id: cart.id,
                position,
                line,
            })
    });
    copy_rows(&mut tx, lines, progress).await?;
    tx.commit().await.context("could not commit the carts")?;
    Ok(())
}

/// Removes the carts that an earlier test has left to these buyers.
///
/// # Errors
/// The statement failed.
pub async fn remove_carts(connection: &mut PgConnection, carts: &[Cart]) -> anyhow::Result<()> {
    let buyers: Vec<_> = carts.iter().map(|cart| cart.buyer.store_id).collect();
    db::loadtest::remove_active_carts(connection, &buyers).await?;
    Ok(())
}
