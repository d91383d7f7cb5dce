//! The stream behind the sink: made where it is missing, left as it is where it exists.

use std::time::Duration;

use async_nats::jetstream::{
    Context,
    context::{CreateStreamErrorKind, GetStreamErrorKind},
    stream::{Config, DiscardPolicy, Info, RetentionPolicy, StorageType},
};

use crate::outbox::sink::options::IfMissing;

use super::{SUBJECT_PREFIX, Unavailable, answers::reason_of};

/// The settings of a stream that is made here. An existing one is the operator's, and is not changed.
#[derive(Clone, Debug)]
pub struct StreamSettings {
    pub name: String,
    pub if_missing: IfMissing,
    pub replicas: usize,
    /// The time for which the server keeps a message. Zero: for ever.
    pub max_age: Duration,
    /// 0: unbounded.
    pub max_bytes: u64,
    /// Refuses new messages when full, rather than removing the oldest.
    pub refuses_when_full: bool,
    /// The time within which the server recognises a message that it has stored already.
    pub duplicate_window: Duration,
}

/// Makes sure that a stream takes our subjects and acknowledges.
pub(super) async fn find_or_make(
    jetstream: &Context,
    settings: &StreamSettings,
) -> Result<(), (Unavailable, String)> {
    match info(jetstream, settings).await? {
        Some(info) => check(&info.config),
        None => make(jetstream, settings).await,
    }
}

/// Finds out whether the stream would take a message, without sending one.
pub(super) async fn look(
    jetstream: &Context,
    settings: &StreamSettings,
) -> Result<(), (Unavailable, String)> {
    let Some(info) = info(jetstream, settings).await? else {
        return make(jetstream, settings).await;
    };
    check(&info.config)?;
    let has_no_leader = info
        .cluster
        .as_ref()
        .is_some_and(|cluster| cluster.leader.is_none());
    if has_no_leader {
        let text = "the stream has no leader at present".to_owned();
        return Err((Unavailable::Cluster, text));
    }
    check_room(&info)
}

async fn info(
    jetstream: &Context,
    settings: &StreamSettings,
) -> Result<Option<Info>, (Unavailable, String)> {
    match jetstream.get_stream(&settings.name).await {
        Ok(stream) => Ok(Some(stream.cached_info().clone())),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(error) => {
                match reason_of(error.error_code(), &error.to_string()) {
                    Some(Unavailable::NoStream) => Ok(None),
                    reason => Err((
                        reason.unwrap_or(Unavailable::Refusing),
                        format!("NATS: {error}"),
                    )),
                }
            }
            _ => Err(unanswered(&error.to_string())),
        },
    }
}

async fn make(jetstream: &Context, settings: &StreamSettings) -> Result<(), (Unavailable, String)> {
    if settings.if_missing == IfMissing::Report {
        let text = format!("the stream {} is not there", settings.name);
        return Err((Unavailable::NoStream, text));
    }
    let unbounded = -1;
    let made = jetstream
        .create_stream(Config {
            name: settings.name.clone(),
            description: Some("Events of splitcart".to_owned()),
            subjects: vec![format!("{SUBJECT_PREFIX}.>")],
            retention: RetentionPolicy::Limits,
            storage: StorageType::File,
            discard: if settings.refuses_when_full {
                DiscardPolicy::New
            } else {
                DiscardPolicy::Old
            },
            num_replicas: settings.replicas,
            max_age: settings.max_age,
            max_bytes: match i64::try_from(settings.max_bytes) {
                Ok(0) | Err(_) => unbounded,
                Ok(bytes) => bytes,
            },
            max_messages: unbounded,
            max_messages_per_subject: unbounded,
            duplicate_window: settings.duplicate_window,
            ..Config::default()
        })
        .await;
    match made {
        Ok(_) => {
            tracing::info!("made the stream {} in NATS JetStream", settings.name);
            Ok(())
        }
        Err(error) => Err(match error.kind() {
            CreateStreamErrorKind::JetStream(error) => (
                reason_of(error.error_code(), &error.to_string()).unwrap_or(Unavailable::Refusing),
                format!(
                    "the stream {} could not be made in NATS: {error}",
                    settings.name
                ),
            ),
            _ => unanswered(&error.to_string()),
        }),
    }
}

/// The API answers nothing where JetStream is off, or where no server leads its cluster.
fn unanswered(text: &str) -> (Unavailable, String) {
    (
        Unavailable::ServesNothing,
        format!("JetStream does not answer ({text}): is it enabled in NATS, for this account?"),
    )
}

/// Refuses a stream whose settings let no event arrive, or acknowledge none.
fn check(config: &Config) -> Result<(), (Unavailable, String)> {
    let name = &config.name;
    if config.sealed {
        let text = format!("the stream {name} is sealed");
        return Err((Unavailable::NotAllowed, text));
    }
    if config.no_ack {
        let text = format!("the stream {name} acknowledges nothing (no_ack)");
        return Err((Unavailable::Refusing, text));
    }
    let an_event = [SUBJECT_PREFIX, "order_created", "id"];
    if !config
        .subjects
        .iter()
        .any(|pattern| takes(pattern, &an_event))
    {
        let text = format!(
            "the stream {name} does not take the subjects {SUBJECT_PREFIX}.> (it takes {})",
            config.subjects.join(", ")
        );
        return Err((Unavailable::NoStream, text));
    }
    Ok(())
}

/// Refuses a full stream that keeps what it has.
fn check_room(info: &Info) -> Result<(), (Unavailable, String)> {
    let (config, state) = (&info.config, &info.state);
    if config.discard != DiscardPolicy::New {
        return Ok(());
    }
    let is_reached = |max: i64, now: u64| u64::try_from(max).is_ok_and(|max| max > 0 && now >= max);
    if is_reached(config.max_messages, state.messages) || is_reached(config.max_bytes, state.bytes)
    {
        let text = format!(
            "the stream {} is full, and refuses new messages",
            config.name
        );
        return Err((Unavailable::Full, text));
    }
    Ok(())
}

/// True if a stream's subject, which may contain wildcards, takes this one.
fn takes(pattern: &str, subject: &[&str]) -> bool {
    let mut tokens = subject.iter();
    for part in pattern.split('.') {
        match (part, tokens.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (part, Some(token)) if part == *token => {}
            _ => return false,
        }
    }
    tokens.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_take_what_nats_lets_them() {
        let subject = ["splitcart", "order_created", "id"];
        for pattern in [
            ">",
            "splitcart.>",
            "splitcart.*.*",
            "splitcart.order_created.>",
        ] {
            assert!(takes(pattern, &subject), "{pattern}");
        }
        for pattern in [
            "splitcart",
            "splitcart.*",
            "other.>",
            "splitcart.order_created.id.>",
        ] {
            assert!(!takes(pattern, &subject), "{pattern}");
        }
    }
}
