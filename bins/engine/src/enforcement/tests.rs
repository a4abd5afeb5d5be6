//! A domain's way up, and the incidents that end it.

use super::observe::Observation;
use super::walk::{Decision, apply, decide};
use super::*;
use crate::journal::Record;
use crate::journal::record::{Dkim, Dmarc, Identity, Spf};

const DAY: u64 = 86_400;

/// A message of `author` from a client, with the domain that it authenticates as. The domain's SPF record names 192.0.2.0 to 192.0.2.9.
fn record(author: &str, client: &str, authenticated: Option<&str>, result: &str) -> Record {
    let dkim = authenticated.map(|domain| Dkim {
        domain: domain.to_owned(),
        selector: "s".to_owned(),
        result: "pass".to_owned(),
        cause: None,
    });
    Record {
        header_from: vec![author.to_owned()],
        client: Some(client.parse().unwrap()),
        dkim: dkim.into_iter().collect(),
        spf: Some(Spf {
            mail_from: Identity { domain: "x.example".to_owned(), result: "fail".to_owned() },
            ..Spf::default()
        }),
        dmarc: Some(Dmarc {
            result: result.to_owned(),
            spf_aligned: result == "pass" && client.starts_with("192.0.2.") && client.len() == "192.0.2.x".len(),
            ..Dmarc::default()
        }),
        ..Record::default()
    }
}

/// What a day brings: the domain's own mail, and forgeries from everywhere.
fn day(own: u32, forged: u8) -> Observation {
    let mut seen = Observation::default();
    for _ in 0..own {
        seen.add("bank.example", &record("news.bank.example", "192.0.2.1", Some("bank.example"), "pass"));
    }
    for number in 0..forged {
        let client = format!("198.51.{number}.7");
        seen.add("bank.example", &record("bank.example", &client, None, "fail"));
    }
    seen
}

fn walk(ramp: &mut Ramp, seen: &Observation, now: u64) -> Decision {
    let decision = decide(ramp, seen, now);
    apply(ramp, &decision, seen, now);
    decision
}

#[test]
fn a_domain_walks_up_step_by_step_and_forgeries_do_not_stop_it() {
    let mut ramp = Ramp::begin(0, Thresholds::default());
    let mut now = 0;
    let mut steps = vec![ramp.in_force().to_string()];
    for _ in 1..LADDER.len() {
        now += DAY;
        assert!(matches!(walk(&mut ramp, &day(200, 200), now), Decision::Stay(_)), "too early");
        now += DAY;
        assert!(matches!(walk(&mut ramp, &day(200, 200), now), Decision::Advance(_)));
        steps.push(ramp.in_force().to_string());
    }
    assert_eq!(
        steps,
        [
            "observe",
            "quarantine 10 %",
            "quarantine 25 %",
            "quarantine 50 %",
            "quarantine",
            "reject 10 %",
            "reject 25 %",
            "reject 50 %",
            "reject"
        ]
    );
    assert_eq!(walk(&mut ramp, &day(200, 0), now + 10 * DAY), Decision::Stay("at the top".to_owned()));
    assert!(ramp.approved.contains("dkim:bank.example") && ramp.approved.contains("ip:192.0.2.0/24"));
    assert_eq!(ramp.approved.len(), 2, "no host of a forger: {:?}", ramp.approved);
}

/// A ramp in the middle, that knows where the domain's mail comes from.
fn half_way() -> Ramp {
    let mut ramp = Ramp::begin(0, Thresholds::default());
    for now in [2 * DAY, 4 * DAY, 6 * DAY] {
        assert!(matches!(walk(&mut ramp, &day(200, 20), now), Decision::Advance(_)));
    }
    assert_eq!(ramp.in_force().to_string(), "quarantine 50 %");
    ramp
}

