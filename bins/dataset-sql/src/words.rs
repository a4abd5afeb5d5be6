//! Texts of errors: one line, bounded, and without the secrets of the configuration.

use std::net::IpAddr;

use engine::dataset::OpenError;

/// Octets of what a server says that are shown; more is cut and marked with `...`.
pub const MAX_ERROR: usize = 400;

/// What a server or the way to it said, fit to be logged.
///
/// *Inputs*: `secret` is the password, if there is one. No server is known to repeat one; where it did, dots stand in its place.
pub(crate) fn said(text: &str, secret: Option<&str>) -> String {
    let text = match secret.filter(|secret| !secret.is_empty()) {
        Some(secret) => text.replace(secret, "..."),
        None => text.to_owned(),
    };
    let mut line = String::with_capacity(text.len().min(MAX_ERROR));
    for character in text.trim().chars() {
        if line.len() >= MAX_ERROR {
            line.push_str("...");
            break;
        }
        if character.is_control() { line.extend(character.escape_debug()) } else { line.push(character) }
    }
    line
}

pub(crate) fn open_error(cause: impl Into<String>, fix: impl Into<String>) -> OpenError {
    OpenError { cause: cause.into(), fix: fix.into() }
}

/// Whether what is said to `host` stays on this host.
pub(crate) fn is_local(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.is_empty()
        || host.starts_with('/')
        || host.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s7_2_28_an_error_has_no_password_and_is_one_bounded_line() {
        assert_eq!(said("denied for u:p#w\n next", Some("p#w")), "denied for u:...\\n next");
        assert_eq!(said("denied", Some("")), "denied");
        let long = said(&"é".repeat(1000), None);
        assert!(long.len() <= MAX_ERROR + 4 && long.ends_with("..."), "{}", long.len());
    }

    #[test]
    fn loopback_and_sockets_are_local() {
        for host in ["", "localhost", "127.0.0.2", "::1", "[::1]", "/run/mysqld/mysqld.sock"] {
            assert!(is_local(host), "{host}");
        }
        for host in ["db.example.com", "192.0.2.1", "2001:db8::1"] {
            assert!(!is_local(host), "{host}");
        }
    }
}
