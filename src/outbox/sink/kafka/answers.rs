//! What an error of Kafka says: that the brokers take no event at present, or that they refuse these.

use rskafka::{
    BackoffError, ConnectionError,
    client::error::{Error, ProtocolError},
};

use super::Unavailable;

/// The reason for which the brokers take no event; `None` if they refuse what was sent.
pub(super) fn reason_of(error: &Error) -> Option<Unavailable> {
    match error {
        Error::ServerError { protocol_error, .. } => of_protocol_error(*protocol_error),
        Error::RetryFailed(BackoffError::DeadlineExceded { source, .. }) => {
            match source.downcast_ref::<Error>() {
                Some(error) => reason_of(error),
                None => Some(Unavailable::Unreachable),
            }
        }
        Error::Timeout => Some(Unavailable::NoAnswer),
        Error::Connection(error) => Some(of_connection_error(error)),
        Error::Request(_) => Some(Unavailable::Unreachable),
        _ => Some(Unavailable::Refusing),
    }
}

fn of_connection_error(error: &ConnectionError) -> Unavailable {
    match error {
        ConnectionError::SaslFailed(_) => Unavailable::NotAllowed,
        ConnectionError::RetryFailed(BackoffError::DeadlineExceded { source, .. }) => source
            .downcast_ref()
            .map_or(Unavailable::Unreachable, of_connection_error),
        _ => Unavailable::Unreachable,
    }
}

fn of_protocol_error(error: ProtocolError) -> Option<Unavailable> {
    use ProtocolError as E;
    Some(match error {
        E::MessageTooLarge | E::RecordListTooLarge | E::InvalidRecord => {
            return None;
        }
        E::UnknownTopicOrPartition | E::UnknownTopicId | E::InvalidTopicException => {
            Unavailable::NoStream
        }
        E::TopicAuthorizationFailed
        | E::ClusterAuthorizationFailed
        | E::SaslAuthenticationFailed
        | E::UnsupportedSaslMechanism
        | E::SecurityDisabled => Unavailable::NotAllowed,
        E::LeaderNotAvailable
        | E::NotLeaderOrFollower
        | E::BrokerNotAvailable
        | E::ReplicaNotAvailable
        | E::NotEnoughReplicas
        | E::NotEnoughReplicasAfterAppend
        | E::FencedLeaderEpoch
        | E::UnknownLeaderEpoch
        | E::EligibleLeadersNotAvailable
        | E::NotController
        | E::InvalidReplicationFactor => Unavailable::Cluster,
        E::RequestTimedOut | E::NetworkException => Unavailable::NoAnswer,
        E::KafkaStorageError | E::LogDirNotFound => Unavailable::NotPersisting,
        E::ThrottlingQuotaExceeded => Unavailable::Busy,
        _ => Unavailable::Refusing,
    })
}