#[test]
fn an_incident_stops_the_ramp_and_takes_it_back_to_observing() {
    // The domain's own host loses its signature.
    let mut broken_signer = day(100, 50);
    for _ in 0..20 {
        broken_signer.add("bank.example", &record("bank.example", "192.0.2.1", None, "fail"));
    }
    let why = "20 of 120 messages of ip:192.0.2.0/24 fail, which is an approved source";
    let mut ramp = half_way();
    let Decision::Stop(told) = walk(&mut ramp, &broken_signer, 6 * DAY + 600) else { panic!("it goes on") };
    assert_eq!(told, why);
    assert_eq!((ramp.in_force(), ramp.at), (OBSERVING, 0));
    assert_eq!(ramp.events.last().map(|event| (event.step, event.why.as_str())), Some((OBSERVING, why)));
    // It stays there until somebody has looked, however quiet it is.
    assert!(matches!(walk(&mut ramp, &day(1000, 0), 100 * DAY), Decision::Stay(_)));
    ramp.resume(100 * DAY);
    assert_eq!(ramp.in_force(), OBSERVING);
    assert!(matches!(walk(&mut ramp, &day(200, 0), 102 * DAY), Decision::Advance(_)));
    // A source that nobody has named and that has mail that passes is the domain's as well.
    let mut half_broken = day(100, 0);
    for result in ["pass", "fail"] {
        for _ in 0..10 {
            half_broken.add("bank.example", &record("bank.example", "203.0.113.5", Some("mail.bank.example"), result));
        }
    }
    let told = "10 of 20 messages of dkim:mail.bank.example fail, which is a source of mail that passes".to_owned();
    assert_eq!(decide(&half_way(), &half_broken, 8 * DAY), Decision::Stop(told));
}

/// Otherwise ten messages of a forger with a domain of his own would end the enforcement of any domain.
#[test]
fn what_somebody_has_to_look_at_keeps_the_step_and_takes_nothing_back() {
    let mut new_service = day(100_000, 50);
    for _ in 0..10 {
        new_service.add("bank.example", &record("bank.example", "203.0.113.5", Some("service.example"), "fail"));
    }
    let mut dark = day(100, 0);
    for _ in 0..10 {
        dark.add("bank.example", &record("bank.example", "192.0.2.1", None, "temperror"));
    }
    let lossy = Observation { lost: 1, ..day(100, 0) };
    let damaged = Observation { damaged: true, ..day(100, 0) };
    let crowded = Observation { untold: 1, ..day(100, 0) };
    for (seen, why) in [
        (new_service, "dkim:service.example sends mail of the domain that fails (10 messages)"),
        (dark, "10 of 110 messages have no result"),
        (lossy, "the journal lacks records (1 lost)"),
        (damaged, "the journal lacks records (0 lost)"),
        (crowded, "the mail has more sources than can be told apart"),
    ] {
        for mut ramp in [half_way(), top()] {
            let before = ramp.clone();
            let Decision::Stay(told) = walk(&mut ramp, &seen, 1000 * DAY) else { panic!("{why}") };
            assert!(told.starts_with(why), "{told}");
            assert_eq!(ramp, before, "nothing is taken back, and nothing goes on");
        }
    }
}

#[test]
fn what_is_long_ago_decides_nothing() {
    let ramp = half_way();
    assert_eq!(walk::since(&ramp, 7 * DAY), 6 * DAY, "the step began then");
    assert_eq!(walk::since(&ramp, 14 * DAY), 6 * DAY);
    assert_eq!(walk::since(&ramp, 100 * DAY), 92 * DAY, "four times two days");
    assert_eq!(walk::since(&ramp, 0), 6 * DAY, "a clock that was put back");
}

fn top() -> Ramp {
    let mut ramp = half_way();
    ramp.at = 8;
    ramp
}

#[test]
fn without_mail_of_the_domain_nothing_goes_on_however_long_it_takes() {
    let mut ramp = half_way();
    for days in [10, 100, 1000] {
        assert!(matches!(walk(&mut ramp, &Observation::default(), days * DAY), Decision::Stay(_)));
        assert!(matches!(walk(&mut ramp, &day(0, 200), days * DAY), Decision::Stay(_)));
    }
    assert_eq!(ramp, half_way());
}

