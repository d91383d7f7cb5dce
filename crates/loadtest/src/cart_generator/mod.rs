//! The products of each cart of a test. Pure: it is given the catalogue and the
//! seed of the random numbers.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use rand::{RngExt, SeedableRng, rngs::SmallRng, seq::SliceRandom};

use splitcart::domain::ids::VendorStoreId;

use crate::db::Offer;

use super::popularity::Popularity;

/// Attempts to complete a cart before it is an error.
const TRIES_MAX: u32 = 10_000;

/// The shape of the carts.
#[derive(Clone, Copy, Debug)]
pub struct CartShape {
    /// Lines in a cart.
    pub lines: usize,
    /// Different vendors in a cart.
    pub vendors: usize,
    /// The share of carts with a hot product in them, 0 to 1.
    pub hot_share: f64,
    pub hot_products: usize,
    /// Zipf's exponent of the popularity of all other products.
    pub zipf: f64,
    /// Units in a line; without it, the least that is sold at once.
    pub qty: Option<i32>,
}

/// A line of a cart: an offer's number and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// The number of the offer in [`CartGenerator::offers`].
    pub offer: usize,
    /// Units.
    pub qty: i32,
}

/// See the module.
#[derive(Debug)]
pub struct CartGenerator {
    /// Offers of the wanted quantity; the most popular first, the hot ones at the end.
    offers: Vec<Offer>,
    hot: std::ops::Range<usize>,
    by_vendor: BTreeMap<VendorStoreId, Vec<usize>>,
    popularity: Popularity,
    shape: CartShape,
    dice: SmallRng,
    carts: u64,
}

impl CartGenerator {
    /// Chooses the hot products, each of another vendor while there are enough, and ranks the rest.
    ///
    /// # Errors
    /// A sentence: the catalogue has too little for such carts.
    pub fn new(offers: Vec<Offer>, shape: CartShape, seed: u64) -> Result<Self, String> {
        let mut dice = SmallRng::seed_from_u64(seed);
        let mut offers: Vec<_> = offers
            .into_iter()
            .filter(|offer| fits(offer, shape.qty))
            .collect();
        offers.shuffle(&mut dice);
        let hot_count = if shape.hot_share > 0.0 {
            shape.hot_products
        } else {
            0
        };
        let hot = take_hot(&mut offers, hot_count);
        if hot.len() < hot_count {
            return Err(format!(
                "the catalogue has no {hot_count} products for sale"
            ));
        }
        let popularity = Popularity::zipf(offers.len(), shape.zipf);
        let mut by_vendor: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (number, offer) in offers.iter().enumerate() {
            by_vendor
                .entry(offer.vendor_store_id)
                .or_default()
                .push(number);
        }
        let per_vendor = shape.lines.div_ceil(shape.vendors);
        by_vendor.retain(|_, offers| offers.len() >= per_vendor);
        if by_vendor.len() < shape.vendors {
            return Err(format!(
                "the catalogue has {} vendors with {per_vendor} or more products for sale in that \
                 quantity, too few for carts of {} vendors and {} lines",
                by_vendor.len(),
                shape.vendors,
                shape.lines,
            ));
        }
        let spread = offers.len();
        offers.extend(hot);
        let hot = spread..offers.len();
        Ok(Self {
            offers,
            hot,
            by_vendor,
            popularity,
            shape,
            dice,
            carts: 0,
        })
    }

    /// All offers, by number.
    pub fn offers(&self) -> &[Offer] {
        &self.offers
    }

    /// The numbers of the hot offers.
    pub fn hot(&self) -> std::ops::Range<usize> {
        self.hot.clone()
    }

    /// The next cart: lines of different products of the wanted number of vendors. Hot products are spread
    /// evenly over the carts, each as the first line of its cart.
    ///
    /// # Errors
    /// A sentence: chance does not find such a cart, as with a steep exponent and many vendors.
    pub fn next_cart(&mut self) -> Result<Vec<Line>, String> {
        let hot = self.is_hot_next().then(|| {
            let count = self.hot.len();
            self.hot.start + self.dice.random_range(0..count)
        });
        for _ in 0..TRIES_MAX {
            if let Some(cart) = self.try_cart(hot) {
                return Ok(cart);
            }
        }
        Err(format!(
            "no cart of {} vendors could be found in {TRIES_MAX} tries; take a lower --zipf or \
             fewer --vendors",
            self.shape.vendors
        ))
    }

    fn is_hot_next(&mut self) -> bool {
        let due = |carts: u64| (carts as f64 * self.shape.hot_share).floor();
        let is_hot = due(self.carts + 1) > due(self.carts);
        self.carts += 1;
        is_hot
    }

    /// Vendors are drawn by the popularity of their products; the remaining lines are dealt to them
    /// in turn, any of their products alike.
    fn try_cart(&mut self, hot: Option<usize>) -> Option<Vec<Line>> {
        let mut chosen: Vec<usize> = hot.into_iter().collect();
        let mut vendors: Vec<_> = hot
            .map(|number| self.offers[number].vendor_store_id)
            .into_iter()
            .collect();
        let mut misses = 0;
        while vendors.len() < self.shape.vendors {
            let number = self.popularity.pick(&mut self.dice);
            let vendor = self.offers[number].vendor_store_id;
            if vendors.contains(&vendor) || !self.by_vendor.contains_key(&vendor) {
                misses += 1;
                if misses > 100 * self.shape.vendors {
                    return None;
                }
                continue;
            }
            vendors.push(vendor);
            chosen.push(number);
        }
        let mut taken: BTreeSet<usize> = chosen.iter().copied().collect();
        for turn in chosen.len()..self.shape.lines {
            let own = self.by_vendor.get(&vendors[turn % vendors.len()])?;
            let free: Vec<_> = own.iter().filter(|it| !taken.contains(it)).collect();
            if free.is_empty() {
                return None;
            }
            let number = *free[self.dice.random_range(0..free.len())];
            taken.insert(number);
            chosen.push(number);
        }
        let lines = chosen.into_iter().map(|offer| Line {
            offer,
            qty: self.shape.qty.unwrap_or(self.offers[offer].moq),
        });
        Some(lines.collect())
    }
}

fn fits(offer: &Offer, qty: Option<i32>) -> bool {
    qty.is_none_or(|qty| offer.moq <= qty && offer.max_qty.is_none_or(|max_qty| qty <= max_qty))
}

/// Takes the first `count` offers, each of another vendor while there are such.
fn take_hot(offers: &mut Vec<Offer>, count: usize) -> Vec<Offer> {
    let mut hot: Vec<Offer> = Vec::with_capacity(count);
    let mut position = 0;
    while hot.len() < count && position < offers.len() {
        let offer = offers[position];
        if hot
            .iter()
            .any(|it| it.vendor_store_id == offer.vendor_store_id)
        {
            position += 1;
        } else {
            hot.push(offers.remove(position));
        }
    }
    let rest = count.saturating_sub(hot.len()).min(offers.len());
    hot.extend(offers.drain(..rest));
    hot
}
