//! A cart of a test, priced as the server would do it. Pure.

use std::collections::HashMap;

use splitcart::domain::{
    cart::{CartLine, Totals},
    ids::{CartId, ProductId},
    pricing::price_line,
    product::Product,
    rules,
};

use crate::db::Offer;

use super::{buyers::Buyer, cart_generator::Line};

/// See the module.
#[derive(Clone, Debug)]
pub struct Cart {
    /// Its id, as soon as it has one.
    pub id: CartId,
    pub buyer: Buyer,
    /// The lines.
    pub lines: Vec<CartLine>,
    pub totals: Totals,
}

impl Cart {
    /// Prices lines by the rules of the domain, so that the cart is the one that a PUT would
    /// freeze; none if one of the products is not known.
    pub fn price(
        id: CartId,
        buyer: Buyer,
        lines: &[Line],
        offers: &[Offer],
        products: &HashMap<ProductId, Product>,
    ) -> Option<Self> {
        let line = |line: &Line| {
            let product = products.get(&offers[line.offer].product_id)?;
            let price = price_line(product.price, &product.tiers, line.qty);
            Some(rules::freeze(product, line.qty, price))
        };
        let lines: Vec<_> = lines.iter().map(line).collect::<Option<_>>()?;
        let totals = rules::cart_totals(&lines, &[]);
        Some(Self {
            id,
            buyer,
            lines,
            totals,
        })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use splitcart::domain::{
        ids::VendorStoreId,
        money::{Money, Percent},
        product::{Unit, VolumeTier},
    };

    fn money(text: &str) -> Money {
        text.parse().unwrap()
    }

    fn product(number: u128, price: &str, tiers: Vec<VolumeTier>) -> Product {
        Product {
            id: ProductId::new(Uuid::from_u128(number)),
            vendor_store_id: VendorStoreId::new(Uuid::from_u128(1000 + number)),
            sku: format!("SKU-{number}"),
            title: "Flower".to_owned(),
            unit: Unit::Eighth,
            image_url: None,
            price: money(price),
            moq: 1,
            max_qty: None,
            purchase_limit: None,
            is_active: true,
            tiers,
            available_qty: 100,
        }
    }

    fn priced(products: &[Product], lines: &[Line]) -> Option<Cart> {
        let offers: Vec<_> = [1_u128, 2]
            .map(|number| Offer {
                product_id: ProductId::new(Uuid::from_u128(number)),
                vendor_store_id: VendorStoreId::new(Uuid::from_u128(1000 + number)),
                moq: 1,
                max_qty: None,
            })
            .into();
        let products = products.iter().map(|it| (it.id, it.clone())).collect();
        let id = CartId::new(Uuid::from_u128(9));
        Cart::price(id, Buyer::number(1), lines, &offers, &products)
    }

    const LINES: [Line; 2] = [Line { offer: 1, qty: 10 }, Line { offer: 0, qty: 3 }];

    #[test]
    fn tiers_hold_and_totals_add_up() {
        let tier = VolumeTier {
            min_qty: 10,
            discount_percent: Percent::new("5".parse().unwrap()),
        };
        let products = [
            product(1, "2.50", Vec::new()),
            product(2, "10.00", vec![tier]),
        ];
        let cart = priced(&products, &LINES).unwrap();
        let totals: Vec<_> = cart.lines.iter().map(|line| line.price.total).collect();
        assert_eq!(totals, [money("95.00"), money("7.50")]);
        assert_eq!(cart.totals.subtotal, money("107.50"));
        assert_eq!(cart.totals.discount_total, money("5.00"));
        assert_eq!(cart.totals.total, money("102.50"));
    }

    #[test]
    fn a_cart_with_an_unknown_product_is_none() {
        assert!(priced(&[product(1, "2.50", Vec::new())], &LINES).is_none());
    }
}
