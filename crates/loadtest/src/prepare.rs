//! Everything that must be in the database before a test begins: buyers, carts, stock.

use std::collections::{BTreeSet, HashMap, HashSet};

use anyhow::{Context, ensure};
use chrono::Utc;
use sqlx::{Connection, PgConnection};
use terminal::Screen;
use uuid::Uuid;

use catalogue::db::bulk::{CartItemRow, copy_rows};
use splitcart::{
    db::catalog,
    domain::{
        cart::CURRENCIES,
        ids::{CartId, ProductId},
        product::Product,
    },
};

use crate::db::{self, CartRow, Vendors};

use super::{
    buyers::{self, Buyer},
    cart_generator::{CartGenerator, CartShape},
    carts::Cart,
    counting_vendor,
    stock_counts::ROWS,
};

/// Products that are read at once.
const PRODUCTS_AT_ONCE: usize = 10_000;

/// The stock of a product that shall never run short.
pub const PLENTY: i32 = 1_000_000_000;

/// The carts and products of a test.
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
    shape: CartShape,
    vendors: Vendors,
    count: u32,
    seed: u64,
) -> anyhow::Result<Prepared> {
    let mut offers = db::find_offers(connection, buyers::STATE, vendors).await?;
    offers.retain(|offer| offer.vendor_store_id != counting_vendor::store_id());
    ensure!(
        !offers.is_empty(),
        "the catalogue has nothing for sale in {}: fill it with `splitcart seed`",
        buyers::STATE
    );
    let mut generator = CartGenerator::new(offers, shape, seed).map_err(anyhow::Error::msg)?;
    let drawn = (0..count)
        .map(|_| generator.next_cart())
        .collect::<Result<Vec<_>, _>>()
        .map_err(anyhow::Error::msg)?;
    let id_of = |offer: usize| generator.offers()[offer].product_id;
    let used: BTreeSet<_> = drawn
        .iter()
        .flatten()
        .map(|line| id_of(line.offer))
        .collect();
    let hot: BTreeSet<_> = generator.hot().map(id_of).collect();
    let products = read_products(connection, &used).await?;
    let carts = drawn.iter().zip(1..).map(|(lines, number)| {
        let (id, buyer) = (CartId::new(Uuid::now_v7()), Buyer::number(number));
        Cart::price(id, buyer, lines, generator.offers(), &products)
            .context("a product has gone while the test was prepared")
    });
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
        products.extend(catalog::find_products(connection, some).await?);
    }
    Ok(products)
}

/// Makes the buyers of the carts that do not exist yet, and takes from the others the carts that an
/// earlier test has left them.
///
/// # Errors
/// The machine failed; nothing was changed then.
pub async fn ready_buyers(
    connection: &mut PgConnection,
    carts: &[Cart],
    screen: &Screen,
) -> anyhow::Result<()> {
    let ids: Vec<_> = carts
        .iter()
        .map(|cart| cart.buyer.store_id.uuid())
        .collect();
    let known: HashSet<_> = db::known_stores(connection, &ids)
        .await?
        .into_iter()
        .collect();
    let missing: Vec<_> = carts
        .iter()
        .map(|cart| cart.buyer)
        .filter(|buyer| !known.contains(&buyer.store_id.uuid()))
        .collect();
    let now = Utc::now();
    screen.begin("preparing buyers", missing.len() as u64);
    let mut tx = connection.begin().await?;
    let buyers = || missing.iter().copied();
    copy_rows(&mut tx, buyers().map(Buyer::user), |_| {}).await?;
    copy_rows(&mut tx, buyers().map(Buyer::store), |rows| screen.at(rows)).await?;
    copy_rows(&mut tx, buyers().map(Buyer::membership), |_| {}).await?;
    copy_rows(&mut tx, buyers().map(|it| it.license(now)), |_| {}).await?;
    let stores: Vec<_> = carts.iter().map(|cart| cart.buyer.store_id).collect();
    db::remove_active_carts(&mut tx, &stores).await?;
    tx.commit().await.context("could not commit the buyers")?;
    Ok(())
}

/// Makes the vendor that counts its stock, with so many thousand products, unless it is there already.
///
/// # Errors
/// The machine failed; nothing was changed then.
pub async fn ready_counting_vendor(
    connection: &mut PgConnection,
    products_k: u32,
) -> anyhow::Result<()> {
    let numbers: Vec<_> = (1..=products_k * ROWS).collect();
    let ids: Vec<_> = numbers
        .iter()
        .map(|number| counting_vendor::product_id(*number))
        .collect();
    let known: HashSet<_> = db::known_products(connection, &ids)
        .await?
        .into_iter()
        .collect();
    let is_missing = |number: &u32| !known.contains(&counting_vendor::product_id(*number));
    let store = [counting_vendor::store_id().uuid()];
    let has_store = !db::known_stores(connection, &store).await?.is_empty();
    let mut tx = connection.begin().await?;
    if !has_store {
        copy_rows(&mut tx, [counting_vendor::user()].into_iter(), |_| {}).await?;
        copy_rows(&mut tx, [counting_vendor::store()].into_iter(), |_| {}).await?;
        copy_rows(&mut tx, [counting_vendor::membership()].into_iter(), |_| {}).await?;
    }
    let missing = || numbers.iter().copied().filter(is_missing);
    copy_rows(&mut tx, missing().map(counting_vendor::product), |_| {}).await?;
    copy_rows(
        &mut tx,
        missing().map(counting_vendor::inventory_item),
        |_| {},
    )
    .await?;
    tx.commit()
        .await
        .context("could not commit the vendor that counts its stock")?;
    Ok(())
}

/// Writes carts straight into the database. Their buyers have none.
///
/// # Errors
/// The machine failed; nothing was changed then.
pub async fn write_carts(
    connection: &mut PgConnection,
    carts: &[Cart],
    screen: &Screen,
) -> anyhow::Result<()> {
    let lines = || {
        carts.iter().flat_map(|cart| {
            let lines = cart.lines.iter().enumerate();
            lines.map(|(position, line)| CartItemRow {
                id: Uuid::now_v7(),
                cart_id: cart.id,
                position,
                line,
            })
        })
    };
    let heads = carts.iter().map(|cart| CartRow {
        id: cart.id,
        buyer_store_id: cart.buyer.store_id,
        created_by: cart.buyer.user_id,
        currency: CURRENCIES[0],
        totals: cart.totals,
    });
    let per_cart = carts.first().map_or(1, |cart| cart.lines.len() as u64);
    screen.begin("preparing carts", carts.len() as u64);
    let mut tx = connection.begin().await?;
    copy_rows(&mut tx, heads, |_| {}).await?;
    copy_rows(&mut tx, lines(), |rows| screen.at(rows / per_cart)).await?;
    tx.commit().await.context("could not commit the carts")?;
    Ok(())
}

/// Fills the stock of everything that a test buys: hot products with `hot`, others with `spread`.
pub async fn restock(
    connection: &mut PgConnection,
    prepared: &Prepared,
    spread: i32,
    hot: i32,
) -> anyhow::Result<()> {
    db::restock(connection, &prepared.spread, spread).await?;
    db::restock(connection, &prepared.hot, hot).await?;
    Ok(())
}
