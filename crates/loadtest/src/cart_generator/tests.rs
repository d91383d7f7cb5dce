use std::collections::HashSet;

use uuid::Uuid;

use super::*;
use splitcart::domain::ids::ProductId;

const SHAPE: CartShape = CartShape {
    lines: 3,
    vendors: 3,
    hot_share: 0.0,
    hot_products: 1,
    zipf: 0.0,
    qty: None,
};

/// 20 vendors with 50 products each, dealt in turn.
fn offers() -> Vec<Offer> {
    let offer = |number: u128| Offer {
        product_id: ProductId::new(Uuid::from_u128(number)),
        vendor_store_id: VendorStoreId::new(Uuid::from_u128(number % 20)),
        moq: 1 + i32::try_from(number % 3).unwrap(),
        max_qty: number.is_multiple_of(4).then_some(10),
    };
    (0..1000).map(offer).collect()
}

fn carts(shape: CartShape, count: usize) -> (CartGenerator, Vec<Vec<Line>>) {
    let mut generator = CartGenerator::new(offers(), shape, 1).unwrap();
    let carts = (0..count).map(|_| generator.next_cart().unwrap()).collect();
    (generator, carts)
}

fn vendors_of(generator: &CartGenerator, cart: &[Line]) -> HashSet<VendorStoreId> {
    let vendor = |line: &Line| generator.offers()[line.offer].vendor_store_id;
    cart.iter().map(vendor).collect()
}

#[test]
fn a_cart_has_so_many_lines_of_different_products_of_so_many_vendors() {
    for (lines, vendors) in [(1, 1), (3, 3), (7, 3), (20, 20), (40, 20), (10, 1)] {
        for hot_share in [0.0, 1.0] {
            let shape = CartShape {
                lines,
                vendors,
                hot_share,
                ..SHAPE
            };
            let (generator, carts) = carts(shape, 50);
            for cart in carts {
                let products: HashSet<_> = cart.iter().map(|line| line.offer).collect();
                assert_eq!(products.len(), lines);
                assert_eq!(vendors_of(&generator, &cart).len(), shape.vendors);
            }
        }
    }
}

#[test]
fn the_share_of_hot_carts_is_exact_and_even() {
    for (share, every) in [(0.5, 2), (0.25, 4), (1.0, 1)] {
        let shape = CartShape {
            hot_share: share,
            hot_products: 2,
            ..SHAPE
        };
        let (generator, carts) = carts(shape, 400);
        let hot: Vec<_> = carts
            .iter()
            .map(|cart| {
                cart.iter()
                    .any(|line| generator.hot().contains(&line.offer))
            })
            .collect();
        for some in hot.chunks(every) {
            assert_eq!(some.iter().filter(|is_hot| **is_hot).count(), 1);
        }
    }
}

#[test]
fn hot_products_have_different_vendors_and_are_all_used_and_by_hot_carts_only() {
    let shape = CartShape {
        hot_share: 0.5,
        hot_products: 5,
        ..SHAPE
    };
    let (generator, carts) = carts(shape, 400);
    let hot = generator.hot();
    let vendors: HashSet<_> = hot
        .clone()
        .map(|number| generator.offers()[number].vendor_store_id)
        .collect();
    assert_eq!((hot.len(), vendors.len()), (5, 5));
    let used: HashSet<_> = carts
        .iter()
        .flatten()
        .map(|line| line.offer)
        .filter(|number| hot.contains(number))
        .collect();
    assert_eq!(used.len(), 5);
}

#[test]
fn a_line_has_the_wanted_quantity_or_the_least_that_is_sold() {
    let (generator, least) = carts(SHAPE, 50);
    for line in least.iter().flatten() {
        assert_eq!(line.qty, generator.offers()[line.offer].moq);
    }
    let shape = CartShape {
        qty: Some(11),
        ..SHAPE
    };
    let (generator, eleven) = carts(shape, 50);
    for line in eleven.iter().flatten() {
        assert_eq!(line.qty, 11);
        assert_eq!(generator.offers()[line.offer].max_qty, None);
    }
}

#[test]
fn a_steep_exponent_favours_few_products() {
    let distinct = |zipf| {
        let (_, carts) = carts(CartShape { zipf, ..SHAPE }, 300);
        let used: HashSet<_> = carts.iter().flatten().map(|line| line.offer).collect();
        used.len()
    };
    assert!(distinct(1.5) * 2 < distinct(0.0));
}

#[test]
fn the_same_seed_makes_the_same_carts() {
    assert_eq!(carts(SHAPE, 20).1, carts(SHAPE, 20).1);
}

#[test]
fn a_catalogue_that_is_too_small_is_told_so() {
    let shape = CartShape {
        lines: 21,
        vendors: 21,
        ..SHAPE
    };
    let complaint = CartGenerator::new(offers(), shape, 1).unwrap_err();
    assert!(complaint.contains("20 vendors"), "{complaint}");
    let none = CartGenerator::new(Vec::new(), SHAPE, 1).unwrap_err();
    assert!(none.contains("0 vendors"), "{none}");
}
