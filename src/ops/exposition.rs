//! The two exposition formats of `/metrics`: OpenMetrics if the client asks for it, else Prometheus'
//! older text format.

use std::borrow::Cow;

use actix_web::{HttpRequest, http::header};

const OPEN_METRICS: &str = "application/openmetrics-text";

/// The format of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// Text 0.0.4.
    Text,
}

impl Format {
    /// Chooses by the request's `Accept`. The older format is the default.
    pub fn accepted(request: &HttpRequest) -> Self {
        let values = request.headers().get_all(header::ACCEPT);
        let values: Vec<_> = values.filter_map(|value| value.to_str().ok()).collect();
        Self::of(&values.join(","))
    }

    fn of(accept: &str) -> Self {
        let (mut open_metrics, mut text) = (0.0, 0.0);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default().to_ascii_lowercase();
            let quality = parts
                .filter_map(|part| part.split_once('='))
                .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
                .map_or(1.0, |(_, value)| value.trim().parse::<f32>().unwrap_or(0.0));
            match name.as_str() {
                OPEN_METRICS => open_metrics = quality.max(open_metrics),
                "text/plain" | "text/*" => text = quality.max(text),
                _ => {}
            }
        }
        if open_metrics > 0.0 && open_metrics >= text {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }

    /// The value of `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// Converts metrics that are written in OpenMetrics.
    pub fn write(self, open_metrics: String) -> String {
        match self {
            Self::OpenMetrics => open_metrics,
            Self::Text => text_of(&open_metrics),
        }
    }
}

/// Converts to the older format, which has no units and no end mark, and names a counter as its samples.
fn text_of(open_metrics: &str) -> String {
    let is_counter = |name: &str| open_metrics.contains(&format!("# TYPE {name} counter\n"));
    let mut text = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines() {
        let mut words = line.splitn(4, ' ');
        let written = match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("UNIT" | "EOF"), ..) => continue,
            (Some("#"), Some(kind), Some(name), Some(rest)) if is_counter(name) => {
                Cow::Owned(format!("# {kind} {name}_total {rest}"))
            }
            (Some("#"), Some("TYPE"), Some(name), Some("unknown")) => {
                Cow::Owned(format!("# TYPE {name} untyped"))
            }
            _ => Cow::Borrowed(line),
        };
        text.push_str(&written);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_format_is_written_unless_the_newer_one_is_preferred_or_equal() {
        for (accept, format) in [
            ("", Format::Text),
            ("*/*", Format::Text),
            ("text/plain;version=0.0.4", Format::Text),
            ("text/html, application/json", Format::Text),
            ("application/openmetrics-text;q=0", Format::Text),
            (
                "application/openmetrics-text;q=0.5,text/plain",
                Format::Text,
            ),
            ("application/openmetrics-text", Format::OpenMetrics),
            (
                "Application/OpenMetrics-Text; version=1.0.0; q=0.6, text/plain;q=0.5, */*;q=0.2",
                Format::OpenMetrics,
            ),
            // Prometheus 2.42.
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;\
                 q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                Format::OpenMetrics,
            ),
        ] {
            assert_eq!(Format::of(accept), format, "{accept:?}");
        }
    }

    #[test]
    fn a_counter_has_the_name_of_its_samples() {
        let open_metrics = "# HELP a A thing.\n# TYPE a counter\na_total 1\n\
                            # HELP b_seconds Time.\n# TYPE b_seconds histogram\n\
                            # UNIT b_seconds seconds\nb_seconds_sum 1.0\n# EOF\n";
        let text = "# HELP a_total A thing.\n# TYPE a_total counter\na_total 1\n\
                    # HELP b_seconds Time.\n# TYPE b_seconds histogram\nb_seconds_sum 1.0\n";
        assert_eq!(text_of(open_metrics), text);
    }
}
