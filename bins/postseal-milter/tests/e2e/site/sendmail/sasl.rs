//! Stands in for saslauthd: libsasl asks it about passwords, and it knows one user.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

/// The one user.
const USER: &str = "sender";
/// Its password.
const PASSWORD: &str = "secret";
/// `AUTH PLAIN` with the response of this user (RFC 4616: NUL, name, NUL, password; in base64).
pub(crate) const AUTH_COMMAND: &str = "AUTH PLAIN AHNlbmRlcgBzZWNyZXQ=";

/// The configuration of libsasl that makes it ask at `socket`.
pub(crate) fn config(socket: &Path) -> String {
    format!("pwcheck_method: saslauthd\nsaslauthd_path: {}\nmech_list: PLAIN\n", socket.display())
}

/// Answers on a thread of its own, which lasts as long as the process.
pub(crate) fn serve(listener: UnixListener) {
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // A question that breaks off gets no answer, which the client of the test sees as a refusal.
            let _ = stream.and_then(answer);
        }
    });
}

/// The question is four strings (user, password, service, realm), the answer one; each with its length before it in two octets.
fn answer(mut stream: UnixStream) -> std::io::Result<()> {
    let mut strings = Vec::new();
    for _ in 0..4 {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut string = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut string)?;
        strings.push(string);
    }
    let is_known = strings[0] == USER.as_bytes() && strings[1] == PASSWORD.as_bytes();
    stream.write_all(if is_known { b"\0\x02OK" } else { b"\0\x02NO" })
}
