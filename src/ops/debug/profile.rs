//! `/debug/profile`: where the processors' time goes, as a profile for pprof.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use actix_web::{HttpResponse, http::header, web};
use pprof::{ProfilerGuard, ProfilerGuardBuilder, protos::Message};
use serde::Deserialize;

use super::{super::refusal, Enabled, invalid};

const USUAL_S: u64 = 10;
const LONGEST_S: u64 = 60;
/// Samples per second of processor time. Not a divisor of the usual timers' frequencies.
const FREQUENCY: i32 = 199;
/// Parts of the program in which no stack can be walked safely while a thread is stopped in them.
const NOT_SAMPLED: [&str; 4] = ["libc", "libgcc", "pthread", "vdso"];

static IS_RUNNING: AtomicBool = AtomicBool::new(false);

#[derive(Deserialize)]
pub(super) struct Query {
    seconds: Option<u64>,
}

/// Samples the stacks of all threads for a while. One profile at a time.
pub(super) async fn profile(_: Enabled, query: web::Query<Query>) -> HttpResponse {
    let seconds = query.seconds.unwrap_or(USUAL_S);
    if !(1..=LONGEST_S).contains(&seconds) {
        return invalid("`seconds` must be 1 to 60.");
    }
    let Some(_only) = Only::take() else {
        let conflict = &mut HttpResponse::Conflict();
        return refusal(
            conflict,
            "BUSY",
            "Another profile is being made; one at a time.",
        );
    };
    match sample(Duration::from_secs(seconds)).await {
        Ok(profile) => HttpResponse::Ok()
            .content_type("application/octet-stream")
            .insert_header((
                header::CONTENT_DISPOSITION,
                "attachment; filename=\"splitcart.pb\"",
            ))
            .body(profile),
        Err(error) => {
            tracing::error!("a profile could not be made: {error}");
            let failed = &mut HttpResponse::InternalServerError();
            refusal(failed, "INTERNAL", "The profile could not be made.")
        }
    }
}

async fn sample(time: Duration) -> anyhow::Result<Vec<u8>> {
    // Both ends read the program's symbols, which takes a while; this thread also answers health checks.
    let guard = web::block(|| {
        ProfilerGuardBuilder::default()
            .frequency(FREQUENCY)
            .blocklist(&NOT_SAMPLED)
            .build()
    });
    let guard = guard.await??;
    tokio::time::sleep(time).await;
    web::block(move || encode(guard)).await?
}

fn encode(guard: ProfilerGuard<'static>) -> anyhow::Result<Vec<u8>> {
    let report = guard.report().build()?;
    drop(guard);
    Ok(report.pprof()?.write_to_bytes()?)
}

/// The right to make a profile, given back when it is made or its client has gone.
struct Only;

impl Only {
    fn take() -> Option<Self> {
        let was_running = IS_RUNNING.swap(true, Ordering::AcqRel);
        (!was_running).then_some(Self)
    }
}

impl Drop for Only {
    fn drop(&mut self) {
        IS_RUNNING.store(false, Ordering::Release);
    }
}
