//! The context in which a fault is injected: the services, the servers, the load.

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
    /// None where a server was killed.
    pub servers: Vec<Option<Server>>,
    pub proxy: Option<Proxy>,
    pub log: Option<LogPipe>,
    /// The time that the fault shall last.
    pub lasts: Duration,
    /// Checkouts bought per second before the fault.
    pub quiet_rate: f64,
}

/// The effect of a fault.
#[derive(Clone, Debug)]
pub struct Struck {
    pub began: Instant,
    pub ended: Instant,
    /// True if it is certain that the fault struck.
    pub is_proven: bool,
    /// The evidence.
    pub proof: String,
    /// Another observation that must not be.
    pub complaint: Option<String>,
}

impl Struck {
    /// A fault from `began` until now.
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
