//! What the MTA sends.
//!
//! | code | command | data |
//! |---|---|---|
//! | `O` | [`Negotiate`](Command::Negotiate) | version, actions, steps |
//! | `D` | [`Macros`](Command::Macros) | command code, then name and value, again and again |
//! | `C` | [`Connect`](Command::Connect) | host name, family, then port and address unless the family is `U` |
//! | `H` | [`Helo`](Command::Helo) | argument |
//! | `M` `R` | [`MailFrom`](Command::MailFrom), [`RcptTo`](Command::RcptTo) | address, then one string for each ESMTP parameter |
//! | `T` `N` `A` `Q` `K` | without data | |
//! | `L` | [`Header`](Command::Header) | name, value |
//! | `B` | [`Body`](Command::Body) | octets |
//! | `E` | [`EndOfBody`](Command::EndOfBody) | octets: a last piece of the body, or none |
//! | `U` | [`Unknown`](Command::Unknown) | command line |
//!
//! Every command decodes and encodes, so both ends and a recorder are built on it. *Tolerances in decoding*, since MTAs differ: the last string
//! of a frame may lack its NUL, data after the last part is ignored, a header value may hold NULs (it ends at the last octet, not at the first
//! NUL). Everything borrows from the frame.

use std::fmt;
use std::net::IpAddr;

use crate::error::{DecodeError, DecodeErrorKind, EncodeError};
use crate::flags::{Actions, Steps};
use crate::frame::Frame;
use crate::macros::{MacroPairs, Text};
use crate::wire::{Reader, split_string, write_frame, write_string, write_u32};

