//! The zone of a scenario as answers.

use std::collections::HashMap;

use serde_json::{Map, Value};
use spf_core::dns::{Answer, Question, RecordKind};

/// Records of a scenario by name in lower case.
pub(crate) struct Zone<'a>(HashMap<String, &'a [Value]>);

/// A text of the suite as bytes: it writes bytes as characters below 256.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    text.chars().map(|char| u8::try_from(char).unwrap()).collect()
}

impl<'a> Zone<'a> {
    pub(crate) fn new(data: &'a Map<String, Value>) -> Self {
        Self(
            data.iter()
                .map(|(name, records)| (name.to_ascii_lowercase(), records.as_array().unwrap().as_slice()))
                .collect(),
        )
    }

    pub(crate) fn answer(&self, question: &Question) -> Answer {
        // Aliases are followed as a resolver does, loops included.
        let mut name = question.name.as_str().to_owned();
        for _ in 0..10 {
            let Some(records) = self.0.get(&name) else {
                return if name.starts_with("error.") { Answer::Failed } else { Answer::NxDomain };
            };
            match values(records, "CNAME").first() {
                Some(alias) => name = alias.as_str().unwrap().trim_end_matches('.').to_ascii_lowercase(),
                None => return answer(records, question.kind),
            }
        }
        Answer::Failed
    }
}

/// The values of all records of a type.
fn values<'a>(records: &'a [Value], kind: &str) -> Vec<&'a Value> {
    records.iter().filter_map(|record| record.get(kind)).collect()
}

fn answer(records: &[Value], kind: RecordKind) -> Answer {
    let mut found = values(records, &kind.to_string());
    // A name with SPF records and no TXT record has the same strings as TXT.
    if kind == RecordKind::Txt && found.is_empty() {
        found = values(records, "SPF");
    }
    if found.iter().any(|value| *value == "TIMEOUT") {
        return Answer::Failed;
    }
    found.retain(|value| *value != "NONE");
    if found.is_empty() {
        return if records.iter().any(|record| record == "TIMEOUT") { Answer::Failed } else { Answer::NoData };
    }
    let texts = found.iter().filter_map(|value| value.as_str());
    match kind {
        RecordKind::Txt => Answer::txt(found.iter().map(|value| match value {
            Value::Array(strings) => strings.iter().flat_map(|string| bytes(string.as_str().unwrap())).collect(),
            value => bytes(value.as_str().unwrap()),
        })),
        RecordKind::A => Answer::a(texts.map(|text| text.parse().unwrap())),
        RecordKind::Aaaa => Answer::aaaa(texts.map(|text| text.parse().unwrap())),
        RecordKind::Ptr => Answer::ptr(texts),
        RecordKind::Mx => Answer::mx(
            found
                .iter()
                .map(|value| (value[0].as_str().unwrap().parse().unwrap(), value[1].as_str().unwrap().to_owned())),
        ),
    }
}
