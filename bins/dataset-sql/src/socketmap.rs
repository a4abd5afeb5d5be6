//! `socketmap:`, Postfix's protocol for look-ups (socketmap_table(5)), which a few lines in any language serve: the way to HTTP, Redis or Vault.
//!
//! The text is `unix:PATH:NAME` or `inet:HOST:PORT:NAME`. A question is the netstring of the name, a space and the key; the answer is one of
//! `OK data`, `NOTFOUND`, `TEMP reason`, `TIMEOUT reason`, `PERM reason`. The data is one field, which the engine splits at `:`.

use std::fmt;
use std::pin::Pin;

use engine::dataset::OpenError;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UnixStream};

use crate::kept::{Failure, Way};
use crate::words::{open_error, said};

/// Octets of one answer, as in Postfix ("the largest reply that a client accepts").
pub const MAX_REPLY: usize = 100_000;

/// Digits of the length of an answer.
const MAX_DIGITS: usize = 6;

/// A map of a server.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Map {
    place: Place,
    name: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Unix(String),
    Inet(String, u16),
}

const FORM: &str = "write `socketmap:unix:PATH:NAME` or `socketmap:inet:HOST:PORT:NAME`, as in Postfix";

impl Map {
    pub(crate) fn open(text: &str) -> Result<Self, OpenError> {
        let wrong = |cause: &str| open_error(format!("the data set of the type `socketmap` {cause}"), FORM);
        let (kind, rest) = text.split_once(':').ok_or_else(|| wrong("has no kind of socket"))?;
        let (place, name) = rest.rsplit_once(':').ok_or_else(|| wrong("has no name of a map"))?;
        if name.is_empty() || name.len() > MAX_NAME || name.chars().any(|c| c.is_control() || c == ' ') {
            return Err(wrong("has no name of a map, or one that is none"));
        }
        let place = match kind {
            "unix" if !place.is_empty() && !place.contains('\0') => Place::Unix(place.to_owned()),
            "inet" => {
                let (host, port) = place.rsplit_once(':').ok_or_else(|| wrong("has no port"))?;
                let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
                let port = port.parse::<u16>().ok().filter(|port| *port > 0);
                if host.is_empty() {
                    return Err(wrong("has no host"));
                }
                Place::Inet(host.to_owned(), port.ok_or_else(|| wrong("has a port that is none"))?)
            }
            _ => return Err(wrong("has another kind of socket than `unix` and `inet`, or no path")),
        };
        Ok(Self { place, name: name.to_owned() })
    }
}

/// Octets of the name of a map.
const MAX_NAME: usize = 1024;

/// A connection of either kind.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Stream for T {}

impl Way for Map {
    type Connection = BufReader<Pin<Box<dyn Stream>>>;

    /// Servers of this kind often serve one client at a time.
    const CONNECTIONS: usize = 1;

    async fn connect(&self) -> Result<Self::Connection, String> {
        let stream: Result<Pin<Box<dyn Stream>>, std::io::Error> = match &self.place {
            Place::Unix(path) => UnixStream::connect(path).await.map(|stream| Box::pin(stream) as _),
            Place::Inet(host, port) => TcpStream::connect((host.as_str(), *port)).await.map(|stream| {
                // Questions are small; one that waits for more to come only waits.
                let _ = stream.set_nodelay(true);
                Box::pin(stream) as _
            }),
        };
        stream.map(BufReader::new).map_err(|error| format!("{self:?}: {error}"))
    }

    async fn ask(&self, stream: &mut Self::Connection, key: &str) -> Result<Option<Vec<String>>, Failure> {
        let lost = |text: String| Failure::Lost(format!("{self:?}: {text}"));
        let question = question(&self.name, key);
        stream.write_all(&question).await.map_err(|error| lost(error.to_string()))?;
        stream.flush().await.map_err(|error| lost(error.to_string()))?;
        let answer = netstring(stream).await.map_err(&lost)?;
        match reply(&answer) {
            Reply::Found(data) => Ok(Some(vec![data.to_owned()])),
            Reply::NotFound => Ok(None),
            Reply::Refused(text) => Err(Failure::Said(format!("{self:?}: {}", said(text, None)))),
            Reply::Malformed => Err(lost("the answer is none of OK, NOTFOUND, TEMP, TIMEOUT, PERM".to_owned())),
        }
    }
}

/// The netstring of the name, a space, and the key.
fn question(name: &str, key: &str) -> Vec<u8> {
    let length = name.len().saturating_add(1).saturating_add(key.len());
    format!("{length}:{name} {key},").into_bytes()
}

/// Reads one netstring. Its length is believed up to [`MAX_REPLY`].
async fn netstring(stream: &mut (impl AsyncBufRead + Unpin)) -> Result<Vec<u8>, String> {
    const MALFORMED: &str = "the answer is no netstring";
    let mut digits = Vec::new();
    let limit = u64::try_from(MAX_DIGITS).unwrap_or(u64::MAX).saturating_add(1);
    (&mut *stream).take(limit).read_until(b':', &mut digits).await.map_err(|error| error.to_string())?;
    if digits.is_empty() {
        return Err("the server has closed the connection".to_owned());
    }
    let digits = digits.strip_suffix(b":").and_then(|digits| std::str::from_utf8(digits).ok()).ok_or(MALFORMED)?;
    if digits.is_empty()
        || !digits.bytes().all(|octet| octet.is_ascii_digit())
        || (digits.len() > 1 && digits.starts_with('0'))
    {
        return Err(MALFORMED.to_owned());
    }
    let length = digits.parse::<usize>().map_err(|_| MALFORMED)?;
    if length > MAX_REPLY {
        return Err(format!("the answer has more than {MAX_REPLY} octets"));
    }
    let mut text = vec![0; length.saturating_add(1)];
    stream.read_exact(&mut text).await.map_err(|error| error.to_string())?;
    if text.pop() == Some(b',') { Ok(text) } else { Err(MALFORMED.to_owned()) }
}

