//! The reasons for refusing a token: a sentence for its sender, a word for the log and the metrics.

/// A reason for refusing a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("The token can't be read: it is no JWT of three parts.")]
    Malformed,
    #[error("The token is longer than is read here.")]
    TooLong,
    /// RFC 7515, 4.1.11.
    #[error("The token has a `crit` header, and none is understood here.")]
    Critical,
    #[error("The token is of another type (`typ`) than the ones that are taken here.")]
    Type,
    #[error("The token's algorithm (`alg`) is not the one of our key.")]
    Algorithm,
    #[error("The token was signed with a key (`kid`) that is not one of ours.")]
    UnknownKey,
    #[error("The token does not say which key it was signed with: it has no `kid`.")]
    NoKeyNamed,
    #[error("The token has no `{0}`.")]
    NoClaim(&'static str),
    #[error("The token's `{0}` can't be read.")]
    BadClaim(&'static str),
    #[error("The token has expired; get a new one.")]
    Expired,
    #[error("The token is not valid yet.")]
    NotYet,
    #[error("The token lives longer than is taken here.")]
    Lifetime,
    #[error("The token was issued by somebody else.")]
    Issuer,
    #[error("The token is meant for somebody else (`aud`).")]
    Audience,
    #[error("The token's signature is not one of ours.")]
    Signature,
}

impl Refused {
    /// Every word, for counters that begin at zero.
    pub const REASONS: [&str; 12] = [
        "malformed",
        "critical",
        "type",
        "algorithm",
        "key",
        "claims",
        "expired",
        "not_yet",
        "lifetime",
        "issuer",
        "audience",
        "signature",
    ];

    /// A word of few.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Malformed | Self::TooLong => "malformed",
            Self::Critical => "critical",
            Self::Type => "type",
            Self::Algorithm => "algorithm",
            Self::UnknownKey | Self::NoKeyNamed => "key",
            Self::NoClaim(_) | Self::BadClaim(_) => "claims",
            Self::Expired => "expired",
            Self::NotYet => "not_yet",
            Self::Lifetime => "lifetime",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Signature => "signature",
        }
    }
}
