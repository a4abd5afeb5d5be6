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

use super::{Heard, MtaSession, Violation};

impl MtaSession {
    pub(super) fn hear<'f>(&mut self, frame: Frame<'f>) -> Result<Heard<'f>, Violation> {
        let unexpected = Violation::Unexpected { code: frame.code };
        let reply = Reply::decode(frame)?;
        let stage = match self.awaiting.ok_or(unexpected)? {
            Waiting::Negotiation => {
                let Reply::Negotiate(answer) = reply else { return Err(unexpected) };
                return self.agree(answer);
            }
            Waiting::Event(stage) => stage,
        };
        let decision = match reply {
            Reply::Negotiate(_) | Reply::ConnFail => return Err(unexpected),
            // §3: "Postfix: any event"
            Reply::Progress => return Ok(Heard::Progress),
            Reply::Modify(modification) if stage == Stage::EndOfBody => return self.modify(modification),
            Reply::Modify(_) => return Err(unexpected),
            Reply::Continue => Decision::Continue,
            Reply::Accept => Decision::Accept,
            Reply::Reject => Decision::Reject,
            Reply::TempFail => Decision::TempFail,
            Reply::Discard => Decision::Discard,
            Reply::ReplyCode(text) => Decision::ReplyCode(ReplyCode::parse(text)?),
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
            // §3: "any repeatable event (Postfix)"
            if !matches!(stage, Stage::Rcpt | Stage::Header | Stage::Body) {
                return Err(unexpected);
            }
            self.skipped = Some(stage);
        }
        self.awaiting = None;
        if decision == Decision::Discard && !stage.is_in_message() {
            return Err(Violation::DiscardIgnored);
        }
        let refuses = matches!(decision, Decision::Reject | Decision::TempFail | Decision::ReplyCode(_));
        match stage {
            // §5: "ACCEPT/REJECT/TEMPFAIL/REPLYCODE at CONNECT or HELO: Postfix closes the socket at once, no QUIT."
            Stage::Connect | Stage::Helo if decision != Decision::Continue => self.position = Position::Closed,
            Stage::Rcpt if refuses => self.message.refuse_recipient(),
            Stage::EndOfBody => self.position = Position::Idle,
            _ => self.is_decided |= ends_message(&decision, stage),
        }
        if decision == Decision::Shutdown {
            self.position = Position::Closed;
        }
        Ok(Heard::Decision(decision))
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
            (Replacement::Over, Modification::ReplaceBody(_)) => return Err(Violation::BodyReplacementResumed),
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
