//! Which macros the MTA sends with which stage: the lists of Postfix, unless the filter has asked for others.

use std::collections::BTreeMap;

use crate::command::Command;
use crate::error::EncodeError;
use crate::macros::{MacroLists, MacroPairs, without_braces};
use crate::stage::Stage;

/// Values that are set, and the list of each stage.
#[derive(Clone, Debug, Default)]
pub(super) struct MacroValues {
    /// By name without braces.
    values: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What the filter asked for, by stage.
    asked: BTreeMap<Stage, Vec<u8>>,
}

impl MacroValues {
    pub(super) fn set(&mut self, name: &str, value: Option<&[u8]>) {
        let name = without_braces(name.as_bytes()).to_vec();
        match value {
            Some(value) => self.values.insert(name, value.to_vec()),
            None => self.values.remove(&name),
        };
    }

    /// Takes the lists of the filter: each replaces the one of its stage. Numbers of no stage are ignored, as Postfix does.
    pub(super) fn ask(&mut self, lists: &MacroLists<'_>) {
        self.asked = lists
            .iter()
            .filter_map(|(number, names)| Some((Stage::from_macro_list(number)?, names.to_vec())))
            .collect();
    }

    /// Writes the macro packet for a stage: those of its list that are set. It may be empty and is sent all the same.
    pub(super) fn write(&self, stage: Stage, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let names = self.asked.get(&list_of(stage)).map_or_else(|| default_list(stage).as_bytes(), Vec::as_slice);
        let pairs: Vec<(&[u8], &[u8])> = names
            .split(|octet| matches!(octet, b' ' | b','))
            .filter_map(|name| Some((name, self.values.get(without_braces(name))?.as_slice())))
            .collect();
        Command::Macros { command: stage.code(), pairs: MacroPairs::from(&pairs[..]) }.encode(out)
    }
}

/// The stage whose list is used: header fields go with end of headers, the body with end of message.
fn list_of(stage: Stage) -> Stage {
    match stage {
        Stage::Header => Stage::EndOfHeaders,
        Stage::Body => Stage::EndOfBody,
        other => other,
    }
}

/// The lists that Postfix has by default.
fn default_list(stage: Stage) -> &'static str {
    match stage {
        Stage::Connect => "j {daemon_name} {daemon_addr} v _",
        Stage::Helo => "{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer}",
        Stage::Mail => "i {auth_type} {auth_authen} {auth_author} {mail_addr} {mail_host} {mail_mailer}",
        Stage::Rcpt => "i {rcpt_addr} {rcpt_host} {rcpt_mailer}",
        Stage::Data | Stage::Header | Stage::EndOfHeaders | Stage::Body | Stage::EndOfBody => "i",
        Stage::Unknown => "",
    }
}
