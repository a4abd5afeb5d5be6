//! Answers that are none, or are not to our question.

use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::Name;

use super::server::{Asked, Packet, Server, Tcp, alias, soa, text};
use super::{LONG, at_once, honest, in_time, key, result};

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

#[test]
fn d23_garbage_is_a_temporary_error() {
    in_time(|_| vec![Packet::raw(vec![0xff; 40]), Packet::raw(vec![]), Packet::raw(vec![0; 11])]);
}

#[test]
fn d23_garbage_under_the_right_id_is_a_temporary_error_at_once() {
    at_once("temperror", |asked| {
        let id = asked.message.metadata.id.to_be_bytes();
        vec![Packet::raw([&id[..], &[0x81, 0x80], &[0xc0; 60]].concat())]
    });
}

#[test]
fn an_answer_cut_anywhere_is_a_temporary_error() {
    let server = Server::start(|asked| {
        let whole = asked.text(&[&key()]).to_vec().unwrap();
        // As many octets as the number in the selector says, of everything behind the header.
        let cut: usize = asked.label()[1..].parse().unwrap();
        vec![Packet::raw(whole[..12 + cut.min(whole.len() - 13)].to_vec())]
    });
    let selectors: Vec<String> = (0..96).step_by(12).map(|cut| format!("c{cut}")).collect();
    let selectors: Vec<&str> = selectors.iter().map(String::as_str).collect();
    let daemon = super::verifier(&[server.address], Duration::from_secs(2), "");
    let (results, took) = super::judge(&daemon, &super::signed(&selectors));
    assert_eq!(results, vec!["temperror"; 8]);
    assert!(took < Duration::from_secs(5), "{took:?}");
}

fn with_wrong_id(asked: &Asked) -> Packet {
    let mut reply = asked.text(&[b"v=DKIM1; p="]);
    reply.metadata.id = reply.metadata.id.wrapping_add(1);
    reply.into()
}

fn with_wrong_question(asked: &Asked) -> Packet {
    let mut reply = asked.text(&[b"v=DKIM1; p="]);
    reply.queries[0].set_name(name("other._domainkey.example.com."));
    reply.into()
}

fn from_another_port(asked: &Asked) -> Packet {
    Packet::from(asked.text(&[b"v=DKIM1; p="])).by_another_port()
}

fn as_a_question(asked: &Asked) -> Packet {
    asked.message.clone().into()
}

#[test]
fn rfc5452_s9_1_an_answer_with_a_wrong_id_is_none() {
    in_time(|asked| vec![with_wrong_id(asked)]);
}

#[test]
fn rfc5452_s9_1_an_answer_to_another_question_is_none() {
    in_time(|asked| vec![with_wrong_question(asked)]);
}

#[test]
fn rfc5452_s9_1_an_answer_from_another_port_is_none() {
    in_time(|asked| vec![from_another_port(asked)]);
}

#[test]
fn an_echo_of_the_question_is_no_answer() {
    in_time(|asked| vec![as_a_question(asked)]);
}

/// All of the above come first, with a key that would revoke ours; the true answer is heard behind them.
#[test]
fn the_answer_behind_forged_ones_is_heard() {
    at_once("pass", |asked| {
        vec![
            with_wrong_id(asked),
            with_wrong_question(asked),
            from_another_port(asked),
            as_a_question(asked),
            Packet::raw(vec![7; 5]),
            honest(asked).after(Duration::from_millis(100)),
        ]
    });
}

/// A hundred may be passed over; behind more of them the question goes on where nobody can forge.
#[test]
fn rfc5452_s9_3_behind_a_flood_of_forged_answers_tcp_is_asked() {
    at_once("pass", |asked| {
        if asked.over_tcp {
            return vec![honest(asked)];
        }
        (0..150).map(|_| with_wrong_id(asked)).collect()
    });
}

#[test]
fn a_flood_of_forged_answers_without_tcp_is_a_temporary_error_at_once() {
    let server = Server::with_tcp(Tcp::Closed, |asked| (0..150).map(|_| with_wrong_id(asked)).collect());
    let (result, took) = result(&[&server], LONG);
    assert_eq!(result, "temperror");
    assert!(took < LONG / 2, "{took:?}");
}

#[test]
fn an_answer_to_another_question_over_tcp_is_a_temporary_error_at_once() {
    at_once("temperror", |asked| vec![if asked.over_tcp { with_wrong_id(asked) } else { asked.truncated().into() }]);
}

#[test]
fn of_two_answers_the_first_counts() {
    at_once("pass", |asked| vec![honest(asked), asked.text(&[b"v=DKIM1; p="]).into()]);
}

#[test]
fn several_records_with_one_key_among_them() {
    at_once("pass", |asked| {
        let mut reply = asked.text(&[b"v=spf1 -all"]);
        reply.answers.push(text(&asked.name(), &[&key()]));
        vec![reply.into()]
    });
}

#[test]
fn records_of_another_name_are_no_key() {
    at_once("permerror", |asked| {
        let mut reply = asked.reply(ResponseCode::NoError);
        reply.answers.push(text(&name("other._domainkey.example.com."), &[&key()]));
        reply.additionals.push(text(&asked.name(), &[&key()]));
        reply.authorities.push(soa(60));
        vec![reply.into()]
    });
}

#[test]
fn an_alias_that_leads_back_is_a_temporary_error() {
    at_once("temperror", |asked| {
        let (here, there) = (asked.name(), name("there.example."));
        let mut reply = asked.reply(ResponseCode::NoError);
        reply.answers = vec![alias(&here, &there), alias(&there, &here)];
        vec![reply.into()]
    });
}

/// The same over several questions: each answer holds one alias.
#[test]
fn aliases_that_never_end_are_a_temporary_error() {
    let server = Server::start(|asked| {
        let number: usize = asked.label().strip_prefix('n').map_or(0, |number| number.parse().unwrap());
        let mut reply = asked.reply(ResponseCode::NoError);
        reply.answers = vec![alias(&asked.name(), &name(&format!("n{}.example.", number + 1)))];
        vec![reply.into()]
    });
    let (result, took) = result(&[&server], LONG);
    assert_eq!(result, "temperror");
    assert!(took < LONG / 2, "{took:?}");
    assert_eq!(server.asked(None), 17, "sixteen aliases");
}

#[test]
fn three_aliases_in_three_answers_lead_to_the_key() {
    at_once("pass", |asked| {
        let mut reply = asked.reply(ResponseCode::NoError);
        match asked.label().as_str() {
            "s" => reply.answers = vec![alias(&asked.name(), &name("two.example."))],
            "two" => reply.answers = vec![alias(&asked.name(), &name("three.example."))],
            _ => return vec![honest(asked)],
        }
        vec![reply.into()]
    });
}

#[test]
fn a_chain_of_twenty_aliases_is_a_temporary_error() {
    at_once("temperror", |asked| {
        let mut reply = asked.reply(ResponseCode::NoError);
        let mut owner = asked.name();
        for number in 0..20 {
            let target = name(&format!("n{number}.example."));
            reply.answers.push(alias(&owner, &target));
            owner = target;
        }
        reply.answers.push(text(&owner, &[&key()]));
        vec![reply.into()]
    });
}