#[derive(Debug, PartialEq, Eq)]
enum Reply<'a> {
    Found(&'a str),
    NotFound,
    Refused(&'a str),
    Malformed,
}

fn reply(answer: &[u8]) -> Reply<'_> {
    let Ok(answer) = std::str::from_utf8(answer) else { return Reply::Malformed };
    let (word, rest) = answer.split_once(' ').unwrap_or((answer, ""));
    match word {
        "OK" => Reply::Found(rest),
        "NOTFOUND" => Reply::NotFound,
        "TEMP" | "TIMEOUT" | "PERM" => Reply::Refused(answer),
        _ => Reply::Malformed,
    }
}

/// As it is written in the configuration; there is nothing secret in it.
impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Unix(path) => write!(f, "socketmap:unix:{path}:{}", self.name),
            Place::Inet(host, port) if host.contains(':') => write!(f, "socketmap:inet:[{host}]:{port}:{}", self.name),
            Place::Inet(host, port) => write!(f, "socketmap:inet:{host}:{port}:{}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &[u8]) -> Result<Vec<u8>, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut text = text;
        runtime.block_on(netstring(&mut text))
    }

    #[test]
    fn s2_1_the_spelling_of_postfix() {
        for (text, place) in [
            ("unix:/run/x:keys", Place::Unix("/run/x".to_owned())),
            ("unix:rel/a:b:keys", Place::Unix("rel/a:b".to_owned())),
            ("inet:localhost:9999:keys", Place::Inet("localhost".to_owned(), 9999)),
            ("inet:[::1]:9999:keys", Place::Inet("::1".to_owned(), 9999)),
        ] {
            assert_eq!(Map::open(text), Ok(Map { place, name: "keys".to_owned() }), "{text}");
            assert_eq!(
                Map::open(format!("{:?}", Map::open(text).unwrap()).strip_prefix("socketmap:").unwrap()),
                Map::open(text)
            );
        }
        for text in [
            "",
            "unix",
            "unix:/run/x",
            "unix:/run/x:",
            "unix::k",
            "inet:h:k",
            "inet::1:k",
            "inet:h:0:k",
            "inet:h:70000:k",
            "tcp:h:1:k",
            "unix:/x:a b",
        ] {
            assert!(Map::open(text).is_err(), "{text}");
        }
    }

    #[test]
    fn s2_1_netstrings() {
        assert_eq!(question("keys", "a b"), b"8:keys a b,");
        assert_eq!(question("keys", "é"), "7:keys é,".as_bytes());
        assert_eq!(read(b"5:OK ab,").unwrap(), b"OK ab");
        assert_eq!(read(b"0:,").unwrap(), b"");
        for text in [
            &b"5:OK ab;"[..],
            b":,",
            b"05:OK ab,",
            b"-1:,",
            b"+5:OK ab,",
            b" 5:OK ab,",
            b"x",
            b"5",
            b"0000005:OK ab,",
            b"9999999:",
            b"100001:",
            b"5:OK",
        ] {
            assert!(read(text).is_err(), "{}", String::from_utf8_lossy(text));
        }
        assert_eq!(read(b"").unwrap_err(), "the server has closed the connection");
        let mut longest = format!("{MAX_REPLY}:").into_bytes();
        longest.extend(vec![b'x'; MAX_REPLY]);
        longest.push(b',');
        assert_eq!(read(&longest).unwrap().len(), MAX_REPLY);
    }

    #[test]
    fn s2_1_answers() {
        assert_eq!(reply(b"OK a:b c"), Reply::Found("a:b c"));
        assert_eq!(reply(b"OK "), Reply::Found(""));
        assert_eq!(reply(b"OK"), Reply::Found(""));
        assert_eq!(reply(b"NOTFOUND "), Reply::NotFound);
        assert_eq!(reply(b"NOTFOUND"), Reply::NotFound);
        for text in ["TEMP later", "TIMEOUT late", "PERM never", "PERM"] {
            assert_eq!(reply(text.as_bytes()), Reply::Refused(text));
        }
        for text in [&b""[..], b"ok a", b"OKa", b" OK a", b"OK \xff"] {
            assert_eq!(reply(text), Reply::Malformed);
        }
    }

    proptest! {
        #[test]
        fn s2_1_any_octets_are_an_answer_or_an_error(text in proptest::collection::vec(any::<u8>(), 0..60), head in "[0-9]{0,7}:?") {
            let mut octets = head.into_bytes();
            octets.extend(&text);
            if let Ok(answer) = read(&octets) {
                prop_assert!(answer.len() <= octets.len());
                let _ = reply(&answer);
            }
        }
    }
}
