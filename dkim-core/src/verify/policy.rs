//! What a verifier accepts and how much work it does.

use crate::signature::SignatureLimits;
use crate::tag_list::TagLimits;

/// The rules and limits of a verifier.
///
/// ```
/// use dkim_core::verify::VerifyPolicy;
///
/// let mut policy = VerifyPolicy::default();
/// policy.max_signatures = 5;
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyPolicy {
    /// Most signatures that are checked, counted from the top of the message; the rest is `policy` without any work. Default 10.
    pub max_signatures: usize,
    /// Most names in `h=`; a longer list is `policy`. Default 256.
    pub max_header_names: usize,
    /// Most tags in a signature; more are `policy`. Default 128.
    pub max_tags: usize,
    /// Longest value of a signature field in octets; a longer one is `policy`. Default 64 KiB.
    pub max_signature_bytes: usize,
    /// How far clocks may differ, in seconds, when `t=` and `x=` are compared with now. Default 300.
    pub clock_skew: u64,
    /// Smallest RSA key in bits that is accepted. Default 1024. Keys below 1024 are always `permerror` (RFC 8301 §3.2); those between are `policy`.
    pub min_rsa_bits: usize,
    /// Largest RSA key in bits that is worked with; a larger one is `policy`. Default 4096, at most 8192 have effect.
    pub max_rsa_bits: usize,
    /// What to do about `l=`. Default [`BodyLengthPolicy::Policy`].
    pub body_length: BodyLengthPolicy,
    /// Names of fields that a signature must cover wherever the message has them; else it is `policy`. Default none: RFC 6376 asks for From only.
    pub must_be_signed: Vec<String>,
}

impl Default for VerifyPolicy {
    fn default() -> Self {
        let limits = SignatureLimits::default();
        Self {
            max_signatures: 10,
            max_header_names: limits.max_header_names,
            max_tags: limits.tags.max_tags,
            max_signature_bytes: limits.tags.max_bytes,
            clock_skew: 300,
            min_rsa_bits: 1024,
            max_rsa_bits: 4096,
            body_length: BodyLengthPolicy::default(),
            must_be_signed: Vec::new(),
        }
    }
}

impl VerifyPolicy {
    pub(super) fn signature_limits(&self) -> SignatureLimits {
        SignatureLimits {
            tags: TagLimits { max_tags: self.max_tags, max_bytes: self.max_signature_bytes },
            max_header_names: self.max_header_names,
        }
    }
}

/// What to do about a signature that covers only the first octets of the body (`l=`; RFC 6376 §8.2 describes the attacks).
///
/// Whatever is chosen, a signature with `l=` that does not sign Content-Type, every one that the message has, never passes: whoever appends to the
/// body could then choose how it is read. And `l=` of the whole body does no harm unless every `l=` is refused.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BodyLengthPolicy {
    /// Every signature with `l=` is `policy`, even if it covers the whole body.
    Reject,
    /// A signature that leaves octets of the body unsigned is `policy`.
    #[default]
    Policy,
    /// Unsigned octets are accepted.
    Accept,
    /// They are accepted where so much is signed. Where all of the body is signed, Content-Type need not be.
    AtLeast(BodyMinimum),
}

/// How much of the canonical body has to be signed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BodyMinimum {
    /// So many octets, or the whole of a shorter body.
    Octets(u64),
    /// So many hundredths of it, rounded down.
    Percent(u8),
    /// All but so many octets at its end.
    AllBut(u64),
}

impl BodyMinimum {
    /// The longest body of which `signed` octets are enough.
    pub(super) fn reach(self, signed: u64) -> u64 {
        match self {
            Self::Octets(least) if signed >= least => u64::MAX,
            Self::Octets(_) => signed,
            Self::Percent(0) => u64::MAX,
            Self::Percent(share) => {
                let longest =
                    u128::from(signed).saturating_mul(100).checked_div(u128::from(share)).unwrap_or(u128::MAX);
                u64::try_from(longest).unwrap_or(u64::MAX)
            }
            Self::AllBut(rest) => signed.saturating_add(rest),
        }
    }
}

/// What becomes of a signature before anything else is looked at.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Screening {
    /// It is one of those that are counted from the top of the message.
    #[default]
    Counted,
    /// It is checked and not counted.
    Always,
    /// It is not checked: [`PolicyCause::NotTrusted`](super::PolicyCause::NotTrusted).
    Never,
}
