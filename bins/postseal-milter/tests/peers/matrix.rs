//! Runs every cell, and a few messages beside them.

use std::path::Path;
use std::thread;

use crate::cells::{BOTH, Body, CANONS, Cell, Direction, Key, Peer, message, message_from};
use crate::dkimpy::{Dkimpy, sign_as_process, verify_as_process};
use crate::judge::{Outcome, judge};
use crate::keys::Keys;
use crate::listed::LISTED;
use crate::opendkim::OpenDkim;
use crate::ours::{Ours, sign_with_library};
use crate::results::is_signed;
use crate::site::dns::{Dns, zone_text};
use crate::site::work;

#[test]
fn peers_verify_what_we_sign_and_we_verify_what_they_sign() {
    let folder = work::folder();
    let keys = Keys::copy_to(folder.path());
    let dns = Dns::start(folder.path(), &zone_text(&keys.zone));
    let run = |(header, body_canon)| run_canon(folder.path(), &keys, dns.port, header, body_canon);
    let canons = CANONS.into_iter().flat_map(|header| CANONS.map(|body| (header, body)));
    let outcomes: Vec<(Cell, Outcome)> = thread::scope(|scope| {
        let threads: Vec<_> = canons.map(|canon| scope.spawn(move || run(canon))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let report = judge(&outcomes, LISTED);
    println!("{}", report.summary);
    assert!(report.faults.is_empty(), "{}", report.faults);
}

#[test]
fn dkimpys_programs_as_processes() {
    let folder = work::folder();
    let keys = Keys::copy_to(folder.path());
    let dns = Dns::start(folder.path(), &zone_text(&keys.zone));
    let ours = Ours::start(folder.path(), &keys, dns.port, "relaxed/relaxed");
    for key in [Key::Rsa2048, Key::Ed25519] {
        let text = message(key, &Body::Plain.octets());
        let signed = sign_as_process(&keys, key, "relaxed", "relaxed", dns.port, &text);
        assert!(signed.status.success() && signed.stderr.is_empty(), "{signed:?}");
        assert_eq!(ours.verify(&signed.stdout), Ok(()), "{key:?}");
        let signed = ours.sign(&text).unwrap();
        let verified = verify_as_process(dns.port, &signed);
        assert_eq!(String::from_utf8_lossy(&verified.stdout), "signature ok\n", "{key:?}: {verified:?}");
        // It does look at the message.
        let forged = String::from_utf8(signed).unwrap().replace("hungry", "thirsty");
        let verified = verify_as_process(dns.port, forged.as_bytes());
        assert_eq!(verified.status.code(), Some(1), "{key:?}: {verified:?}");
    }
}

#[test]
fn nobody_verifies_what_was_changed() {
    let folder = work::folder();
    let keys = Keys::copy_to(folder.path());
    let dns = Dns::start(folder.path(), &zone_text(&keys.zone));
    let ours = Ours::start(folder.path(), &keys, dns.port, "relaxed/simple");
    let mut dkimpy = Dkimpy::start(folder.path(), dns.port, "changed");
    for key in Key::ALL {
        let opendkim = OpenDkim::start(folder.path(), &keys, dns.port, "relaxed/simple", key.algorithm());
        let text = message(key, &Body::Plain.octets());
        let by_dkimpy = dkimpy.sign(&keys, key, "relaxed", "simple", &text);
        let signers = [("ours", ours.sign(&text)), ("dkimpy", by_dkimpy), ("opendkim", opendkim.sign(&text))];
        for (signer, signed) in signers {
            let signed = String::from_utf8(signed.unwrap()).unwrap();
            for (from, to) in [("hungry", "thirsty"), ("Joe  SixPack", "Eve  SixPack"), ("blank at", "blanks at")] {
                assert_eq!(signed.matches(from).count(), 1);
                let changed = signed.replace(from, to).into_bytes();
                let verdicts = [ours.verify(&changed), dkimpy.verify(&changed), opendkim.verify(&changed)];
                assert!(verdicts.iter().all(Result::is_err), "{key:?} signed by {signer}, {to}: {verdicts:?}");
            }
        }
    }
}

#[test]
fn two_signatures_of_one_message() {
    let folder = work::folder();
    let keys = Keys::copy_to(folder.path());
    let dns = Dns::start(folder.path(), &zone_text(&keys.zone));
    let ours = Ours::start(folder.path(), &keys, dns.port, "relaxed/relaxed");
    let opendkim = OpenDkim::start(folder.path(), &keys, dns.port, "relaxed/relaxed", Key::Ed25519.algorithm());
    let mut dkimpy = Dkimpy::start(folder.path(), dns.port, "two");
    let text = message_from(BOTH.0, &Body::Plain.octets());
    let two_passes = Ok(vec!["dkim=pass".to_owned(); 2]);

    let signed = ours.sign(&text).unwrap();
    assert_eq!([0, 1].map(|index| dkimpy.verify_at(index, &signed)), [Ok(()), Ok(())]);
    assert_eq!(opendkim.verdicts(&signed), two_passes);

    // The peers make one signature at a time, so each makes one.
    let signed = dkimpy.sign(&keys, Key::Rsa2048, "relaxed", "relaxed", &message(Key::Ed25519, &Body::Plain.octets()));
    let signed = opendkim.sign(&signed.unwrap()).unwrap();
    assert_eq!(ours.verdicts(&signed), two_passes);
}

/// All cells of one canonicalization.
fn run_canon(
    work: &Path,
    keys: &Keys,
    nameserver: u16,
    header: &'static str,
    body_canon: &'static str,
) -> Vec<(Cell, Outcome)> {
    let canon = format!("{header}/{body_canon}");
    let ours = Ours::start(work, keys, nameserver, &canon);
    let opendkim = |key: Key| OpenDkim::start(work, keys, nameserver, &canon, key.algorithm());
    let (opendkim_rsa, opendkim_ed25519) = (opendkim(Key::Rsa2048), opendkim(Key::Ed25519));
    let mut dkimpy = Dkimpy::start(work, nameserver, &canon.replace('/', "-"));
    let mut outcomes = Vec::new();
    for body in Body::ALL {
        let octets = body.octets();
        for key in Key::ALL {
            let text = message(key, &octets);
            let opendkim = if key == Key::Ed25519 { &opendkim_ed25519 } else { &opendkim_rsa };
            let cell = |peer, direction| Cell { peer, direction, header, body_canon, key, body };

            let here = cell(Peer::Dkimpy, Direction::PeerVerifies);
            let signed = if body.has_bare_cr() {
                assert_eq!(ours.sign(&text).unwrap(), text, "the daemon leaves messages with a bare CR as they are");
                sign_with_library(keys, key, header, body_canon, &text)
            } else {
                ours.sign(&text).unwrap()
            };
            // A message that we do not sign is no cell of a peer's.
            is_signed(&signed, &here).unwrap_or_else(|error| panic!("{here}: {error}"));
            outcomes.push((here, dkimpy.verify(&signed)));
            outcomes.push((cell(Peer::OpenDkim, Direction::PeerVerifies), opendkim.verify(&signed)));

            let here = cell(Peer::Dkimpy, Direction::PeerSigns);
            let signed = dkimpy.sign(keys, key, header, body_canon, &text);
            outcomes.push((here, peer_signed(&ours, &here, signed)));
            let here = cell(Peer::OpenDkim, Direction::PeerSigns);
            outcomes.push((here, peer_signed(&ours, &here, opendkim.sign(&text))));
        }
    }
    outcomes
}

/// What came of a cell in which the peer signed this, or could not.
fn peer_signed(ours: &Ours, cell: &Cell, signed: Result<Vec<u8>, String>) -> Outcome {
    let signed = signed?;
    is_signed(&signed, cell)?;
    ours.verify(&signed)
}
