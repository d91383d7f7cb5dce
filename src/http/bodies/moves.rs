//! The requests that move orders: a decision, a fulfilment, a cancellation; and the answer to the
//! cancellation of a group. An order is answered as it is when it is read.

use std::{collections::BTreeSet, marker::PhantomData};

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    domain::{
        ids::{CheckoutGroupId, LineItemId, OrderId},
        money::Money,
        note::{NOTE_LEN_MAX, Note},
        order_moves::{Decision, Verdict},
    },
    http::json::{FromJson, Node, Shape, request_body},
    orders::command::MovedGroup,
};

use super::Envelope;

/// The most lines of a decision: as many as a cart has.
const LINES_MAX: usize = 200;

/// A person's words, without control characters.
#[derive(Debug, ToSchema)]
#[schema(
    value_type = String,
    min_length = 1,
    max_length = 500,
    pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$",
    example = "The last pallet was damaged.",
)]
pub struct NoteText(pub Note);

impl FromJson for NoteText {
    fn read(shape: &mut Shape, node: &Node, path: &str) -> Option<Self> {
        let text = shape.text(node, path, NOTE_LEN_MAX)?;
        Note::new(text).map(Self)
    }
}

/// The two verdicts about a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Verdict)]
pub enum VerdictWord {
    Accept,
    Reject,
}

impl FromJson for VerdictWord {
    fn read(shape: &mut Shape, node: &Node, path: &str) -> Option<Self> {
        let words = [("accept", Self::Accept), ("reject", Self::Reject)];
        shape.one_of(node, path, &words)
    }
}

request_body! {
    /// A verdict about one line.
    #[schema(as = LineDecision)]
    pub struct LineDecisionBody {
        /// A pending line of the order.
        line_item_id: LineItemId,
        decision: VerdictWord,
        /// Your words to the buyer; only with `reject`.
        note: Option<NoteText>,
    }
}

request_body! {
    /// A decision: either one `decision` about all pending lines, or one for each of some `lines`.
    #[schema(as = DecisionRequest)]
    pub struct DecisionFields {
        /// The decision about all lines that are pending.
        decision: Option<VerdictWord>,
        /// Your words to the buyer; only with `"decision": "reject"`.
        note: Option<NoteText>,
        /// Decisions about single lines, each of them pending and named once. The others stay pending.
        #[schema(min_items = 1, max_items = 200, value_type = Option<Vec<LineDecisionBody>>)]
        lines: Option<LineDecisions>,
    }
}

/// The lines of a decision.
#[derive(Debug)]
pub struct LineDecisions(Vec<LineDecisionBody>);

impl FromJson for LineDecisions {
    fn read(shape: &mut Shape, node: &Node, path: &str) -> Option<Self> {
        let lines = shape.list(node, path, LINES_MAX)?;
        if lines.is_empty() {
            shape.problem(path, "must have at least one line");
            return None;
        }
        Some(Self(lines))
    }
}

/// A decision whose fields fit each other.
#[derive(Debug)]
pub struct DecisionBody(pub Decision);

impl FromJson for DecisionBody {
    fn read(shape: &mut Shape, node: &Node, path: &str) -> Option<Self> {
        let fields = DecisionFields::read(shape, node, path)?;
        match fields {
            DecisionFields {
                decision: Some(word),
                note,
                lines: None,
            } => {
                let verdict = verdict(shape, word, note, path)?;
                Some(Self(Decision::AllPending(verdict)))
            }
            DecisionFields {
                decision: None,
                note: None,
                lines: Some(LineDecisions(lines)),
            } => Some(Self(Decision::Lines(verdicts(shape, lines, path)?))),
            DecisionFields {
                decision: None,
                note: Some(_),
                lines: Some(_),
            } => {
                shape.problem(
                    &format!("{path}/note"),
                    "belongs to a line, where there are lines",
                );
                None
            }
            _ => {
                shape.problem(path, "must have either decision or lines");
                None
            }
        }
    }
}

fn verdicts(
    shape: &mut Shape,
    lines: Vec<LineDecisionBody>,
    path: &str,
) -> Option<Vec<(LineItemId, Verdict)>> {
    let mut named = BTreeSet::new();
    let mut verdicts = Vec::with_capacity(lines.len());
    let mut is_sound = true;
    for (place, line) in lines.into_iter().enumerate() {
        let at = format!("{path}/lines/{place}");
        if !named.insert(line.line_item_id) {
            shape.problem(&format!("{at}/line_item_id"), "is named twice");
            is_sound = false;
        }
        match verdict(shape, line.decision, line.note, &at) {
            Some(verdict) => verdicts.push((line.line_item_id, verdict)),
            None => is_sound = false,
        }
    }
    is_sound.then_some(verdicts)
}

fn verdict(
    shape: &mut Shape,
    word: VerdictWord,
    note: Option<NoteText>,
    path: &str,
) -> Option<Verdict> {
    match (word, note) {
        (VerdictWord::Accept, None) => Some(Verdict::Accept),
        (VerdictWord::Accept, Some(_)) => {
            shape.problem(&format!("{path}/note"), "goes with \"reject\" only");
            None
        }
        (VerdictWord::Reject, note) => Some(Verdict::Reject {
            note: note.map(|NoteText(note)| note),
        }),
    }
}

request_body! {
    /// A fulfilment: all accepted lines were handed over.
    #[schema(as = FulfillmentRequest)]
    pub struct FulfillmentBody {
    }
}

request_body! {
    /// A cancellation.
    #[schema(as = CancellationRequest)]
    pub struct CancellationFields {
        /// Your words to the vendor.
        note: Option<NoteText>,
    }
}

/// The cancellation of an order, or of all orders of a group: the same body on two routes.
#[derive(Debug)]
pub struct CancellationBody<T> {
    pub note: Option<Note>,
    of: PhantomData<T>,
}

impl<T> FromJson for CancellationBody<T> {
    fn read(shape: &mut Shape, node: &Node, path: &str) -> Option<Self> {
        let CancellationFields { note } = CancellationFields::read(shape, node, path)?;
        Some(Self {
            note: note.map(|NoteText(note)| note),
            of: PhantomData,
        })
    }
}

impl FromJson for LineItemId {
    fn read(shape: &mut Shape, node: &Node, path: &str) -> Option<Self> {
        shape.id(node, path)
    }
}

/// A checkout group whose orders were canceled.
#[derive(Serialize, ToSchema)]
#[schema(as = CanceledGroup)]
pub struct CanceledGroupBody<'a> {
    checkout_group_id: CheckoutGroupId,
    /// The orders that this request has canceled, in ascending vendor id.
    #[schema(min_items = 1)]
    canceled_order_ids: &'a [OrderId],
    /// The orders that could not be canceled any more, likewise.
    other_order_ids: &'a [OrderId],
    /// The total of what is left of the group.
    total: Money,
}

/// The body of the answer to the cancellation of a group.
pub fn render_group(group: &MovedGroup) -> Vec<u8> {
    let data = CanceledGroupBody {
        checkout_group_id: group.id,
        canceled_order_ids: &group.moved,
        other_order_ids: &group.others,
        total: group.total,
    };
    serde_json::to_vec(&Envelope { data }).expect("a group is JSON")
}
