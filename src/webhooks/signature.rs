//! Secrets of endpoints, and signatures by Standard Webhooks.

use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretString};
use standardwebhooks::{Webhook, WebhookError};

use crate::domain::ids::EventId;

/// The length of a key. The standard takes 24 to 64 bytes; the hash has 32.
const KEY_LEN: usize = 32;

/// Makes a secret: `whsec_` and the key in Base64.
pub fn make_secret() -> SecretString {
    let key: [u8; KEY_LEN] = rand::random();
    format!("whsec_{}", STANDARD.encode(key)).into()
}

/// The value of `webhook-signature`: a signature by each secret.
///
/// # Errors
/// A secret is malformed.
pub fn sign(
    secrets: &[SecretString],
    event: EventId,
    timestamp: i64,
    body: &str,
) -> Result<String, WebhookError> {
    let sign = |secret: &SecretString| {
        let key = Webhook::new(secret.expose_secret())?;
        key.sign(&event.to_string(), timestamp, body.as_bytes())
    };
    let signatures: Result<Vec<_>, _> = secrets.iter().map(sign).collect();
    Ok(signatures?.join(" "))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use uuid::Uuid;

    use super::*;

    #[test]
    fn secrets_are_new_each_time_and_keys_of_the_standard() {
        let secrets: HashSet<_> = (0..100)
            .map(|_| make_secret().expose_secret().to_owned())
            .collect();
        assert_eq!(secrets.len(), 100);
        for secret in secrets {
            let key = STANDARD
                .decode(secret.strip_prefix("whsec_").unwrap())
                .unwrap();
            assert_eq!(key.len(), KEY_LEN);
        }
    }

    #[test]
    fn each_secret_signs() {
        let secrets = [make_secret(), make_secret()];
        let event = EventId::new(Uuid::from_u128(1));
        let both = sign(&secrets, event, 1_700_000_000, "{}").unwrap();
        let alone: Vec<_> = secrets
            .iter()
            .map(|secret| sign(std::slice::from_ref(secret), event, 1_700_000_000, "{}").unwrap())
            .collect();
        assert_eq!(both, alone.join(" "));
        assert!(alone.iter().all(|it| it.starts_with("v1,")) && alone[0] != alone[1]);
    }
}
