//! Splits events of the log into groups that may be sent at once: in each, every aggregate has one event at
//! most, and what comes earlier in the log is in an earlier group.

use std::collections::HashMap;

use crate::db::outbox::LoggedEvent;

/// The groups, in the order in which they are to be sent.
pub fn waves<'a>(events: impl IntoIterator<Item = &'a LoggedEvent>) -> Vec<Vec<&'a LoggedEvent>> {
    let mut waves: Vec<Vec<&LoggedEvent>> = Vec::new();
    let mut seen = HashMap::new();
    for event in events {
        let earlier = seen.entry(event.event.aggregate_id).or_insert(0_usize);
        if waves.len() <= *earlier {
            waves.push(Vec::new());
        }
        waves[*earlier].push(event);
        *earlier += 1;
    }
    waves
}

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use uuid::Uuid;

    use crate::{db::outbox::Event, domain::ids::EventId};

    use super::*;

    fn event(seq: i64, aggregate: u128) -> LoggedEvent {
        let id = Uuid::from_u128(aggregate);
        LoggedEvent {
            seq,
            event: Event {
                id: EventId::new(id),
                event_type: "test".to_owned(),
                aggregate_type: "test".to_owned(),
                aggregate_id: id,
                payload: serde_json::Value::Null,
                created_at: Utc::now(),
                actor: None,
                traceparent: None,
            },
        }
    }

    #[test]
    fn an_aggregate_has_one_event_in_each_group_and_its_events_stay_in_order() {
        let events =
            [(1, 7), (2, 8), (3, 7), (4, 9), (5, 7), (6, 8)].map(|(seq, id)| event(seq, id));
        let seqs = waves(&events)
            .into_iter()
            .map(|wave| wave.iter().map(|event| event.seq).collect())
            .collect::<Vec<Vec<_>>>();
        assert_eq!(seqs, [vec![1, 2, 4], vec![3, 6], vec![5]]);
    }
}
