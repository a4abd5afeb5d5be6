//! The two sets of bits of the option negotiation: what a filter may do, and which steps of a session take place.
//!
//! Values are those of `mfdef.h`. Bits this crate has no name for are kept, so that an offer decodes and encodes to the same octets.

use std::fmt;
use std::ops::{BitAnd, BitOr, BitOrAssign};

/// Actions a filter may take (`SMFIF_*`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Actions(u32);

/// Steps of the protocol that are left out, silenced or changed (`SMFIP_*`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Steps(u32);

impl Actions {
    /// Add header fields (ADDHEADER, INSHEADER).
    pub const ADD_HEADERS: Self = Self(0x01);
    /// Replace the body.
    pub const CHANGE_BODY: Self = Self(0x02);
    /// Add recipients.
    pub const ADD_RCPT: Self = Self(0x04);
    /// Delete recipients.
    pub const DELETE_RCPT: Self = Self(0x08);
    /// Change and delete header fields.
    pub const CHANGE_HEADERS: Self = Self(0x10);
    /// Quarantine: the hold queue of Postfix.
    pub const QUARANTINE: Self = Self(0x20);
    /// Change the envelope sender.
    pub const CHANGE_FROM: Self = Self(0x40);
    /// Add recipients with ESMTP parameters.
    pub const ADD_RCPT_PARAMETERS: Self = Self(0x80);
    /// Say which macros the MTA shall send.
    pub const SET_MACRO_LIST: Self = Self(0x100);

    /// What an MTA of version 2 or below means when it offers no bit at all: the set of version 1.
    pub const VERSION_1: Self = Self(0x0f);
    /// Every action of version 6, as Postfix and Sendmail offer them.
    pub const ALL: Self = Self(0x1ff);

    const NAMES: &'static [(u32, &'static str)] = &[
        (0x01, "ADDHDRS"),
        (0x02, "CHGBODY"),
        (0x04, "ADDRCPT"),
        (0x08, "DELRCPT"),
        (0x10, "CHGHDRS"),
        (0x20, "QUARANTINE"),
        (0x40, "CHGFROM"),
        (0x80, "ADDRCPT_PAR"),
        (0x100, "SETSYMLIST"),
    ];
}

impl Steps {
    /// No CONNECT event.
    pub const NO_CONNECT: Self = Self(0x1);
    /// No HELO event.
    pub const NO_HELO: Self = Self(0x2);
    /// No MAIL event.
    pub const NO_MAIL: Self = Self(0x4);
    /// No RCPT events.
    pub const NO_RCPT: Self = Self(0x8);
    /// No BODY events.
    pub const NO_BODY: Self = Self(0x10);
    /// No HEADER events.
    pub const NO_HEADERS: Self = Self(0x20);
    /// No end-of-headers event.
    pub const NO_END_OF_HEADERS: Self = Self(0x40);
    /// No reply to HEADER.
    pub const NO_REPLY_HEADERS: Self = Self(0x80);
    /// No UNKNOWN events.
    pub const NO_UNKNOWN: Self = Self(0x100);
    /// No DATA event. Better not asked for: Postfix sends its macros all the same, and on a TCP socket the next write then waits for the
    /// delayed acknowledgement of a filter that has nothing to answer (some 40 ms a message).
    pub const NO_DATA: Self = Self(0x200);
    /// The filter may answer SKIP to a piece of the body.
    pub const SKIP: Self = Self(0x400);
    /// The filter also wants the recipients that the MTA has refused.
    pub const REJECTED_RCPT: Self = Self(0x800);
    /// No reply to CONNECT.
    pub const NO_REPLY_CONNECT: Self = Self(0x1000);
    /// No reply to HELO.
    pub const NO_REPLY_HELO: Self = Self(0x2000);
    /// No reply to MAIL.
    pub const NO_REPLY_MAIL: Self = Self(0x4000);
    /// No reply to RCPT.
    pub const NO_REPLY_RCPT: Self = Self(0x8000);
    /// No reply to DATA.
    pub const NO_REPLY_DATA: Self = Self(0x1_0000);
    /// No reply to UNKNOWN.
    pub const NO_REPLY_UNKNOWN: Self = Self(0x2_0000);
    /// No reply to end of headers.
    pub const NO_REPLY_END_OF_HEADERS: Self = Self(0x4_0000);
    /// No reply to BODY.
    pub const NO_REPLY_BODY: Self = Self(0x8_0000);
    /// Header values come and go with the space after their colon.
    pub const LEADING_SPACE: Self = Self(0x10_0000);
    /// Packets of up to 256 KiB (Sendmail).
    pub const DATA_256K: Self = Self(1 << 28);
    /// Packets of up to 1 MiB (Sendmail).
    pub const DATA_1M: Self = Self(1 << 29);

    /// What an MTA of version 2 or below means when it offers no bit at all.
    pub const VERSION_1: Self = Self(0x3f);
    /// Every step of version 6, as Postfix and Sendmail offer them.
    pub const ALL: Self = Self(0x1f_ffff);

