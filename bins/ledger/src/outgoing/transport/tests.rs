use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use super::*;

const MESSAGE: &[u8] = b"Subject: x\r\n\r\n.dot\r\nbye\r\n";

/// A server that greets and answers each command by the next reply; `-` closes the connection in place of one.
async fn server(replies: &'static [&'static str]) -> (Server, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::new(Mutex::new(String::new()));
    let hearing = Arc::clone(&heard);
    tokio::spawn(async move {
        let mut replies = replies.iter();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            stream.write_all(b"220 here\r\n").await.unwrap();
            let (mut in_data, mut line) = (false, String::new());
            while stream.read_line(&mut line).await.unwrap_or(0) > 0 {
                hearing.lock().unwrap().push_str(&line);
                let is_text = in_data && line != ".\r\n";
                line.clear();
                if is_text {
                    continue;
                }
                match replies.next() {
                    None | Some(&"-") => break,
                    Some(reply) => {
                        in_data = reply.starts_with("354");
                        stream.write_all(format!("{reply}\r\n").as_bytes()).await.unwrap();
                    }
                }
            }
        }
    });
    let host = "127.0.0.1".to_owned();
    (Server { host, port, tls: Tls::Off, credentials: None, hello: "us.example".to_owned() }, heard)
}

async fn send(replies: &'static [&'static str]) -> (Outcome, String) {
    let (server, heard) = server(replies).await;
    let outcome = Mailer::new(Way::Smtp(server)).send("from@us.example", "to@them.example", MESSAGE).await;
    let heard = heard.lock().unwrap().clone();
    (outcome, heard)
}

#[tokio::test]
async fn rfc5321_s4_5_2_a_message_is_sent_once_with_its_dots_doubled() {
    let (outcome, heard) = send(&["250 here", "250 ok", "250 ok", "354 go on", "250 2.0.0 queued as 4QABC"]).await;
    assert_eq!(outcome, Outcome::Sent("250 2.0.0 queued as 4QABC".to_owned()));
    let expected = "EHLO us.example\r\nMAIL FROM:<from@us.example>\r\nRCPT TO:<to@them.example>\r\nDATA\r\n\
                    Subject: x\r\n\r\n..dot\r\nbye\r\n.\r\n";
    assert_eq!(heard, expected);
}

#[tokio::test]
async fn rfc5321_s4_2_1_each_refusal_is_told_from_the_others() {
    let refused = |text: &str| Outcome::Refused(format!("permanent error (550): {text}"));
    let later = |text: &str| Outcome::Later(format!("transient error (451): {text}"));
    for (replies, expected) in [
        (&["250 here", "550 no"][..], refused("no")),
        (&["250 here", "451 wait"], later("wait")),
        (
            &["250 here", "250 ok", "550 5.1.1 nobody"],
            Outcome::RefusedRecipient("permanent error (550): 5.1.1 nobody".to_owned()),
        ),
        (&["250 here", "250 ok", "451 grey"], later("grey")),
        (&["250 here", "250 ok", "250 ok", "550 no"], refused("no")),
        (&["250 here", "250 ok", "250 ok", "354 go on", "550 5.7.1 spam"], refused("5.7.1 spam")),
        (&["250 here", "250 ok", "250 ok", "354 go on", "451 disk full"], later("disk full")),
    ] {
        let (outcome, _) = send(replies).await;
        assert_eq!(outcome, expected, "{replies:?}");
    }
}

#[tokio::test]
async fn a_connection_lost_after_the_final_dot_leaves_the_outcome_unknown_and_before_it_does_not() {
    let (outcome, _) = send(&["250 here", "250 ok", "250 ok", "354 go on", "-"]).await;
    assert!(matches!(outcome, Outcome::Unknown(_)), "{outcome:?}");
    for replies in
        [&["-"][..], &["250 here", "-"], &["250 here", "250 ok", "-"], &["250 here", "250 ok", "250 ok", "-"]]
    {
        let (outcome, heard) = send(replies).await;
        assert!(matches!(outcome, Outcome::Later(_)), "{replies:?}: {outcome:?}");
        assert!(!heard.contains("Subject"), "{heard}");
    }
}

#[tokio::test]
async fn one_connection_serves_several_messages_and_one_that_stood_idle_too_long_is_replaced() {
    let replies = &[
        "250 here",
        "250 ok",
        "250 ok",
        "354 go on",
        "250 first",
        "250 ok",
        "250 ok",
        "354 go on",
        "250 second",
        "-",
        "250 here again",
        "250 ok",
        "250 ok",
        "354 go on",
        "250 third",
    ];
    let (server, heard) = server(replies).await;
    let mut mailer = Mailer::new(Way::Smtp(server));
    for expected in ["250 first", "250 second", "250 third"] {
        let outcome = mailer.send("from@us.example", "to@them.example", MESSAGE).await;
        assert_eq!(outcome, Outcome::Sent(expected.to_owned()));
    }
    assert_eq!(heard.lock().unwrap().matches("EHLO").count(), 2);
}

#[tokio::test]
async fn an_address_that_would_be_a_command_is_refused_and_nothing_is_sent() {
    let (server, heard) = server(&[]).await;
    let mut mailer = Mailer::new(Way::Smtp(server));
    let outcome = mailer.send("from@us.example", "a@b.example>\r\nRCPT TO:<c@d.example", MESSAGE).await;
    assert!(matches!(outcome, Outcome::RefusedRecipient(_)), "{outcome:?}");
    assert_eq!(*heard.lock().unwrap(), "");
}

#[tokio::test]
async fn sendmail_gets_the_addresses_behind_its_options_and_its_exit_code_is_understood() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sendmail");
    let program = |code: i32| {
        let seen = folder.path().join("seen");
        let text = format!("#!/bin/sh\n(echo \"$@\"; cat) > {}\necho said >&2\nexit {code}\n", seen.display());
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        Mailer::new(Way::Sendmail(path.clone()))
    };
    let outcome = program(0).send("from@us.example", "-oQ@them.example", MESSAGE).await;
    assert!(matches!(&outcome, Outcome::Sent(text) if text.ends_with("said")), "{outcome:?}");
    let seen = std::fs::read_to_string(folder.path().join("seen")).unwrap();
    assert_eq!(seen, "-i -f from@us.example -- -oQ@them.example\nSubject: x\n\n.dot\nbye\n");
    let outcome = program(75).send("a@b.example", "c@d.example", MESSAGE).await;
    assert!(matches!(outcome, Outcome::Later(_)), "{outcome:?}");
    let outcome = program(67).send("a@b.example", "c@d.example", MESSAGE).await;
    assert!(matches!(outcome, Outcome::RefusedRecipient(_)), "{outcome:?}");
    let outcome =
        Mailer::new(Way::Sendmail(folder.path().join("none"))).send("a@b.example", "c@d.example", MESSAGE).await;
    assert!(matches!(outcome, Outcome::Later(_)), "{outcome:?}");
}
