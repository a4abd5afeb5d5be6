//! The option negotiation: what a filter wants, and what comes of it with a given MTA.
//!
//! ```text
//! MTA    → O  version actions steps                      the offer
//! filter → O  version actions steps [macro lists]        the answer: nothing that was not offered
//! ```
//!
//! Rules (`version = min(offered, 6)`, actions and steps within the offer, macro lists only if the MTA takes them) are in [`Negotiated::agree`],
//! and none of them ends the session but a version below 2 and a missing [`Wants::required`] action. The caller looks at
//! [`FilterSession::negotiated`](crate::FilterSession::negotiated) and does without what the MTA lacks.

use std::borrow::Cow;

use crate::command::Offer;
use crate::error::{ProtocolError, UsageError};
use crate::flags::{Actions, Steps};
use crate::header_text::LeadingSpace;
use crate::macros::{MacroLists, without_braces};
use crate::reply::{Answer, Reply};
use crate::stage::Stage;

/// The highest version of the protocol, and the one this crate offers and answers.
pub const MAX_VERSION: u32 = 6;
/// The lowest version that libmilter and Sendmail take.
pub const MIN_VERSION: u32 = 2;

/// Names of one list, as Sendmail takes them (`MAXFILTERMACROS`).
pub(crate) const MAX_NAMES: usize = 50;
const LISTS: usize = 7;

/// What a filter asks of every MTA. `Default` is for a filter that verifies and signs.
///
/// ```
/// use milter_proto::{Stage, Wants, flags::{Actions, Steps}};
///
/// let mut wants = Wants::default();
/// wants.actions |= Actions::CHANGE_BODY;
/// wants.steps = wants.steps.without(Steps::NO_REPLY_BODY); // so that SKIP can be used
/// wants.set_macros(Stage::Rcpt, &["i", "{rcpt_addr}"])?;
/// # Ok::<(), milter_proto::UsageError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Wants {
    /// Actions to ask for; those that are not offered are done without. Default: add and change header fields, quarantine, set macro lists.
    pub actions: Actions,
    /// Actions without which there is no session. Default: none.
    pub required: Actions,
    /// Steps to ask for; those that are not offered are done without.
    ///
    /// Default: `LEADING_SPACE` (header values are exact), `NO_UNKNOWN`, `SKIP`, and no replies to header fields, end of headers and body, so that
    /// the MTA can stream the message. A silenced body cannot be skipped: where both would be agreed, SKIP is left out.
    pub steps: Steps,
    macros: [Option<Cow<'static, str>>; LISTS],
}

impl Default for Wants {
    fn default() -> Self {
        let content = "i {auth_type} {auth_authen} {daemon_name}";
        let lists = [
            // In the order of `SMFIM_*`.
            "j {daemon_name} {daemon_addr} {daemon_port} {client_addr} {client_name} {client_ptr} {client_resolve} v _ {if_addr} {if_name}",
            "{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer} {tls_sni}",
            "i {auth_type} {auth_authen} {auth_author} {auth_ssf} {mail_addr} {mail_host} {mail_mailer} {client_addr} {daemon_name} {tls_version}",
            "i {rcpt_addr} {rcpt_host} {rcpt_mailer}",
            content,
            "i {auth_type} {auth_authen} {daemon_name} {msg_id}",
            content,
        ];
        Self {
            actions: Actions::ADD_HEADERS | Actions::CHANGE_HEADERS | Actions::QUARANTINE | Actions::SET_MACRO_LIST,
            required: Actions::NONE,
            steps: Steps::LEADING_SPACE
                | Steps::SKIP
                | Steps::NO_UNKNOWN
                | Steps::NO_REPLY_HEADERS
                | Steps::NO_REPLY_END_OF_HEADERS
                | Steps::NO_REPLY_BODY,
            macros: lists.map(|list| Some(Cow::Borrowed(list))),
        }
    }
}

impl Wants {
    /// A filter that asks for nothing: every event, every reply, no action, no macro list.
    pub fn nothing() -> Self {
        Self { actions: Actions::NONE, required: Actions::NONE, steps: Steps::NONE, macros: Default::default() }
    }

    /// Sets the macros to ask for at a stage: long names are put in braces if they are not. An empty list asks for none; the MTA then sends none.
    ///
    /// # Errors
    /// [`UsageError::NotAllowed`] for a stage without a list (header, body, unknown command), [`UsageError::UnsafeText`] for a name that is empty
    /// or holds anything but printable ASCII, [`UsageError::TooManyMacros`] for more than 50 names.
    pub fn set_macros(&mut self, stage: Stage, names: &[&str]) -> Result<(), UsageError> {
        if names.len() > MAX_NAMES {
            return Err(UsageError::TooManyMacros(names.len()));
        }
        let mut list = String::new();
        for name in names {
            let bare = without_braces(name.as_bytes());
            if bare.is_empty() || !bare.iter().all(|octet| octet.is_ascii_graphic() && !b"{},".contains(octet)) {
                return Err(UsageError::UnsafeText);
            }
            if !list.is_empty() {
                list.push(' ');
            }
            if bare.len() > 1 && bare.len() == name.len() {
                list.push('{');
                list.push_str(name);
                list.push('}');
            } else {
                list.push_str(name);
            }
        }
        let slot = list_index(stage).and_then(|index| self.macros.get_mut(index));
        *slot.ok_or(UsageError::NotAllowed(crate::error::Waiting::Event(stage)))? = Some(Cow::Owned(list));
        Ok(())
    }

