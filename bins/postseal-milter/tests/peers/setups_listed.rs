//! What differs in the set-ups, and why. `docs/migrating-from-opendkim.md` has the same rows.

/// What both daemons make of a message, where it is not the same.
pub(crate) struct Difference {
    /// Names of set-ups; none stands for all.
    pub(crate) setups: &'static [&'static str],
    /// Of the message.
    pub(crate) mail: &'static str,
    pub(crate) theirs: &'static str,
    pub(crate) ours: &'static str,
    /// What is right, and who says so.
    pub(crate) why: &'static str,
}

/// Those that sign: Debian's file as it is has no key.
const SIGNING: &[&str] = &["debian_key", "mailinabox", "docker_mailserver", "linode"];

pub(crate) const DIFFERENCES: &[Difference] = &[
    Difference {
        setups: SIGNING,
        mail: "own domain, forged result",
        theirs: "signed, the forged result stays",
        ours: "signed",
        why: "fields under our name are removed from mail that is signed, too: readers believe them (RFC 8601 §5)",
    },
    Difference {
        setups: SIGNING,
        mail: "own domain, two From",
        theirs: "signed",
        ours: "`550 5.7.0 DKIM signing error`",
        why: "RFC 5322 §3.6 allows one, and nobody knows which one a reader is shown; it is what `On-SignatureError` says",
    },
    Difference {
        setups: &["mailinabox"],
        mail: "own domain, signed before",
        theirs: "signed",
        ours: "no result",
        why: "the signature of the same domain and selector that it has is still good: a content filter handed the message back. Where \
              `RemoveOldSignatures` takes that one away, it is signed again",
    },
    Difference {
        setups: &[],
        mail: "rsa-sha1",
        theirs: "`pass`",
        ours: "`permerror`",
        why: "RFC 8301 §3.1: \"rsa-sha1 MUST NOT be used for signing or verifying\"",
    },
    Difference {
        setups: &[],
        mail: "text added behind l=",
        theirs: "`pass`",
        ours: "`policy`",
        why: "anybody can add to such a message (RFC 6376 §8.2)",
    },
    Difference {
        setups: &[],
        mail: "signature malformed",
        theirs: "no result",
        ours: "`permerror`",
        why: "the message has a result, and its other signatures are judged (RFC 8601 §2.7.1)",
    },
    Difference {
        setups: &[],
        mail: "signature malformed, forged result",
        theirs: "no result, the forged result stays",
        ours: "`permerror`",
        why: "one malformed signature makes OpenDKIM let everything else pass as it is, forged results included",
    },
    Difference {
        setups: &[],
        mail: "no From, forged result",
        theirs: "`permerror`, the forged result stays",
        ours: "`permerror`",
        why: "fields under our name are removed whatever else is wrong with a message (RFC 8601 §5)",
    },
    Difference {
        setups: &[],
        mail: "From unreadable, forged result",
        theirs: "`permerror`, the forged result stays",
        ours: "`permerror`",
        why: "the same",
    },
];