/// A command from the MTA.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Command<'a> {
    /// `O`: what the MTA can do. Answered by [`Reply::Negotiate`](crate::Reply::Negotiate).
    Negotiate(Offer),
    /// `D`: macros for the command that follows. Never answered.
    Macros {
        /// The code of that command.
        command: u8,
        /// Names and values.
        pairs: MacroPairs<'a>,
    },
    /// `C`: a client has connected.
    Connect {
        /// Its verified name; `[address]` or similar if it has none.
        hostname: &'a [u8],
        /// Where it connected from.
        peer: Peer<'a>,
    },
    /// `H`: the argument of HELO or EHLO.
    Helo(&'a [u8]),
    /// `M`: MAIL FROM.
    MailFrom {
        /// The address as typed, with its angle brackets if it had some. `<>` or empty is the null sender.
        address: &'a [u8],
        /// ESMTP parameters.
        parameters: Strings<'a>,
    },
    /// `R`: RCPT TO.
    RcptTo {
        /// The address as typed, with its angle brackets if it had some.
        address: &'a [u8],
        /// ESMTP parameters.
        parameters: Strings<'a>,
    },
    /// `T`: DATA or the first BDAT (since version 4).
    Data,
    /// `L`: a header field.
    Header {
        /// The name, without colon.
        name: &'a [u8],
        /// The value as on the wire: see [`header_text`](crate::header_text).
        value: &'a [u8],
    },
    /// `N`: end of the header section.
    EndOfHeaders,
    /// `B`: a piece of the body, cut anywhere, also between CR and LF.
    Body(&'a [u8]),
    /// `E`: end of message. The octets are a last piece of the body; Postfix never has one, Sendmail may.
    EndOfBody(&'a [u8]),
    /// `A`: the message is over, done or not. Never answered.
    Abort,
    /// `Q`: the session is over; the connection is closed. Never answered.
    Quit,
    /// `K`: the session is over; another client comes on the same connection (since version 6). Never answered.
    QuitNewConnection,
    /// `U`: a command line the MTA does not know (since version 3).
    Unknown(&'a [u8]),
}

impl<'a> Command<'a> {
    /// Reads a command.
    ///
    /// # Errors
    /// [`DecodeError`] if the code is no command's or a part is missing; never for data that is merely longer than expected.
    pub fn decode(frame: Frame<'a>) -> Result<Self, DecodeError> {
        let mut data = Reader::new(frame.code, frame.payload);
        Ok(match frame.code {
            b'O' => Self::Negotiate(Offer::decode(&mut data)?),
            b'D' => Self::Macros { command: data.octet()?, pairs: MacroPairs::from_wire(data.rest()) },
            b'C' => Self::Connect { hostname: data.string()?, peer: Peer::decode(&mut data)? },
            b'H' => Self::Helo(data.last_string()),
            b'M' => Self::MailFrom { address: data.last_string(), parameters: Strings::from_wire(data.rest()) },
            b'R' => Self::RcptTo { address: data.last_string(), parameters: Strings::from_wire(data.rest()) },
            b'T' => Self::Data,
            b'L' => {
                let name = data.string()?;
                let value = data.rest();
                Self::Header { name, value: value.strip_suffix(b"\0").unwrap_or(value) }
            }
            b'N' => Self::EndOfHeaders,
            b'B' => Self::Body(data.rest()),
            b'E' => Self::EndOfBody(data.rest()),
            b'A' => Self::Abort,
            b'Q' => Self::Quit,
            b'K' => Self::QuitNewConnection,
            b'U' => Self::Unknown(data.last_string()),
            _ => return Err(data.error(DecodeErrorKind::UnknownCode)),
        })
    }

    /// Appends the command as a frame.
    ///
    /// # Errors
    /// [`EncodeError`] for a NUL inside a string and for a frame beyond 32 bits; `out` is then as it was.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        write_frame(out, self.code(), |out| {
            match self {
                Self::Negotiate(offer) => offer.write(out),
                Self::Macros { command, pairs } => {
                    out.push(*command);
                    pairs.write(out)?;
                }
                Self::Connect { hostname, peer } => {
                    write_string(out, hostname)?;
                    peer.write(out)?;
                }
                Self::Helo(text) | Self::Unknown(text) => write_string(out, text)?,
                Self::MailFrom { address, parameters } | Self::RcptTo { address, parameters } => {
                    write_string(out, address)?;
                    parameters.iter().try_for_each(|parameter| write_string(out, parameter))?;
                }
                Self::Header { name, value } => {
                    write_string(out, name)?;
                    write_string(out, value)?;
                }
                Self::Body(octets) | Self::EndOfBody(octets) => out.extend_from_slice(octets),
                Self::Data | Self::EndOfHeaders | Self::Abort | Self::Quit | Self::QuitNewConnection => {}
            }
            Ok(())
        })
    }

    /// The code of the command (`SMFIC_*`).
    pub const fn code(&self) -> u8 {
        match self {
            Self::Negotiate(_) => b'O',
            Self::Macros { .. } => b'D',
            Self::Connect { .. } => b'C',
            Self::Helo(_) => b'H',
            Self::MailFrom { .. } => b'M',
            Self::RcptTo { .. } => b'R',
            Self::Data => b'T',
            Self::Header { .. } => b'L',
            Self::EndOfHeaders => b'N',
            Self::Body(_) => b'B',
            Self::EndOfBody(_) => b'E',
            Self::Abort => b'A',
            Self::Quit => b'Q',
            Self::QuitNewConnection => b'K',
            Self::Unknown(_) => b'U',
        }
    }
}

/// What an MTA offers at the start of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Offer {
    /// The highest version it speaks.
    pub version: u32,
    /// What it lets a filter do.
    pub actions: Actions,
    /// What it can leave out or change.
    pub steps: Steps,
}

impl Offer {
    /// An offer of these three.
    pub const fn new(version: u32, actions: Actions, steps: Steps) -> Self {
        Self { version, actions, steps }
    }

    /// What is offered, as libmilter understands it: no bit at all from an MTA of version 2 or below means the set of version 1.
    pub(crate) fn in_effect(&self) -> (Actions, Steps) {
        let is_old = self.version <= 2;
        let actions = if is_old && self.actions.is_empty() { Actions::VERSION_1 } else { self.actions };
        let steps = if is_old && self.steps.is_empty() { Steps::VERSION_1 } else { self.steps };
        (actions, steps)
    }

