//! The decisions of §1.3, on files as their owners write them.

use std::path::Path;

use dkim_core::header::{HeaderBlock, HeaderLimits};
use tempfile::TempDir;

use super::*;
use crate::config::{Diagnostics, Mode, opendkim};
use crate::dataset::NoOpener;
use crate::message::origin::{Client, Origin, OriginFacts, OriginRule};
use milter_proto::Macros;

/// A folder with the keys of `tests/keys`, as others cannot read them.
fn folder() -> TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    for name in ["rsa.pem", "ed.pem"] {
        let (from, to) =
            (Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys").join(name), folder.path().join(name));
        std::fs::write(&to, std::fs::read(from).unwrap()).unwrap();
        std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    folder
}

/// The ways of a file of these lines, in which `@` stands for the folder. Keys may lie anywhere.
fn ways(folder: &TempDir, lines: &[&str]) -> Ways {
    let dir = folder.path().display().to_string();
    let text = format!("RequireSafeKeys no\n{}\n", lines.join("\n").replace("@/", &format!("{dir}/")));
    let (read, _) =
        opendkim::parse(text.as_bytes(), Path::new("opendkim.conf"), &mut |_| Err(std::io::ErrorKind::NotFound.into()))
            .unwrap_or_else(|found| panic!("{found}"));
    let mut found = Diagnostics::default();
    Ways::new(&read, &NoOpener, crate::BACKEND, &mut found).unwrap_or_else(|| panic!("{found}"))
}

fn mail(from: &str, is_ours: bool, mode: Mode) -> Mail {
    let (headers, _) = HeaderBlock::parse(format!("From: {from}\r\n\r\n").as_bytes(), HeaderLimits::default()).unwrap();
    Mail {
        headers: headers.into(),
        is_whole: true,
        is_ours,
        is_ignored: false,
        recipients: vec![b"<joe@there.example>".to_vec()],
        mode,
        client: Client::Ip("192.0.2.1".parse().unwrap(), 4711),
        client_name: "host.example".to_owned(),
        daemon_name: "smtpd".to_owned(),
    }
}

/// `d=` and `s=` and `i=` of each signature, or the other choice.
async fn chosen(ways: &Ways, mail: &Mail) -> String {
    match ways.choose(mail, "Q1").await {
        Choice::Sign(ToSign { signers, .. }) => {
            let shown = signers.iter().map(|signer| {
                let spec = signer.spec.spec();
                let identity = spec.identity.as_ref().map_or_else(String::new, |identity| format!(" i={identity}"));
                format!("d={} s={}{identity}", spec.domain, spec.selector)
            });
            shown.collect::<Vec<_>>().join(", ")
        }
        Choice::Verify(_) => "verify".to_owned(),
        Choice::Malformed => "malformed".to_owned(),
        Choice::Refuse(text) => text.to_owned(),
        Choice::LeaveAlone => "leave alone".to_owned(),
        Choice::Tempfail => "put off".to_owned(),
    }
}

const SINGLE: [&str; 3] = ["Domain example.com", "Selector s1", "KeyFile @/rsa.pem"];

#[tokio::test]
async fn s1_3_one_key_signs_for_its_domain_and_for_what_is_below_it_with_sub_domains() {
    let folder = folder();
    let exact = ways(&folder, &SINGLE);
    let below = ways(&folder, &[SINGLE[0], SINGLE[1], SINGLE[2], "SubDomains yes"]);
    let any = ways(&folder, &["Domain *", SINGLE[1], SINGLE[2]]);
    for (from, of_exact, of_below, of_any) in [
        ("a@example.com", "d=example.com s=s1", "d=example.com s=s1", "d=example.com s=s1"),
        ("a@EXAMPLE.com", "d=example.com s=s1", "d=example.com s=s1", "d=example.com s=s1"),
        ("a@x.y.example.com", "verify", "d=example.com s=s1 i=@example.com", "d=x.y.example.com s=s1"),
        ("a@example.org", "verify", "verify", "d=example.org s=s1"),
    ] {
        let mail = mail(from, true, Mode::Both);
        assert_eq!(chosen(&exact, &mail).await, of_exact, "{from}");
        assert_eq!(chosen(&below, &mail).await, of_below, "{from}");
        assert_eq!(chosen(&any, &mail).await, of_any, "{from}");
    }
}

#[tokio::test]
async fn s1_3_mail_of_others_is_verified_and_what_the_mode_has_nothing_to_do_with_is_left_alone() {
    let folder = folder();
    let ways = ways(&folder, &SINGLE);
    for (from, is_ours, mode, expected) in [
        ("a@example.com", false, Mode::Both, "verify"),
        ("a@example.com", false, Mode::Sign, "leave alone"),
        ("a@example.org", true, Mode::Sign, "leave alone"),
        ("a@example.com", true, Mode::Verify, "leave alone"),
        ("a@example.com", true, Mode::Sign, "d=example.com s=s1"),
        ("nobody", true, Mode::Both, "malformed"),
        ("nobody", false, Mode::Sign, "malformed"),
        ("a@one.example, b@two.example", false, Mode::Both, "verify"),
    ] {
        assert_eq!(chosen(&ways, &mail(from, is_ours, mode)).await, expected, "{from} {is_ours} {mode}");
    }
}

#[tokio::test]
async fn s1_3_exempt_domains_and_recipients_for_whom_nothing_is_signed_are_left_alone() {
    let folder = folder();
    let ways = ways(
        &folder,
        &[SINGLE[0], SINGLE[1], SINGLE[2], "ExemptDomains example.org", "DontSignMailTo Joe@there.example,x@y.example"],
    );
    assert_eq!(chosen(&ways, &mail("a@example.org", false, Mode::Both)).await, "leave alone");
    assert_eq!(chosen(&ways, &mail("a@sub.example.org", false, Mode::Both)).await, "verify");
    let ours = mail("a@example.com", true, Mode::Both);
    assert_eq!(chosen(&ways, &ours).await, "leave alone", "one of its recipients is on the list");
    let other = Mail { recipients: vec![b"ann@there.example".to_vec()], ..ours };
    assert_eq!(chosen(&ways, &other).await, "d=example.com s=s1");
}

#[tokio::test]
async fn s2_6_tables_choose_by_the_whole_address_and_a_broken_row_puts_off_its_own_mail_alone() {
    let folder = folder();
    let keys = "one example.com:s1:@/rsa.pem\ntwo %:s2:@/ed.pem\ngone example.com:s3:@/gone.pem\nhalf example.com::x\n";
    let signing = "*@example.com one\n*@gone.example gone\n*@half.example half\n*@none.example nosuchkey\n\
        boss@example.net two:boss@%\n*@example.net two\n*@foreign.example one:x@elsewhere.example\n";
    let dir = format!("{}/", folder.path().display());
    std::fs::write(folder.path().join("KeyTable"), keys.replace("@/", &dir)).unwrap();
    std::fs::write(folder.path().join("SigningTable"), signing).unwrap();
    let lines = ["KeyTable @/KeyTable", "SigningTable refile:@/SigningTable"];
    let (first, all) = (ways(&folder, &lines), ways(&folder, &[lines[0], lines[1], "MultipleSignatures yes"]));
    for (from, of_first, of_all) in [
        ("a@example.com", "d=example.com s=s1", "d=example.com s=s1"),
        ("a@gone.example", "put off", "put off"),
        ("a@half.example", "put off", "put off"),
        ("a@none.example", "put off", "put off"),
        (
            "boss@example.net",
            "d=example.net s=s2 i=boss@example.net",
            "d=example.net s=s2 i=boss@example.net, d=example.net s=s2",
        ),
        ("a@example.net", "d=example.net s=s2", "d=example.net s=s2"),
        // A signer that is not at or below `d=` is dropped.
        ("a@foreign.example", "d=example.com s=s1", "d=example.com s=s1"),
        ("a@other.example", "verify", "verify"),
    ] {
        let mail = mail(from, true, Mode::Both);
        assert_eq!(chosen(&first, &mail).await, of_first, "{from}");
        assert_eq!(chosen(&all, &mail).await, of_all, "{from}");
        assert_eq!(chosen(&all, &Mail { is_ours: false, ..mail }).await, "verify", "{from}");
    }
}

const NOTHING: OriginFacts<'static> =
    OriginFacts { client: Client::Unknown, auth_type: None, auth_authen: None, daemon_name: None, daemon_port: None };

fn from(address: &str) -> OriginFacts<'static> {
    OriginFacts { client: Client::Ip(address.parse().unwrap(), 4711), ..NOTHING }
}

