//! The configuration files of OpenDKIM and OpenDMARC: syntax, every name with its fate, typed values, and what real files say.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic")]

mod documentation;
