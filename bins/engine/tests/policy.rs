//! What happens when something went wrong: each cause with each value of its setting, and with none, through a real daemon.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test helpers")]

#[allow(dead_code, reason = "each test program uses a part of it")]
mod support;

use std::sync::Arc;

use dkim_core::crypto::{Algorithm, KeyError, SigningKey};
use dkim_core::domain::Selector;
use engine::config::Listener;
use engine::dns::Resolver;
use engine::keys::Keys;
use engine::message::Rules;
use engine::server::Setup;
use engine::socket_address::SocketAddress;
use milter_proto::Decision;
use support::{Answer, Daemon, config, folder_with_keys};

/// A name server that is not there: every question fails at once.
const DEAD_DNS: &str = "[dns]\nnameservers = [\"127.0.0.1:9\"]\ntimeout = \"200ms\"\ndeadline = \"1s\"\n";

/// A key that fails in one of two ways when it is used.
#[derive(Debug)]
enum BadKey {
    Panics,
    Refuses,
}

impl SigningKey for BadKey {
    fn algorithm(&self) -> Algorithm {
        Algorithm::Ed25519Sha256
    }

    fn sign(&self, _signed_data: &[u8]) -> Result<Vec<u8>, KeyError> {
        match self {
            Self::Panics => panic!("on purpose"),
            Self::Refuses => Err(KeyError::SigningFailed { reason: "on purpose".to_owned() }),
        }
    }

    fn public_key(&self) -> Vec<u8> {
        vec![0; 32]
    }
}

/// Sends one message to a daemon with these settings: the answer and the log line. A message of ours comes from a client that authenticated.
fn outcome(settings: &str, key: Option<BadKey>, is_ours: bool, raw: &str) -> (Answer, String) {
    let folder = folder_with_keys();
    let mut config = config(settings, folder.path());
    config.listeners = vec![Listener::at(SocketAddress::Unix(folder.path().join("socket")))];
    let (keys, _) = Keys::load(&config.domains, engine::BACKEND);
    let resolver = Resolver::new(&config.dns, engine::BACKEND).unwrap();
    let mut rules = Rules::new(config, &keys);
    if let Some(key) = key {
        assert!(rules.add_signer(0, &Selector::parse("bad").unwrap(), Arc::new(key)));
    }
    let daemon = Daemon::serve(folder, Setup { rules: Arc::new(rules), resolver });
    let mut mta = if is_ours { daemon.submission() } else { daemon.inbound() };
    let answer = mta.message("<jo@example.com>", raw.as_bytes());
    let log = loop {
        // What else is logged here is of no interest.
        let line = daemon.log_line();
        if line.starts_with("message ") {
            break line;
        }
    };
    (answer, log)
}

/// `code`: how the 451 begins and the reason in the log, where the message is to be put off.
fn check(what: &str, (answer, log): &(Answer, String), code: Option<(&str, &str)>) {
    match (code, &answer.decision) {
        (None, Some(Decision::Continue)) => assert!(log.contains(" action=accept "), "{what}: {log}"),
        (Some((code, reason)), Some(Decision::ReplyCode(reply))) => {
            assert!(reply.to_smtp().starts_with(&format!("451 {code} ")), "{what}: {}", reply.to_smtp());
            assert!(log.contains(" action=tempfail "), "{what}: {log}");
            assert!(log.contains(&format!(" action_reason={reason} ")), "{what}: {log}");
        }
        (_, decision) => panic!("{what}: {decision:?} {log}"),
    }
}

#[test]
fn on_dns_failure_is_accept_or_tempfail_and_accept_unless_written() {
    let raw = "DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=sel; h=from; \
        bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=YWJjZGVmZ2hpamtsbW5vcA==\r\nFrom: a@example.org\r\n\r\n";
    let put_off = Some(("4.7.5", "dns-failure"));
    for (written, code) in
        [("", None), ("on_dns_failure = \"accept\"", None), ("on_dns_failure = \"tempfail\"", put_off)]
    {
        let outcome = outcome(&format!("{DEAD_DNS}[policy]\n{written}\n"), None, false, raw);
        check(written, &outcome, code);
        let says = outcome.0.edits.concat().contains("dkim=temperror");
        assert_eq!(says, code.is_none(), "who accepts says why there is no result: {:?}", outcome.0);
    }
}

#[test]
fn on_internal_error_is_accept_or_tempfail_and_tempfail_unless_written() {
    let raw = "Authentication-Results: mx.example; dkim=pass\r\nFrom: jo@example.com\r\n\r\nHello\r\n";
    let put_off = Some(("4.3.0", "internal-error"));
    for (written, code) in
        [("", put_off), ("on_internal_error = \"accept\"", None), ("on_internal_error = \"tempfail\"", put_off)]
    {
        let settings = format!("{DEAD_DNS}[policy]\n{written}\n{}", support::SIGNING);
        let outcome = outcome(&settings, Some(BadKey::Panics), true, raw);
        check(written, &outcome, code);
        let edits: &[&str] = if code.is_some() { &[] } else { &["delete Authentication-Results 1"] };
        assert_eq!(outcome.0.edits, edits, "forged fields go from whatever is delivered");
        assert!(outcome.1.contains("fault=internal-error"), "{}", outcome.1);
    }
}

#[test]
fn on_limit_is_accept_or_tempfail_and_accept_unless_written() {
    let raw = format!("X-Long: {}\r\nFrom: a@example.org\r\n\r\nHello\r\n", "x".repeat(20 * 1024));
    let put_off = Some(("4.3.4", "limit"));
    for (written, code) in [("", None), ("on_limit = \"accept\"", None), ("on_limit = \"tempfail\"", put_off)] {
        let settings = format!("{DEAD_DNS}[limits]\nheader_bytes = \"16KiB\"\n[policy]\n{written}\n");
        let outcome = outcome(&settings, None, false, &raw);
        check(written, &outcome, code);
        assert!(outcome.1.contains("limit=header-too-large"), "{}", outcome.1);
    }
}

#[test]
fn on_key_error_is_unsigned_or_tempfail_and_unsigned_unless_written() {
    let raw = "From: jo@example.com\r\n\r\nHello\r\n";
    let put_off = Some(("4.7.5", "key-error"));
    for (written, code) in [("", None), ("on_key_error = \"unsigned\"", None), ("on_key_error = \"tempfail\"", put_off)]
    {
        // No key at all, one of two, and one that fails only when it is used: the last two leave what signatures there are.
        let absent = "{ selector = \"no\", file = \"absent.pem\" }";
        let present = "{ selector = \"rsa\", file = \"rsa.pem\" }";
        for (keys, bad, signatures) in [
            (absent.to_owned(), None, 0),
            (format!("{present}, {absent}"), None, 1),
            (present.to_owned(), Some(BadKey::Refuses), 1),
        ] {
            let domain = format!("[[domain]]\nname = \"example.com\"\n{written}\nkeys = [{keys}]\n");
            let outcome = outcome(&format!("{DEAD_DNS}{domain}"), bad, true, raw);
            check(&domain, &outcome, code);
            let made = outcome.0.edits.iter().filter(|edit| edit.contains("DKIM-Signature:")).count();
            assert_eq!(made, if code.is_none() { signatures } else { 0 }, "{domain} {:?}", outcome.0);
        }
    }
}
