//! The mail path of Postseal: it composes the protocol crates and does their IO.
//!
//! ```text
//!  socket ─► FrameDecoder ─► FilterSession ─► Event ─► message::Message ─► Verdict ─► edits + reply ─► socket
//!            (milter-proto)                              │        ▲                        │
//!                                                        ▼        │                        ▼
//!                                                     lookups ─► dns                    log record
//! ```
//!
//! It knows no SQL and no web. The programs under `bins/` are thin: they read arguments and call this library.
//!
//! | module | what is in it |
//! |---|---|
//! | [`config`] | the configuration: TOML to typed values, with findings that name file, line, cause and mend |
//! | [`dns`] | the resolver: cache, time-outs, a zone file in place of the network |
//! | [`keys`] | loading, making and publishing signing keys |
//! | [`quickstart`] | the state folder of a start without configuration |
//! | [`socket_address`] | where to listen, in the spellings of Postfix and Sendmail |

#![forbid(unsafe_code)]

pub mod config;
pub mod dns;
pub mod keys;
pub mod quickstart;
pub mod socket_address;
