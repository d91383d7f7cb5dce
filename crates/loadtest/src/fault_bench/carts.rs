//! The catalogue, divided into products that a fault touches and those that the others buy, and carts of
//! either.

use std::collections::{HashMap, HashSet};

use crate::{
    buyers::{self, Buyer},
    cart_generator::Line,
    carts::Cart,
    db::{Offer, Vendors},
};
use anyhow::{Context, ensure};
use rand::{RngExt, SeedableRng, rngs::SmallRng, seq::SliceRandom};
use splitcart::{
    db,
    domain::{
        ids::{CartId, ProductId},
        product::Product,
    },
};
use sqlx::PgConnection;
use uuid::Uuid;

/// Products that are read at once.
const PRODUCTS_AT_ONCE: usize = 10_000;
const SEED: u64 = 9;
/// Lines of the others' carts, each of another vendor.
const LINES: usize = 3;
const TRIES_MAX: usize = 100_000;

/// See the module.
#[derive(Debug)]
pub struct Catalogue {
    /// In a random order that is the same in every run.
    offers: Vec<Offer>,
    products: HashMap<ProductId, Product>,
}

/// The carts of a row, and the products that its fault touches.
#[derive(Debug)]
pub struct Carts {
    pub all: Vec<Cart>,
    /// The number of carts of the others; they come first.
    pub others: usize,
    pub touched: Vec<ProductId>,
}

impl Catalogue {
    /// Reads it.
    pub async fn read(connection: &mut PgConnection) -> anyhow::Result<Self> {
        let mut offers =
            crate::db::find_offers(connection, buyers::STATE, Vendors::MaySell).await?;
        offers.shuffle(&mut SmallRng::seed_from_u64(SEED));
        let ids: Vec<_> = offers.iter().map(|it| it.product_id).collect();
        let mut products = HashMap::with_capacity(ids.len());
        for some in ids.chunks(PRODUCTS_AT_ONCE) {
            products.extend(db::catalog::find_products(connection, some).await?);
        }
        Ok(Self { offers, products })
    }

    /// A vendor of the others.
    pub fn vendor(&self) -> Uuid {
        self.offers[self.offers.len() - 1].vendor_store_id.uuid()
    }

    /// Draws carts: `others` of those who need nothing of the touched products, and `in_need` of those
    /// who need one of them (or only such, if their carts are long).
    pub fn draw(
        &self,
        touched: usize,
        others: usize,
        in_need: usize,
        lines: usize,
    ) -> anyhow::Result<Carts> {
        let mut dice = SmallRng::seed_from_u64(SEED);
        let order = self.order(touched)?;
        let mut all = Vec::with_capacity(others + in_need);
        for number in 0..others + in_need {
            let chosen = if number < others {
                self.choose(&mut dice, &order[touched..], Vec::new(), LINES)?
            } else if lines > LINES {
                order[..lines].to_vec()
            } else {
                let first = order.get(number % touched.max(1)).copied();
                let first = first.filter(|_| touched > 0);
                self.choose(
                    &mut dice,
                    &order[touched..],
                    first.into_iter().collect(),
                    lines,
                )?
            };
            let lines: Vec<_> = chosen
                .into_iter()
                .map(|offer| Line {
                    offer,
                    qty: self.offers[offer].moq,
                })
                .collect();
            let buyer = Buyer::number(u32::try_from(number + 1)?);
            let id = CartId::new(Uuid::now_v7());
            all.push(
                Cart::price(id, buyer, &lines, &self.offers, &self.products)
                    .context("a product has gone while the row was prepared")?,
            );
        }
        let touched = &order[..touched];
        Ok(Carts {
            all,
            others,
            touched: touched
                .iter()
                .map(|offer| self.offers[*offer].product_id)
                .collect(),
        })
    }

    /// All offers, beginning with those that are touched: of a different vendor each, while there are
    /// so many.
    fn order(&self, touched: usize) -> anyhow::Result<Vec<usize>> {
        ensure!(
            touched + 5_000 < self.offers.len(),
            "the catalogue is too small"
        );
        let mut vendors = HashSet::new();
        let (mut first, mut rest): (Vec<_>, Vec<_>) = (0..self.offers.len()).partition(|offer| {
            // A product that is sold by the piece: its stock can be set to 0 and to 1.
            self.offers[*offer].moq == 1
                && vendors.len() < touched
                && vendors.insert(self.offers[*offer].vendor_store_id)
        });
        first.append(&mut rest);
        Ok(first)
    }

    fn choose(
        &self,
        dice: &mut SmallRng,
        from: &[usize],
        mut chosen: Vec<usize>,
        lines: usize,
    ) -> anyhow::Result<Vec<usize>> {
        let vendor = |offer: usize| self.offers[offer].vendor_store_id;
        for _ in 0..TRIES_MAX {
            if chosen.len() >= lines {
                return Ok(chosen);
            }
            let offer = from[dice.random_range(0..from.len())];
            if chosen.iter().all(|it| vendor(*it) != vendor(offer)) {
                chosen.push(offer);
            }
        }
        anyhow::bail!("no cart of {lines} vendors could be found")
    }
}