    /// Asks at a stage for these macros as well; those that are on its list stay there once.
    ///
    /// # Errors
    /// As [`set_macros`](Self::set_macros).
    pub fn add_macros(&mut self, stage: Stage, names: &[&str]) -> Result<(), UsageError> {
        let list = self.list(stage).unwrap_or_default().to_owned();
        let known: Vec<&str> = list.split(' ').filter(|name| !name.is_empty()).collect();
        let is_new = |name: &&&str| {
            let bare = without_braces(name.as_bytes());
            !known.iter().any(|known| without_braces(known.as_bytes()) == bare)
        };
        let all: Vec<&str> = known.iter().chain(names.iter().filter(is_new)).copied().collect();
        self.set_macros(stage, &all)
    }

    /// Leaves the macros of a stage to the configuration of the MTA.
    pub fn unset_macros(&mut self, stage: Stage) {
        if let Some(slot) = list_index(stage).and_then(|index| self.macros.get_mut(index)) {
            *slot = None;
        }
    }

    /// The list for a stage, as it is sent.
    fn list(&self, stage: Stage) -> Option<&str> {
        let of = |stage| list_index(stage).and_then(|index| self.macros.get(index)).and_then(Option::as_deref);
        // §4.4: Sendmail heeds the list of end of message only with one of end of headers: "always send both".
        match stage {
            Stage::EndOfHeaders => of(stage).or_else(|| of(Stage::EndOfBody)),
            Stage::EndOfBody => of(stage).or_else(|| of(Stage::EndOfHeaders)),
            _ => of(stage),
        }
    }

    /// Appends the answer.
    pub(crate) fn write_answer(&self, agreed: &Negotiated, out: &mut Vec<u8>) -> Result<(), UsageError> {
        let mut lists: Vec<(u32, &[u8])> = Vec::new();
        if agreed.actions.contains(Actions::SET_MACRO_LIST) {
            for stage in Stage::ALL.iter().copied() {
                if let (Some(number), Some(list)) = (stage.macro_list(), self.list(stage)) {
                    lists.push((number, list.as_bytes()));
                }
            }
        }
        let answer = Answer::new(agreed.version, agreed.actions, agreed.steps);
        Reply::Negotiate(answer.with_macro_lists(MacroLists::from(&lists[..]))).encode(out)?;
        Ok(())
    }
}

fn list_index(stage: Stage) -> Option<usize> {
    stage.macro_list().and_then(|number| usize::try_from(number).ok())
}

/// What MTA and filter agreed on, for the life of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Negotiated {
    /// The version both speak, 2 to 6.
    pub version: u32,
    /// What the filter may do.
    pub actions: Actions,
    /// What is left out or changed.
    pub steps: Steps,
}

impl Negotiated {
    /// What comes of a filter's wants and an MTA's offer.
    ///
    /// # Errors
    /// [`ProtocolError::Version`] below version 2, [`ProtocolError::MissingActions`] if a required action is not offered.
    pub fn agree(offer: &Offer, wants: &Wants) -> Result<Self, ProtocolError> {
        if offer.version < MIN_VERSION {
            return Err(ProtocolError::Version { offered: offer.version });
        }
        // §4.1: "Never answer higher than offered"
        let version = offer.version.min(MAX_VERSION);
        // §4.5: "Old MTAs: offered actions 0 means V1 set 0x0F, protocol 0 means 0x3F"
        let (offered_actions, offered_steps) = offer.in_effect();
        let missing = wants.required.without(offered_actions);
        if !missing.is_empty() {
            return Err(ProtocolError::MissingActions { missing });
        }
        let mut steps = wants.steps & offered_steps & Steps::known_in(version);
        // §4: "a body chunk with NR cannot be answered by SKIP"
        if steps.contains(Steps::NO_REPLY_BODY) {
            steps = steps.without(Steps::SKIP);
        }
        Ok(Self { version, actions: (wants.actions | wants.required) & offered_actions, steps })
    }

    /// How header values are spelled.
    pub fn leading_space(&self) -> LeadingSpace {
        if self.steps.contains(Steps::LEADING_SPACE) { LeadingSpace::Verbatim } else { LeadingSpace::OneStripped }
    }

    /// Whether the events of a stage are left out.
    pub fn is_masked(&self, stage: Stage) -> bool {
        self.steps.intersects(stage.no_event())
    }

    /// Whether the events of a stage have no reply.
    pub fn is_silent(&self, stage: Stage) -> bool {
        self.steps.intersects(stage.no_reply())
    }
}
