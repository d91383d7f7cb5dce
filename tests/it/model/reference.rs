//! The model: what a marketplace of two vendors and two buyers comes to, in plain numbers.

use proptest::{prelude::*, sample::Index};
use proptest_state_machine::ReferenceStateMachine;

pub const VENDORS: usize = 2;
pub const BUYERS: usize = 2;
/// Two products of each vendor.
pub const PRODUCTS: usize = 4;
/// The units that there are of each product at first.
pub const STOCK: i32 = 30;
/// The product that has a purchase limit, and how many of it a buyer may have.
pub const LIMITED: (usize, i32) = (3, 8);

pub const fn vendor_of(product: usize) -> usize {
    product / 2
}

/// The units of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stock {
    pub available: i32,
    pub reserved: i32,
    pub fulfilled: i32,
    pub version: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub product: usize,
    pub qty: i32,
    pub status: &'static str,
    /// True if the checkout has reserved it.
    pub was_reserved: bool,
}

#[derive(Clone, Debug)]
pub struct Order {
    pub group: usize,
    pub buyer: usize,
    pub vendor: usize,
    pub status: &'static str,
    pub lines: Vec<Line>,
}

/// The answer that the last step must get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Nothing was sent.
    Nothing,
    /// A status of HTTP.
    Status(u16),
    /// The result of a count.
    Counted(&'static str),
}

#[derive(Clone, Debug)]
pub struct Model {
    pub stock: [Stock; PRODUCTS],
    /// The lines of each buyer's active cart.
    pub carts: [Option<Vec<(usize, i32)>>; BUYERS],
    /// The number of groups.
    pub groups: usize,
    pub orders: Vec<Order>,
    pub expected: Expected,
}

#[derive(Clone, Debug)]
pub enum Step {
    Freeze {
        buyer: usize,
        lines: Vec<(usize, i32)>,
    },
    CheckOut {
        buyer: usize,
        fills: bool,
    },
    DecideAll {
        order: Index,
        accepts: bool,
    },
    /// A verdict for some of the lines, by their place among those that are pending.
    DecideLines {
        order: Index,
        verdicts: Vec<Option<bool>>,
    },
    Fulfil(Index),
    Cancel(Index),
    CancelGroup(Index),
    Count {
        product: usize,
        count: Count,
    },
    /// The last request once more, under its key.
    Retry,
}

#[derive(Clone, Copy, Debug)]
pub enum Count {
    OnHand(i32),
    Available(i32),
    Delta(i32),
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Self> {
        let stock = Stock {
            available: STOCK,
            reserved: 0,
            fulfilled: 0,
            version: 0,
        };
        Just(Self {
            stock: [stock; PRODUCTS],
            carts: [const { None }; BUYERS],
            groups: 0,
            orders: Vec::new(),
            expected: Expected::Nothing,
        })
        .boxed()
    }

    fn transitions(_: &Self) -> BoxedStrategy<Step> {
        let lines = prop::collection::btree_map(0..PRODUCTS, 1..12_i32, 1..=PRODUCTS);
        let verdicts = prop::collection::vec(any::<Option<bool>>(), 1..4);
        prop_oneof![
            6 => (0..BUYERS, lines).prop_map(|(buyer, lines)| Step::Freeze {
                buyer,
                lines: lines.into_iter().collect(),
            }),
            6 => (0..BUYERS, any::<bool>())
                .prop_map(|(buyer, fills)| Step::CheckOut { buyer, fills }),
            3 => (any::<Index>(), prop::bool::weighted(0.8))
                .prop_map(|(order, accepts)| Step::DecideAll { order, accepts }),
            4 => (any::<Index>(), verdicts)
                .prop_map(|(order, verdicts)| Step::DecideLines { order, verdicts }),
            3 => any::<Index>().prop_map(Step::Fulfil),
            2 => any::<Index>().prop_map(Step::Cancel),
            1 => any::<Index>().prop_map(Step::CancelGroup),
            3 => (0..PRODUCTS, counts()).prop_map(|(product, count)| Step::Count { product, count }),
            1 => Just(Step::Retry),
        ]
        .boxed()
    }

