//! The messages that are sent.

/// A mail as people write them: several addresses, a folded Subject, dots, trailing white space, empty lines at the end.
pub(crate) fn plain(subject: &str) -> Vec<u8> {
    format!(
        "From: A Sender <sender@author.example>\r\n\
         To: reader@reader.example,\r\n\
         \tsecond@reader.example\r\n\
         Subject: {subject}\r\n  of a test\r\n\
         Date: Tue, 24 Nov 2026 10:00:00 +0000\r\n\
         Message-ID: <{subject}@author.example>\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=us-ascii\r\n\
         \r\n\
         Hello,   \r\n\
         .a dot first\r\n\
         \r\n\
         regards\t \r\n\
         \r\n\
         \r\n"
    )
    .into_bytes()
}

/// A mail by somebody at another domain.
pub(crate) fn from(domain: &str) -> Vec<u8> {
    let text = String::from_utf8(plain("foreign")).unwrap();
    text.replace("@author.example>\r\nTo", &format!("@{domain}>\r\nTo")).into_bytes()
}

/// A mail with header fields put before its first one.
pub(crate) fn with_fields(fields: &str, message: &[u8]) -> Vec<u8> {
    [fields.as_bytes(), message].concat()
}

/// RFC 6532: address, display name and Subject in UTF-8, the domain as a U-label.
pub(crate) fn internationalized() -> Vec<u8> {
    "From: Jürgen Groß <jürgen@bücher.example>\r\n\
     To: reader@reader.example\r\n\
     Subject: Grüße aus Köln\r\n\
     Date: Tue, 24 Nov 2026 10:00:00 +0000\r\n\
     Message-ID: <smtputf8@xn--bcher-kva.example>\r\n\
     MIME-Version: 1.0\r\n\
     Content-Type: text/plain; charset=utf-8\r\n\
     Content-Transfer-Encoding: 8bit\r\n\
     \r\n\
     Schöne Grüße\r\n"
        .as_bytes()
        .to_vec()
}

/// A Japanese mail as it was usual for decades: seven bits, escape sequences in the body (RFC 1468), encoded words in the header (RFC 2047).
pub(crate) fn iso_2022_jp() -> Vec<u8> {
    // "konnichiwa" in JIS X 0208 between the two escape sequences.
    const GREETING: &[u8] = b"\x1b$B$3$s$K$A$O\x1b(B";
    let header = b"From: =?ISO-2022-JP?B?GyRCO3ZFRBsoQg==?= <sender@author.example>\r\n\
        To: reader@reader.example\r\n\
        Subject: =?ISO-2022-JP?B?GyRCJDMkcyRLJEEkTxsoQg==?=\r\n\
        Date: Tue, 24 Nov 2026 19:00:00 +0900\r\n\
        Message-ID: <iso-2022-jp@author.example>\r\n\
        MIME-Version: 1.0\r\n\
        Content-Type: text/plain; charset=ISO-2022-JP\r\n\
        Content-Transfer-Encoding: 7bit\r\n\
        \r\n";
    [header, GREETING, b"\r\n", GREETING, b" \r\n.\r\n"].concat()
}

/// A message whose body has this many octets, in lines of 76 as base64 makes them.
pub(crate) fn large(body_octets: usize) -> Vec<u8> {
    const LINE: &[u8] = b"cG9zdHNlYWwgc2lnbnMgYW5kIHZlcmlmaWVzIGxhcmdlIG1haWwgaW4gb25lIHBhc3MgMTIzNDU2\r\n";
    let mut message = plain("large");
    let end = message.len() + body_octets;
    while message.len() < end {
        message.extend_from_slice(LINE);
    }
    message
}
