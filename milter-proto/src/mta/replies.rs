//! What the filter's replies do to the session of the MTA.

use crate::error::Waiting;
use crate::filter::{Replacement, ends_message};
use crate::flags::{Actions, Steps};
use crate::frame::Frame;
use crate::negotiation::{MIN_VERSION, Negotiated};
use crate::order::Position;
use crate::reply::{Answer, Decision, Modification, Reply};
use crate::reply_code::ReplyCode;
use crate::stage::Stage;

use super::{Heard, MtaSession, Standing, Violation};

impl MtaSession {
    pub(super) fn hear<'f>(&mut self, frame: Frame<'f>) -> Result<Heard<'f>, Violation> {
        let unexpected = Violation::Unexpected { code: frame.code };
        let reply = match (Reply::decode(frame), self.awaiting) {
            // §9: "no NUL | […] `554 5.7.1 Command rejected`"
            (Err(error), Some(Waiting::Event(stage))) if self.is_sendmail() && frame.code == b'y' => {
                let decision = self.replace_reply(stage, error.into())?;
                return self.decide(decision, stage, unexpected);
            }
            (reply, _) => reply?,
        };
        let stage = match self.awaiting.ok_or(unexpected)? {
            Waiting::Negotiation => {
                let Reply::Negotiate(answer) = reply else { return Err(unexpected) };
                return self.agree(answer);
            }
            Waiting::Event(stage) => stage,
        };
        let decision = match reply {
            Reply::Negotiate(_) | Reply::ConnFail => return Err(unexpected),
            // §3: "Postfix: any event; Sendmail: only `E`"
            Reply::Progress if self.is_sendmail() && stage != Stage::EndOfBody => return Err(unexpected),
            Reply::Progress => return Ok(Heard::Progress),
            Reply::Modify(modification) if stage == Stage::EndOfBody => return self.modify(modification),
            Reply::Modify(_) => return Err(unexpected),
            Reply::Continue => Decision::Continue,
            Reply::Accept => Decision::Accept,
            Reply::Reject => Decision::Reject,
            Reply::TempFail => Decision::TempFail,
            Reply::Discard => Decision::Discard,
            Reply::ReplyCode(text) => self.take_reply_code(text, stage)?,
            // mfdef.h on this code: "421: shutdown (internal to MTA)". Sendmail has no case for it in what a filter says.
            Reply::Shutdown if self.is_sendmail() => return Err(unexpected),
            Reply::Shutdown => Decision::Shutdown,
            Reply::Skip => Decision::Skip,
        };
        self.decide(decision, stage, unexpected)
    }

    fn decide<'f>(&mut self, decision: Decision, stage: Stage, unexpected: Violation) -> Result<Heard<'f>, Violation> {
        if decision == Decision::Skip {
            if !self.agreed.is_some_and(|agreed| agreed.steps.contains(Steps::SKIP)) {
                return Err(Violation::SkipNotNegotiated);
            }
            // §3: "B (Sendmail); any repeatable event (Postfix)"
            let repeats = matches!(stage, Stage::Rcpt | Stage::Header) && !self.is_sendmail();
            if stage != Stage::Body && !repeats {
                return Err(unexpected);
            }
            self.skipped = Some(stage);
        }
        self.awaiting = None;
        self.stand(&decision, stage);
        if decision == Decision::Discard && !stage.is_in_message() {
            if self.is_sendmail() && stage == Stage::Connect {
                self.let_go();
                return Err(Violation::DiscardAtConnect);
            }
            return Err(Violation::DiscardIgnored);
        }
        let decision = if stage == Stage::Connect { self.class_at_connect(decision) } else { decision };
        let refuses = matches!(decision, Decision::Reject | Decision::TempFail | Decision::ReplyCode(_));
        match stage {
            // §5: "ACCEPT/REJECT/TEMPFAIL/REPLYCODE at CONNECT or HELO: Postfix closes the socket at once, no QUIT."
            Stage::Connect | Stage::Helo if decision != Decision::Continue => self.let_go(),
            Stage::Rcpt if refuses => self.message.refuse_recipient(),
            Stage::EndOfBody => self.position = Position::Idle,
            _ => self.is_decided |= ends_message(&decision, stage),
        }
        if decision == Decision::Shutdown {
            self.position = Position::Closed;
        }
        Ok(Heard::Decision(decision))
    }

    /// What Sendmail remembers of a decision.
    fn stand(&mut self, decision: &Decision, stage: Stage) {
        let has_content = matches!(stage, Stage::Header | Stage::EndOfHeaders | Stage::Body);
        let goes_on = matches!(decision, Decision::Continue | Decision::Skip);
        if stage == Stage::EndOfBody || *decision == Decision::Accept || has_content && !goes_on {
            self.standing = Standing::Done;
        } else if stage == Stage::Mail && goes_on {
            self.standing = Standing::InMessage;
        }
    }

    fn let_go(&mut self) {
        self.position = Position::Closed;
        self.owes_quit = self.is_sendmail();
    }

    /// §9: "At CONNECT: Sendmail uses only the class (421 → shutdown)"
    fn class_at_connect(&self, decision: Decision) -> Decision {
        match decision {
            Decision::ReplyCode(code) if self.is_sendmail() => match code.code() {
                421 => Decision::Shutdown,
                400..=499 => Decision::TempFail,
                _ => Decision::Reject,
            },
            other => other,
        }
    }

    fn take_reply_code(&mut self, text: &[u8], stage: Stage) -> Result<Decision, Violation> {
        match ReplyCode::parse(text) {
            Ok(code) => Ok(Decision::ReplyCode(code)),
            Err(error) if self.is_sendmail() && is_replaced(text) => self.replace_reply(stage, error.into()),
            // Sendmail hands on what else is wrong, as it is: line breaks put the client's dialogue out of step. Nobody should.
            Err(error) => Err(error.into()),
        }
    }

    /// Puts the standard reply of Sendmail in the place of one that it does not take.
    fn replace_reply(&mut self, stage: Stage, reason: Violation) -> Result<Decision, Violation> {
        let standard: &[u8] = match stage {
            Stage::Connect => b"554 Command rejected",
            Stage::Helo => b"550 Command rejected",
            Stage::Body | Stage::EndOfBody => b"554 5.7.1 Command rejected",
            _ => b"550 5.7.1 Command rejected",
        };
        let code = ReplyCode::parse(standard)?;
        self.replaced_reply = Some(reason);
        Ok(Decision::ReplyCode(code))
    }

    fn agree<'f>(&mut self, answer: Answer<'f>) -> Result<Heard<'f>, Violation> {
        let offer = self.options.offer;
        if !(MIN_VERSION..=offer.version).contains(&answer.version) {
            return Err(Violation::Version { offered: offer.version, answered: answer.version });
        }
        let (offered_actions, offered_steps) = offer.in_effect();
        let actions = answer.actions.without(offered_actions);
        if !actions.is_empty() {
            return Err(Violation::ActionsNotOffered(actions));
        }
        let steps = answer.steps.without(offered_steps);
        if !steps.is_empty() {
            return Err(Violation::StepsNotOffered(steps));
        }
        if !offer.actions.contains(Actions::SET_MACRO_LIST) && answer.macro_lists.iter().next().is_some() {
            return Err(Violation::MacroListsNotOffered);
        }
        self.macros.ask(&answer.macro_lists);
        self.agreed = Some(Negotiated { version: answer.version, actions: answer.actions, steps: answer.steps });
        self.awaiting = None;
        self.position = Position::BeforeConnect;
        Ok(Heard::Negotiated(answer))
    }

    fn modify<'f>(&mut self, modification: Modification<'f>) -> Result<Heard<'f>, Violation> {
        let action = modification.action();
        if !self.agreed.is_some_and(|agreed| agreed.actions.contains(action)) {
            return Err(Violation::ActionNotNegotiated(action));
        }
        self.replacement = match (self.replacement, modification) {
            // §10: "contiguous run in Postfix (mixing other edits inside the run → configuration error)"
            (Replacement::Over, Modification::ReplaceBody(_)) if !self.is_sendmail() => {
                return Err(Violation::BodyReplacementResumed);
            }
            (_, Modification::ReplaceBody(_)) => Replacement::Running,
            (Replacement::Running, _) => Replacement::Over,
            (other, _) => other,
        };
        self.modifications = self.modifications.saturating_add(1);
        self.modified_octets = self.modified_octets.saturating_add(octets_in(&modification));
        if self.modifications > self.options.max_modifications
            || self.modified_octets > self.options.max_modified_octets
        {
            return Err(Violation::TooMuch);
        }
        let mode = self.leading_space();
        self.message.apply(&modification, mode).map_err(|_| Violation::EmptyHeaderName)?;
        Ok(Heard::Modification(modification))
    }
}

/// Whether Sendmail puts its standard reply in the place of this one: for a code that is not of class 4 or 5, and for a single percent sign.
fn is_replaced(text: &[u8]) -> bool {
    let has_code =
        matches!(text, [b'4' | b'5', second, third, ..] if second.is_ascii_digit() && third.is_ascii_digit());
    let mut octets = text.iter();
    let has_single_percent = std::iter::from_fn(|| {
        let octet = octets.next()?;
        Some(*octet == b'%' && octets.next() != Some(&b'%'))
    })
    .any(|is_single| is_single);
    !has_code || has_single_percent
}

fn octets_in(modification: &Modification<'_>) -> usize {
    match modification {
        Modification::AddHeader { name, value }
        | Modification::InsertHeader { name, value, .. }
        | Modification::ChangeHeader { name, value, .. } => name.len().saturating_add(value.len()),
        Modification::ReplaceBody(text)
        | Modification::AddRecipient(text)
        | Modification::DeleteRecipient(text)
        | Modification::Quarantine(text)
        | Modification::AddRecipientWithParameters { address: text, .. }
        | Modification::ChangeSender { address: text, .. } => text.len(),
    }
}
