//! The option negotiation of the filter: what is asked, what comes of it with old and odd MTAs (spec of the protocol, §4).
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use milter_proto::flags::{Actions, Steps};
use milter_proto::{
    Command, Decision, Event, FilterSession, Frame, FrameDecoder, LeadingSpace, Negotiated, Offer, ProtocolError,
    Reply, Stage, UsageError, Waiting, Wants,
};
use proptest::prelude::*;

fn offer(version: u32, actions: u32, steps: u32) -> Offer {
    Offer::new(version, Actions::from_bits(actions), Steps::from_bits(steps))
}

/// Offers, and gives the session and what it answered.
fn answer(wants: Wants, offer: Offer) -> (FilterSession, Vec<u8>) {
    let mut session = FilterSession::new(wants);
    let mut sent = Vec::new();
    Command::Negotiate(offer).encode(&mut sent).unwrap();
    let mut decoder = FrameDecoder::default();
    decoder.push(&sent);
    let event = session.receive(decoder.next_frame().unwrap().unwrap()).unwrap();
    assert_eq!(event, Event::Negotiate(offer));
    let mut out = Vec::new();
    session.reply(&Decision::Continue, &mut out).unwrap();
    (session, out)
}

fn agreed(wants: Wants, offer: Offer) -> Negotiated {
    *answer(wants, offer).0.negotiated().unwrap()
}

/// The macro lists of an answer.
fn lists(octets: &[u8]) -> Vec<(u32, String)> {
    let mut decoder = FrameDecoder::default();
    decoder.push(octets);
    let Ok(Reply::Negotiate(answer)) = Reply::decode(decoder.next_frame().unwrap().unwrap()) else {
        panic!("no answer: {octets:?}");
    };
    answer.macro_lists.iter().map(|(number, names)| (number, String::from_utf8(names.to_vec()).unwrap())).collect()
}

fn refused(wants: Wants, offer: Offer) -> ProtocolError {
    let mut payload = Vec::new();
    Command::Negotiate(offer).encode(&mut payload).unwrap();
    let payload = payload.get(5..).unwrap();
    let mut session = FilterSession::new(wants);
    let error = session.receive(Frame { code: b'O', payload }).unwrap_err();
    assert_eq!(session.receive(Frame { code: b'Q', payload: b"" }), Err(ProtocolError::Closed));
    error
}

#[test]
fn s4_what_is_asked_of_postfix_and_sendmail() {
    let (session, out) = answer(Wants::default(), offer(6, 0x1ff, 0x1f_ffff));
    let agreed = session.negotiated().unwrap();
    assert_eq!((agreed.version, agreed.actions.bits(), agreed.steps.bits()), (6, 0x131, 0x1c_0180));
    assert_eq!(session.leading_space(), LeadingSpace::Verbatim);
    assert!(!agreed.is_silent(Stage::Rcpt) && !agreed.is_silent(Stage::Data) && agreed.is_silent(Stage::Body));
    assert_eq!(&out[5..17], b"\0\0\0\x06\0\0\x01\x31\0\x1c\x01\x80");
    let numbers: Vec<u32> = lists(&out).into_iter().map(|(number, _)| number).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 6, 5]);
}

#[test]
fn s18_data_is_neither_masked_nor_silenced() {
    assert!(!Wants::default().steps.intersects(Steps::NO_DATA | Steps::NO_REPLY_DATA));
}

#[test]
fn s4_1_the_version_is_never_higher_than_offered_and_never_above_6() {
    for (offered, expected) in [(2, 2), (3, 3), (4, 4), (5, 5), (6, 6), (7, 6), (u32::MAX, 6)] {
        assert_eq!(agreed(Wants::default(), offer(offered, 0x1ff, 0x1f_ffff)).version, expected);
    }
    for offered in [0, 1] {
        assert_eq!(refused(Wants::default(), offer(offered, 0xf, 0x3f)), ProtocolError::Version { offered });
    }
}