#[tokio::test]
async fn s1_3_mail_is_our_own_by_mta_macro_host_or_authentication_in_this_order() {
    let folder = folder();
    let lines =
        ["MTA MSA,local", "MacroList tier=gold|silver,{k}", "InternalHosts 192.0.2.0/24,.lan.example,!192.0.2.66"];
    let ways = ways(&folder, &lines);
    let no_macros = Macros::default();
    let outside = from("198.51.100.7");
    let inbound = (Origin::Inbound, OriginRule::NotTrusted);
    for (name, facts, expected) in [
        ("x.example", outside, inbound),
        (
            "x.example",
            OriginFacts { daemon_name: Some(b"MSA"), ..outside },
            (Origin::Submission, OriginRule::DaemonName),
        ),
        ("x.example", OriginFacts { daemon_name: Some(b"msa"), ..outside }, inbound),
        ("x.example", from("192.0.2.9"), (Origin::Relay, OriginRule::TrustedNetwork)),
        ("x.example", from("192.0.2.66"), inbound),
        ("pc.lan.example", outside, (Origin::Relay, OriginRule::TrustedNetwork)),
        // The list replaces the default, loopback included.
        ("localhost", from("127.0.0.1"), inbound),
        (
            "x.example",
            OriginFacts { auth_type: Some(b"PLAIN"), ..outside },
            (Origin::Submission, OriginRule::Authenticated),
        ),
        ("x.example", OriginFacts { auth_authen: Some(b"jo"), ..outside }, inbound),
    ] {
        let lists = ways.client(name.as_bytes(), facts.client).await;
        assert_eq!(ways.origin(&facts, lists, &no_macros), expected, "{name} {facts:?}");
    }
    assert_eq!(ways.macro_names().collect::<Vec<_>>(), ["{tier}", "k"]);
}

