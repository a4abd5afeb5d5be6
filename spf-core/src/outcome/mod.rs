//! What came of a check: result, cause, and everything that was asked on the way.
//!
//! RFC 7208 §2.6 (results), §8 (what they mean), RFC 8601 §2.7.2 (their words). Outcomes are values: a bad record, a bad name, a dead DNS are
//! results like any other. `cause.rs` says why, `log.rs` keeps what was evaluated and asked, `trace.rs` lays that out as the tree that an
//! operator reads.

mod cause;
mod log;
mod trace;

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

pub use self::cause::Cause;
pub use self::log::{Asked, Check, Entered, Place};
pub use self::trace::{TermState, TraceLine};

use crate::check::Machine;
use crate::identity::{Identity, Session};
use crate::name::Name;

/// The results of RFC 7208 §2.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "RFC 7208 §2.6 defines these seven, and callers should handle each")]
pub enum SpfResult {
    /// There is no domain to check, or it has no record.
    None,
    /// The owner of the domain says nothing about this client. To be treated as [`None`](Self::None) (§8.2).
    Neutral,
    /// The client may use the domain.
    Pass,
    /// The client may not.
    Fail,
    /// The client probably may not.
    SoftFail,
    /// Something is wrong that may pass: a DNS server does not answer.
    TempError,
    /// Something is wrong that somebody has to mend: the record.
    PermError,
}

impl SpfResult {
    /// The word of RFC 7208 §2.6 and RFC 8601 §2.7.2.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Neutral => "neutral",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::SoftFail => "softfail",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        }
    }
}

impl fmt::Display for SpfResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The explanation of a `fail`, made from the record's `exp=` (RFC 7208 §6.2).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The text: one line of printable ASCII, not longer than [`Limits::max_explanation`](crate::limits::Limits::max_explanation). It comes
    /// from strangers all the same: §6.2 wants it shown as theirs, with [`domain`](Self::domain).
    pub text: String,
    /// The domain whose record it comes from.
    pub domain: Name,
}

/// What came of a check: see [`Outcome`], which says for which identity.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The result.
    pub result: SpfResult,
    /// Why it is that.
    pub cause: Cause,
    /// The domain that was checked, in A-labels; `None` when there was none to check.
    pub domain: Option<Name>,
    /// The term that decided: the one that matched, or the one that could not be evaluated. `None` when no term did.
    pub place: Option<Place>,
    /// What the owner of the domain says about a `fail`.
    pub explanation: Option<Explanation>,
    /// Every evaluation of a record, the first one first: the domain itself, then what `include` and `redirect` led to.
    pub checks: Vec<Check>,
    /// Every question in the order it was asked, with its answer.
    pub questions: Vec<Asked>,
    /// Terms that count against [`Limits::max_lookup_terms`](crate::limits::Limits::max_lookup_terms).
    pub lookups: u32,
    /// Lookups that count against [`Limits::max_void_lookups`](crate::limits::Limits::max_void_lookups).
    pub voids: u32,
    /// Another local part or sender domain could give another result: a macro used it.
    pub depends_on_sender: bool,
    /// Another HELO could give another result: a macro used it.
    pub depends_on_helo: bool,
    /// The text of the term that decided, once the records are gone.
    pub(crate) kept_term: Option<Box<str>>,
}

/// Octets of a term that outlive its record: as many as Received-SPF shows.
const MAX_KEPT_TERM: usize = 200;

impl Report {
    /// The text of the term that decided, as it stands in its record; its first 200 octets [without the log](Outcome::without_log).
    #[must_use]
    pub fn term(&self) -> Option<&str> {
        let Some(place) = self.place else { return self.kept_term.as_deref() };
        let record = self.checks.get(place.check)?.record.as_ref()?;
        Some(record.term_text(place.term)).filter(|text| !text.is_empty())
    }

