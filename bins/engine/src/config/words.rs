//! The settings that take one word of a few: each an enum with its spellings.

/// Defines an enum whose values are written as fixed words in the configuration.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl $name {
            /// Every spelling, in the order of the variants.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word that stands for this value.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// The value a word stands for; words are case-sensitive, as keys are.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// What is done with mail.
    Mode {
        /// Sign mail of our own.
        Sign = "sign",
        /// Verify mail from outside.
        Verify = "verify",
        /// Both.
        Both = "both",
        /// Neither; fields that claim our identity are removed all the same.
        Off = "off",
    }
}

impl Mode {
    /// Whether mail of our own is signed.
    #[must_use]
    pub fn signs(self) -> bool {
        matches!(self, Self::Sign | Self::Both)
    }

    /// Whether mail from outside is verified.
    #[must_use]
    pub fn verifies(self) -> bool {
        matches!(self, Self::Verify | Self::Both)
    }
}

words! {
    /// What happens to a message when something that is not its fault went wrong.
    OnFailure {
        /// It passes, with what is known about it.
        Accept = "accept",
        /// The sender is asked to try again later (451).
        Tempfail = "tempfail",
    }
}

words! {
    /// What happens to a message that should be signed when a key of its domain cannot be used (M16).
    OnKeyError {
        /// It passes with the signatures that could be made, be it none.
        Unsigned = "unsigned",
        /// The sender is asked to try again later (451).
        Tempfail = "tempfail",
    }
}

words! {
    /// What becomes of a key whose record in the DNS is not the one it should have (M44).
    OnKeyMismatch {
        /// It signs, and the log says so.
        Warn = "warn",
        /// It does not sign until the DNS has its record.
        Skip = "skip",
    }
}

words! {
    /// What a signature with `l=` is worth, which covers only the first octets of the body.
    BodyLength {
        /// It passes when its count covers the whole body, and is reported as `policy` when octets stand behind it.
        WholeBody = "whole-body",
        /// It passes whatever stands behind the count, as RFC 6376 §3.5 allows.
        Accept = "accept",
        /// It is reported as `policy`, even when it covers the whole body.
        Refuse = "refuse",
    }
}

words! {
    /// The step of the SMTP dialogue at which a sender is refused.
    RejectAt {
        /// MAIL: the message ends before its recipients are known.
        Mail = "mail",
        /// RCPT: each recipient is refused, so that the log of the MTA has them.
        Rcpt = "rcpt",
    }
}

words! {
    /// What is done to mail that fails; each step includes those before it.
    #[derive(PartialOrd, Ord)]
    Enforcement {
        /// Nothing but the verdict in its header section and in the log.
        Observe = "observe",
        /// A field for delivery rules.
        Tag = "tag",
        /// It is put into the MTA's quarantine.
        Quarantine = "quarantine",
        /// It is refused.
        Reject = "reject",
    }
}

impl Enforcement {
    /// The step below, for mail that a share spares: what was refused is put into quarantine, and what was not is let through.
    #[must_use]
    pub fn one_step_below(self) -> Self {
        match self {
            Self::Reject => Self::Quarantine,
            Self::Quarantine | Self::Tag | Self::Observe => Self::Observe,
        }
    }
}

words! {
    /// How organizational domains are found.
    OrgDomains {
        /// By asking for records up the tree (RFC 9989 §4.10).
        TreeWalk = "tree-walk",
        /// By a list (RFC 7489 §3.2).
        PublicSuffixList = "public-suffix-list",
    }
}

words! {
    /// How a log line is written.
    LogFormat {
        /// `key=value` words.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}

words! {
    /// The least important kind of log line that is written.
    LogLevel {
        /// What keeps mail from being handled.
        Error = "error",
        /// What an operator should look at.
        Warn = "warn",
        /// One line a message.
        Info = "info",
        /// Why each decision was taken.
        Debug = "debug",
        /// Every protocol step.
        Trace = "trace",
    }
}

words! {
    /// Where log lines go.
    LogSink {
        /// Standard output: containers, and units whose output the journal takes.
        Stdout = "stdout",
        /// The journal's own socket, with structured fields.
        Journald = "journald",
        /// `/dev/log`.
        Syslog = "syslog",
    }
}

words! {
    /// The facility of a syslog line (RFC 5424 §6.2.1).
    Facility {
        /// The mail system.
        Mail = "mail",
        /// System daemons.
        Daemon = "daemon",
        /// User-level messages.
        User = "user",
        /// Locally used.
        Local0 = "local0",
        /// Locally used.
        Local1 = "local1",
        /// Locally used.
        Local2 = "local2",
        /// Locally used.
        Local3 = "local3",
        /// Locally used.
        Local4 = "local4",
        /// Locally used.
        Local5 = "local5",
        /// Locally used.
        Local6 = "local6",
        /// Locally used.
        Local7 = "local7",
    }
}

impl Facility {
    /// The numerical code of RFC 5424 table 1.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::User => 1,
            Self::Mail => 2,
            Self::Daemon => 3,
            Self::Local0 => 16,
            Self::Local1 => 17,
            Self::Local2 => 18,
            Self::Local3 => 19,
            Self::Local4 => 20,
            Self::Local5 => 21,
            Self::Local6 => 22,
            Self::Local7 => 23,
        }
    }
}

words! {
    /// What is done with reports to domain owners.
    ReportMode {
        /// None are made.
        Off = "off",
        /// They are made and shown, and not sent.
        LogOnly = "log-only",
        /// They are sent.
        On = "on",
    }
}

words! {
    /// The form of reports.
    ReportFormat {
        /// That of RFC 9990.
        Rfc9990 = "rfc9990",
        /// That of RFC 7489.
        Rfc7489 = "rfc7489",
    }
}

words! {
    /// TLS to the server that takes reports.
    ReportTls {
        /// Never.
        Off = "off",
        /// Where it is offered, whatever the certificate says.
        IfOffered = "if-offered",
        /// STARTTLS with a certificate for the server's name.
        Required = "required",
        /// TLS from the first octet, with such a certificate.
        Wrapped = "wrapped",
    }
}

words! {
    /// What happens to a report of which nobody knows whether it was taken.
    OnUnknownOutcome {
        /// It is sent once more.
        Resend = "resend",
        /// It waits for an operator.
        Hold = "hold",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_stands_for_a_value_that_prints_it() {
        for word in Mode::WORDS {
            assert_eq!(Mode::from_word(word).unwrap().as_str(), *word);
        }
        for word in Facility::WORDS {
            assert_eq!(Facility::from_word(word).unwrap().to_string(), *word);
        }
        assert_eq!(Mode::from_word("Both"), None);
        assert_eq!(BodyLength::from_word("whole-body"), Some(BodyLength::WholeBody));
    }

    #[test]
    fn modes_say_what_is_done() {
        assert_eq!(Mode::WORDS.len(), 4);
        assert!(Mode::Both.signs() && Mode::Both.verifies());
        assert!(Mode::Sign.signs() && !Mode::Sign.verifies());
        assert!(!Mode::Off.signs() && !Mode::Off.verifies());
    }
}
