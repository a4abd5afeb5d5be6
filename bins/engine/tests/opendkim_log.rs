//! The lines that a daemon that runs from an `opendkim.conf` writes beside the records of messages, over a socket. A program of its own: the log is one for the process.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test helpers")]

#[allow(dead_code, reason = "each test program uses a part of it")]
mod support;

#[allow(dead_code, reason = "each test program uses a part of it")]
#[path = "support/old.rs"]
mod old;

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use engine::config::{Facility, LogFormat};
use engine::logging::{EventLayer, LogThread, Priority, Sink};
use milter_proto::Decision;
use old::{at_end_of_headers, bad_signature, from, inserted, mail, start};
use tracing_subscriber::layer::SubscriberExt as _;

const BASE: &str = "AuthservID mx.example\nSocket local:@/socket\nRequireSafeKeys no\nCanonicalization relaxed/simple\nInternalHosts 192.0.2.0/24\n\
    Domain example.com\nSelector rsa\nKeyFile @/rsa.pem\n";

/// The next line that is not a record of a message, and not about the folder of the key, which everybody may write.
fn next_line(log: &UnixDatagram) -> String {
    loop {
        let mut datagram = vec![0; 64 * 1024];
        let length = log.recv(&mut datagram).unwrap();
        let text = String::from_utf8(datagram[..length].to_vec()).unwrap();
        let line = text.split_once("]: ").unwrap().1;
        if line.starts_with("(unknown-jobid): ") && !line.contains("key data is not secure") {
            return line.trim_end().to_owned();
        }
    }
}

#[test]
fn s5_4_results_of_signatures_and_reasons_for_refusals_have_their_lines() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let log = UnixDatagram::bind(&path).unwrap();
    log.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let sink = Sink::Syslog { path, facility: Facility::Mail, name: "opendkim".to_owned() };
    let thread = LogThread::spawn(sink, LogFormat::Text, Priority::Debug).unwrap();
    let subscriber = tracing_subscriber::registry().with(EventLayer::new(thread.logger()));
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let daemon =
        start(&format!("{BASE}LogResults yes\nSyslogSuccess yes\nTrustSignaturesFrom third.example\n"), None, "");
    let answer = from(&daemon, "192.0.2.9").message("<a@example.com>", mail("a@example.com", "").as_bytes());
    let field = inserted(&answer, "DKIM-Signature")[0];
    assert_eq!(next_line(&log), "(unknown-jobid): DKIM-Signature field added (s=rsa, d=example.com)");

    // One line a signature; of what cannot be named there is none.
    let other = bad_signature("other.example");
    let other = other.lines().find(|line| line.starts_with("DKIM-Signature:")).unwrap();
    let torn = "DKIM-Signature: v=1; d=x(y; garbage";
    let signed = format!("{other}\r\n{torn}\r\nDKIM-Signature: {field}\r\n{}", mail("a@example.com", ""));
    from(&daemon, "198.51.100.7").message("<a@example.com>", signed.as_bytes());
    assert_eq!(next_line(&log), "(unknown-jobid): external host client.example attempted to send as example.com");
    assert_eq!(next_line(&log), "(unknown-jobid): ignoring signature from other.example");
    assert_eq!(next_line(&log), "(unknown-jobid): message has signatures from other.example, , example.com");
    assert_eq!(next_line(&log), "(unknown-jobid): DKIM verification successful");
    let ignored = "domain=other.example selector=rsa result=\"domain not in TrustSignaturesFrom\"";
    assert_eq!(next_line(&log), format!("(unknown-jobid): signature=AAAA {ignored}"));
    let b = &field.split("; b=").nth(1).unwrap()[..8];
    let good = "domain=example.com selector=rsa result=\"no signature error\"";
    assert_eq!(next_line(&log), format!("(unknown-jobid): signature={b} {good}"));
    from(&daemon, "198.51.100.7").message("<a@nokey.example>", bad_signature("nokey.example").as_bytes());
    assert!(next_line(&log).starts_with("(unknown-jobid): key retrieval failed (s=rsa, d=nokey.example)"));
    let missing = "signature=AAAA domain=nokey.example selector=rsa result=\"key not found in DNS\"";
    assert_eq!(next_line(&log), format!("(unknown-jobid): {missing}"));

    let daemon = start(&format!("{BASE}RequiredHeaders yes\n"), None, "");
    let mut mta = from(&daemon, "192.0.2.9");
    let twice = mail("a@example.com", "Subject: 2\r\n");
    let Some(Decision::ReplyCode(_)) = at_end_of_headers(&mut mta, &twice) else { panic!("not refused") };
    let refused = "(unknown-jobid): RFC5322 header requirement error: message has multiple Subject fields";
    assert_eq!(next_line(&log), refused);
}