    pub(crate) fn forget(&mut self) {
        // Terms are ASCII, so that every octet is a character.
        self.kept_term = self.term().map(|term| term.get(..MAX_KEPT_TERM).unwrap_or(term).into());
        self.place = None;
        self.checks = Vec::new();
        self.questions = Vec::new();
    }
}

/// What came of a check of one identity; the rest is in the [`Report`] that it dereferences to.
///
/// `Outcome<Helo>` and `Outcome<MailFrom>` are different types, so a function that needs the one cannot be given the other:
///
/// ```compile_fail,E0308
/// # use spf_core::{identity::{Helo, MailFrom}, outcome::Outcome};
/// fn spf_for_dmarc(outcome: &Outcome<MailFrom>) {}
/// fn confuse(outcome: &Outcome<Helo>) {
///     spf_for_dmarc(outcome); // does not compile
/// }
/// ```
#[derive(Clone)]
pub struct Outcome<I: Identity> {
    machine: Box<Machine>,
    identity: PhantomData<I>,
}

impl<I: Identity> Outcome<I> {
    /// The outcome of a machine that has come to its end.
    pub(crate) fn new(machine: Box<Machine>) -> Self {
        Self { machine, identity: PhantomData }
    }

    /// The report alone, for those who want its parts; which identity it was is lost with that.
    #[must_use]
    pub fn into_report(self) -> Report {
        self.machine.into_report()
    }

    /// The outcome without what was evaluated and asked: [`Report::checks`] and [`Report::questions`] are empty, [`Report::place`] is `None`.
    ///
    /// For those who keep it for long. Records and answers are what strangers wrote, as long as they liked; what stays is the result, its cause,
    /// the names, the explanation and the beginning of the term, a few KiB at most beside HELO and the local part.
    ///
    /// ```
    /// # use spf_core::{check::check_mail_from, dns::Answer, identity::{Sender, Session}, limits::Limits};
    /// # let session = Session::new("192.0.2.1".parse()?, "mail.example.com");
    /// # let sender = Sender::from_reverse_path(b"<joe@example.com>");
    /// let outcome = check_mail_from(&session, &sender, &Limits::default()).run(|_| Answer::txt(["v=spf1 -all"]));
    /// let short = outcome.clone().without_log();
    /// assert!(outcome.questions.len() == 1 && short.questions.is_empty());
    /// assert_eq!((short.result, short.term()), (outcome.result, Some("-all")));
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    #[must_use]
    pub fn without_log(mut self) -> Self {
        self.machine.forget();
        self
    }

    /// The session that was checked.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.machine.session
    }

    /// The local part of the sender that was checked; "postmaster" where there was none.
    #[must_use]
    pub fn local_part(&self) -> &[u8] {
        self.machine.mailbox.local()
    }

    /// What was checked, for Authentication-Results: `smtp.mailfrom=` or `smtp.helo=`, ptype, property and value (RFC 8601 §2.7.2).
    ///
    /// The value is a domain in A-labels (§2.7.2 lets verifiers leave the local part out, and it is nobody's business). `None` when there was no
    /// domain: then the result is `none`, and there is nothing to say it about. For a null reverse path it is the domain of HELO, which is
    /// what RFC 7208 §2.4 makes the MAIL FROM identity then.
    #[must_use]
    pub fn property(&self) -> Option<(&'static str, &'static str, &Name)> {
        self.domain.as_ref().map(|domain| ("smtp", I::NAME, domain))
    }
}

impl<I: Identity> Deref for Outcome<I> {
    type Target = Report;

    fn deref(&self) -> &Report {
        &self.machine.report
    }
}

impl<I: Identity> fmt::Debug for Outcome<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcome")
            .field("identity", &I::NAME)
            .field("report", &self.machine.report)
            .finish_non_exhaustive()
    }
}

/// Two outcomes are equal when their reports are.
impl<I: Identity> PartialEq for Outcome<I> {
    fn eq(&self, other: &Self) -> bool {
        self.machine.report == other.machine.report
    }
}

impl<I: Identity> Eq for Outcome<I> {}
