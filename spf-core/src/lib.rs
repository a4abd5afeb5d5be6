//! SPF (RFC 7208, RFC 8616) without IO.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

pub mod check;
pub mod dns;
pub mod identity;
pub mod limits;
mod macros;
pub mod name;
pub mod outcome;
mod parse;
mod received_spf;
pub mod record;
