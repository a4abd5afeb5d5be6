//! The cells that a peer cannot do, with what it says, and what is right.
//!
//! A cell that is listed here and works, or for which something else is said, fails the test, and so does an entry without a cell.

use crate::cells::{Body, Cell, Direction, Key, Peer};

/// Some cells with one cause. Where several entries mean a cell, the first one counts.
pub(crate) struct Listed {
    pub(crate) peer: Peer,
    pub(crate) direction: Direction,
    /// `None` means both canonicalizations of the header.
    pub(crate) header: Option<&'static str>,
    /// `None` means both canonicalizations of the body.
    pub(crate) body_canon: Option<&'static str>,
    /// `None` means every key.
    pub(crate) key: Option<Key>,
    pub(crate) bodies: &'static [Body],
    /// Exactly what is said by the peer; by us where it has signed and we do not find the signature good.
    pub(crate) says: &'static str,
    /// What the peer does, and what the standard says about it.
    pub(crate) why: &'static str,
}

impl Listed {
    pub(crate) fn means(&self, cell: &Cell) -> bool {
        self.peer == cell.peer
            && self.direction == cell.direction
            && self.header.is_none_or(|header| header == cell.header)
            && self.body_canon.is_none_or(|canon| canon == cell.body_canon)
            && self.key.is_none_or(|key| key == cell.key)
            && self.bodies.contains(&cell.body)
    }
}

/// We say it.
const BODY_HASH: &str = "dkim=fail reason=\"body hash did not verify\"";

/// OpenDKIM says no more, whichever of the two hashes differs.
const VERIFICATION_FAILED: &str = "dkim=fail reason=\"signature verification failed\"";

const WHITE_END: &str = "white space at the end of a body without final CRLF: one SP of it stays. §3.4.4: \"Ignore all whitespace at the end of lines\", \
     and the CRLF that is then added makes it one";

const NO_CRLF: &str = "a body without final CRLF is an error. §3.4.4: \"If the body is non-empty but does not end with a CRLF, a CRLF is added\"";

const WHITE_END_CRLF: &str = "white space at the end of a body without final CRLF: it goes and no CRLF is added. §3.4.4: \"If the body is non-empty but \
     does not end with a CRLF, a CRLF is added\"";

const RELAXED_CR: &str = "a CR that no LF follows is dropped. §3.4.4 changes SP, HTAB and empty lines and nothing else";

const FINAL_CR: &str = "a CR at the end of the body is dropped. §3.4.3: \"It makes no other changes to the message body\" than empty lines at its end";

pub(crate) const ED25519_SIMPLE: &str = "it hashes its own field with \"; b=\" and emits it with a fold before \"b=\". §3.4.1: \"Header fields MUST be presented to \
     the signing or verification algorithm exactly as they are in the message\"";

pub(crate) const LISTED: &[Listed] = &[
    Listed {
        peer: Peer::Dkimpy,
        direction: Direction::PeerVerifies,
        header: None,
        body_canon: Some("relaxed"),
        key: None,
        bodies: &[Body::WhiteEnd],
        says: "ValidationError: body hash mismatch (got b'1MVu6eYdglpwoXQgA//GMU5OeSiPyZtBnO6+I+OWNaU=', expected \
               b'ajs4REcOaD96USWA+t/zpW0/eT9zOe73zs3a96fYK44=')",
        why: WHITE_END,
    },
    Listed {
        peer: Peer::Dkimpy,
        direction: Direction::PeerSigns,
        header: None,
        body_canon: Some("relaxed"),
        key: None,
        bodies: &[Body::WhiteEnd],
        says: BODY_HASH,
        why: WHITE_END,
    },
    Listed {
        peer: Peer::OpenDkim,
        direction: Direction::PeerVerifies,
        header: None,
        body_canon: Some("relaxed"),
        key: None,
        bodies: &[Body::NoFinalCrlf, Body::FinalCr],
        says: "message not signed",
        why: NO_CRLF,
    },
    Listed {
        peer: Peer::OpenDkim,
        direction: Direction::PeerSigns,
        header: None,
        body_canon: Some("relaxed"),
        key: None,
        bodies: &[Body::NoFinalCrlf, Body::FinalCr],
        says: "no signature added: CRLF at end of body missing",
        why: NO_CRLF,
    },
    Listed {
        peer: Peer::OpenDkim,
        direction: Direction::PeerVerifies,
        header: None,
        body_canon: Some("relaxed"),
        key: None,
        bodies: &[Body::WhiteEnd],
        says: VERIFICATION_FAILED,
        why: WHITE_END_CRLF,
    },
    Listed {
        peer: Peer::OpenDkim,
        direction: Direction::PeerSigns,
        header: None,
        body_canon: Some("relaxed"),
        key: None,
        bodies: &[Body::WhiteEnd],
        says: BODY_HASH,
        why: WHITE_END_CRLF,
    },
    Listed {
        peer: Peer::OpenDkim,
        direction: Direction::PeerVerifies,
        header: None,
        body_canon: Some("relaxed"),
        key: None,
        bodies: &[Body::BareCr],
        says: VERIFICATION_FAILED,
        why: RELAXED_CR,
    },
    Listed {
        peer: Peer::OpenDkim,
        direction: Direction::PeerSigns,
        header: None,
        body_canon: Some("relaxed"),
        key: None,
        bodies: &[Body::BareCr],
        says: BODY_HASH,
        why: RELAXED_CR,
    },
    Listed {
        peer: Peer::OpenDkim,
        direction: Direction::PeerVerifies,
        header: None,
        body_canon: Some("simple"),
        key: None,
        bodies: &[Body::FinalCr],
        says: VERIFICATION_FAILED,
        why: FINAL_CR,
    },
    Listed {
        peer: Peer::OpenDkim,
        direction: Direction::PeerSigns,
        header: None,
        body_canon: Some("simple"),
        key: None,
        bodies: &[Body::FinalCr],
        says: BODY_HASH,
        why: FINAL_CR,
    },
    Listed {
        peer: Peer::OpenDkim,
        direction: Direction::PeerSigns,
        header: Some("simple"),
        body_canon: None,
        key: Some(Key::Ed25519),
        bodies: &Body::ALL,
        says: "dkim=fail reason=\"signature did not verify\"",
        why: ED25519_SIMPLE,
    },
];
