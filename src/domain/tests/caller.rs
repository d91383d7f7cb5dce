//! Who may act for a store, and what a client may send as a key.

use uuid::Uuid;

use super::support::{buyer, buyer_id, now, vendor, vendor_id};
use crate::domain::{
    caller::{Access, Caller, Forbidden, Membership, MembershipStatus, Perspective, Role},
    idempotency::{IdempotencyKey, NotAKey},
    ids::UserId,
    store::{BuyerIneligible, StoreType},
};

fn user_id() -> UserId {
    UserId::new(Uuid::from_u128(0x6000_0000))
}

fn member(role: Role) -> Membership {
    Membership {
        user_is_active: true,
        role,
        status: MembershipStatus::Active,
        store: buyer(),
    }
}

fn admit(membership: &Membership, access: Access) -> Result<Caller, Forbidden> {
    Caller::admit(user_id(), Some(membership), access, now())
}

#[test]
fn staff_and_viewers_may_look_and_everybody_else_may_change() {
    for (role, may_change) in [
        (Role::Owner, true),
        (Role::Admin, true),
        (Role::Manager, true),
        (Role::Ops, true),
        (Role::Staff, false),
        (Role::Viewer, false),
    ] {
        assert!(admit(&member(role), Access::Read).is_ok(), "{role:?}");
        let changing = admit(&member(role), Access::Change);
        if may_change {
            let caller = changing.unwrap();
            assert_eq!((caller.user_id, caller.buyer.id), (user_id(), buyer_id()));
        } else {
            assert_eq!(changing, Err(Forbidden::RoleNotAllowed), "{role:?}");
        }
    }
}

#[test]
fn only_an_active_person_with_an_active_membership_is_a_member() {
    let mut inactive = member(Role::Owner);
    inactive.user_is_active = false;
    let mut invited = member(Role::Owner);
    invited.status = MembershipStatus::Invited;
    let mut removed = member(Role::Owner);
    removed.status = MembershipStatus::Removed;
    for membership in [inactive, invited, removed] {
        let refused = admit(&membership, Access::Read);
        assert_eq!(refused, Err(Forbidden::NotAMember), "{membership:?}");
    }
    let nobody = Caller::admit(user_id(), None, Access::Read, now());
    assert_eq!(nobody, Err(Forbidden::NotAMember));
}

/// PF-075, PF-076: the active store is a buyer, for reading too.
#[test]
fn a_member_of_a_store_that_may_not_buy_is_refused() {
    for (store, reason) in [
        (vendor(1), BuyerIneligible::NotABuyer),
        (buyer().unlicensed(), BuyerIneligible::LicenseInvalid),
    ] {
        let mut membership = member(Role::Owner);
        membership.store = store;
        for access in [Access::Read, Access::Change] {
            let refused = admit(&membership, access);
            assert_eq!(refused, Err(Forbidden::StoreMayNotBuy(reason)));
        }
    }
}

#[test]
fn a_member_sees_orders_from_the_side_of_the_store() {
    let of = |store| Membership {
        store,
        ..member(Role::Viewer)
    };
    let (bought, sold) = (
        Perspective::Buyer(buyer_id()),
        Perspective::Vendor(vendor_id(1)),
    );
    // Orders are still to be fulfilled, whatever has become of licence and subscription.
    let lapsed = vendor(1).unlicensed().unsubscribed();
    let no_buyer = Forbidden::StoreMayNotBuy(BuyerIneligible::NotABuyer);
    let unlicensed = Forbidden::StoreMayNotBuy(BuyerIneligible::LicenseInvalid);
    for (store, side, expected) in [
        (buyer(), None, Ok(bought)),
        (buyer(), Some(StoreType::Buyer), Ok(bought)),
        (buyer(), Some(StoreType::Vendor), Err(Forbidden::NotAVendor)),
        (buyer().unlicensed(), None, Err(unlicensed)),
        (lapsed.clone(), None, Ok(sold)),
        (lapsed.clone(), Some(StoreType::Vendor), Ok(sold)),
        (lapsed, Some(StoreType::Buyer), Err(no_buyer)),
    ] {
        let admitted = Perspective::admit(Some(&of(store.clone())), side, now());
        assert_eq!(admitted, expected, "{side:?} of {store:?}");
    }
    let mut removed = of(vendor(1));
    removed.status = MembershipStatus::Removed;
    for membership in [None, Some(&removed)] {
        let refused = Perspective::admit(membership, None, now());
        assert_eq!(refused, Err(Forbidden::NotAMember));
    }
}

#[test]
fn a_key_is_1_to_255_visible_ascii_characters() {
    let longest = [b'~'; 255];
    for key in [&b"!"[..], &b"3f1c-ABC_~"[..], &longest[..]] {
        let parsed = IdempotencyKey::parse(key).unwrap();
        assert_eq!(parsed.as_str().as_bytes(), key);
    }
    let too_long = [b'~'; 256];
    for text in [
        &b""[..],
        &b"a b"[..],
        &b" a"[..],
        &b"a\t"[..],
        &b"a\x7f"[..],
        &b"a\0"[..],
        "schl\u{fc}ssel".as_bytes(),
        &b"\xff"[..],
        &too_long[..],
    ] {
        assert_eq!(IdempotencyKey::parse(text), Err(NotAKey), "{text:?}");
    }
}
