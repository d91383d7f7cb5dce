//! The orders in the answer to a checkout, as far as moves need them. Pure.

use serde::Deserialize;

use splitcart::domain::ids::{CheckoutGroupId, LineItemId, OrderId, VendorStoreId};

/// The orders of a checkout.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Placed {
    #[serde(rename = "checkout_group_id")]
    pub group_id: CheckoutGroupId,
    #[serde(rename = "vendor_orders")]
    pub orders: Vec<Order>,
}

/// One vendor's order.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Order {
    #[serde(rename = "order_id")]
    pub id: OrderId,
    pub vendor_store_id: VendorStoreId,
    items: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Line {
    line_item_id: LineItemId,
    status: String,
}

#[derive(Deserialize)]
struct Envelope {
    data: Placed,
}

impl Placed {
    /// The orders that wait for a decision.
    ///
    /// # Errors
    /// The body is not that of a checkout.
    pub fn waiting_in(body: &[u8]) -> serde_json::Result<Self> {
        let mut placed = serde_json::from_slice::<Envelope>(body)?.data;
        placed.orders.retain(|order| !order.pending().is_empty());
        Ok(placed)
    }
}

impl Order {
    /// The lines to decide about.
    pub fn pending(&self) -> Vec<LineItemId> {
        let lines = self.items.iter().filter(|line| line.status == "pending");
        lines.map(|line| line.line_item_id).collect()
    }

    /// An order of pending lines.
    #[cfg(test)]
    pub fn of_lines(count: u128) -> Self {
        use uuid::Uuid;

        let line = |number| Line {
            line_item_id: LineItemId::new(Uuid::from_u128(number)),
            status: "pending".to_owned(),
        };
        Self {
            id: OrderId::new(Uuid::from_u128(100)),
            vendor_store_id: VendorStoreId::new(Uuid::from_u128(200)),
            items: (1..=count).map(line).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn only_orders_with_a_reserved_line_wait_for_a_decision() {
        let id = Uuid::now_v7();
        let order = |statuses: &[&str]| {
            let line = |status: &&str| json!({ "line_item_id": id, "status": status, "qty": 1 });
            json!({
                "order_id": id,
                "vendor_store_id": id,
                "items": statuses.iter().map(line).collect::<Vec<_>>(),
            })
        };
        let orders = [order(&["rejected"]), order(&["rejected", "pending"])];
        let body = json!({ "data": { "checkout_group_id": id, "vendor_orders": orders } });
        let placed = Placed::waiting_in(body.to_string().as_bytes()).unwrap();
        assert_eq!(placed.group_id, CheckoutGroupId::new(id));
        assert_eq!(placed.orders.len(), 1);
        assert_eq!(placed.orders[0].pending().len(), 1);
        assert!(Placed::waiting_in(b"{}").is_err());
    }
}