    fn preconditions(state: &Self, step: &Step) -> bool {
        match step {
            Step::CheckOut { buyer, .. } => state.carts[*buyer].is_some(),
            Step::DecideAll { .. } | Step::Fulfil(_) | Step::Cancel(_) | Step::CancelGroup(_) => {
                !state.orders.is_empty()
            }
            Step::DecideLines { order, verdicts } => {
                !state.orders.is_empty() && !state.named(*order, verdicts).is_empty()
            }
            Step::Freeze { .. } | Step::Count { .. } | Step::Retry => true,
        }
    }

    fn apply(mut state: Self, step: &Step) -> Self {
        state.expected = match step {
            Step::Freeze { buyer, lines } => state.freeze(*buyer, lines),
            Step::CheckOut { buyer, fills } => state.check_out(*buyer, *fills),
            Step::DecideAll { order, accepts } => {
                let order = state.place(*order);
                let lines = state.pending(order);
                state.decide(
                    order,
                    lines.into_iter().map(|line| (line, *accepts)).collect(),
                )
            }
            Step::DecideLines { order, verdicts } => {
                let lines = state.named(*order, verdicts);
                state.decide(state.place(*order), lines)
            }
            Step::Fulfil(order) => state.fulfil(state.place(*order)),
            Step::Cancel(order) => {
                let order = state.place(*order);
                Expected::Status(if state.cancel(order) { 200 } else { 409 })
            }
            Step::CancelGroup(order) => state.cancel_group(state.place(*order)),
            Step::Count { product, count } => state.count(*product, *count),
            Step::Retry => Expected::Nothing,
        };
        state
    }
}

fn counts() -> impl Strategy<Value = Count> {
    prop_oneof![
        (0..60).prop_map(Count::OnHand),
        (0..40).prop_map(Count::Available),
        (-15..25).prop_map(Count::Delta),
    ]
}

impl Model {
    pub fn place(&self, order: Index) -> usize {
        order.index(self.orders.len())
    }

    /// The places of an order's pending lines.
    pub fn pending(&self, order: usize) -> Vec<usize> {
        let lines = self.orders[order].lines.iter().enumerate();
        let pending = lines.filter(|(_, line)| line.status == "pending");
        pending.map(|(place, _)| place).collect()
    }

    /// The lines that a decision names, with its verdicts.
    pub fn named(&self, order: Index, verdicts: &[Option<bool>]) -> Vec<(usize, bool)> {
        let pending = self.pending(self.place(order)).into_iter();
        let named = pending
            .zip(verdicts)
            .filter_map(|(line, it)| Some((line, (*it)?)));
        named.collect()
    }

    fn freeze(&mut self, buyer: usize, lines: &[(usize, i32)]) -> Expected {
        let (limited, limit) = LIMITED;
        let is_possible = lines.iter().all(|(product, qty)| {
            *qty <= self.stock[*product].available && (*product != limited || *qty <= limit)
        });
        if !is_possible {
            return Expected::Status(422);
        }
        self.carts[buyer] = Some(lines.to_vec());
        Expected::Status(200)
    }

    /// The units of the limited product that a buyer may still have.
    fn left_of_limit(&self, buyer: usize, product: usize) -> i32 {
        let (limited, limit) = LIMITED;
        if product != limited {
            return i32::MAX;
        }
        let orders = self.orders.iter().filter(|order| order.buyer == buyer);
        let lines = orders.flat_map(|order| &order.lines);
        let had = lines.filter(|line| line.product == product && line.status != "rejected");
        limit - had.map(|line| line.qty).sum::<i32>()
    }

