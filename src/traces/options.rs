//! The options of traces, from the settings and the standard variables `OTEL_*`, which win.

use std::time::Duration;

use url::Url;

use super::sampler::Sampler;

/// The settings of `[telemetry]`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The collector; spans go to `v1/traces` of it. `None` if none is set.
    pub endpoint: Option<String>,
    /// The share of the traces that begin here and are kept.
    pub share: f64,
    pub slower_than: Option<Duration>,
}

/// Where spans go, which, and how many at a time.
#[derive(Clone, Debug)]
pub struct Options {
    /// The URL that spans are posted to.
    pub endpoint: Url,
    pub sampler: Sampler,
    pub slower_than: Option<Duration>,
    /// The most spans that wait to be sent, those on their way included.
    pub queue_max: usize,
    /// The spans of one post.
    pub batch_max: usize,
    /// The longest time that spans wait for others.
    pub delay: Duration,
    /// The longest time of a post, its repetitions included.
    pub post_max: Duration,
}

/// A variable or a setting that can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{name} {problem}")]
pub struct Unusable {
    pub name: &'static str,
    pub problem: String,
}

/// The spans that may wait. The standard's 2048 would be the spans of some eighty checkouts.
const QUEUE_MAX: usize = 8192;
const SETTING: &str = "telemetry.otlp_endpoint (SPLITCART_TELEMETRY_OTLP_ENDPOINT)";

