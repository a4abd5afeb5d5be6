//! What a message asks the DNS, as values: it hands out [`Lookup`]s and is told [`Answered`].
//!
//! A lookup is one question (a key) or a machine that asks several in a row (an SPF check); whoever runs it does the asking and brings back
//! what came of it. One variant a kind: a further protocol adds its own here and in the one place that runs them.

use dkim_core::verify::KeyAnswer;
use dmarc_core::discovery::{Discovering, Discovery};
use spf_core::check::Progress;
use spf_core::identity::{Helo, MailFrom};
use spf_core::outcome::Outcome;

/// Something to find out.
#[derive(Debug)]
pub enum Lookup {
    /// The DKIM key record of this name.
    Key(String),
    /// SPF for the HELO identity.
    Helo(Progress<Helo>),
    /// SPF for the MAIL FROM identity.
    MailFrom(Progress<MailFrom>),
    /// The DMARC policy of the author domain.
    Discovery(dmarc_core::progress::Progress<Discovering>),
}

/// What was found.
#[derive(Debug)]
pub enum Answered {
    /// The key record of this name.
    Key(String, KeyAnswer),
    /// SPF for the HELO identity.
    Helo(Outcome<Helo>),
    /// SPF for the MAIL FROM identity.
    MailFrom(Outcome<MailFrom>),
    /// The DMARC policy of the author domain.
    Discovery(Box<Discovery>),
}
