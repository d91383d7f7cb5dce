//! The moves after a checkout, sent by the client that has bought.

use std::{cell::RefCell, collections::HashMap, time::Instant};

use hyper::header::HeaderValue;

use splitcart::domain::ids::VendorStoreId;

use crate::{
    connection::{Answer, Connection},
    moves::{MoveKind, MoveShares, Mover, PlannedMove},
    placed::Placed,
    record::{Outcome, Recorder},
    report::MoveReport,
    requests::Request,
};

use super::{Driver, record, unexpected};

/// What moves need beside the driver.
#[derive(Debug)]
pub struct Moves {
    shares: MoveShares,
    /// The `Authorization` of each vendor's owner.
    vendors: HashMap<VendorStoreId, HeaderValue>,
    recorders: [RefCell<Recorder>; MoveKind::ALL.len()],
}

impl Moves {
    /// Each kind of move is recorded by a recorder of its own.
    pub fn new(
        shares: MoveShares,
        vendors: HashMap<VendorStoreId, HeaderValue>,
        recorder: impl Fn() -> Recorder,
    ) -> Self {
        Self {
            shares,
            vendors,
            recorders: MoveKind::ALL.map(|_| RefCell::new(recorder())),
        }
    }

    fn recorder(&self, kind: MoveKind) -> &RefCell<Recorder> {
        &self.recorders[kind as usize]
    }

    /// The results of each kind, over a window of that length.
    pub fn report(&self, end: Instant, seconds: f64) -> Vec<MoveReport> {
        let kinds = MoveKind::ALL.into_iter().zip(&self.recorders);
        let reports = kinds.map(|(kind, recorder)| {
            let mut recorder = recorder.borrow_mut();
            recorder.finish(end);
            MoveReport::of(kind, &recorder, seconds)
        });
        reports.collect()
    }
}

impl Driver {
    /// Moves the orders of a checkout on, one move after the other. A chain ends with a move that fails.
    pub(super) async fn move_on(
        &self,
        connection: &mut Connection,
        check_out: &Request,
        answer: &Answer,
    ) {
        let Some(moves) = &self.moves else { return };
        let Ok(placed) = Placed::waiting_in(&answer.body) else {
            record(&self.recorder, Instant::now(), unexpected(answer));
            return;
        };
        let chains = moves.shares.chains(&placed, &mut self.dice.borrow_mut());
        for chain in chains {
            for planned in chain {
                let recorder = moves.recorder(planned.kind);
                let request = moves.request(&planned, check_out);
                let intended = Instant::now();
                let answer = self.ask(connection, &request, 200, intended, recorder);
                let Some(answer) = answer.await else { break };
                record(recorder, intended, Outcome::Succeeded(answer.status));
                self.maybe_ask_again(connection, &request, &answer).await;
            }
        }
    }
}

impl Moves {
    fn request(&self, planned: &PlannedMove, check_out: &Request) -> Request {
        let bearer = match planned.by {
            Mover::Buyer => check_out.bearer(),
            Mover::Vendor(id) => self.vendors.get(&id),
        };
        let bearer = bearer.expect("every vendor of the carts has a token");
        Request::make_move(bearer.clone(), &planned.path, &planned.body)
    }
}
