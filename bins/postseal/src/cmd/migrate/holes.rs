//! Live holes of the old set-up: settings that let forged mail through, or that give keys away.
//!
//! | code | what |
//! |---|---|
//! | `W-HOLE-RESULTS` | forged Authentication-Results fields beat `p=reject` |
//! | `W-HOLE-NETWORK` | everyone, or a large part of the Internet, counts as own or is let through |
//! | `W-HOLE-PEERS` | `PeerList` |
//! | `W-HOLE-OWN-FROM` | `IgnoreMailFrom` with an own domain |
//! | `W-HOLE-KEY-READABLE` | others than the owner may read a private key |
//! | `W-HOLE-KEY-SHORT` | an RSA key of less than 2048 bits |
//! | `W-HOLE-KEY-CHECK` | `RequireSafeKeys no` |
//! | `W-HOLE-KEY-BITS` | `MinimumKeyBits` below 1024 |
//! | `W-HOLE-LENGTH` | signatures with `l=` |
//! | `W-HOLE-SHA1` | `rsa-sha1` |
//! | `W-HOLE-NO-EFFECT` | an option that protects, beside one that takes its effect away |

use std::os::unix::fs::MetadataExt as _;

use dkim_core::domain::DomainName;
use engine::config::diagnostics::{Code, Location};
use engine::config::old_file::{Line, Value};
use engine::config::old_files::OldFiles;
use engine::config::opendkim::Action;
use engine::config::{Diagnostic, Diagnostics};
use engine::keys::quoted;

use super::account::{Program, plain};
use super::native::{Native, is_wide};

const RESULTS: Code = Code::new("W-HOLE-RESULTS");
const NETWORK: Code = Code::new("W-HOLE-NETWORK");
const PEERS: Code = Code::new("W-HOLE-PEERS");
const OWN_FROM: Code = Code::new("W-HOLE-OWN-FROM");
const READABLE: Code = Code::new("W-HOLE-KEY-READABLE");
const SHORT: Code = Code::new("W-HOLE-KEY-SHORT");
const KEY_CHECK: Code = Code::new("W-HOLE-KEY-CHECK");
const KEY_BITS: Code = Code::new("W-HOLE-KEY-BITS");
const LENGTH: Code = Code::new("W-HOLE-LENGTH");
const SHA1: Code = Code::new("W-HOLE-SHA1");
const NO_EFFECT: Code = Code::new("W-HOLE-NO-EFFECT");

/// The holes of these files.
pub(super) fn holes(files: &OldFiles, native: &Native) -> Diagnostics {
    let mut found = Diagnostics::default();
    forged_results(files, &mut found);
    networks(files, native, &mut found);
    of_opendkim(files, &mut found);
    own_from(files, native, &mut found);
    keys(native, &mut found);
    found
}

/// The line of an option that counts, by the name that aliases lead to.
fn last<'l>(lines: &'l [Line], name: &str) -> Option<&'l Line> {
    lines.iter().rev().find(|line| line.option.name == name)
}

fn is_on(lines: &[Line], name: &str) -> bool {
    last(lines, name).is_some_and(|line| line.value == Value::Flag(true))
}

/// OpenDKIM deletes only those fields that tell of DKIM, and OpenDMARC deletes none and believes any with a trusted name.
fn forged_results(files: &OldFiles, found: &mut Diagnostics) {
    let Some(dmarc) = files.opendmarc.as_ref().filter(|dmarc| dmarc.acting.reject_failures) else { return };
    let removes_all = files.opendkim.as_ref().is_some_and(|dkim| dkim.results.remove_all);
    if is_on(&dmarc.lines, "SPFIgnoreResults") || removes_all {
        return;
    }
    let Some(at) = last(&dmarc.lines, "RejectFailures").map(|line| line.at.clone()) else { return };
    let cause = "anybody gets past `p=reject` with a field `Authentication-Results: NAME-OF-THIS-HOST; spf=pass ...` of his own: OpenDMARC \
                 believes it, and OpenDKIM leaves it in";
    let fix = "until the move: `SPFSelfValidate yes` and `SPFIgnoreResults yes` in opendmarc.conf, and `RemoveARAll yes` in opendkim.conf; here \
               no field is believed";
    found.push(Diagnostic::at(&at, RESULTS, cause, fix));
}

fn networks(files: &OldFiles, native: &Native, found: &mut Diagnostics) {
    for (program, option, network) in native.networks.iter().filter(|(_, _, network)| is_wide(*network)) {
        let lines = match program {
            Program::OpenDkim => files.opendkim.as_ref().map(|dkim| &dkim.lines),
            Program::OpenDmarc => files.opendmarc.as_ref().map(|dmarc| &dmarc.lines),
        };
        let Some(line) = lines.and_then(|lines| last(lines, option)) else { continue };
        let what = match *option {
            "InternalHosts" => "mail of all of these is signed as yours, whoever wrote it",
            "PeerList" => "mail of all of these passes unseen",
            _ => "mail of all of these is never judged",
        };
        let cause = format!("{network} is a large part of the Internet: {what}");
        let fix = "list your own networks; it is left out of the configuration below, and clients that authenticate need no entry";
        found.push(Diagnostic::at(&line.at, NETWORK, cause, fix));
    }
}

