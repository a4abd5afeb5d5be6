//! Which macros the MTA sends with which stage: the lists of Postfix or Sendmail, unless the filter has asked for others.
//!
//! Sendmail differs in more than its lists: it sends no packet at all for a list without names, none with header fields and body, and of the
//! lists a filter asks for it uses the one of end of message only beside one of end of headers.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::command::Command;
use crate::error::EncodeError;
use crate::macros::{MacroLists, MacroPairs, without_braces};
use crate::negotiation::MAX_NAMES;
use crate::stage::Stage;

use super::Profile;

/// Values that are set, and the list of each stage.
#[derive(Clone, Debug)]
pub(super) struct MacroValues {
    profile: Profile,
    /// By name without braces.
    values: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What the filter asked for, by stage.
    asked: BTreeMap<Stage, Vec<u8>>,
}

impl MacroValues {
    pub(super) fn new(profile: Profile) -> Self {
        Self { profile, values: BTreeMap::new(), asked: BTreeMap::new() }
    }

    pub(super) fn set(&mut self, name: &str, value: Option<&[u8]>) {
        let name = without_braces(name.as_bytes()).to_vec();
        match value {
            Some(value) => self.values.insert(name, value.to_vec()),
            None => self.values.remove(&name),
        };
    }

    /// Takes the lists of the filter: each replaces the one of its stage. Of numbers of no stage Postfix ignores each, Sendmail it and the rest.
    pub(super) fn ask(&mut self, lists: &MacroLists<'_>) {
        let known = lists.iter().map(|(number, names)| Some((Stage::from_macro_list(number)?, names.to_vec())));
        self.asked = match self.profile {
            Profile::Postfix => known.flatten().collect(),
            Profile::Sendmail => known.map_while(|list| list).collect(),
        };
    }

    /// Writes the macro packet for a stage: those of its list that are set. `message_id` stands for the macro `{msg_id}` if that is not set.
    pub(super) fn write(&self, stage: Stage, message_id: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let Some(list) = self.list(stage) else { return Ok(()) };
        let names: Vec<&[u8]> = list
            .split(|octet| *octet == b',' || octet.is_ascii_whitespace())
            .filter(|name| !name.is_empty())
            .take(if self.profile == Profile::Sendmail { MAX_NAMES } else { usize::MAX })
            .collect();
        if self.profile == Profile::Sendmail && names.is_empty() {
            return Ok(());
        }
        let value_of = |name| {
            let bare = without_braces(name);
            let value = self.values.get(bare).map(Vec::as_slice);
            value.or_else(|| message_id.filter(|_| bare == b"msg_id")).map(|value| (name, self.spelled(bare, value)))
        };
        let values: Vec<(&[u8], Cow<'_, [u8]>)> = names.into_iter().filter_map(value_of).collect();
        let pairs: Vec<(&[u8], &[u8])> = values.iter().map(|(name, value)| (*name, &**value)).collect();
        Command::Macros { command: stage.code(), pairs: MacroPairs::from(&pairs[..]) }.encode(out)
    }

    /// The list of a stage; `None` where no packet is sent.
    fn list(&self, stage: Stage) -> Option<&[u8]> {
        let asked = |stage| self.asked.get(&stage).map(Vec::as_slice);
        match (self.profile, stage) {
            // Header fields go with end of headers, the body with end of message.
            (Profile::Postfix, Stage::Header) => self.list(Stage::EndOfHeaders),
            (Profile::Postfix, Stage::Body) => self.list(Stage::EndOfBody),
            (Profile::Postfix, _) => asked(stage).or_else(|| Some(postfix_list(stage).as_bytes())),
            (Profile::Sendmail, Stage::Unknown | Stage::Header | Stage::Body) => None,
            // §4.4: "Sendmail uses the EOM list only if an EOH list is also set". With one of end of headers alone it sends none.
            (Profile::Sendmail, Stage::EndOfBody) => match asked(Stage::EndOfHeaders) {
                Some(_) => asked(Stage::EndOfBody),
                None => Some(sendmail_list(stage).as_bytes()),
            },
            (Profile::Sendmail, _) => asked(stage).or_else(|| Some(sendmail_list(stage).as_bytes())),
        }
    }

    /// §6: Sendmail "gives hosts with a trailing dot (`example.test.`)". Addresses in brackets and the host of local mail, which is empty, have
    /// none.
    fn spelled<'a>(&self, bare_name: &[u8], value: &'a [u8]) -> Cow<'a, [u8]> {
        let is_host = matches!(bare_name, b"mail_host" | b"rcpt_host");
        if self.profile == Profile::Sendmail && is_host && !matches!(value, [] | [.., b'.' | b']']) {
            return Cow::Owned([value, b"."].concat());
        }
        Cow::Borrowed(value)
    }
}

/// The lists that Postfix has by default.
fn postfix_list(stage: Stage) -> &'static str {
    match stage {
        Stage::Connect => "j {daemon_name} {daemon_addr} v _",
        Stage::Helo => "{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer}",
        Stage::Mail => "i {auth_type} {auth_authen} {auth_author} {mail_addr} {mail_host} {mail_mailer}",
        Stage::Rcpt => "i {rcpt_addr} {rcpt_host} {rcpt_mailer}",
        Stage::Data | Stage::Header | Stage::EndOfHeaders | Stage::Body | Stage::EndOfBody => "i",
        Stage::Unknown => "",
    }
}

/// The lists in the configuration that comes with Sendmail.
fn sendmail_list(stage: Stage) -> &'static str {
    match stage {
        Stage::Connect => "j,_,{daemon_name},{if_name},{if_addr}",
        Stage::Helo => "{tls_version},{cipher},{cipher_bits},{cert_subject},{cert_issuer}",
        Stage::Mail => "i,{auth_type},{auth_authen},{auth_ssf},{auth_author},{mail_mailer},{mail_host},{mail_addr}",
        Stage::Rcpt => "{rcpt_mailer},{rcpt_host},{rcpt_addr}",
        Stage::EndOfBody => "{msg_id}",
        Stage::Data | Stage::Header | Stage::EndOfHeaders | Stage::Body | Stage::Unknown => "",
    }
}
