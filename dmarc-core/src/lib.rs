//! DMARC (RFC 9989, 9990, 9991): policy discovery, alignment, evaluation and reports, without IO.
//!
//! This crate is still empty: it exists so that the workspace has its final shape, and it promises nothing yet.
#![forbid(unsafe_code)]
