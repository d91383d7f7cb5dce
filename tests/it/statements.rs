//! The statements of `db` by themselves: reads return the written data, to its owner only.

use chrono::{SubsecRound, TimeDelta, Utc};
use splitcart::{
    carts::{self, Decision, EarlierAttempts, FreezeCart, Promises},
    db,
    domain::{
        cart::{CartContent, CartRequest, CartStatus, PriceHold, RequestedItem, Totals},
        idempotency::{Fingerprint, ScopeDigest},
        ids::{BuyerStoreId, CartId, CheckoutGroupId, ProductId, StoreId, UserId, VendorStoreId},
        precondition::Precondition,
    },
    http::carts::render,
};

use crate::support::{Market, World, client::fresh_key, database::Database, market::cart_of};

/// PF-074: carts and their lines are accessible through the repository layer, owned by a buyer
/// store, priced as they were frozen.
#[tokio::test]
async fn a_cart_is_read_back_as_it_was_frozen_by_its_owner_only() {
    let market = Market::new(Database::create().await);
    let (buyer, stranger) = (market.buyer().await, market.buyer().await);
    let product = market.sold_product(1250, 10).await;
    let total = "25.00".parse().unwrap();
    let content = CartContent {
        currency: "USD".to_owned(),
        shipping_address: None,
        items: vec![RequestedItem {
            product_id: ProductId::new(product.id),
            vendor_store_id: VendorStoreId::new(product.vendor.store_id),
            qty: 2,
            unit_price: None,
            line_total: Some(total),
        }],
        discounts: vec![],
    };
    let request = CartRequest {
        content,
        totals: Totals {
            subtotal: total,
            discount_total: "0.00".parse().unwrap(),
            total,
        },
    };

    let command = FreezeCart {
        user_id: UserId::new(buyer.user_id),
        store_id: StoreId::new(buyer.store_id),
        request,
        scope: ScopeDigest::new([1; 32]),
        fingerprint: Fingerprint::new([2; 32]),
        precondition: Precondition::default(),
        render,
    };
    let promises = Promises {
        price_hold: PriceHold::FOR_EVER,
        keep_answers_for: TimeDelta::hours(1),
    };
    let pool = &market.database.pool;
    let decided = carts::freeze(
        pool,
        promises,
        &[&command],
        &mut EarlierAttempts::default(),
        None,
    )
    .await;
    let Decision::Frozen(frozen) = decided.unwrap().remove(0) else {
        panic!("a good cart");
    };

    let mut connection = market.database.pool.acquire().await.unwrap();
    let read = carts::get_active(&mut connection, BuyerStoreId::new(buyer.store_id))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(render(&read, promises.price_hold), frozen);
    assert_eq!(read.cart.head.status, CartStatus::Active);
    let foreign = carts::get_active(&mut connection, BuyerStoreId::new(stranger.store_id))
        .await
        .unwrap();
    assert!(foreign.is_none());
    // A converted cart does not count as an active cart.
    let now = Utc::now().trunc_subsecs(6);
    let ids: [CartId; 1] = [read.cart.head.id];
    assert_eq!(
        db::carts::convert(&mut connection, &ids, now)
            .await
            .unwrap(),
        1
    );
    assert_eq!(
        db::carts::convert(&mut connection, &ids, now)
            .await
            .unwrap(),
        0
    );
    let gone = carts::get_active(&mut connection, BuyerStoreId::new(buyer.store_id))
        .await
        .unwrap();
    assert!(gone.is_none());
}

/// PF-077: groups, orders, lines and intents are created and fetched through the repository layer.
#[tokio::test]
async fn a_checkout_is_fetched_whole_by_its_owner_only() {
    let world = World::start().await;
    let (buyer, stranger) = (world.market.buyer().await, world.market.buyer().await);
    let client = world.client(&buyer);
    let first = world.market.sold_product(500, 10).await;
    let short = world.market.sold_product(300, 10).await;
    let cart_id = client.freeze(&cart_of(&[(first, 2), (short, 4)])).await;
    world.market.stock(short, 1).await;
    let data = client.check_out(&fresh_key(), cart_id).await.data();
    let group_id: CheckoutGroupId = data["checkout_group_id"].as_str().unwrap().parse().unwrap();
    let mut connection = db::pool::acquire(&world.market.database.pool)
        .await
        .unwrap();

    let owner = BuyerStoreId::new(buyer.store_id);
    let checkout = db::orders::find_checkout(&mut connection, group_id, owner)
        .await
        .unwrap()
        .unwrap();

    assert_eq!(checkout.group.id, group_id);
    assert_eq!(checkout.group.cart_id.uuid(), cart_id);
    assert_eq!(checkout.group.totals.total.to_string(), "10.00");
    let [sold, rejected] = &checkout.orders[..] else {
        panic!("two orders")
    };
    assert!(sold.payment_intent.is_some() && sold.lines[0].rejection.is_none());
    assert!(rejected.payment_intent.is_none());
    assert_eq!(
        rejected.lines[0].rejection.as_ref().unwrap().available_qty,
        Some(1)
    );
    let foreign = BuyerStoreId::new(stranger.store_id);
    let hidden = db::orders::find_checkout(&mut connection, group_id, foreign)
        .await
        .unwrap();
    assert!(hidden.is_none());
    let of_cart = [CartId::new(cart_id)];
    let groups = db::orders::find_groups_of_carts(&mut connection, &of_cart)
        .await
        .unwrap();
    assert_eq!(groups.get(&of_cart[0]), Some(&group_id));
}
