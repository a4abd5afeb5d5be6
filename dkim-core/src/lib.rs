//! DKIM