fn of_opendkim(files: &OldFiles, found: &mut Diagnostics) {
    let Some(dkim) = &files.opendkim else { return };
    let lines = &dkim.lines;
    let mut tell = |name: &str, code: Code, cause: &str, fix: &str| {
        if let Some(line) = last(lines, name) {
            found.push(Diagnostic::at(&line.at, code, cause, fix));
        }
    };
    if dkim.choosing.peer_list.is_some() {
        let cause = "mail of these hosts passes with results in it that somebody forged";
        tell("PeerList", PEERS, cause, "name hosts whose mail is your own in `InternalHosts`, and drop the list");
    }
    if !dkim.keys.require_safe_keys {
        let cause = "keys that everybody on the host may read, or put in place, are used";
        tell("RequireSafeKeys", KEY_CHECK, cause, "remove the line, and mend what OpenDKIM then tells of with chmod");
    }
    if last(lines, "MinimumKeyBits").is_some_and(|line| matches!(line.value, Value::Number(bits) if bits < 1024)) {
        let cause = "keys that can be broken may count (RFC 8301 §3.2: verifiers MUST NOT take less than 1024 bits)";
        tell("MinimumKeyBits", KEY_BITS, cause, "write 1024 or remove the line; here 1024 is the least");
    }
    for name in ["BodyLengthDB", "MaximumSignedBytes"] {
        let cause =
            "signatures leave the end of the body open (`l=`): anybody can add to such a message, and it still passes";
        tell(name, LENGTH, cause, "remove the line; here the whole body is signed");
    }
    if last(lines, "SignatureAlgorithm")
        .is_some_and(|line| matches!(&line.value, Value::Text(text) if text.eq_ignore_ascii_case("rsa-sha1")))
    {
        let cause = "nobody verifies rsa-sha1 any more (RFC 8301 §3.1): your mail counts as unsigned";
        tell("SignatureAlgorithm", SHA1, cause, "remove the line; here rsa-sha256 is used");
    }
    if dkim.results.always_add && dkim.verifying.on.no_signature != Action::Accept {
        let cause = "with it `On-NoSignature` has no effect: unsigned mail passes";
        tell("AlwaysAddARHeader", NO_EFFECT, cause, "let DMARC decide on unsigned mail");
    }
    if dkim.choosing.external_ignore_list.is_some() && dkim.choosing.internal_hosts.is_none() {
        let cause = "it only silences a line of the log: mail of these hosts is not signed, and nobody is told";
        tell(
            "ExternalIgnoreList",
            NO_EFFECT,
            cause,
            "name the hosts in `InternalHosts` (here `trust.networks`) if their mail is to be signed",
        );
    }
}

fn own_from(files: &OldFiles, native: &Native, found: &mut Diagnostics) {
    let Some(authors) = files.opendmarc.as_ref().and_then(|dmarc| dmarc.ignoring.mail_from.as_ref()) else { return };
    for author in &authors.value {
        let Ok(domain) = DomainName::parse(author) else { continue };
        if native.rules.iter().any(|rule| rule.pattern.matches(&domain)) {
            let cause =
                format!("{} is your own: mail of strangers who write it into From is not judged", plain(author));
            let fix = "remove it; here authenticated and trusted clients are not judged, and strangers are";
            found.push(Diagnostic::at(&authors.at, OWN_FROM, cause, fix));
        }
    }
}

fn keys(native: &Native, found: &mut Diagnostics) {
    for file in &native.key_files {
        let at = Location::whole(file);
        if let Ok(about) = std::fs::metadata(file)
            && about.is_file()
            && about.mode() & 0o044 != 0
        {
            let who = if about.mode() & 0o004 != 0 { "everyone on the host" } else { "its whole group" };
            let cause =
                format!("{who} may read this private key (mode {:04o}), and sign with it", about.mode() & 0o7777);
            let fix = format!("chmod 600 {}, and make a new key where others could read it", quoted(file));
            found.push(Diagnostic::at(&at, READABLE, cause, fix));
        }
    }
    for (file, bits) in &native.short_keys {
        let cause = format!("the RSA key has {bits} bits and can be broken; receivers begin to refuse such signatures");
        let fix = "make a key of 2048 bits and an Ed25519 key beside it: `postseal key new DOMAIN`, publish both, then switch";
        found.push(Diagnostic::at(&Location::whole(file), SHORT, cause, fix));
    }
}
