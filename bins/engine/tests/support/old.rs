//! A daemon that runs from the files of OpenDKIM and OpenDMARC, and what an MTA gives to it.

use std::path::PathBuf;
use std::sync::Arc;

use engine::config::Diagnostics;
use engine::dns::Resolver;
use engine::server::Setup;
use engine::start::{Openers, Request, Source, prepare};
use milter_proto::{Decision, MtaOptions, MtaSession};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::support::{self, Answer, Daemon, Mta, folder_with_keys, zone};

/// Files of a set-up in a folder, in which `@` stands for the folder.
pub(crate) fn folder(opendkim: &str, opendmarc: Option<&str>) -> TempDir {
    let folder = folder_with_keys();
    let dir = format!("{}/", folder.path().display());
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text.replace("@/", &dir)).unwrap();
    write("opendkim.conf", opendkim);
    if let Some(text) = opendmarc {
        write("opendmarc.conf", text);
    }
    write("KeyTable", "rsa._domainkey.example.com example.com:rsa:@/rsa.pem\ngone example.net:rsa:@/gone.pem\n");
    write("SigningTable", "*@example.com rsa._domainkey.example.com\n*@example.net gone\n");
    write("TrustedHosts", "127.0.0.1\n::1\n192.0.2.0/26\n");
    folder
}

pub(crate) fn start(opendkim: &str, opendmarc: Option<&str>, records: &str) -> Daemon {
    let folder = folder(opendkim, opendmarc);
    let prepared = prepared(&folder, opendmarc.is_some()).unwrap_or_else(|found| panic!("{found}"));
    let resolver = match records {
        "as configured" => prepared.resolver,
        records => Resolver::offline(zone(records), engine::BACKEND),
    };
    Daemon::serve(folder, Setup { rules: Arc::clone(&prepared.rules), resolver })
}

/// What there is to say about a file with which nothing starts.
pub(crate) fn try_start(opendkim: &str) -> Result<(), String> {
    let folder = folder(opendkim, None);
    prepared(&folder, false).map(|_| ()).map_err(|found| found.to_string())
}

fn prepared(folder: &TempDir, has_opendmarc: bool) -> Result<Setup, Diagnostics> {
    let path = |name: &str| -> PathBuf { folder.path().join(name) };
    let source = Source::OldFiles {
        opendkim: Some(path("opendkim.conf")),
        opendmarc: has_opendmarc.then(|| path("opendmarc.conf")),
        lines: String::new(),
        socket: None,
        state_dir: path("state"),
        opener: Openers::default(),
    };
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async { prepare(&Request::new(source), None) }).map(|prepared| prepared.setup)
}

pub(crate) fn from(daemon: &Daemon, address: &str) -> Mta {
    let mut mta = daemon.connect(MtaOptions::default());
    mta.greet(address, 40_000);
    mta
}

pub(crate) fn mail(author: &str, more: &str) -> String {
    format!(
        "From: {author}\r\nTo: b@example.org\r\nDate: Tue, 24 Nov 2026 20:00:00 +0000\r\n{more}Subject: x\r\n\r\nHello\r\n"
    )
}

/// The answer at the end of the header section.
pub(crate) fn at_end_of_headers(mta: &mut Mta, raw: &str) -> Option<Decision> {
    mta.envelope("<a@example.com>", &[]);
    let (fields, _) = support::split(raw.as_bytes());
    for (name, value) in fields {
        mta.step(|session, out| session.header(&name, &value, out));
    }
    let decision = mta.step(MtaSession::end_of_headers).decision;
    mta.step(MtaSession::end_message);
    decision
}

pub(crate) fn inserted<'a>(answer: &'a Answer, name: &str) -> Vec<&'a str> {
    let start = format!("insert 0 {name}:");
    answer.edits.iter().filter_map(|edit| edit.strip_prefix(&start)).map(str::trim).collect()
}

/// A signature of a domain, with values that nothing verifies with.
pub(crate) fn bad_signature(domain: &str) -> String {
    let bh = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let field = format!("DKIM-Signature: v=1; a=rsa-sha256; d={domain}; s=rsa; h=from; bh={bh}; b=AAAA\r\n");
    mail(&format!("a@{domain}"), &field)
}

pub(crate) fn reply(answer: &Answer) -> String {
    match &answer.decision {
        Some(Decision::ReplyCode(code)) => code.to_smtp(),
        other => format!("{other:?}"),
    }
}
