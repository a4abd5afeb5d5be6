//! Answers that say no.

use hickory_proto::op::ResponseCode;

use super::server::{referral, soa};
use super::{at_once, honest};

/// The code is a failure of the server, which nobody need wait for.
fn fails_with(code: ResponseCode) {
    at_once("temperror", move |asked| vec![asked.reply(code).into()]);
}

#[test]
fn d23_servfail_is_a_temporary_error() {
    fails_with(ResponseCode::ServFail);
}

#[test]
fn d23_refused_is_a_temporary_error() {
    fails_with(ResponseCode::Refused);
}

#[test]
fn d23_formerr_is_a_temporary_error() {
    fails_with(ResponseCode::FormErr);
}

#[test]
fn d23_notimp_is_a_temporary_error() {
    fails_with(ResponseCode::NotImp);
}

#[test]
fn d23_a_code_that_nobody_knows_is_a_temporary_error() {
    fails_with(ResponseCode::Unknown(13));
}

#[test]
fn an_error_without_its_question_is_heard() {
    at_once("temperror", |asked| {
        let mut reply = asked.reply(ResponseCode::ServFail);
        reply.queries.clear();
        vec![reply.into()]
    });
}

#[test]
fn rfc6891_s7_a_server_that_does_not_know_edns_is_asked_without() {
    at_once("pass", |asked| {
        vec![if asked.message.edns.is_some() { asked.reply(ResponseCode::FormErr).into() } else { honest(asked) }]
    });
}

#[test]
fn d23_no_such_name_is_a_permanent_error() {
    at_once("permerror", |asked| {
        let mut reply = asked.reply(ResponseCode::NXDomain);
        reply.authorities.push(soa(60));
        vec![reply.into()]
    });
}

#[test]
fn d23_no_record_is_a_permanent_error() {
    at_once("permerror", |asked| vec![asked.reply(ResponseCode::NoError).into()]);
    at_once("permerror", |asked| {
        let mut reply = asked.reply(ResponseCode::NoError);
        reply.authorities.push(soa(60));
        vec![reply.into()]
    });
}

/// A server that does not resolve for us points elsewhere: that is no statement about the key.
#[test]
fn a_referral_is_a_temporary_error() {
    at_once("temperror", |asked| vec![referral(asked)]);
}
