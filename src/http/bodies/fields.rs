//! The values that fields of requests have in common, and how each is read.

use utoipa::ToSchema;

use crate::{
    domain::{
        ids::{CartId, ProductId, VendorStoreId},
        money::Money,
        order::PaymentMethod,
        shortage_policy::ShortagePolicy,
    },
    http::json::{FromJson, Node, Shape},
};

/// The longest discount code, in characters.
const CODE_LEN_MAX: usize = 255;
/// The longest line of an address, in characters.
const ADDRESS_LEN_MAX: usize = 200;

/// An amount of money: digits, at most 12 before and 2 after the point.
#[derive(Clone, Copy, Debug, ToSchema)]
#[schema(value_type = String, pattern = r"^[0-9]{1,12}(\.[0-9]{1,2})?$", example = "12.50")]
pub struct Amount(pub Money);

impl FromJson for Amount {
    fn read(shape: &mut Shape, node: &Node, path: &str) -> Option<Self> {
        shape.money(node, path).map(Self)
    }
}

/// A positive whole number.
#[derive(Clone, Copy, Debug)]
pub struct Positive(pub i32);

impl FromJson for Positive {
    fn read(shape: &mut Shape, node: &Node, path: &str) -> Option<Self> {
        shape.positive(node, path).map(Self)
    }
}

/// A currency: three capital letters.
#[derive(Debug)]
pub struct Currency(pub String);

impl FromJson for Currency {
    fn read(shape: &mut Shape, node: &Node, path: &str) -> Option<Self> {
        match node {
            Node::String(text)
                if text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase()) =>
            {
                Some(Self(text.clone()))
            }
            _ => {
                shape.problem(path, "must be three capital letters, such as \"USD\"");
                None
            }
        }
    }
}

/// A line of an address, without control characters.
#[derive(Debug, ToSchema)]
#[schema(
    value_type = String,
    min_length = 1,
    max_length = 200,
    pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$",
    example = "Tulsa",
)]
pub struct AddressLine(pub String);

impl FromJson for AddressLine {
    fn read(shape: &mut Shape, node: &Node, path: &str) -> Option<Self> {
        shape.text(node, path, ADDRESS_LEN_MAX).map(Self)
    }
}

/// The code of a discount.
#[derive(Debug)]
pub struct DiscountCode(pub String);

impl FromJson for DiscountCode {
    fn read(shape: &mut Shape, node: &Node, path: &str) -> Option<Self> {
        shape.text(node, path, CODE_LEN_MAX).map(Self)
    }
}

impl FromJson for CartId {
    fn read(shape: &mut Shape, node: &Node, path: &str) -> Option<Self> {
        shape.id(node, path)
    }
}

impl FromJson for ProductId {
    fn read(shape: &mut Shape, node: &Node, path: &str) -> Option<Self> {
        shape.id(node, path)
    }
}

impl FromJson for VendorStoreId {
    fn read(shape: &mut Shape, node: &Node, path: &str) -> Option<Self> {
        shape.id(node, path)
    }
}

impl FromJson for PaymentMethod {
    fn read(shape: &mut Shape, node: &Node, path: &str) -> Option<Self> {
        shape.one_of(node, path, &[("cash", Self::Cash), ("ach", Self::Ach)])
    }
}

impl FromJson for ShortagePolicy {
    fn read(shape: &mut Shape, node: &Node, path: &str) -> Option<Self> {
        let policies = [
            ("reject_line", Self::RejectLine),
            ("fill", Self::Fill),
            ("reject_vendor", Self::RejectVendor),
            ("all_or_nothing", Self::AllOrNothing),
        ];
        shape.one_of(node, path, &policies)
    }
}
