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
//! | `connection` | one task a connection: the only place that waits |
//! | [`crypto_pool`] | threads for RSA signatures |
//! | [`daemon`] | the life of the daemon, from what it was started with to its end |
//! | [`dataset`] | OpenDKIM's data sets: lists, tables with patterns, databases behind a trait |
//! | [`descriptors`] | how many files and sockets may be open |
//! | [`dns`] | the resolver: cache, time-outs, a zone file in place of the network |
//! | [`enforcement`] | enforcement that grows step by step, and stops |
//! | [`instance`] | the name of one of several daemons on a host |
//! | [`journal`] | one record a message on disk, of what was decided and why: written and read |
//! | [`key_watch`] | our keys compared with the DNS, again and again |
//! | [`keys`] | loading, making and publishing signing keys |
//! | [`known_domains`] | domains that were known before the start, from the journal |
//! | [`logging`] | one record a message; standard output, journal, syslog; never a wait for mail |
//! | [`message`] | one message from MAIL FROM to its verdict, without IO |
//! | [`opendmarc`] | the ways of OpenDMARC, for a daemon that runs from its file |
//! | [`process`] | the process as OpenDKIM and OpenDMARC run it: background, pid file, user, supervisor |
//! | [`quickstart`] | the state folder of a start without configuration |
//! | [`regular_file`] | files that somebody named: no pipes, no devices |
//! | [`reload`] | everything read anew, and put in force as a whole or not at all |
//! | [`server`] | sockets, accept, bound, install, stop |
//! | [`socket_address`] | where to listen, in the spellings of Postfix and Sendmail |
//! | [`start`] | from arguments to what connections work with |
//! | [`state_lock`] | one daemon a state folder |
//! | [`stored`] | stored mail, message by message: Maildir, mbox, files |
//! | [`trial`] | a message through the machine without an MTA |

#![forbid(unsafe_code)]

pub mod config;
mod connection;
pub mod crypto_pool;
pub mod daemon;
pub mod dataset;
pub mod descriptors;
pub mod dns;
pub mod enforcement;
pub mod failures;
pub mod instance;
pub mod journal;
pub mod key_watch;
pub mod keys;
pub mod known_domains;
pub mod logging;
mod lru;
pub mod message;
pub mod opendkim;
pub mod opendmarc;
pub mod process;
pub mod quickstart;
pub mod regular_file;
pub mod reload;
pub mod server;
pub mod socket_address;
pub mod start;
pub mod state_lock;
pub mod stored;
pub mod trial;

/// The cryptographic backend of the programs. Named, not left to the default: another crate in the same build may enable the other one.
pub const BACKEND: dkim_core::crypto::Backend = dkim_core::crypto::Backend::AwsLc;

pub use dkim_core::domain::DomainName;