    /// The bits that exist in a version of the protocol.
    ///
    /// Version 2 has the seven events, 3 adds UNKNOWN, 4 adds DATA, 6 all the rest. `NO_REPLY_HEADERS` is older than version 6 (an option
    /// of Sendmail 8.13) and is therefore in every set. Versions below 2 get the set of 2, versions above 6 that of 6.
    pub const fn known_in(version: u32) -> Self {
        match version {
            0..=2 => Self(0xff),
            3 => Self(0x1ff),
            4 | 5 => Self(0x3ff),
            _ => Self(0x1f_ffff | 1 << 28 | 1 << 29),
        }
    }

    const NAMES: &'static [(u32, &'static str)] = &[
        (0x1, "NOCONNECT"),
        (0x2, "NOHELO"),
        (0x4, "NOMAIL"),
        (0x8, "NORCPT"),
        (0x10, "NOBODY"),
        (0x20, "NOHDRS"),
        (0x40, "NOEOH"),
        (0x80, "NR_HDR"),
        (0x100, "NOUNKNOWN"),
        (0x200, "NODATA"),
        (0x400, "SKIP"),
        (0x800, "RCPT_REJ"),
        (0x1000, "NR_CONN"),
        (0x2000, "NR_HELO"),
        (0x4000, "NR_MAIL"),
        (0x8000, "NR_RCPT"),
        (0x1_0000, "NR_DATA"),
        (0x2_0000, "NR_UNKN"),
        (0x4_0000, "NR_EOH"),
        (0x8_0000, "NR_BODY"),
        (0x10_0000, "HDR_LEADSPC"),
        (1 << 28, "MDS_256K"),
        (1 << 29, "MDS_1M"),
    ];
}

macro_rules! set_operations {
    ($set:ident) => {
        impl $set {
            /// The empty set.
            pub const NONE: Self = Self(0);

            /// The set of these bits; bits without a name are kept.
            pub const fn from_bits(bits: u32) -> Self {
                Self(bits)
            }

            /// The bits.
            pub const fn bits(self) -> u32 {
                self.0
            }

            /// Whether no bit is set.
            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// Whether every bit of `other` is set. The empty set is in every set.
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// Whether a bit of `other` is set.
            pub const fn intersects(self, other: Self) -> bool {
                self.0 & other.0 != 0
            }

            /// The set without the bits of `other`.
            pub const fn without(self, other: Self) -> Self {
                Self(self.0 & !other.0)
            }

            /// Both together; `|` for constants.
            pub const fn union(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
        }

        impl BitOr for $set {
            type Output = Self;
            fn bitor(self, other: Self) -> Self {
                self.union(other)
            }
        }

        impl BitOrAssign for $set {
            fn bitor_assign(&mut self, other: Self) {
                *self = self.union(other);
            }
        }

        impl BitAnd for $set {
            type Output = Self;
            fn bitand(self, other: Self) -> Self {
                Self(self.0 & other.0)
            }
        }

        /// Names of `mfdef.h` without prefix, joined by `|`; bits without a name in hexadecimal; `0` for none.
        impl fmt::Display for $set {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                if self.0 == 0 {
                    return f.write_str("0");
                }
                let mut rest = self.0;
                let mut separator = "";
                for (bit, name) in Self::NAMES {
                    if self.0 & bit != 0 {
                        write!(f, "{separator}{name}")?;
                        separator = "|";
                        rest &= !bit;
                    }
                }
                if rest != 0 {
                    write!(f, "{separator}{rest:#x}")?;
                }
                Ok(())
            }
        }

        impl fmt::Debug for $set {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($set), "({:#x}: {})"), self.0, self)
            }
        }
    };
}

set_operations!(Actions);
set_operations!(Steps);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s3_values_are_those_of_mfdef() {
        let actions = Actions::NAMES.iter().fold(0, |all, (bit, _)| all | bit);
        assert_eq!(actions, Actions::ALL.bits());
        let steps = Steps::NAMES.iter().fold(0, |all, (bit, _)| all | bit);
        assert_eq!(steps, Steps::known_in(6).bits());
        // §4: "OpenDKIM answers actions 0x111, protocol 0x100702"
        assert_eq!(Actions::from_bits(0x111).to_string(), "ADDHDRS|CHGHDRS|SETSYMLIST");
        assert_eq!(Steps::from_bits(0x10_0702).to_string(), "NOHELO|NOUNKNOWN|NODATA|SKIP|HDR_LEADSPC");
    }

    #[test]
    fn s4_versions_know_only_their_events() {
        assert!(!Steps::known_in(2).intersects(Steps::NO_UNKNOWN | Steps::NO_DATA | Steps::LEADING_SPACE));
        assert!(Steps::known_in(3).contains(Steps::NO_UNKNOWN));
        assert!(!Steps::known_in(3).contains(Steps::NO_DATA));
        assert!(Steps::known_in(4).contains(Steps::NO_DATA));
        assert!(!Steps::known_in(4).contains(Steps::SKIP));
        assert!(Steps::known_in(6).contains(Steps::ALL));
    }

    #[test]
    fn bits_without_a_name_are_kept_and_shown() {
        let steps = Steps::from_bits(0x4000_0001);
        assert_eq!(steps.bits(), 0x4000_0001);
        assert_eq!(steps.to_string(), "NOCONNECT|0x40000000");
        assert_eq!(Steps::NONE.to_string(), "0");
        assert_eq!(steps.without(Steps::NO_CONNECT).bits(), 0x4000_0000);
    }
}