#[test]
fn whoever_adds_a_signature_of_his_own_to_mail_that_passes_is_no_source_of_it() {
    let mut seen = day(200, 0);
    let mut replayed = record("bank.example", "203.0.113.5", Some("bank.example"), "pass");
    replayed.dkim.push(Dkim { domain: "evil.example".to_owned(), result: "pass".to_owned(), ..Dkim::default() });
    seen.add("bank.example", &replayed);
    let own = seen.own_sources(10);
    assert_eq!(own.into_iter().collect::<Vec<_>>(), ["dkim:bank.example", "ip:192.0.2.0/24"]);
}

/// Forgeries without a domain, from a host beside one of the domain, or from where signed messages of the domain were sent once more.
#[test]
fn neighbours_of_a_host_and_whoever_sends_a_signed_message_again_take_nothing_back() {
    let forgeries = |seen: &mut Observation, client: &str| {
        for _ in 0..30 {
            seen.add("bank.example", &record("bank.example", client, None, "fail"));
        }
    };
    let mut neighbour = day(100, 0);
    forgeries(&mut neighbour, "192.0.2.77");
    let mut replayed = day(100, 0);
    for _ in 0..50 {
        replayed.add("bank.example", &record("bank.example", "203.0.113.5", Some("bank.example"), "pass"));
    }
    forgeries(&mut replayed, "203.0.113.5");
    assert!(!replayed.own_sources(10).contains("ip:203.0.113.0/24"), "a signature says nothing of who sent it");
    for (seen, network, failed) in
        [(neighbour, "ip:192.0.2.0/24", "30 of 130"), (replayed, "ip:203.0.113.0/24", "30 of 80")]
    {
        for mut ramp in [half_way(), top()] {
            let before = ramp.clone();
            let Decision::Stay(told) = walk(&mut ramp, &seen, 1000 * DAY) else { panic!("{network}") };
            assert!(told.starts_with(&format!("{failed} messages of {network} fail, and nobody has said")), "{told}");
            assert_eq!(ramp, before);
        }
        // Somebody says so: then it is a forger, or the domain's own, all of it.
        let mut ramp = half_way();
        ramp.ignored.insert(network.to_owned());
        assert!(matches!(decide(&ramp, &seen, 8 * DAY), Decision::Advance(_)), "{network}");
        let mut ramp = half_way();
        ramp.approved.insert(network.to_owned());
        ramp.named.insert(network.to_owned());
        let Decision::Stop(told) = decide(&ramp, &seen, 8 * DAY) else { panic!("{network} was named") };
        assert!(told.contains("an approved source"), "{told}");
    }
}

#[test]
fn many_sources_hide_no_approved_one() {
    let mut seen = Observation::of_approved(&half_way().approved);
    for number in 0..u32::try_from(observe::MAX_SOURCES).unwrap() + 10 {
        let client = std::net::Ipv4Addr::from(number << 8).to_string();
        seen.add("bank.example", &record("bank.example", &client, None, "fail"));
    }
    seen.add("bank.example", &record("bank.example", "192.0.2.1", Some("bank.example"), "pass"));
    for _ in 0..20 {
        seen.add("bank.example", &record("bank.example", "192.0.2.1", None, "fail"));
    }
    assert!(seen.untold > 0);
    let Decision::Stop(told) = decide(&half_way(), &seen, 8 * DAY) else { panic!("the incident was not seen") };
    assert_eq!(told, "20 of 21 messages of ip:192.0.2.0/24 fail, which is an approved source");
}

