//! Sends events to a sink, and finds out whether the events or the sink are to blame for those that it did
//! not take.
//!
//! An event is blamed only if the sink refuses it while it takes others: an error that every event would
//! get is about the sink, and counts against none. Where nothing else is sent at the same time, the sink must
//! have taken an event since this one happened.

use chrono::{DateTime, Utc};

use crate::{db::outbox::Event, faults, metrics::Metrics};

use super::{
    sink::{Answer, Failure, Sink, Unavailable},
    sink_state::SinkReport,
};

/// The most events that are sent at once.
const AT_ONCE_MAX: usize = 256;

/// A sink with its state.
pub(super) struct Delivery {
    sink: Box<dyn Sink>,
    report: SinkReport,
    at_once: usize,
    /// The last time at which the sink took an event.
    accepted_at: DateTime<Utc>,
}

/// The outcome for one event.
#[derive(Debug)]
pub(super) enum Fate {
    Accepted,
    /// The sink refuses this event, and takes others.
    Refused(String),
    /// Not sent, or sent to a sink that takes nothing.
    Left,
}

/// The outcome of a delivery.
#[derive(Debug)]
pub(super) struct Delivered {
    /// One per event, in the same order.
    pub fates: Vec<Fate>,
    /// The sink's error, if it takes no events at present.
    pub down: Option<String>,
}

impl Delivery {
    pub(super) fn to(sink: Box<dyn Sink>, report: SinkReport) -> Self {
        Self {
            sink,
            report,
            at_once: AT_ONCE_MAX,
            accepted_at: DateTime::<Utc>::MIN_UTC,
        }
    }

    /// The number of events that may be sent at once. Halved by each round trip that fails, so that a slow
    /// sink gets what it can take in time, and doubled by each that succeeds.
    pub(super) fn at_once(&self) -> usize {
        self.at_once
    }

    /// The name of the sink.
    pub(super) fn sink_name(&self) -> &str {
        self.report.sink()
    }

    pub(super) fn metrics(&self) -> &Metrics {
        self.report.metrics()
    }

    pub(super) fn report_down(&self, reason: Unavailable, text: &str) {
        self.report.report_down(reason, text);
    }

    /// Sends events of different aggregates, at most [`Self::at_once`] of them. Before an event is sent alone,
    /// `may_send` is asked about its index.
    pub(super) async fn deliver(
        &mut self,
        events: &[&Event],
        may_send: impl Fn(usize) -> bool,
    ) -> Delivered {
        match self.publish(events).await {
            Ok(answers) => {
                self.at_once = (self.at_once * 2).min(AT_ONCE_MAX);
                self.judge(events, answers.into_iter().map(Some).collect())
                    .await
            }
            // One event may be the reason. Sent one by one, the others pass.
            Err(failure) if failure.is_hang_up => self.one_by_one(events, may_send).await,
            Err(failure) => {
                self.at_once = (events.len() / 2).max(1);
                self.give_up(events.len(), &failure)
            }
        }
    }

    async fn publish(&mut self, events: &[&Event]) -> Result<Vec<Answer>, Failure> {
        let answers = self.sink.publish(events).await?;
        faults::place("after_publish").await;
        assert_eq!(answers.len(), events.len(), "each event has an answer");
        Ok(answers)
    }

    async fn one_by_one(
        &mut self,
        events: &[&Event],
        may_send: impl Fn(usize) -> bool,
    ) -> Delivered {
        let mut answers = Vec::with_capacity(events.len());
        let mut failed = None;
        for (index, event) in events.iter().enumerate() {
            if failed.is_some() || !may_send(index) {
                answers.push(None);
                continue;
            }
            match self.publish_alone(event).await {
                Ok(mut answer) => answers.push(answer.pop()),
                Err(failure) => {
                    answers.push(None);
                    failed = Some(failure);
                }
            }
        }
        let mut all = self.judge(events, answers).await;
        if let Some(failure) = failed {
            all.down = self.give_up(1, &failure).down;
        }
        all
    }

    /// Sends one event, twice if the sink hangs up. A sink that hangs up both times, and would take another
    /// event, has refused this one.
    async fn publish_alone(&mut self, event: &Event) -> Result<Vec<Answer>, Failure> {
        let mut is_second = false;
        loop {
            match self.publish(&[event]).await {
                Err(failure)
                    if failure.is_hang_up && self.sink.would_take_events().await.is_ok() =>
                {
                    if is_second {
                        return Ok(vec![Answer::Refused(failure.to_string())]);
                    }
                    is_second = true;
                }
                outcome => return outcome,
            }
        }
    }

    /// `None` is the answer to an event that was not sent.
    async fn judge(&mut self, events: &[&Event], answers: Vec<Option<Answer>>) -> Delivered {
        let mut down = None;
        let mut fates = Vec::with_capacity(answers.len());
        for answer in answers {
            fates.push(match answer {
                Some(Answer::Accepted) => Fate::Accepted,
                Some(Answer::Refused(text)) => Fate::Refused(text),
                Some(Answer::Unavailable(reason, text)) => {
                    down = Some((reason, text));
                    Fate::Left
                }
                None => Fate::Left,
            });
        }
        if fates.iter().any(|fate| matches!(fate, Fate::Accepted)) {
            self.accepted_at = Utc::now();
            self.report.report_up();
        } else if down.is_none() && fates.iter().any(|fate| matches!(fate, Fate::Refused(_))) {
            // If none passed, a probe shows whether another event would, as far as a probe can.
            down = match self.probe().await {
                None => self.doubt(events, &fates),
                found => found,
            };
        }
        if let Some((reason, text)) = &down {
            self.report.report_down(*reason, text);
            for fate in &mut fates {
                if matches!(fate, Fate::Refused(_)) {
                    *fate = Fate::Left;
                }
            }
        }
        Delivered {
            fates,
            down: down.map(|(_, text)| text),
        }
    }

    /// The first refusal of an event since which the sink has taken none: that others would pass is not known.
    fn doubt(&self, events: &[&Event], fates: &[Fate]) -> Option<(Unavailable, String)> {
        let in_doubt = |(event, fate): (&&Event, &Fate)| match fate {
            Fate::Refused(text) if event.created_at > self.accepted_at => Some(text.clone()),
            _ => None,
        };
        let refusal = events.iter().zip(fates).find_map(in_doubt)?;
        Some((Unavailable::Refusing, refusal))
    }

    /// The reason for which the sink would take no event at all, if there is one.
    async fn probe(&mut self) -> Option<(Unavailable, String)> {
        match self.sink.would_take_events().await {
            Ok(()) => None,
            Err(Answer::Unavailable(reason, text)) => Some((reason, text)),
            Err(Answer::Refused(text)) => Some((Unavailable::Refusing, text)),
            Err(Answer::Accepted) => Some((
                Unavailable::Refusing,
                "it accepted an entry that nobody could accept".to_owned(),
            )),
        }
    }

    fn give_up(&self, events: usize, failure: &Failure) -> Delivered {
        self.report.report_down(failure.reason, &failure.text);
        let mut fates = Vec::new();
        fates.resize_with(events, || Fate::Left);
        Delivered {
            fates,
            down: Some(failure.to_string()),
        }
    }
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery")
            .field("sink", &self.sink_name())
            .finish_non_exhaustive()
    }
}