#[test]
fn s4_2_actions_that_are_not_offered_are_done_without() {
    let agreed = agreed(Wants::default(), offer(6, 0x1, 0x1f_ffff));
    assert_eq!(agreed.actions, Actions::ADD_HEADERS);
}

#[test]
fn s4_2_a_required_action_that_is_not_offered_ends_the_session() {
    let mut wants = Wants::default();
    wants.required = Actions::CHANGE_HEADERS | Actions::ADD_HEADERS;
    let missing = Actions::CHANGE_HEADERS;
    assert_eq!(refused(wants.clone(), offer(6, 0x1, 0x1f_ffff)), ProtocolError::MissingActions { missing });
    wants.actions = Actions::NONE;
    assert_eq!(agreed(wants.clone(), offer(6, 0x1ff, 0)).actions, wants.required);
}

#[test]
fn s4_3_steps_that_are_not_offered_are_done_without_and_replies_are_sent() {
    let (session, _) = answer(Wants::default(), offer(6, 0x1ff, 0x7f));
    let agreed = session.negotiated().unwrap();
    assert!(agreed.steps.is_empty());
    assert!(!agreed.is_silent(Stage::Header));
    assert_eq!(session.leading_space(), LeadingSpace::OneStripped);
}

#[test]
fn s4_3_packets_above_65535_octets_are_never_asked_for() {
    let steps = agreed(Wants::default(), offer(6, 0x1ff, u32::MAX)).steps;
    assert!(!steps.intersects(Steps::DATA_256K | Steps::DATA_1M));
    assert!(Steps::ALL.contains(steps));
}

#[test]
fn s4_4_macro_lists_only_if_the_mta_takes_them() {
    let (_, out) = answer(Wants::default(), offer(6, 0xff, 0x1f_ffff));
    assert_eq!(out.len(), 17);
    let mut wants = Wants::default();
    wants.actions = Actions::ADD_HEADERS;
    let (_, out) = answer(wants, offer(6, 0x1ff, 0x1f_ffff));
    assert_eq!(out.len(), 17);
}

#[test]
fn s4_4_a_list_for_end_of_message_brings_one_for_end_of_headers_and_the_reverse() {
    for (stage, number) in [(Stage::EndOfBody, 5), (Stage::EndOfHeaders, 6)] {
        let mut wants = Wants::nothing();
        wants.actions = Actions::SET_MACRO_LIST;
        wants.set_macros(stage, &["i", "msg_id"]).unwrap();
        let (_, out) = answer(wants, offer(6, 0x1ff, 0));
        let mut lists = lists(&out);
        lists.sort();
        let names = "i {msg_id}".to_owned();
        assert_eq!(lists, [(5, names.clone()), (6, names)], "only {number} was set");
    }
}

#[test]
fn s4_5_an_old_mta_that_offers_nothing_means_the_set_of_version_1() {
    let mut wants = Wants::default();
    wants.actions = Actions::ALL;
    wants.steps = Steps::ALL;
    let old = agreed(wants.clone(), offer(2, 0, 0));
    assert_eq!((old.actions.bits(), old.steps.bits()), (0x0f, 0x3f));
    // A newer one is taken at its word: Sendmail gives up the connection for a bit that it did not offer.
    let new = agreed(wants, offer(6, 0, 0));
    assert_eq!((new.actions.bits(), new.steps.bits()), (0, 0));
}

#[test]
fn s4_5_bits_that_the_version_does_not_have_are_not_agreed() {
    for (version, steps) in [(2, 0x80), (3, 0x180), (4, 0x180), (6, 0x1c_0180)] {
        assert_eq!(agreed(Wants::default(), offer(version, 0x1ff, 0x1f_ffff)).steps.bits(), steps, "{version}");
    }
}