#[tokio::test]
async fn hosts_are_known_from_before_the_step_and_damage_of_then_is_no_reason_to_wait() {
    let folder = tempfile::tempdir().unwrap();
    let journal =
        crate::journal::JournalThread::spawn(crate::journal::Settings::new(folder.path().to_owned())).unwrap();
    let at = |at: u64, record: Record| Record { at: at * 1000, ..record };
    let [v4, v6] = ["192.0.2.1", "2001:db8::1"];
    let mut of_v6 = at(100, record("bank.example", v6, None, "pass"));
    of_v6.dmarc.as_mut().unwrap().spf_aligned = true;
    for record in [
        at(50, record("bank.example", "192.0.2.2", Some("bank.example"), "pass")),
        at(100, record("bank.example", v4, Some("bank.example"), "pass")),
        of_v6,
        at(200, record("bank.example", v4, None, "fail")),
        at(200, record("bank.example", "2001:db8::ffff", None, "fail")),
        at(200, record("bank.example", "192.0.2.2", None, "fail")),
    ] {
        journal.journal().append(record).await;
    }
    assert!(journal.finish(std::time::Duration::from_secs(10)));
    let approved = ["ip:192.0.2.0/24".to_owned(), "dkim:quiet.example".to_owned()].into();
    let observe = || Observation::of_journal(folder.path(), "bank.example", 200, 100, &approved).unwrap();
    let seen = observe();
    assert_eq!((seen.messages, seen.failed, seen.sources.len(), seen.hosts.len()), (3, 3, 2, 2), "{seen:?}");
    assert_eq!((seen.sources["ip:192.0.2.0/24"].failed, seen.sources["ip:192.0.2.0/24"].failed_of_hosts), (2, 1));
    assert_eq!(seen.sources["ip:2001:db8::/64"].failed_of_hosts, 1);
    // A record of before the step that cannot be read, and then one of the step.
    let segment = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|it| it.unwrap().path())
        .find(|path| std::fs::read(path).is_ok_and(|octets| octets.starts_with(b"J1 ")));
    let segment = segment.unwrap();
    let whole = std::fs::read_to_string(&segment).unwrap();
    for (line, damaged) in [(1, false), (4, true), (5, true)] {
        let lines = whole.lines().enumerate();
        let text: String =
            lines.map(|(at, text)| if at == line { "x\n".into() } else { format!("{text}\n") }).collect();
        std::fs::write(&segment, text).unwrap();
        assert_eq!(observe().damaged, damaged, "{line}");
    }
}

#[test]
fn what_somebody_has_said_about_a_source_counts() {
    let mut seen = day(200, 0);
    for _ in 0..50 {
        seen.add("bank.example", &record("bank.example", "203.0.113.5", Some("forger.example"), "fail"));
    }
    let mut ramp = half_way();
    assert!(matches!(decide(&ramp, &seen, 8 * DAY), Decision::Stay(_)));
    ramp.ignored.insert("dkim:forger.example".to_owned());
    assert!(matches!(decide(&ramp, &seen, 8 * DAY), Decision::Advance(_)));
    ramp.ignored.clear();
    ramp.approved.insert("dkim:forger.example".to_owned());
    let Decision::Stop(why) = decide(&ramp, &seen, 8 * DAY) else { panic!("an approved source that fails") };
    assert!(why.contains("approved"), "{why}");
}

#[test]
fn too_little_mail_is_waited_for_and_a_domain_without_any_that_passes_stays() {
    let mut ramp = Ramp::begin(0, Thresholds::default());
    assert_eq!(walk(&mut ramp, &day(20, 5), 2 * DAY), Decision::Stay("25 of 100 messages seen".to_owned()));
    assert!(matches!(walk(&mut ramp, &day(20, 5), 8 * DAY), Decision::Advance(_)));
    let mut unknown = Ramp::begin(0, Thresholds::default());
    unknown.approved.insert("ip:192.0.2.0/24".to_owned());
    assert!(matches!(walk(&mut unknown, &day(0, 200), 9 * DAY), Decision::Stay(why) if why.contains("no mail")));
}

