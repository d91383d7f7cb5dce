//! What a fault has before it: the services, the servers, the load.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use crate::{
    bench::server::Server,
    fault_bench::{
        carts::Carts, environment::Environment, load::Load, log_pipe::LogPipe, proxy::Proxy,
        rows::Row,
    },
};

/// See the module.
pub struct FaultContext<'a> {
    pub row: Row,
    pub environment: &'a mut Environment,
    pub carts: Carts,
    pub load: Rc<Load>,
    /// One that was killed is gone.
    pub servers: Vec<Option<Server>>,
    pub proxy: Option<Proxy>,
    pub log: Option<LogPipe>,
    /// How long the fault shall last.
    pub lasts: Duration,
    /// Checkouts bought a second before it.
    pub quiet_rate: f64,
}

/// What a fault has done.
#[derive(Clone, Debug)]
pub struct Struck {
    pub began: Instant,
    pub ended: Instant,
    /// Whether it is certain that it struck.
    pub is_proven: bool,
    /// By what.
    pub proof: String,
    /// What else it has found that must not be.
    pub complaint: Option<String>,
}

impl Struck {
    /// From a moment until now.
    pub fn since(began: Instant, is_proven: bool, proof: String) -> Self {
        Self {
            began,
            ended: Instant::now(),
            is_proven,
            proof,
            complaint: None,
        }
    }
}