    pub(crate) fn decode(data: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            version: data.u32()?,
            actions: Actions::from_bits(data.u32()?),
            steps: Steps::from_bits(data.u32()?),
        })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        write_u32(out, self.version);
        write_u32(out, self.actions.bits());
        write_u32(out, self.steps.bits());
    }
}

/// Where a client connected from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Peer<'a> {
    /// Family `U`: not known. Nothing can be trusted on its account.
    Unknown,
    /// Family `L`: a local socket.
    Unix {
        /// Path of the socket.
        path: &'a [u8],
        /// Always sent, without meaning.
        port: u16,
    },
    /// Family `4`.
    Inet {
        /// The address as text.
        address: &'a [u8],
        /// Its port; 0 from 127.0.0.1 is mail that Postfix picked up locally.
        port: u16,
    },
    /// Family `6`.
    Inet6 {
        /// The address as text; Sendmail puts `IPv6:` in front of it.
        address: &'a [u8],
        /// Its port.
        port: u16,
    },
}

impl<'a> Peer<'a> {
    /// The address, without the prefix of Sendmail; `None` for the other families and for text that is no address.
    pub fn ip(&self) -> Option<IpAddr> {
        let (Self::Inet { address, .. } | Self::Inet6 { address, .. }) = self else { return None };
        let text = std::str::from_utf8(address).ok()?;
        let text = match text.split_at_checked("IPv6:".len()) {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case("IPv6:") => rest,
            _ => text,
        };
        text.parse().ok()
    }

    /// The port of an internet address.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Inet { port, .. } | Self::Inet6 { port, .. } => Some(*port),
            Self::Unknown | Self::Unix { .. } => None,
        }
    }

    fn decode(data: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let before_family = data.error(DecodeErrorKind::UnknownFamily);
        let family = data.octet()?;
        if family == b'U' {
            return Ok(Self::Unknown);
        }
        if !b"L46".contains(&family) {
            return Err(before_family);
        }
        let port = data.u16()?;
        let address = data.last_string();
        Ok(match family {
            b'L' => Self::Unix { path: address, port },
            b'4' => Self::Inet { address, port },
            _ => Self::Inet6 { address, port },
        })
    }

    fn write(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let (family, port, address) = match *self {
            Self::Unknown => {
                out.push(b'U');
                return Ok(());
            }
            Self::Unix { path, port } => (b'L', port, path),
            Self::Inet { address, port } => (b'4', port, address),
            Self::Inet6 { address, port } => (b'6', port, address),
        };
        out.push(family);
        out.extend_from_slice(&port.to_be_bytes());
        write_string(out, address)
    }
}

/// Strings one after another: ESMTP parameters. Borrowed from the frame or from a slice.
#[derive(Clone, Copy)]
pub struct Strings<'a>(Source<'a>);

#[derive(Clone, Copy)]
enum Source<'a> {
    Wire(&'a [u8]),
    Slice(&'a [&'a [u8]]),
}

impl<'a> Strings<'a> {
    /// No string.
    pub const NONE: Self = Self(Source::Slice(&[]));

    fn from_wire(data: &'a [u8]) -> Self {
        Self(Source::Wire(data))
    }

    /// The strings in order.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (mut wire, slice) = match self.0 {
            Source::Wire(data) => (data, [].iter()),
            Source::Slice(strings) => (&[][..], strings.iter()),
        };
        let from_wire = std::iter::from_fn(move || {
            if wire.is_empty() {
                return None;
            }
            let (string, rest) = split_string(wire).unwrap_or((wire, &[]));
            wire = rest;
            Some(string)
        });
        from_wire.chain(slice.copied())
    }
}

impl<'a> From<&'a [&'a [u8]]> for Strings<'a> {
    fn from(strings: &'a [&'a [u8]]) -> Self {
        Self(Source::Slice(strings))
    }
}

impl PartialEq for Strings<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Strings<'_> {}

impl fmt::Debug for Strings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(Text)).finish()
    }
}
