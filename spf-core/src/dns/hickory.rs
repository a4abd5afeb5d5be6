//! Conversions between this vocabulary and `hickory_proto`.

use hickory_proto::op::{Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::{RData, RecordType};

use super::{Answer, Exchange, Question, RecordKind};
use crate::name::Name;

#[cfg_attr(docsrs, doc(cfg(feature = "hickory")))]
impl From<RecordKind> for RecordType {
    fn from(kind: RecordKind) -> Self {
        match kind {
            RecordKind::Txt => Self::TXT,
            RecordKind::A => Self::A,
            RecordKind::Aaaa => Self::AAAA,
            RecordKind::Mx => Self::MX,
            RecordKind::Ptr => Self::PTR,
        }
    }
}

/// The name in wire form. The labels go over as bytes: macro expansion makes names that no host could have.
#[cfg_attr(docsrs, doc(cfg(feature = "hickory")))]
impl TryFrom<&Name> for hickory_proto::rr::Name {
    type Error = hickory_proto::ProtoError;

    fn try_from(name: &Name) -> Result<Self, Self::Error> {
        let mut wire = Self::from_labels(name.labels().map(str::as_bytes))?;
        wire.set_fqdn(true);
        Ok(wire)
    }
}

#[cfg_attr(docsrs, doc(cfg(feature = "hickory")))]
impl TryFrom<&Question> for Query {
    type Error = hickory_proto::ProtoError;

    fn try_from(question: &Question) -> Result<Self, Self::Error> {
        Ok(Self::query((&question.name).try_into()?, question.kind.into()))
    }
}

/// A response as it came from a resolver that follows aliases.
///
/// All records of the kind in the answer section count, whatever their owner (an alias has another one); none of them is
/// [`NoData`](Answer::NoData). A message that is no response, a truncated one, and every response code but NOERROR and NXDOMAIN become
/// [`Failed`](Answer::Failed).
#[cfg_attr(docsrs, doc(cfg(feature = "hickory")))]
impl From<(RecordKind, &Message)> for Answer {
    fn from((kind, message): (RecordKind, &Message)) -> Self {
        let header = &message.metadata;
        if header.message_type != MessageType::Response || header.truncation {
            return Self::Failed;
        }
        match header.response_code {
            ResponseCode::NoError => Self::from_data(kind, message.answers.iter().map(|record| &record.data)),
            ResponseCode::NXDomain => Self::NxDomain,
            _ => Self::Failed,
        }
    }
}

#[cfg_attr(docsrs, doc(cfg(feature = "hickory")))]
impl Answer {
    /// The records of a kind among these; for resolvers that hand out records instead of messages.
    pub fn from_data<'a>(kind: RecordKind, data: impl IntoIterator<Item = &'a RData>) -> Self {
        let data = data.into_iter();
        match kind {
            RecordKind::Txt => Self::txt(data.filter_map(|data| match data {
                RData::TXT(text) => Some(text.txt_data.concat()),
                _ => None,
            })),
            RecordKind::A => Self::a(data.filter_map(|data| match data {
                RData::A(address) => Some(address.0),
                _ => None,
            })),
            RecordKind::Aaaa => Self::aaaa(data.filter_map(|data| match data {
                RData::AAAA(address) => Some(address.0),
                _ => None,
            })),
            RecordKind::Mx => {
                let exchanges: Vec<Exchange> = data
                    .filter_map(|data| match data {
                        RData::MX(exchange) => {
                            Some(Exchange { preference: exchange.preference, name: name(&exchange.exchange) })
                        }
                        _ => None,
                    })
                    .collect();
                if exchanges.is_empty() { Self::NoData } else { Self::Mx(exchanges.into()) }
            }
            RecordKind::Ptr => Self::ptr(data.filter_map(|data| match data {
                RData::PTR(pointer) => name(&pointer.0),
                _ => None,
            })),
        }
    }
}

