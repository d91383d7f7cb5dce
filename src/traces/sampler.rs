//! The decision, at the beginning of a request, whether its trace is kept: the samplers of the OpenTelemetry
//! specification, by their names in `OTEL_TRACES_SAMPLER`.

/// A sampler.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampler {
    /// True if the decision of the client, where there is one, is followed.
    follows_parent: bool,
    /// The share of traces that are kept, 0 to 1.
    share: f64,
}

impl Sampler {
    /// Follows the client's decision, and keeps a share of the traces that begin here.
    pub const fn of_share(share: f64) -> Self {
        Self {
            follows_parent: true,
            share,
        }
    }

    /// The sampler of this name, with the argument of the ratio. `None` if there is no such sampler.
    pub fn named(name: &str, ratio: f64) -> Option<Self> {
        let (follows_parent, root) = match name.strip_prefix("parentbased_") {
            Some(root) => (true, root),
            None => (false, name),
        };
        let share = match root {
            "always_on" => 1.0,
            "always_off" => 0.0,
            "traceidratio" => ratio,
            _ => return None,
        };
        Some(Self {
            follows_parent,
            share,
        })
    }

    /// True if the trace is kept. All services that keep the same share keep the same traces.
    pub fn samples(self, trace_id: u128, parent: Option<bool>) -> bool {
        match parent {
            Some(is_sampled) if self.follows_parent => is_sampled,
            _ => is_in_share(trace_id, self.share),
        }
    }
}

/// The rule of the SDKs: the lower half of the id, without a bit of it, is below the share.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "half of the id is meant, and a share is positive"
)]
fn is_in_share(trace_id: u128, share: f64) -> bool {
    const RANGE: f64 = (1_u64 << 63) as f64;
    let half = (trace_id as u64) >> 1;
    share >= 1.0 || half < (share * RANGE) as u64
}

#[cfg(test)]
mod tests {
    use crate::stages::span_ids::SpanIds;

    use super::*;

    #[test]
    fn a_share_of_the_traces_that_begin_here_is_kept() {
        let sampler = Sampler::of_share(0.1);
        let ids = (0..20_000).map(|_| SpanIds::new_trace(false).trace_id);
        let kept = ids.filter(|id| sampler.samples(*id, None)).count();
        assert!((1_700..2_300).contains(&kept), "{kept}");
    }

    #[test]
    fn the_clients_decision_is_followed_unless_the_sampler_says_otherwise() {
        for (name, without, kept, not_kept) in [
            ("always_on", true, true, true),
            ("always_off", false, false, false),
            ("parentbased_always_on", true, true, false),
            ("parentbased_always_off", false, true, false),
        ] {
            let sampler = Sampler::named(name, 0.5).unwrap();
            let decisions = [None, Some(true), Some(false)].map(|it| sampler.samples(7, it));
            assert_eq!(decisions, [without, kept, not_kept], "{name}");
        }
        assert_eq!(Sampler::named("jaeger_remote", 1.0), None);
        let ratio = Sampler::named("traceidratio", 0.5).unwrap();
        assert!(ratio.samples(1, Some(false)) && !ratio.samples(u128::from(u64::MAX), Some(true)));
    }
}