    fn check_out(&mut self, buyer: usize, fills: bool) -> Expected {
        let cart = self.carts[buyer].take().expect("a precondition says so");
        let mut by_vendor: [Vec<Line>; VENDORS] = [const { Vec::new() }; VENDORS];
        for (product, qty) in cart {
            let most = self.stock[product]
                .available
                .min(self.left_of_limit(buyer, product));
            let got = if most >= qty {
                qty
            } else if fills {
                most.max(0)
            } else {
                0
            };
            self.stock[product].available -= got;
            self.stock[product].reserved += got;
            for (qty, status) in [(got, "pending"), (qty - got, "rejected")] {
                if qty > 0 {
                    by_vendor[vendor_of(product)].push(Line {
                        product,
                        qty,
                        status,
                        was_reserved: status == "pending",
                    });
                }
            }
        }
        for (vendor, lines) in by_vendor.into_iter().enumerate() {
            if lines.is_empty() {
                continue;
            }
            let is_rejected = lines.iter().all(|line| line.status == "rejected");
            self.orders.push(Order {
                group: self.groups,
                buyer,
                vendor,
                status: if is_rejected {
                    "rejected"
                } else {
                    "created_pending"
                },
                lines,
            });
        }
        self.groups += 1;
        Expected::Status(201)
    }

    fn release(&mut self, order: usize, line: usize) {
        let line = &mut self.orders[order].lines[line];
        line.status = "rejected";
        let stock = &mut self.stock[line.product];
        stock.reserved -= line.qty;
        stock.available += line.qty;
    }

    fn decide(&mut self, order: usize, verdicts: Vec<(usize, bool)>) -> Expected {
        if self.orders[order].status != "created_pending" {
            return Expected::Status(409);
        }
        for (line, accepts) in verdicts {
            if accepts {
                self.orders[order].lines[line].status = "accepted";
            } else {
                self.release(order, line);
            }
        }
        let order = &mut self.orders[order];
        let reserved = || order.lines.iter().filter(|line| line.was_reserved);
        let accepted = reserved().filter(|line| line.status == "accepted").count();
        if reserved().all(|line| line.status != "pending") {
            order.status = match accepted {
                0 => "rejected",
                all if all == reserved().count() => "accepted",
                _ => "partially_accepted",
            };
        }
        Expected::Status(200)
    }

    fn fulfil(&mut self, order: usize) -> Expected {
        let order = &mut self.orders[order];
        if !["accepted", "partially_accepted"].contains(&order.status) {
            return Expected::Status(409);
        }
        order.status = "fulfilled";
        for line in order
            .lines
            .iter_mut()
            .filter(|line| line.status == "accepted")
        {
            line.status = "fulfilled";
            self.stock[line.product].reserved -= line.qty;
            self.stock[line.product].fulfilled += line.qty;
        }
        Expected::Status(200)
    }

    /// True if the order could be canceled.
    fn cancel(&mut self, order: usize) -> bool {
        let it = &self.orders[order];
        if !["created_pending", "accepted", "partially_accepted"].contains(&it.status) {
            return false;
        }
        for line in 0..it.lines.len() {
            if self.orders[order].lines[line].status != "rejected" {
                self.release(order, line);
            }
        }
        self.orders[order].status = "canceled";
        true
    }

    fn cancel_group(&mut self, order: usize) -> Expected {
        let group = self.orders[order].group;
        let orders: Vec<_> = (0..self.orders.len())
            .filter(|order| self.orders[*order].group == group)
            .collect();
        let canceled = orders
            .into_iter()
            .filter(|order| self.cancel(*order))
            .count();
        Expected::Status(if canceled > 0 { 200 } else { 409 })
    }

    fn count(&mut self, product: usize, count: Count) -> Expected {
        let stock = &mut self.stock[product];
        let available = match count {
            Count::OnHand(qty) => qty - stock.reserved,
            Count::Available(qty) => qty,
            Count::Delta(qty) => stock.available + qty,
        };
        if available < 0 {
            return Expected::Counted("refused");
        }
        if available == stock.available {
            return Expected::Counted("unchanged");
        }
        stock.available = available;
        stock.version += 1;
        Expected::Counted("changed")
    }
}