/// A name out of an answer. A label with a dot in it cannot be written without escapes, so such a name is none.
fn name(wire: &hickory_proto::rr::Name) -> Option<Name> {
    if wire.iter().any(|label| label.contains(&b'.')) {
        return None;
    }
    Name::parse(wire.iter().collect::<Vec<_>>().join(&b'.')).ok()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use hickory_proto::op::OpCode;
    use hickory_proto::rr::rdata::{A, CNAME, MX, PTR, TXT};
    use hickory_proto::rr::{Name as WireName, Record};

    use super::*;

    fn response(code: ResponseCode, answers: &[RData]) -> Message {
        let mut message = Message::new(7, MessageType::Response, OpCode::Query);
        message.metadata.response_code = code;
        message.answers = answers.iter().map(|data| Record::from_rdata(WireName::root(), 60, data.clone())).collect();
        message
    }

    fn wire(name: &str) -> WireName {
        WireName::from_ascii(name).unwrap()
    }

    #[test]
    fn s1_character_strings_are_joined_without_white_space() {
        let data = [
            RData::CNAME(CNAME(WireName::root())),
            RData::TXT(TXT::from_bytes(vec![b"v=spf1 ip4:192.0", b".2.1 -all"])),
            RData::TXT(TXT::from_bytes(vec![b""])),
        ];
        let answer = Answer::from((RecordKind::Txt, &response(ResponseCode::NoError, &data)));
        assert_eq!(answer, Answer::txt([&b"v=spf1 ip4:192.0.2.1 -all"[..], b""]));
    }

    #[test]
    fn each_kind_takes_its_own_records() {
        let data = [
            RData::A(A(Ipv4Addr::LOCALHOST)),
            RData::MX(MX::new(10, wire("Mail.Example."))),
            RData::MX(MX::new(0, WireName::root())),
            RData::PTR(PTR(wire("Host.Example.com."))),
        ];
        let message = response(ResponseCode::NoError, &data);
        assert_eq!(Answer::from((RecordKind::A, &message)), Answer::a([Ipv4Addr::LOCALHOST]));
        assert_eq!(Answer::from((RecordKind::Aaaa, &message)), Answer::NoData);
        assert_eq!(Answer::from((RecordKind::Mx, &message)), Answer::mx([(10, "mail.example"), (0, "")]));
        assert_eq!(Answer::from((RecordKind::Ptr, &message)), Answer::ptr(["host.example.com"]));
        assert_eq!(Answer::from((RecordKind::Txt, &message)), Answer::NoData);
    }

    #[test]
    fn s4_no_data_no_name_and_no_answer_are_told_apart() {
        let of = |message: &Message| Answer::from((RecordKind::Txt, message));
        assert_eq!(of(&response(ResponseCode::NoError, &[])), Answer::NoData);
        assert_eq!(of(&response(ResponseCode::NXDomain, &[])), Answer::NxDomain);
        assert_eq!(of(&response(ResponseCode::ServFail, &[])), Answer::Failed);
        assert_eq!(of(&response(ResponseCode::Refused, &[])), Answer::Failed);
        let mut truncated = response(ResponseCode::NoError, &[RData::TXT(TXT::from_bytes(vec![b"v=spf1"]))]);
        truncated.metadata.truncation = true;
        assert_eq!(of(&truncated), Answer::Failed);
        let mut question = response(ResponseCode::NoError, &[]);
        question.metadata.message_type = MessageType::Query;
        assert_eq!(of(&question), Answer::Failed);
    }

    #[test]
    fn s15_expanded_names_go_over_as_they_are() {
        for text in ["foo:bar/baz.example.com", "a b.example", "\"quoted\".example", "_spf.example.com", "a\\b.example"]
        {
            let question = Question::new(Name::parse(text).unwrap(), RecordKind::A);
            let query = Query::try_from(&question).unwrap();
            assert_eq!(query.query_type(), RecordType::A);
            assert!(query.name().is_fqdn());
            assert_eq!(name(query.name()), Some(question.name));
        }
        let dotted = WireName::from_labels([&b"a.b"[..], b"example"]).unwrap();
        assert_eq!(name(&dotted), None);
    }
}
