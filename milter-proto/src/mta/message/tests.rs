//! What modifications make of a message, with either profile.

use super::*;

/// A message with its own Received and these fields; the value of each is its number.
fn message_with(mut options: MtaOptions, names: &[&str]) -> MtaMessage {
    options.own_received = Some(b" own".to_vec());
    let mut message = MtaMessage::default();
    message.begin(b"a@example.test", &options);
    for (number, name) in (1..).zip(names) {
        message.push_field(name.as_bytes(), format!(" {number}").into_bytes());
    }
    message
}

fn message(names: &[&str]) -> MtaMessage {
    message_with(MtaOptions::default(), names)
}

/// The same with Sendmail, which adds a Date and a Message-Id.
fn sendmail(names: &[&str]) -> MtaMessage {
    let mut options = MtaOptions::sendmail();
    options.added_fields =
        [(&b"Message-Id"[..], &b" <1@mx>"[..]), (b"Date", b" today")].map(|(n, v)| (n.to_vec(), v.to_vec())).to_vec();
    message_with(options, names)
}

fn apply(message: &mut MtaMessage, modification: Modification<'_>) {
    message.apply(&modification, LeadingSpace::Verbatim).unwrap();
}

fn insert(message: &mut MtaMessage, index: u32, name: &str) {
    apply(message, Modification::InsertHeader { index, name: name.as_bytes(), value: b" new" });
}

fn change(message: &mut MtaMessage, index: u32, name: &str, value: &str) {
    apply(message, Modification::ChangeHeader { index, name: name.as_bytes(), value: value.as_bytes() });
}

fn shown(message: &MtaMessage) -> Vec<String> {
    let text = |field: &Field| String::from_utf8([&field.name[..], b":", &field.value].concat()).unwrap();
    message.fields().iter().map(text).collect()
}

#[test]
fn s8_6_index_0_is_above_own_received_and_1_below() {
    let mut above = message(&["From"]);
    insert(&mut above, 0, "X");
    assert_eq!(shown(&above), ["X: new", "Received: own", "From: 1"]);
    let mut below = message(&["From"]);
    insert(&mut below, 1, "X");
    assert_eq!(shown(&below), ["Received: own", "X: new", "From: 1"]);
}

#[test]
fn s8_6_index_1_after_an_index_0_insert_lands_above_received() {
    let mut message = message(&["From"]);
    insert(&mut message, 0, "A");
    insert(&mut message, 1, "B");
    insert(&mut message, 99, "C");
    insert(&mut message, u32::MAX, "D");
    assert_eq!(shown(&message), ["A: new", "B: new", "Received: own", "From: 1", "C: new", "D: new"]);
}

#[test]
fn s8_8_own_received_is_not_counted_and_0_is_1() {
    let mut message = message(&["Received", "X"]);
    change(&mut message, 1, "received", " changed");
    change(&mut message, 0, "x", " changed");
    assert_eq!(shown(&message), ["Received: own", "received: changed", "x: changed"]);
}

#[test]
fn s8_8_past_the_last_a_value_appends_and_a_deletion_does_nothing() {
    let mut message = message(&["X"]);
    change(&mut message, 2, "X", "");
    change(&mut message, 7, "X", " 2");
    assert_eq!(shown(&message), ["Received: own", "X: 1", "X: 2"]);
    let nameless = Modification::ChangeHeader { index: 1, name: b"", value: b"" };
    assert_eq!(message.apply(&nameless, LeadingSpace::Verbatim), Err(EmptyName));
}

#[test]
fn s8_9_postfix_renumbers_after_each_deletion() {
    // "Sending delete 1, delete 2 for three fields left the original #2 on Postfix"
    let mut upward = message(&["X", "X", "X"]);
    change(&mut upward, 1, "X", "");
    change(&mut upward, 2, "X", "");
    assert_eq!(shown(&upward), ["Received: own", "X: 2"]);
    let mut downward = message(&["X", "X", "X"]);
    change(&mut downward, 2, "X", "");
    change(&mut downward, 1, "X", "");
    assert_eq!(shown(&downward), ["Received: own", "X: 3"]);
}

#[test]
fn a_line_without_white_space_gets_a_tab() {
    let mut message = message(&[]);
    apply(&mut message, Modification::AddHeader { name: b"X", value: b" a\nb\n\tc" });
    assert_eq!(shown(&message).last().unwrap(), "X: a\r\n\tb\r\n\tc");
}

#[test]
fn s8_2_without_leading_space_one_is_added() {
    let mut message = message(&[]);
    for value in [&b"a"[..], b" a"] {
        let added = Modification::AddHeader { name: b"X", value };
        message.apply(&added, LeadingSpace::OneStripped).unwrap();
    }
    apply(&mut message, Modification::AddHeader { name: b"X-NoSpace", value: b"nospace" });
    assert_eq!(shown(&message), ["Received: own", "X: a", "X:  a", "X-NoSpace:nospace"]);
}

