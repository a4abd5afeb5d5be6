//! Text of DKIM and Authentication-Results: header sections, tag lists, names, field values.

use dkim_core::auth_results::{AuthResults, Charset, FormatOptions, ReadLimits, ResInfo, claims_authserv_id};
use dkim_core::domain::{DomainName, Selector};
use dkim_core::header::{HeaderBlock, HeaderLimits};
use dkim_core::tag_list::{TagLimits, TagList, trim_fws};

use crate::Target;

/// The targets of this module.
pub const TARGETS: &[Target] = &[
    ("header_block", header_block),
    ("tag_list", tag_list),
    ("domain_name", domain_name),
    ("auth_results", auth_results),
];

/// A message. Its header section, rebuilt field by field, is the same block, and parses again to the same block.
pub fn header_block(data: &[u8]) {
    let Ok((block, body)) = HeaderBlock::parse(data, HeaderLimits::default()) else { return };
    assert!(body <= data.len());
    let mut builder = HeaderBlock::builder(HeaderLimits::default());
    for field in &block {
        builder.push(field.name, field.value).expect("a field that was parsed can be pushed");
    }
    assert_eq!(builder.finish(), block);
    let (again, _) = HeaderBlock::parse(block.as_bytes(), HeaderLimits::default()).expect("a block parses again");
    assert_eq!(again, block);
}

/// A tag list. Every span lies between an "=" and a ";" or the end, and holds the value; emptying one value leaves all others as they are.
pub fn tag_list(data: &[u8]) {
    let list = match TagList::parse(data, TagLimits::default()) {
        Ok(list) => list,
        Err(error) => return assert!(error.at <= data.len()),
    };
    for tag in &list {
        let raw = data.get(tag.span.clone()).expect("a span lies in the text");
        assert_eq!(trim_fws(raw), tag.value);
        assert_eq!(list.get(tag.name), Some(tag));
        let _ = (tag.without_fws(), tag.unfolded());
        let mut emptied = data.to_vec();
        emptied.drain(tag.span.clone());
        let again = TagList::parse(&emptied, TagLimits::default()).expect("an empty value is a value");
        for (old, new) in list.iter().zip(&again) {
            assert_eq!(old.name, new.name);
            assert_eq!(if old == tag { &b""[..] } else { old.value }, new.value);
        }
    }
}

/// A name. What is accepted is plain, short enough and stable; its parent is above it.
pub fn domain_name(data: &[u8]) {
    assert_eq!(DomainName::parse_bytes(data).is_ok(), Selector::parse_bytes(data).is_ok());
    let Ok(name) = DomainName::parse_bytes(data) else { return };
    let is_plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
    assert!(name.as_str().bytes().all(is_plain) && name.as_str().len() <= 253);
    assert!(name.labels().all(|label| (1..=63).contains(&label.len())));
    assert_eq!(DomainName::parse(name.as_str()).as_ref(), Ok(&name));
    if let Some(parent) = name.parent() {
        assert!(name.is_equal_or_subdomain_of(&parent) && !parent.is_equal_or_subdomain_of(&name));
    }
}

/// A field value, and the same bytes as hostile texts in a field of ours.
pub fn auth_results(data: &[u8]) {
    let utf8 = {
        let mut options = FormatOptions::default();
        options.charset = Charset::Utf8;
        options
    };
    let _ = claims_authserv_id(data, "mx.example.org");
    match AuthResults::parse(data, ReadLimits::default()) {
        Ok(field) => {
            assert!(claims_authserv_id(data, &field.authserv_id) || matches!(&field.authserv_id[..], "" | "."));
            // Only the caller's own words can be refused, and a parsed keyword may be longer than we write one.
            if let Ok(value) = field.to_field_value(&utf8) {
                check_lines(&value);
                let again =
                    AuthResults::parse(value.as_bytes(), ReadLimits::default()).expect("what is written is read");
                assert_eq!(again.to_field_value(&utf8).as_ref(), Ok(&value));
            }
        }
        Err(error) => assert!(error.at <= data.len()),
    }
    let mut ours = AuthResults::new("mx.example.org");
    let result = ResInfo::new("spf", "fail").with_reason(data).with_comment(data).with_prop("smtp", "mailfrom", data);
    ours.results.push(result);
    for options in [FormatOptions::default(), utf8] {
        let value = ours.to_field_value(&options).expect("no value makes a field impossible");
        check_lines(&value);
        assert!(claims_authserv_id(value.as_bytes(), "mx.example.org"));
        let read = AuthResults::parse(value.as_bytes(), ReadLimits::default()).expect("what is written is read");
        assert_eq!(read.authserv_id, "mx.example.org");
        let [result] = &read.results[..] else { panic!("{} results of one", read.results.len()) };
        assert_eq!((result.result.as_str(), result.props.len(), result.comments.len()), ("fail", 1, 1));
        assert_eq!(read.to_field_value(&options).as_ref(), Ok(&value));
    }
}

/// No line of a field can be taken for another field or for the end of the header section.
fn check_lines(value: &str) {
    for line in value.split("\r\n") {
        assert!(line.starts_with([' ', '\t']) && line.contains(|c| !matches!(c, ' ' | '\t')) && line.len() <= 998);
        assert!(!line.contains(['\r', '\n', '\0']));
    }
}