#[test]
fn s4_skip_is_agreed_only_where_the_body_has_replies() {
    let both = agreed(Wants::default(), offer(6, 0x1ff, 0x1f_ffff)).steps;
    assert!(both.contains(Steps::NO_REPLY_BODY) && !both.intersects(Steps::SKIP));
    let only_skip = agreed(Wants::default(), offer(6, 0x1ff, 0x400)).steps;
    assert_eq!(only_skip, Steps::SKIP);
}

#[test]
fn the_answer_is_written_once_and_nothing_else_can_be_said() {
    let mut session = FilterSession::new(Wants::default());
    let payload = b"\0\0\0\x06\0\0\x01\xff\0\x1f\xff\xff";
    session.receive(Frame { code: b'O', payload }).unwrap();
    let mut out = Vec::new();
    let refused = session.reply(&Decision::Reject, &mut out);
    assert_eq!(refused, Err(UsageError::NotAllowed(Waiting::Negotiation)));
    assert!(out.is_empty());
    session.reply(&Decision::Continue, &mut out).unwrap();
    assert_eq!(session.reply(&Decision::Continue, &mut out), Err(UsageError::NothingToAnswer));
    assert_eq!(session.receive(Frame { code: b'O', payload }), Err(ProtocolError::NegotiatedTwice));
}

#[test]
fn a_command_before_the_negotiation_ends_the_session() {
    for code in *b"CHMRTLNBEADKU" {
        let mut session = FilterSession::new(Wants::default());
        let payload = b"x\x004\0\0x\0";
        assert_eq!(session.receive(Frame { code, payload }), Err(ProtocolError::NotNegotiated { code }));
        assert_eq!(session.receive(Frame { code, payload }), Err(ProtocolError::Closed));
    }
    let mut session = FilterSession::new(Wants::default());
    assert_eq!(session.receive(Frame { code: b'Q', payload: b"" }), Ok(Event::Quit));
}

#[test]
fn macro_names_are_checked_and_put_in_braces() {
    let mut wants = Wants::nothing();
    wants.actions = Actions::SET_MACRO_LIST;
    wants.set_macros(Stage::Mail, &["i", "auth_type", "{auth_authen}", "{j}"]).unwrap();
    wants.set_macros(Stage::Rcpt, &[]).unwrap();
    wants.set_macros(Stage::Helo, &["tls_version"]).unwrap();
    wants.unset_macros(Stage::Helo);
    let (_, out) = answer(wants.clone(), offer(6, 0x1ff, 0));
    assert_eq!(lists(&out), [(2, "i {auth_type} {auth_authen} {j}".to_owned()), (3, String::new())]);
    for bad in ["", "{}", "a b", "a\0", "a,b", "{a", "ä"] {
        assert_eq!(wants.set_macros(Stage::Mail, &[bad]), Err(UsageError::UnsafeText), "{bad:?}");
    }
    assert_eq!(wants.set_macros(Stage::Mail, &["i"; 51]), Err(UsageError::TooManyMacros(51)));
    let body = UsageError::NotAllowed(Waiting::Event(Stage::Body));
    assert_eq!(wants.set_macros(Stage::Body, &["i"]), Err(body));
}

proptest! {
    #[test]
    fn whatever_is_offered_the_answer_stays_within_it(
        version in prop_oneof![0u32..8, any::<u32>()],
        actions: u32,
        steps: u32,
        wanted_actions: u32,
        wanted_steps: u32,
    ) {
        let mut wants = Wants::default();
        wants.actions = Actions::from_bits(wanted_actions);
        wants.steps = Steps::from_bits(wanted_steps);
        let offer = offer(version, actions, steps);
        match Negotiated::agree(&offer, &wants) {
            Ok(agreed) => {
                prop_assert!((2..=6).contains(&agreed.version) && agreed.version <= version);
                let is_old = version <= 2;
                prop_assert!((is_old && actions == 0) || offer.actions.contains(agreed.actions));
                prop_assert!((is_old && steps == 0) || offer.steps.contains(agreed.steps));
            }
            Err(error) => prop_assert_eq!(error, ProtocolError::Version { offered: version }),
        }
    }
}
