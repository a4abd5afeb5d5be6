//! Whether the name of the client's address leads back to it: `iprev` of RFC 8601 §2.7.3, as the MTA found it.
//!
//! The MTA has looked both up at CONNECT and tells what came of it (`{client_resolve}`, `{client_ptr}`), so nothing is asked here.

use std::net::IpAddr;

use dkim_core::auth_results::ResInfo;

use super::origin::Client;

/// What the MTA found about the name of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Iprev {
    address: IpAddr,
    result: &'static str,
}

impl Iprev {
    /// From the macros `{client_resolve}` and `{client_ptr}`; `None` where the MTA does not tell, or the client has no address.
    #[must_use]
    pub fn new(client: Client, client_resolve: Option<&[u8]>, client_ptr: Option<&[u8]>) -> Option<Self> {
        let Client::Ip(address, _) = client else { return None };
        let has_name = client_ptr.is_some_and(|name| !name.is_empty() && !name.eq_ignore_ascii_case(b"unknown"));
        let result = match client_resolve? {
            b"OK" => "pass",
            // §2.7.3 on fail: "the "reverse" and "forward" lookups each produced results, but they were not in agreement".
            b"FORGED" => "fail",
            // "or the "forward" query completed but produced no result"
            b"FAIL" if has_name => "fail",
            // §2.7.3 on permerror: "no PTR data are published for the connecting IP address".
            b"FAIL" => "permerror",
            b"TEMP" => "temperror",
            _ => return None,
        };
        Some(Self { address, result })
    }

    /// The word of RFC 8601.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.result
    }

    pub(super) fn info(self) -> ResInfo {
        ResInfo::new("iprev", self.result).with_prop("policy", "iprev", self.address.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc8601_s2_7_3_the_macros_of_the_mta_are_results() {
        let client = Client::Ip("192.0.2.1".parse().unwrap(), 25);
        let name = Some(&b"mail.example.com"[..]);
        for (resolve, ptr, result) in [
            (Some(&b"OK"[..]), name, Some("pass")),
            (Some(b"FORGED"), name, Some("fail")),
            (Some(b"FAIL"), name, Some("fail")),
            (Some(b"FAIL"), Some(&b"unknown"[..]), Some("permerror")),
            (Some(b"FAIL"), Some(b""), Some("permerror")),
            (Some(b"FAIL"), None, Some("permerror")),
            (Some(b"TEMP"), name, Some("temperror")),
            (Some(b"ok; spf=pass"), name, None),
            (Some(b""), name, None),
            (None, name, None),
        ] {
            assert_eq!(Iprev::new(client, resolve, ptr).map(Iprev::as_str), result, "{resolve:?} {ptr:?}");
        }
        assert_eq!(Iprev::new(Client::Unix, Some(b"OK"), name), None);
        assert_eq!(Iprev::new(Client::Unknown, Some(b"OK"), name), None);
    }
}
