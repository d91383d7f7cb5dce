//! Looks at every sink of events: whether it would take one, and whether it would keep it.

use std::time::Duration;

use futures_util::future::join_all;
use sqlx::PgPool;
use tokio::time::timeout;

use crate::{
    app::{options, redis::Targets},
    db::pool::{self, Limits as PoolLimits, Workload},
    outbox::sink::{
        Answer, Unavailable,
        options::{RedisStreamOptions, SinkKind, SinkOptions},
        redis_stream::{self, concerns},
        webhook::Repeats,
    },
};

use super::{
    NOT_RUNNING, Servers, Subject,
    redis::{self, ask, not_informed},
    report::Line,
};

const TAKES_EVENTS: &str = "sink.takes_events";
const VERSION: &str = "sink.version";
const ROLE: &str = "sink.role";
const PERSISTENCE: &str = "sink.persistence";
const EVICTION: &str = "sink.eviction";

/// The lines of a Redis Stream that are not seen where no connection can be made.
const BEHIND_A_CONNECTION: [&str; 4] = [VERSION, ROLE, PERSISTENCE, EVICTION];
const WITH_WAITAOF: (u32, u32) = (7, 2);
const WITH_STREAMS: (u32, u32) = (5, 0);

pub(super) async fn look(subject: &Subject) -> Vec<Line> {
    let Some(servers) = &subject.servers else {
        return vec![Line::not_seen(TAKES_EVENTS, NOT_RUNNING)];
    };
    let targets = match Targets::of_sinks(&subject.config, &servers.redis) {
        Ok(targets) => targets,
        Err(problem) => {
            let problem = problem.to_string();
            return vec![Line::not_well(
                TAKES_EVENTS,
                problem,
                "correct this setting",
            )];
        }
    };
    let sinks = options::outbox(&subject.config, &targets).sinks;
    let looks = sinks
        .iter()
        .map(|sink| look_at(sink, servers, subject.limit));
    join_all(looks).await.concat()
}

async fn look_at(sink: &SinkOptions, servers: &Servers, limit: Duration) -> Vec<Line> {
    let taking = takes_events(sink, servers, limit);
    let lines = match &sink.kind {
        SinkKind::RedisStream(options) => {
            let (first, rest) = tokio::join!(taking, look_at_redis(options, limit));
            [vec![first], rest].concat()
        }
        _ => vec![taking.await],
    };
    lines
        .into_iter()
        .map(|line| line.about(&sink.name))
        .collect()
}

async fn takes_events(sink: &SinkOptions, servers: &Servers, limit: Duration) -> Line {
    let opened = pool_of(servers, limit).map(|pool| {
        let sink = sink.clone().without_making();
        sink.open(&pool, Repeats::LeftOut)
    });
    let mut opened = match opened {
        Ok(opened) => opened,
        Err(problem) => {
            return Line::not_well(TAKES_EVENTS, problem, "correct the settings of the sink");
        }
    };
    let answer = timeout(limit, opened.would_take_events()).await;
    let kind = sink.kind.name();
    match answer {
        Ok(Ok(())) => Line::well(TAKES_EVENTS, format!("the {kind} would take events")),
        Ok(Err(Answer::Unavailable(Unavailable::NoStream, text))) => Line::well(
            TAKES_EVENTS,
            format!("the {kind} answers; {text}, and the service makes it for its first event"),
        ),
        Ok(Err(Answer::Unavailable(reason, text))) => Line::not_well(
            TAKES_EVENTS,
            format!("the {kind} takes no events ({}): {text}", reason.name()),
            reason.what_to_do(),
        ),
        Ok(Err(Answer::Refused(text))) => Line::not_well(
            TAKES_EVENTS,
            format!("the {kind} refuses events: {text}"),
            Unavailable::Refusing.what_to_do(),
        ),
        Ok(Err(Answer::Accepted)) => Line::well(TAKES_EVENTS, format!("the {kind} takes events")),
        Err(_) => Line::not_well(
            TAKES_EVENTS,
            format!("the {kind} does not answer within {} s", limit.as_secs()),
            Unavailable::NoAnswer.what_to_do(),
        ),
    }
}

/// A pool for the sink that asks PostgreSQL. It connects when it is used.
fn pool_of(servers: &Servers, limit: Duration) -> Result<PgPool, String> {
    let limits = PoolLimits {
        workload: Workload::Reads,
        connections_max: 1,
        acquire_wait_max: limit,
        statement_max: limit,
        lock_wait_max: limit,
    };
    pool::lazy(&servers.database, "splitcart doctor", limits).map_err(|error| error.to_string())
}

async fn look_at_redis(options: &RedisStreamOptions, limit: Duration) -> Vec<Line> {
    let of_cluster = options.redis.is_cluster();
    let probe = redis_stream::probe(&options.stream);
    let Ok(answers) = ask(&options.redis, probe, limit).await else {
        let unseen = |id| Line::not_seen(id, "its Redis can't be reached");
        return BEHIND_A_CONNECTION.map(unseen).to_vec();
    };
    let version = match options.wait_aof {
        Some(_) => redis::version(VERSION, &answers, WITH_WAITAOF, ", which wait_aof_ms takes"),
        None => redis::version(VERSION, &answers, WITH_STREAMS, ""),
    };
    let rule = |id, judge: &dyn Fn(&str) -> Option<String>, well: &str, remedy: &str| {
        let Some(info) = answers.info.as_deref() else {
            return not_informed(id);
        };
        match judge(info) {
            None => Line::well(id, well),
            Some(concern) => Line::not_well(id, format!("its Redis {concern}"), remedy),
        }
    };
    vec![
        version,
        rule(
            ROLE,
            &|info| concerns::role(info, of_cluster),
            "its Redis takes writes",
            "use a primary, and name a cluster or Sentinels as such in the URL",
        ),
        rule(
            PERSISTENCE,
            &concerns::persistence,
            "its Redis has an append-only file",
            "set `appendonly yes` (`redis-cli config set appendonly yes`, and in redis.conf)",
        ),
        rule(
            EVICTION,
            &concerns::eviction,
            "its Redis keeps the stream when memory is short",
            "set `maxmemory-policy noeviction`, or use a Redis of the stream's own (outbox.redis_url)",
        ),
    ]
}
