//! The settings of a sink, and its opening.

use secrecy::SecretString;

use super::{Sink, redis_stream::RedisStream};

/// A sink that is to be served.
#[derive(Clone, Debug)]
pub struct SinkOptions {
    /// Unique; the key of its progress, and a label of metrics.
    pub name: String,
    pub kind: SinkKind,
}

/// The kind of a sink, with its settings.
#[derive(Clone, Debug)]
pub enum SinkKind {
    RedisStream(RedisStreamOptions),
}

#[derive(Clone, Debug)]
pub struct RedisStreamOptions {
    pub url: SecretString,
    pub stream: String,
    /// 0: unbounded.
    pub len_max: usize,
}

/// The reason for which a sink can't be opened, whatever the state of its server.
#[derive(Debug, thiserror::Error)]
#[error("the sink {sink} can't be used: {problem}")]
pub struct OpenError {
    pub sink: String,
    pub problem: String,
}

impl SinkOptions {
    /// Opens the sink. It connects when it is first used.
    pub fn open(&self) -> Result<Box<dyn Sink>, OpenError> {
        let SinkKind::RedisStream(options) = &self.kind;
        let opened = RedisStream::open(&options.url, &options.stream, options.len_max);
        let stream = opened.map_err(|error| OpenError {
            sink: self.name.clone(),
            problem: error.to_string(),
        })?;
        Ok(Box::new(stream))
    }
}
