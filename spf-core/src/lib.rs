//! SPF (RFC 7208) as a machine of questions and answers, without IO.
//!
//! This crate will hold the record parser, the evaluator of `check_host()` and the `Received-SPF` builder. It is
//! still empty: it exists so that the workspace has its final shape, and it promises nothing yet.
#![forbid(unsafe_code)]