#[tokio::test]
async fn s1_2_without_internal_hosts_those_are_the_loopback_addresses_and_local_clients() {
    let folder = folder();
    let ways = ways(&folder, &["PeerList 203.0.113.5", "ExternalIgnoreList .friend.example"]);
    for (client, is_internal) in [
        (from("127.0.0.1").client, true),
        (from("::1").client, true),
        (Client::Unix, true),
        (from("127.0.0.2").client, false),
        (from("203.0.113.5").client, false),
    ] {
        assert_eq!(ways.client(b"unknown", client).await.is_internal, is_internal, "{client}");
    }
    let peer = ways.client(b"mx.friend.example", from("203.0.113.5").client).await;
    assert_eq!(peer, ClientLists { is_peer: true, is_internal: false, is_ignored: true });
}

#[tokio::test]
async fn s1_2_body_lengths_are_told_to_the_recipients_of_the_list_and_where_no_more_may_be_signed() {
    let folder = folder();
    let list = "BodyLengthDB joe@there.example,*@all.example,*@.parent.example";
    let ways = ways(&folder, &[SINGLE[0], SINGLE[1], SINGLE[2], list]);
    for (recipient, length) in [
        ("<joe@there.example>", Some(u64::MAX)),
        ("<JOE@There.example>", Some(u64::MAX)),
        ("<ann@there.example>", None),
        ("ann@all.example", Some(u64::MAX)),
        ("<ann@sub.parent.example>", Some(u64::MAX)),
        ("<ann@parent.example>", None),
    ] {
        let mail = Mail { recipients: vec![recipient.into()], ..mail("a@example.com", true, Mode::Both) };
        let Choice::Sign(ToSign { signers, .. }) = ways.choose(&mail, "Q1").await else { panic!("{recipient}") };
        assert_eq!(signers[0].spec.spec().body_length, length, "{recipient}");
    }
    let ways = self::ways(&folder, &[SINGLE[0], SINGLE[1], SINGLE[2], "MaximumSignedBytes 1000"]);
    let Choice::Sign(ToSign { signers, .. }) = ways.choose(&mail("a@example.com", true, Mode::Both), "Q1").await else {
        panic!()
    };
    assert_eq!(signers[0].spec.spec().body_length, Some(1000));
}
