//! The contents of a token before its signature is checked: its three parts, its header, its claims.
//! Everything that can be refused without the signature is refused here, because that is cheap.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;

use crate::config::Auth;

use super::refused::Refused;

/// The longest token, in bytes. Identity providers that put a person's groups in make some of 8 KB.
const TOKEN_LEN_MAX: usize = 16 * 1024;

/// The last second of the year 9999.
const SECONDS_MAX: f64 = 253_402_300_799.0;

/// The demands on every token, with any key.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The `iss`.
    pub issuer: String,
    /// The `aud`, unless it is not looked at.
    pub audience: Option<String>,
    /// The header's `typ`, unless it is not looked at.
    pub typ: Option<String>,
    /// By how much clocks may differ, in seconds.
    pub leeway_s: u32,
    /// The longest life of a token, in seconds; `None` if it is not checked.
    pub lifetime_s_max: Option<u32>,
}

impl Expected {
    /// As configured.
    pub fn of(auth: &Auth) -> Self {
        let unless_empty = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        Self {
            issuer: auth.issuer.clone(),
            audience: unless_empty(&auth.audience),
            typ: unless_empty(&auth.typ),
            leeway_s: auth.leeway_s,
            lifetime_s_max: Some(auth.lifetime_s_max).filter(|max| *max > 0),
        }
    }
}

/// The parts of a token that are used.
#[derive(Clone, Debug)]
pub struct TokenBody {
    /// The person, as the issuer says.
    pub sub: String,
    /// The store the person acts for.
    pub active_store_id: Option<String>,
    /// The end of the token's life.
    pub expires_at: DateTime<Utc>,
}

/// A token, cut up.
#[derive(Debug)]
pub struct Parts<'t> {
    /// The signed text: the first two parts with the point between them.
    pub message: &'t str,
    /// The last part.
    pub signature: &'t str,
    /// The first part.
    pub header: Header,
    claims: Claims,
}

/// The fields of a header that are used.
#[derive(Debug, Deserialize)]
pub struct Header {
    /// The algorithm that it claims to be signed with.
    pub alg: String,
    /// The key.
    #[serde(default)]
    pub kid: Option<String>,
    #[serde(default)]
    typ: Option<String>,
    #[serde(default, deserialize_with = "present")]
    crit: Option<Value>,
}

/// The claims that are used, of any kind, so that the error can say what is wrong with one.
#[derive(Debug, Deserialize)]
struct Claims {
    #[serde(default, deserialize_with = "present")]
    sub: Option<Value>,
    #[serde(default)]
    active_store_id: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    iss: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    aud: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    exp: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    nbf: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    iat: Option<Value>,
}

/// A null is something wrong, not something missing.
fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(value).map(Some)
}

impl<'t> Parts<'t> {
    /// Splits a token into its parts and reads them.
    ///
    /// # Errors
    /// The text is not a token.
    pub fn of(token: &'t str) -> Result<Self, Refused> {
        if token.len() > TOKEN_LEN_MAX {
            return Err(Refused::TooLong);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(Refused::Malformed)?;
        let (header, claims) = message.split_once('.').ok_or(Refused::Malformed)?;
        Ok(Self {
            message,
            signature,
            header: read(header)?,
            claims: read(claims)?,
        })
    }

    /// The contents of the token, if they meet the demands. Nothing is proven yet.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self, expected: &Expected, now: DateTime<Utc>) -> Result<TokenBody, Refused> {
        if self.header.crit.is_some() {
            return Err(Refused::Critical);
        }
        if let Some(typ) = &expected.typ {
            let said = self.header.typ.as_deref().unwrap_or_default();
            if !media_type(said).eq_ignore_ascii_case(media_type(typ)) {
                return Err(Refused::Type);
            }
        }
        let claims = &self.claims;
        // One text: a list of issuers is no issuer (RFC 7519, 4.1.1).
        match &claims.iss {
            None => return Err(Refused::NoClaim("iss")),
            Some(Value::String(issuer)) if *issuer == expected.issuer => {}
            Some(_) => return Err(Refused::Issuer),
        }
        if let Some(audience) = &expected.audience {
            match &claims.aud {
                None => return Err(Refused::NoClaim("aud")),
                Some(Value::String(one)) if one == audience => {}
                Some(Value::Array(several)) if several.iter().any(|it| it == audience) => {}
                Some(_) => return Err(Refused::Audience),
            }
        }
        let expires_at = claims.check_times(expected, now)?;
        let text = |name, claim: &Option<Value>| match claim {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(Refused::BadClaim(name)),
        };
        Ok(TokenBody {
            sub: text("sub", &claims.sub)?.ok_or(Refused::NoClaim("sub"))?,
            active_store_id: text("active_store_id", &claims.active_store_id)?,
            expires_at,
        })
    }
}

