//! Connections to Kafka: the topic, found or made, and the leader of each of its partitions.

use std::{path::PathBuf, sync::Arc, time::Duration};

use futures_util::future::try_join_all;
use rskafka::{
    BackoffConfig,
    client::{
        Client, ClientBuilder, Credentials, SaslConfig,
        error::{Error, ProtocolError},
        partition::{Compression as Codec, PartitionClient, UnknownTopicHandling},
    },
    record::Record,
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use crate::outbox::sink::options::IfMissing;

use super::{Unavailable, answers::reason_of};

/// The age at which a connection is made again, as Kafka's own producers look for new partitions.
const AGE_MAX: Duration = Duration::from_mins(5);
/// The time for which the library tries a request again by itself.
const RETRY_MAX: Duration = Duration::from_secs(1);
const MAKE_TOPIC_MAX_MS: i32 = 2_000;

/// The settings of the sink.
#[derive(Clone, Debug)]
pub struct KafkaSettings {
    pub brokers: Vec<String>,
    pub topic: String,
    pub if_missing: IfMissing,
    /// Of a topic that is made here. An existing one is the operator's, and is not changed.
    pub partitions: i32,
    /// Likewise; -1: the brokers' default.
    pub replication_factor: i16,
    pub compression: Compression,
    pub is_tls: bool,
    /// Certificates of the authorities to trust; empty: those of the system.
    pub ca_file: PathBuf,
    pub mechanism: Mechanism,
    pub user: String,
    pub password: SecretString,
}

#[derive(Clone, Copy, Debug)]
pub enum Compression {
    None,
    Gzip,
    Snappy,
}

/// How the user is identified (SASL).
#[derive(Clone, Copy, Debug)]
pub enum Mechanism {
    None,
    Plain,
    ScramSha256,
    ScramSha512,
}

#[derive(Debug)]
pub(super) struct Connection {
    /// By partition.
    leaders: Vec<PartitionClient>,
    codec: Codec,
    made_at: Instant,
}

impl Connection {
    pub(super) async fn open(settings: &KafkaSettings) -> Result<Self, (Unavailable, String)> {
        let client = builder(settings)?.build().await.map_err(|e| failed(&e))?;
        let partitions = match partitions(&client, &settings.topic).await? {
            Some(count) => count,
            None => make_topic(&client, settings).await?,
        };
        let leaders = (0..partitions).map(|partition| {
            let topic = settings.topic.clone();
            client.partition_client(topic, partition, UnknownTopicHandling::Error)
        });
        Ok(Self {
            leaders: try_join_all(leaders).await.map_err(|e| failed(&e))?,
            codec: codec(settings.compression),
            made_at: Instant::now(),
        })
    }

    pub(super) fn is_old(&self) -> bool {
        self.made_at.elapsed() > AGE_MAX
    }

    pub(super) fn partitions(&self) -> usize {
        self.leaders.len()
    }

    /// Ends when all in-sync replicas have the records.
    pub(super) async fn produce(
        &self,
        partition: usize,
        records: Vec<Record>,
    ) -> Result<(), Error> {
        self.leaders[partition].produce(records, self.codec).await?;
        Ok(())
    }
}

fn builder(settings: &KafkaSettings) -> Result<ClientBuilder, (Unavailable, String)> {
    let mut builder = ClientBuilder::new(settings.brokers.clone())
        .client_id("splitcart")
        .backoff_config(BackoffConfig {
            init_backoff: Duration::from_millis(50),
            max_backoff: Duration::from_millis(500),
            base: 2.0,
            deadline: Some(RETRY_MAX),
        });
    if settings.is_tls {
        builder =
            builder.tls_config(tls(settings).map_err(|text| (Unavailable::Unreachable, text))?);
    }
    let credentials = || {
        let password = settings.password.expose_secret().to_owned();
        Credentials::new(settings.user.clone(), password)
    };
    let sasl = match settings.mechanism {
        Mechanism::None => return Ok(builder),
        Mechanism::Plain => SaslConfig::Plain(credentials()),
        Mechanism::ScramSha256 => SaslConfig::ScramSha256(credentials()),
        Mechanism::ScramSha512 => SaslConfig::ScramSha512(credentials()),
    };
    Ok(builder.sasl_config(sasl))
}

fn tls(settings: &KafkaSettings) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    if settings.ca_file.as_os_str().is_empty() {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    } else {
        let path = settings.ca_file.display();
        let unusable = |error: String| format!("the authorities in {path} are unusable: {error}");
        let certificates = CertificateDer::pem_file_iter(&settings.ca_file)
            .map_err(|error| unusable(error.to_string()))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
            roots
                .add(certificate)
                .map_err(|error| unusable(error.to_string()))?;
        }
    }
    Ok(Arc::new(
        ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth(),
    ))
}

/// The number of the topic's partitions; `None` if there is no such topic.
async fn partitions(client: &Client, topic: &str) -> Result<Option<i32>, (Unavailable, String)> {
    let topics = client.list_topics().await.map_err(|error| failed(&error))?;
    let Some(found) = topics.iter().find(|found| found.name == topic) else {
        return Ok(None);
    };
    match i32::try_from(found.partitions.len()) {
        Ok(count) if count > 0 => Ok(Some(count)),
        _ => {
            let text = format!("the topic {topic} has no partitions at present");
            Err((Unavailable::Cluster, text))
        }
    }
}

async fn make_topic(
    client: &Client,
    settings: &KafkaSettings,
) -> Result<i32, (Unavailable, String)> {
    let topic = &settings.topic;
    if settings.if_missing == IfMissing::Report {
        return Err((
            Unavailable::NoStream,
            format!("the topic {topic} is not there"),
        ));
    }
    let controller = client.controller_client().map_err(|error| failed(&error))?;
    let made = controller
        .create_topic(
            topic.clone(),
            settings.partitions,
            settings.replication_factor,
            MAKE_TOPIC_MAX_MS,
        )
        .await;
    match made {
        Ok(()) => {
            tracing::info!("made the topic {topic} in Kafka");
            Ok(settings.partitions)
        }
        // Another instance was faster: the next attempt reads how many partitions it has.
        Err(Error::ServerError {
            protocol_error: ProtocolError::TopicAlreadyExists,
            ..
        }) => Err((
            Unavailable::Cluster,
            format!("the topic {topic} was being made by another"),
        )),
        Err(error) => {
            let (reason, text) = failed(&error);
            Err((
                reason,
                format!("the topic {topic} could not be made ({text})"),
            ))
        }
    }
}

fn failed(error: &Error) -> (Unavailable, String) {
    let reason = reason_of(error).unwrap_or(Unavailable::Refusing);
    (reason, format!("Kafka: {error}"))
}

fn codec(compression: Compression) -> Codec {
    match compression {
        Compression::None => Codec::NoCompression,
        Compression::Gzip => Codec::Gzip,
        Compression::Snappy => Codec::Snappy,
    }
}