#[test]
fn envelope_and_body_follow_the_filter() {
    let mut message = message(&["X"]);
    for recipient in [&b"<b@example.test>"[..], b"<c@example.test>"] {
        message.add_recipient(recipient);
    }
    apply(&mut message, Modification::DeleteRecipient(b"b@example.test"));
    apply(&mut message, Modification::AddRecipient(b"<d@example.test>"));
    apply(&mut message, Modification::ChangeSender { address: b"<e@example.test>", parameters: None });
    assert_eq!(message.sender(), b"<e@example.test>");
    assert_eq!(message.recipients().collect::<Vec<_>>(), [b"<c@example.test>", b"<d@example.test>"]);
    assert_eq!(message.to_octets(b"old\r\n"), b"Received: own\r\nX: 1\r\n\r\nold\r\n");
    apply(&mut message, Modification::ReplaceBody(b"ne"));
    apply(&mut message, Modification::ReplaceBody(b"w\r\n"));
    assert_eq!(message.to_octets(b"old\r\n"), b"Received: own\r\nX: 1\r\n\r\nnew\r\n");
}

/// One modification: of an empty value, a deletion.
enum Edit {
    Insert(u32, &'static str),
    Change(u32, &'static str, &'static str),
    Add(&'static str, &'static str),
}

#[test]
fn s8_sendmail_counts_in_a_list_that_only_grows() {
    use Edit::{Add, Change, Insert};
    // Each: fields of the client, modifications, what is left of it in short.
    let cases: &[(&[&str], &[Edit], &str)] = &[
        (&["From"], &[], "Received: own|Date: today|Message-Id: <1@mx>|From: 1"),
        (&["from", "DATE", "x"], &[], "Received: own|Message-Id: <1@mx>|from: 1|DATE: 2|x: 3"),
        // §8.6: 0 is above the own Received, 1 below it, a large number the end; what lies between differs from Postfix.
        (&["A"], &[Insert(0, "X")], "X: new|Received: own|Date: today|Message-Id: <1@mx>|A: 1"),
        (&["A"], &[Insert(1, "X")], "Received: own|X: new|Date: today|Message-Id: <1@mx>|A: 1"),
        (&["A"], &[Insert(2, "X")], "Received: own|X: new|Date: today|Message-Id: <1@mx>|A: 1"),
        (&["A"], &[Insert(8, "X")], "Received: own|Date: today|Message-Id: <1@mx>|X: new|A: 1"),
        (&["A"], &[Insert(9, "X")], "Received: own|Date: today|Message-Id: <1@mx>|A: 1|X: new"),
        (&["A"], &[Insert(u32::MAX, "X")], "Received: own|Date: today|Message-Id: <1@mx>|A: 1|X: new"),
        // "Insert order: each new header at the same index goes above the older."
        (&[], &[Insert(0, "X"), Insert(0, "Y")], "Y: new|X: new|Received: own|Date: today|Message-Id: <1@mx>"),
        (&[], &[Insert(0, "X"), Insert(1, "Y")], "X: new|Y: new|Received: own|Date: today|Message-Id: <1@mx>"),
        // "Sending delete 1, delete 2 for three fields left the original […] #3 on Sendmail"
        (
            &["X", "x", "X"],
            &[Change(1, "X", ""), Change(2, "X", "")],
            "Received: own|Date: today|Message-Id: <1@mx>|X: 3",
        ),
        (
            &["X", "x", "X"],
            &[Change(2, "X", ""), Change(1, "X", "")],
            "Received: own|Date: today|Message-Id: <1@mx>|X: 3",
        ),
        (&["X", "X"], &[Change(1, "X", ""), Change(1, "X", "")], "Received: own|Date: today|Message-Id: <1@mx>|X: 2"),
        // A deleted field keeps its place for a value as well.
        (
            &["X", "A"],
            &[Change(1, "X", ""), Change(1, "x", " v")],
            "Received: own|Date: today|Message-Id: <1@mx>|x: v|A: 2",
        ),
        (
            &["X", "A"],
            &[Change(1, "X", ""), Insert(9, "Y")],
            "Received: own|Date: today|Message-Id: <1@mx>|Y: new|A: 2",
        ),
        (&["X"], &[Change(0, "x", " v")], "Received: own|Date: today|Message-Id: <1@mx>|X: v"),
        // Past the last: nothing to delete, or a new field where ADDHEADER puts it.
        (&["X"], &[Change(2, "X", "")], "Received: own|Date: today|Message-Id: <1@mx>|X: 1"),
        (&["X", "A"], &[Change(9, "X", " v")], "Received: own|Date: today|Message-Id: <1@mx>|X: v|X: 1|A: 2"),
        // Fields of the filter count as well.
        (&["X"], &[Insert(0, "X"), Change(1, "X", " v")], "X: v|Received: own|Date: today|Message-Id: <1@mx>|X: 1"),
        // Own fields are not counted, but taken if there is no other; Received never is.
        (&["Date"], &[Change(1, "Date", " v")], "Received: own|Message-Id: <1@mx>|Date: v"),
        (&["A"], &[Change(1, "date", " v")], "Received: own|Date: v|Message-Id: <1@mx>|A: 1"),
        (&["A"], &[Change(3, "Date", "")], "Received: own|Message-Id: <1@mx>|A: 1"),
        (&["Date"], &[Change(2, "Date", " v")], "Received: own|Date: v|Message-Id: <1@mx>|Date: 1"),
        (&["Received"], &[Change(1, "Received", "")], "Received: own|Date: today|Message-Id: <1@mx>"),
        (&["A"], &[Change(1, "Received", "")], "Received: own|Date: today|Message-Id: <1@mx>|A: 1"),
        // §8.7: "Sendmail may replace one of its own headers of that name."
        (&["A"], &[Add("Date", " v")], "Received: own|Date: v|Message-Id: <1@mx>|A: 1"),
        (&["A"], &[Add("Date", " v"), Change(1, "Date", "")], "Received: own|Message-Id: <1@mx>|A: 1"),
        (&["A"], &[Add("Full-Name", " v")], "Received: own|Date: today|Full-Name: v|Message-Id: <1@mx>|A: 1"),
        (&["A"], &[Add("Received", " v")], "Received: v|Received: own|Date: today|Message-Id: <1@mx>|A: 1"),
        (&["A", "B"], &[Add("a", " v")], "Received: own|Date: today|Message-Id: <1@mx>|a: v|A: 1|B: 2"),
        (&["A", "B"], &[Add("X", " v")], "Received: own|Date: today|Message-Id: <1@mx>|A: 1|B: 2|X: v"),
    ];
    for (names, edits, expected) in cases {
        let mut message = sendmail(names);
        for edit in *edits {
            match edit {
                Insert(index, name) => insert(&mut message, *index, name),
                Change(index, name, value) => change(&mut message, *index, name, value),
                Add(name, value) => {
                    apply(&mut message, Modification::AddHeader { name: name.as_bytes(), value: value.as_bytes() });
                }
            }
        }
        assert_eq!(&shown(&message).join("|"), expected, "{names:?}");
    }
}

#[test]
fn s8_13_the_message_id_is_the_clients_or_the_one_that_is_added() {
    assert_eq!(sendmail(&["From"]).message_id(), Some(&b"<1@mx>"[..]));
    assert_eq!(sendmail(&["message-id"]).message_id(), Some(&b"1"[..]));
    assert_eq!(message_with(MtaOptions::sendmail(), &["From"]).message_id(), None);
}

#[test]
fn sendmail_adds_fields_that_have_no_place_of_their_own_behind_the_others() {
    let mut options = MtaOptions::sendmail();
    options.added_fields = vec![(b"X-Site".to_vec(), b" s".to_vec()), (b"From".to_vec(), b" f".to_vec())];
    let mut message = message_with(options, &["A"]);
    assert_eq!(shown(&message), ["Received: own", "From: f", "X-Site: s", "A: 1"]);
    assert!(message.fields().iter().take(3).all(|field| field.is_hidden));
    insert(&mut message, 9, "Y");
    assert_eq!(shown(&message), ["Received: own", "From: f", "X-Site: s", "Y: new", "A: 1"]);
}

#[test]
fn sendmail_gives_a_line_without_white_space_a_space() {
    let mut message = sendmail(&[]);
    apply(&mut message, Modification::AddHeader { name: b"X", value: b" a\nb\n\tc" });
    assert_eq!(shown(&message).last().unwrap(), "X: a\r\n b\r\n\tc");
}

#[test]
fn a_header_modification_without_a_name_is_refused_by_both() {
    for mut message in [message(&["X"]), sendmail(&["X"])] {
        let before = message.clone();
        for modification in [
            Modification::AddHeader { name: b"", value: b"x" },
            Modification::InsertHeader { index: 0, name: b"", value: b"x" },
            Modification::ChangeHeader { index: 1, name: b"", value: b"" },
        ] {
            assert_eq!(message.apply(&modification, LeadingSpace::Verbatim), Err(EmptyName));
        }
        assert_eq!(message, before);
    }
}
