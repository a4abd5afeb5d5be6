//! DKIM

pub mod crypto;
