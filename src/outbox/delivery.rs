//! Sends events to a sink, and finds out whether the events or the sink are to blame for those that it did
//! not take.
//!
//! An event is blamed only if the sink refuses it while it takes others: an error that every event would
//! get is about the sink, and counts against none.

use crate::{db::outbox::Event, faults, metrics::Metrics};

use super::{
    sink::{Answer, Failure, Sink, Unavailable},
    sink_state::SinkReport,
};

/// A sink with its state.
pub(super) struct Delivery {
    sink: Box<dyn Sink>,
    report: SinkReport,
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
        Self { sink, report }
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

    /// Sends events of different aggregates. Before an event is sent alone, `may_send` is asked about its
    /// index.
    pub(super) async fn deliver(
        &mut self,
        events: &[&Event],
        may_send: impl Fn(usize) -> bool,
    ) -> Delivered {
        match self.publish(events).await {
            Ok(answers) => self.judge(answers).await,
            // One event may be the reason. Sent one by one, the others pass.
            Err(failure) if failure.is_hang_up => self.one_by_one(events, may_send).await,
            Err(failure) => self.give_up(events.len(), &failure),
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
        let mut all = Delivered {
            fates: Vec::new(),
            down: None,
        };
        for (index, event) in events.iter().enumerate() {
            if !may_send(index) {
                all.fates.push(Fate::Left);
                continue;
            }
            let one = match self.publish_alone(event).await {
                Ok(answers) => self.judge(answers).await,
                Err(failure) => self.give_up(1, &failure),
            };
            all.fates.extend(one.fates);
            if one.down.is_some() {
                all.down = one.down;
                break;
            }
        }
        all.fates.resize_with(events.len(), || Fate::Left);
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

    async fn judge(&mut self, answers: Vec<Answer>) -> Delivered {
        let mut down = None;
        let mut fates = Vec::with_capacity(answers.len());
        for answer in answers {
            fates.push(match answer {
                Answer::Accepted => Fate::Accepted,
                Answer::Refused(text) => Fate::Refused(text),
                Answer::Unavailable(reason, text) => {
                    down = Some((reason, text));
                    Fate::Left
                }
            });
        }
        let any = |of: fn(&Fate) -> bool| fates.iter().any(of);
        let has_accepted = any(|fate| matches!(fate, Fate::Accepted));
        if has_accepted {
            self.report.report_up();
        } else if down.is_none() && any(|fate| matches!(fate, Fate::Refused(_))) {
            // If none passed, a probe shows whether another event would.
            down = self.probe().await;
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
