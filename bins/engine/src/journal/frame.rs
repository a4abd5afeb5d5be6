//! One record as a line: `J1 LENGTH CHECKSUM {…}`, ended by LF.
//!
//! `J1` names the version, LENGTH counts the octets of the JSON object and CHECKSUM is its CRC-32 (that of gzip), both as eight hexadecimal
//! digits. JSON writes a line end as `\n`, so an LF is the end of a frame and nothing else: a reader that lost its way is at home again on
//! the next line, and `grep` and `jq` work on a journal.

/// Octets of the longest record; it has few parts whose length is not bounded by a domain name, and those are cut off where it is made.
pub const MAX_RECORD: usize = 64 * 1024;

/// What every frame of this version begins with.
const MAGIC: &[u8] = b"J1 ";

/// Octets before the object: magic, length, space, checksum, space.
const PREFIX: usize = 21;

/// Octets of the longest line, its end included.
pub(super) const MAX_LINE: usize = PREFIX + MAX_RECORD + 1;

/// Appends `json` as a frame to `out`; `false`, and nothing appended, when it is too long or holds a line end.
pub(super) fn write(json: &[u8], out: &mut Vec<u8>) -> bool {
    if json.len() > MAX_RECORD || json.contains(&b'\n') {
        return false;
    }
    let prefix = format!("J1 {:08x} {:08x} ", json.len(), crc32fast::hash(json));
    out.extend_from_slice(prefix.as_bytes());
    out.extend_from_slice(json);
    out.push(b'\n');
    true
}

/// The object of a line without its end; `None` for anything but a whole and undamaged frame.
pub(super) fn read(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(MAGIC)?;
    let (length, rest) = hexadecimal(rest)?;
    let (checksum, json) = hexadecimal(rest)?;
    let is_whole = usize::try_from(length) == Ok(json.len()) && crc32fast::hash(json) == checksum;
    is_whole.then_some(json)
}

/// Eight digits and a space.
fn hexadecimal(text: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = text.split_first_chunk::<8>()?;
    // `from_str_radix` takes a sign as well.
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let number = u32::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
    Some((number, rest.strip_prefix(b" ")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_a_line_and_reads_back() {
        let mut out = Vec::new();
        assert!(write(b"{}", &mut out));
        assert_eq!(out, b"J1 00000002 99914b93 {}\n".to_vec().replace_checksum(b"{}"));
        assert_eq!(read(out.strip_suffix(b"\n").unwrap()), Some(&b"{}"[..]));
        assert_eq!(out.len(), PREFIX + 2 + 1);
    }

    trait ReplaceChecksum {
        fn replace_checksum(self, json: &[u8]) -> Self;
    }

    impl ReplaceChecksum for Vec<u8> {
        /// The checksum bit by bit, as RFC 1952 §8 has it: the library must compute that one and no other.
        fn replace_checksum(mut self, json: &[u8]) -> Self {
            let mut crc = u32::MAX;
            for octet in json {
                crc ^= u32::from(*octet);
                for _ in 0..8 {
                    crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
                }
            }
            self[12..20].copy_from_slice(format!("{:08x}", !crc).as_bytes());
            self
        }
    }

    #[test]
    fn any_changed_octet_is_noticed() {
        let mut line = Vec::new();
        assert!(write(br#"{"at":1,"queue_id":"4XyZ"}"#, &mut line));
        line.pop();
        assert!(read(&line).is_some());
        for at in 0..line.len() {
            for bit in 0..8 {
                let mut damaged = line.clone();
                damaged[at] ^= 1 << bit;
                // Hexadecimal digits have two cases; ours are lower, the other says the same.
                let is_same = damaged.eq_ignore_ascii_case(&line) && (3..20).contains(&at);
                assert_eq!(read(&damaged).is_some(), is_same, "{at} {bit}");
            }
            assert_eq!(read(&line[..at]), None);
        }
    }

    #[test]
    fn what_is_too_long_or_would_end_the_line_is_no_frame() {
        let mut out = Vec::new();
        assert!(!write(b"{\n}", &mut out));
        assert!(!write(&vec![b' '; MAX_RECORD + 1], &mut out));
        assert!(out.is_empty());
        assert!(write(&vec![b' '; MAX_RECORD], &mut out));
        assert_eq!(out.len(), MAX_LINE);
    }

    #[test]
    fn signs_and_spaces_are_no_digits() {
        for line in [&b"J1 +0000002 00000000 {}"[..], b"J1  0000002 00000000 {}", b"J2 00000002 00000000 {}", b""] {
            assert_eq!(read(line), None);
        }
    }
}