#[test]
fn only_mail_of_the_domain_with_a_result_is_counted_and_sources_are_bounded() {
    let mut seen = Observation::default();
    for (author, result) in [
        ("bank.example", "none"),
        ("notbank.example", "fail"),
        ("bank.example.evil.example", "fail"),
        ("example", "fail"),
    ] {
        seen.add("bank.example", &record(author, "192.0.2.1", None, result));
    }
    let mut two = record("bank.example", "192.0.2.1", None, "fail");
    two.header_from.push("other.example".to_owned());
    seen.add("bank.example", &two);
    assert_eq!(seen, Observation::default());
    for number in 0..u32::try_from(observe::MAX_SOURCES).unwrap() + 10 {
        let client = std::net::Ipv4Addr::from(number << 8).to_string();
        seen.add("bank.example", &record("bank.example", &client, None, "fail"));
    }
    assert_eq!((seen.sources.len(), seen.untold), (observe::MAX_SOURCES, 10));
}

#[test]
fn a_step_covers_what_is_below_its_domain_and_the_nearest_one_counts() {
    let steps = Steps::default();
    let mut ramps = Ramps::default();
    let mut upper = Ramp::begin(0, Thresholds::default());
    upper.advance(1, "x");
    ramps.domains.insert("example.com".to_owned(), upper.clone());
    ramps.domains.insert("a.example.com".to_owned(), Ramp::begin(0, Thresholds::default()));
    steps.replace(&ramps);
    for (author, step) in [
        ("example.com", Some(upper.step())),
        ("b.example.com", Some(upper.step())),
        ("x.a.example.com", Some(OBSERVING)),
        ("notexample.com", None),
        ("com", None),
    ] {
        assert_eq!(steps.of(author), step, "{author}");
    }
}

#[test]
fn the_file_is_read_as_it_was_written_and_changed_by_one_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(file::read(folder.path()).unwrap(), Ramps::default());
    let threads: Vec<_> = (0..8)
        .map(|number| {
            let folder = folder.path().to_owned();
            std::thread::spawn(move || {
                for _ in 0..10 {
                    file::update(&folder, |ramps| {
                        let begin = || Ramp::begin(0, Thresholds::default());
                        ramps.domains.entry(format!("{number}.example")).or_insert_with(begin).advance(1, "x");
                    })
                    .unwrap();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let ramps = file::read(folder.path()).unwrap();
    assert_eq!(ramps.domains.len(), 8);
    assert!(ramps.domains.values().all(|ramp| ramp.events.len() == 11 && ramp.is_at_the_top()));
    std::fs::write(folder.path().join(file::NAME), "{\"domains\":{\"a.example\":{\"mode\":1}}}").unwrap();
    let error = file::read(folder.path()).unwrap_err().to_string();
    assert!(error.contains("is not a file of enforcement steps") && error.contains("line 1"), "{error}");
    let ramp = serde_json::to_string(&Ramp { at: 9, ..Ramp::begin(0, Thresholds::default()) }).unwrap();
    for (name, ramp, cause) in [
        ("Bank.example", ramp.replace("\"at\":9", "\"at\":0"), "`Bank.example` is no domain"),
        ("\\u001b[31m.example", ramp.replace("\"at\":9", "\"at\":0"), "is no domain"),
        ("bank.example", ramp.clone(), "there is no step 9"),
    ] {
        let text = format!("{{\"domains\":{{\"{name}\":{ramp}}}}}");
        std::fs::write(folder.path().join(file::NAME), text).unwrap();
        let error = file::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains(cause) && !error.contains('\u{1b}'), "{error}");
    }
    std::fs::remove_file(folder.path().join(file::NAME)).unwrap();
    nix::unistd::mkfifo(&folder.path().join(file::NAME), nix::sys::stat::Mode::S_IRUSR).unwrap();
    assert!(file::read(folder.path()).unwrap_err().to_string().contains("not a regular file"));
}
