//! The gates for callers, and the keys that a client may send.

use super::support::{buyer, buyer_id, now, vendor, vendor_id};
use crate::domain::{
    caller::{Access, Forbidden, Member, Membership, MembershipStatus, Perspective, Role},
    idempotency::{IdempotencyKey, NotAKey},
    store::{BuyerIneligible, StoreType},
};

fn member(role: Role) -> Membership {
    Membership {
        user_is_active: true,
        role,
        status: MembershipStatus::Active,
        store: buyer(),
    }
}

fn admit(membership: &Membership, access: Access) -> Result<Member<'_>, Forbidden> {
    Member::admit(Some(membership), access)
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
        let membership = member(role);
        assert!(admit(&membership, Access::Read).is_ok(), "{role:?}");
        let changing = admit(&membership, Access::Change);
        if may_change {
            let buyer = changing.unwrap().of_eligible_buyer(now()).unwrap();
            assert_eq!(buyer.id, buyer_id());
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
    let nobody = Member::admit(None, Access::Read);
    assert_eq!(nobody, Err(Forbidden::NotAMember));
}

/// PF-075, PF-076: the active store is a buyer, for reading the cart too.
#[test]
fn a_member_of_a_store_that_may_not_buy_has_no_cart_and_reads_what_was_bought() {
    for (store, reason, is_buyer) in [
        (vendor(1), BuyerIneligible::NotABuyer, false),
        (buyer().unlicensed(), BuyerIneligible::LicenseInvalid, true),
    ] {
        let mut membership = member(Role::Owner);
        membership.store = store;
        for access in [Access::Read, Access::Change] {
            let member = admit(&membership, access).unwrap();
            let refused = member.of_eligible_buyer(now());
            assert_eq!(refused, Err(Forbidden::StoreMayNotBuy(reason)));
            assert_eq!(member.of_buyer().is_ok(), is_buyer);
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
    // Orders stay readable and are still to be fulfilled, whatever has become of licence and subscription.
    let lapsed = vendor(1).unlicensed().unsubscribed();
    let no_buyer = Forbidden::StoreMayNotBuy(BuyerIneligible::NotABuyer);
    for (store, side, expected) in [
        (buyer(), None, Ok(bought)),
        (buyer(), Some(StoreType::Buyer), Ok(bought)),
        (buyer(), Some(StoreType::Vendor), Err(Forbidden::NotAVendor)),
        (buyer().unlicensed(), None, Ok(bought)),
        (lapsed.clone(), None, Ok(sold)),
        (lapsed.clone(), Some(StoreType::Vendor), Ok(sold)),
        (lapsed, Some(StoreType::Buyer), Err(no_buyer)),
    ] {
        let admitted = Perspective::admit(Some(&of(store.clone())), side);
        assert_eq!(admitted, expected, "{side:?} of {store:?}");
    }
    let mut removed = of(vendor(1));
    removed.status = MembershipStatus::Removed;
    for membership in [None, Some(&removed)] {
        let refused = Perspective::admit(membership, None);
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