impl Claims {
    /// Returns the end of the token's life.
    fn check_times(
        &self,
        expected: &Expected,
        now: DateTime<Utc>,
    ) -> Result<DateTime<Utc>, Refused> {
        let now = now.timestamp_micros() as f64 / 1e6;
        let leeway = f64::from(expected.leeway_s);
        let exp = seconds("exp", self.exp.as_ref())?.ok_or(Refused::NoClaim("exp"))?;
        // At `exp` a token has ended (RFC 7519, 4.1.4).
        if now >= exp + leeway {
            return Err(Refused::Expired);
        }
        if let Some(nbf) = seconds("nbf", self.nbf.as_ref())?
            && now + leeway < nbf
        {
            return Err(Refused::NotYet);
        }
        if let Some(lifetime_max) = expected.lifetime_s_max {
            let iat = seconds("iat", self.iat.as_ref())?.ok_or(Refused::NoClaim("iat"))?;
            // A token issued in the future would live longer than it claims.
            if iat > now + leeway {
                return Err(Refused::NotYet);
            }
            if exp - iat > f64::from(lifetime_max) {
                return Err(Refused::Lifetime);
            }
        }
        let expires_ms = Duration::from_secs_f64(exp).as_millis();
        let expires_at = i64::try_from(expires_ms).ok();
        let expires_at = expires_at.and_then(DateTime::from_timestamp_millis);
        expires_at.ok_or(Refused::BadClaim("exp"))
    }
}

/// A time in seconds since 1970, perhaps with a fraction (RFC 7519, 2), that a calendar knows.
fn seconds(name: &'static str, claim: Option<&Value>) -> Result<Option<f64>, Refused> {
    let Some(claim) = claim else {
        return Ok(None);
    };
    let time = claim
        .as_f64()
        .filter(|time| (0.0..=SECONDS_MAX).contains(time));
    time.map(Some).ok_or(Refused::BadClaim(name))
}

/// `at+jwt` is short for `application/at+jwt` (RFC 7515, 4.1.9).
fn media_type(text: &str) -> &str {
    const PREFIX: &str = "application/";
    match text.get(..PREFIX.len()) {
        Some(prefix) if prefix.eq_ignore_ascii_case(PREFIX) => &text[PREFIX.len()..],
        _ => text,
    }
}

/// One part. A list is no object, although it could be read as one, field by field.
fn read<T: DeserializeOwned>(part: &str) -> Result<T, Refused> {
    let bytes = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| Refused::Malformed)?;
    // A field that is not used must be text, too (RFC 7519, 7.2): serde_json would pass over it.
    let text = str::from_utf8(&bytes).map_err(|_| Refused::Malformed)?;
    if !text.trim_ascii_start().starts_with('{') {
        return Err(Refused::Malformed);
    }
    serde_json::from_str(text).map_err(|_| Refused::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_an_object_in_utf_8_also_where_it_is_not_looked_at() {
        let token = |claims: &[u8]| {
            let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#);
            format!("{header}.{}.", URL_SAFE_NO_PAD.encode(claims))
        };
        for claims in [&b"{}"[..], b" \r\n{}", b"{\"other\": \"\xc3\xa9\"}"] {
            assert!(Parts::of(&token(claims)).is_ok());
        }
        for claims in [
            &b"[]"[..],
            b"",
            b"null",
            b"{\"other\": \"\xc3\"}",
            b"{\"\xff\": 1}",
            b"\xff{}",
        ] {
            let refused = Parts::of(&token(claims)).unwrap_err();
            assert_eq!(refused, Refused::Malformed, "{}", claims.escape_ascii());
        }
    }
}