impl Options {
    /// Reads the variables. `None` if traces are off: no endpoint is set, or the variables say so.
    ///
    /// # Errors
    /// A variable that says where or which spans are sent can't be used.
    pub fn read(
        settings: &Settings,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, Unusable> {
        // As the specification asks, an empty variable counts as unset.
        let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let is_disabled =
            variable("OTEL_SDK_DISABLED").is_some_and(|it| it.trim().eq_ignore_ascii_case("true"));
        let exporter = variable("OTEL_TRACES_EXPORTER").unwrap_or_else(|| "otlp".to_owned());
        if is_disabled || exporter == "none" {
            return Ok(None);
        }
        let Some(endpoint) = endpoint(settings, variable)? else {
            return Ok(None);
        };
        if exporter != "otlp" {
            let problem = format!("is {exporter:?}; it must be \"otlp\" or \"none\"");
            return Err(unusable("OTEL_TRACES_EXPORTER", problem));
        }
        check_protocol(variable)?;
        check_what_the_exporter_would_leave_out(variable)?;
        let number = |name, default| number(variable, name, default);
        let milliseconds = |name, default| Ok(Duration::from_millis(number(name, default)?));
        let count = |name, default: usize| {
            let count = number(name, default as u64)?;
            Ok(usize::try_from(count).unwrap_or(usize::MAX).max(1))
        };
        let post_max = milliseconds("OTEL_EXPORTER_OTLP_TIMEOUT", 10_000)?;
        Ok(Some(Self {
            endpoint,
            sampler: sampler(settings, variable)?,
            slower_than: settings.slower_than,
            queue_max: count("OTEL_BSP_MAX_QUEUE_SIZE", QUEUE_MAX)?,
            batch_max: count("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512)?,
            delay: milliseconds("OTEL_BSP_SCHEDULE_DELAY", 5_000)?,
            post_max: match variable("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT") {
                Some(_) => milliseconds("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", 10_000)?,
                None => post_max,
            }
            .min(milliseconds("OTEL_BSP_EXPORT_TIMEOUT", 30_000)?),
        }))
    }
}

impl Options {
    /// The host and port of the collector, without what may be secret in a URL.
    pub fn place(&self) -> String {
        let host = self.endpoint.host_str().unwrap_or_default();
        let port = self.endpoint.port_or_known_default().unwrap_or_default();
        format!("{host}:{port}")
    }
}

fn unusable(name: &'static str, problem: impl Into<String>) -> Unusable {
    let problem = problem.into();
    Unusable { name, problem }
}

/// The URL of the signal is used as it is; that of the collector gets the path of the signal.
fn endpoint(
    settings: &Settings,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<Url>, Unusable> {
    const OF_TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    const OF_ALL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    let of_traces = variable(OF_TRACES).map(|url| (OF_TRACES, url));
    let of_all = || variable(OF_ALL).map(|url| (OF_ALL, url));
    let set = || settings.endpoint.clone().map(|url| (SETTING, url));
    let Some((name, text)) = of_traces.or_else(of_all).or_else(set) else {
        return Ok(None);
    };
    // The text may contain a secret and is not repeated.
    let problem = "is no URL such as http://collector:4318";
    let mut url = Url::parse(text.trim()).map_err(|_| unusable(name, problem))?;
    if !["http", "https"].contains(&url.scheme()) || !url.has_host() {
        return Err(unusable(name, problem));
    }
    if name != OF_TRACES {
        let path = format!("{}/v1/traces", url.path().trim_end_matches('/'));
        url.set_path(&path);
    }
    Ok(Some(url))
}

/// Refuses what the exporter's library would ignore without a word.
fn check_what_the_exporter_would_leave_out(
    variable: impl Fn(&str) -> Option<String>,
) -> Result<(), Unusable> {
    for name in [
        "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
        "OTEL_EXPORTER_OTLP_COMPRESSION",
    ] {
        let compression = variable(name);
        if compression.is_some_and(|it| !["gzip", "none"].contains(&it.trim())) {
            return Err(unusable(name, "must be gzip or none"));
        }
    }
    for name in [
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
        "OTEL_EXPORTER_OTLP_HEADERS",
    ] {
        let is_pair = |pair: &str| {
            let name = pair.split_once('=').map(|(name, _)| name.trim());
            pair.trim().is_empty() || name.is_some_and(|it| !it.is_empty())
        };
        // The text may contain a secret and is not repeated.
        if variable(name).is_some_and(|pairs| !pairs.split(',').all(is_pair)) {
            return Err(unusable(
                name,
                "must be pairs such as name=value,name=value",
            ));
        }
    }
    for name in [
        "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE",
        "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY",
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
        "OTEL_EXPORTER_OTLP_CLIENT_KEY",
    ] {
        if variable(name).is_some() {
            return Err(unusable(
                name,
                "is not supported: spans are sent without a client certificate",
            ));
        }
    }
    Ok(())
}

fn check_protocol(variable: impl Fn(&str) -> Option<String>) -> Result<(), Unusable> {
    for name in [
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        "OTEL_EXPORTER_OTLP_PROTOCOL",
    ] {
        match variable(name) {
            Some(protocol) if protocol == "http/protobuf" => return Ok(()),
            Some(protocol) => {
                let problem = format!("is {protocol:?}; spans are sent by \"http/protobuf\" only");
                return Err(unusable(name, problem));
            }
            None => {}
        }
    }
    Ok(())
}

fn sampler(
    settings: &Settings,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Sampler, Unusable> {
    const NAME: &str = "OTEL_TRACES_SAMPLER";
    const RATIO: &str = "OTEL_TRACES_SAMPLER_ARG";
    let Some(name) = variable(NAME) else {
        return Ok(Sampler::of_share(settings.share));
    };
    let ratio = match variable(RATIO) {
        Some(text) if name.ends_with("traceidratio") => {
            let ratio = text.trim().parse::<f64>().ok();
            ratio
                .filter(|ratio| (0.0..=1.0).contains(ratio))
                .ok_or_else(|| unusable(RATIO, "must be a number from 0 to 1"))?
        }
        _ => 1.0,
    };
    Sampler::named(name.trim(), ratio).ok_or_else(|| {
        let problem = "must be one of always_on, always_off, traceidratio, parentbased_always_on, \
                       parentbased_always_off, parentbased_traceidratio";
        unusable(NAME, problem)
    })
}

fn number(
    variable: impl Fn(&str) -> Option<String>,
    name: &'static str,
    default: u64,
) -> Result<u64, Unusable> {
    /// Beyond a day a wait would hardly end.
    const MOST: u64 = 24 * 60 * 60 * 1000;
    match variable(name) {
        None => Ok(default),
        Some(text) => {
            let number = text.trim().parse().ok().filter(|number| *number <= MOST);
            number.ok_or_else(|| unusable(name, format!("must be a number from 0 to {MOST}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(endpoint: &str, variables: &[(&str, &str)]) -> Result<Option<Options>, Unusable> {
        let settings = Settings {
            endpoint: (!endpoint.is_empty()).then(|| endpoint.to_owned()),
            share: 0.01,
            slower_than: None,
        };
        Options::read(&settings, |name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn endpoint_of(endpoint: &str, variables: &[(&str, &str)]) -> String {
        let options = read(endpoint, variables).unwrap().expect("traces are on");
        options.endpoint.to_string()
    }

    #[test]
    fn traces_are_off_until_an_endpoint_is_set_and_where_a_variable_says_so() {
        assert!(read("", &[]).unwrap().is_none());
        assert!(
            read("", &[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")])
                .unwrap()
                .is_none()
        );
        for off in [
            ("OTEL_SDK_DISABLED", "TRUE"),
            ("OTEL_TRACES_EXPORTER", "none"),
        ] {
            assert!(read("http://collector:4318", &[off]).unwrap().is_none());
        }
    }

    #[test]
    fn the_variable_of_traces_wins_and_is_used_as_it_is() {
        let of_all = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://all:4318/otlp/");
        let of_traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces/in");
        let set = "http://set:4318";
        assert_eq!(endpoint_of(set, &[of_all, of_traces]), "http://traces/in");
        assert_eq!(
            endpoint_of(set, &[of_all]),
            "https://all:4318/otlp/v1/traces"
        );
        assert_eq!(endpoint_of(set, &[]), "http://set:4318/v1/traces");
    }

    #[test]
    fn the_standard_variables_are_read() {
        let options = read(
            "http://collector",
            &[
                ("OTEL_TRACES_SAMPLER", "traceidratio"),
                ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
                ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),
                ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10"),
                ("OTEL_BSP_SCHEDULE_DELAY", "200"),
                ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
                ("OTEL_EXPORTER_OTLP_HEADERS", "key=a=b, other="),
                ("OTEL_SDK_DISABLED", "False"),
                ("OTEL_EXPORTER_OTLP_TIMEOUT", "7000"),
                ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "300"),
            ],
        );
        let options = options.unwrap().unwrap();
        assert_eq!(Some(options.sampler), Sampler::named("traceidratio", 0.25));
        assert_eq!((options.queue_max, options.batch_max), (100, 10));
        assert_eq!(options.delay, Duration::from_millis(200));
        assert_eq!(options.post_max, Duration::from_millis(300));
    }

    #[test]
    fn what_can_not_be_used_is_refused_by_its_name_and_without_its_secret() {
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318?key=hidden"),
            ("OTEL_TRACES_EXPORTER", "zipkin"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_TRACES_SAMPLER", "sometimes"),
            ("OTEL_BSP_SCHEDULE_DELAY", "5s"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "authorization hidden"),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/hidden.key"),
        ] {
            let error = read("http://collector", &[(name, value)])
                .unwrap_err()
                .to_string();
            assert!(
                error.starts_with(name) && !error.contains("hidden"),
                "{error}"
            );
        }
    }
}
