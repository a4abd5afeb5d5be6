//! The only DNS vocabulary DKIM needs: the answer to a TXT question.
//!
//! RFC 6376 §3.6.2 asks for TXT records and nothing else, so this module cannot express any other question. The four words of [`TxtAnswer`] are the
//! four cases that §6.1.2 tells apart; the caller's resolver maps its own errors to them. With the feature `hickory`, a response message of
//! `hickory_proto` converts by `From`.
//!
//! What it does not do: ask, cache, follow aliases, know time-outs.

/// What the DNS said to a TXT question.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "RFC 6376 §6.1.2 knows these cases, and callers should handle each")]
pub enum TxtAnswer {
    /// The TXT records of the name, each with its character-strings joined without anything between them (RFC 6376 §3.6.2.2).
    Records(Vec<Vec<u8>>),
    /// The name exists and has no TXT record.
    NoData,
    /// The name does not exist.
    NxDomain,
    /// No answer: time-out, SERVFAIL, a refused or malformed response. Asking again later may help.
    Failed,
}

/// A response as it came from a resolver that follows aliases.
///
/// All TXT records of the answer section count, whatever their owner (an alias has another one). An empty list becomes
/// [`NoData`](TxtAnswer::NoData). A message that is no response, a truncated one, and every response code but NOERROR and NXDOMAIN become
/// [`Failed`](TxtAnswer::Failed).
#[cfg(feature = "hickory")]
#[cfg_attr(docsrs, doc(cfg(feature = "hickory")))]
impl From<&hickory_proto::op::Message> for TxtAnswer {
    fn from(message: &hickory_proto::op::Message) -> Self {
        use hickory_proto::op::{MessageType, ResponseCode};

        let header = &message.metadata;
        if header.message_type != MessageType::Response || header.truncation {
            return Self::Failed;
        }
        match header.response_code {
            ResponseCode::NoError => message.answers.iter().map(|record| &record.data).collect(),
            ResponseCode::NXDomain => Self::NxDomain,
            _ => Self::Failed,
        }
    }
}

/// The TXT records among these, or [`NoData`](TxtAnswer::NoData) when there is none; for resolvers that hand out records instead of messages.
#[cfg(feature = "hickory")]
#[cfg_attr(docsrs, doc(cfg(feature = "hickory")))]
impl<'a> FromIterator<&'a hickory_proto::rr::RData> for TxtAnswer {
    fn from_iter<T: IntoIterator<Item = &'a hickory_proto::rr::RData>>(data: T) -> Self {
        let texts = data.into_iter().filter_map(|data| match data {
            hickory_proto::rr::RData::TXT(text) => Some(text.txt_data.concat()),
            _ => None,
        });
        let records: Vec<Vec<u8>> = texts.collect();
        if records.is_empty() { Self::NoData } else { Self::Records(records) }
    }
}

#[cfg(all(test, feature = "hickory"))]
mod tests {
    use super::*;
    use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
    use hickory_proto::rr::rdata::{CNAME, TXT};
    use hickory_proto::rr::{Name, RData, Record};

    fn response(code: ResponseCode, answers: &[RData]) -> Message {
        let mut message = Message::new(7, MessageType::Response, OpCode::Query);
        message.metadata.response_code = code;
        message.answers = answers.iter().map(|data| Record::from_rdata(Name::root(), 60, data.clone())).collect();
        message
    }

    #[test]
    fn s3_6_2_2_character_strings_are_joined_without_white_space() {
        let texts = [
            RData::CNAME(CNAME(Name::root())),
            RData::TXT(TXT::from_bytes(vec![b"v=DKIM1; p=AB", b"CD\xff"])),
            RData::TXT(TXT::from_bytes(vec![b""])),
        ];
        let answer = TxtAnswer::from(&response(ResponseCode::NoError, &texts));
        assert_eq!(answer, TxtAnswer::Records(vec![b"v=DKIM1; p=ABCD\xff".to_vec(), Vec::new()]));
    }

    #[test]
    fn s6_1_2_no_data_no_name_and_no_answer_are_told_apart() {
        assert_eq!(TxtAnswer::from(&response(ResponseCode::NoError, &[])), TxtAnswer::NoData);
        assert_eq!(
            TxtAnswer::from(&response(ResponseCode::NoError, &[RData::CNAME(CNAME(Name::root()))])),
            TxtAnswer::NoData
        );
        assert_eq!(TxtAnswer::from(&response(ResponseCode::NXDomain, &[])), TxtAnswer::NxDomain);
        assert_eq!(TxtAnswer::from(&response(ResponseCode::ServFail, &[])), TxtAnswer::Failed);
        assert_eq!(TxtAnswer::from(&response(ResponseCode::Refused, &[])), TxtAnswer::Failed);
        let text = [RData::TXT(TXT::from_bytes(vec![b"p="]))];
        let mut truncated = response(ResponseCode::NoError, &text);
        truncated.metadata.truncation = true;
        assert_eq!(TxtAnswer::from(&truncated), TxtAnswer::Failed);
        let mut question = response(ResponseCode::NoError, &text);
        question.metadata.message_type = MessageType::Query;
        assert_eq!(TxtAnswer::from(&question), TxtAnswer::Failed);
    }
}
