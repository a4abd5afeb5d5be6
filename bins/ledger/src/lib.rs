//! What Postseal remembers, in a database: who sent mail in whose name, day by day, for the reports to domain owners.
//!
//! | module | what it has |
//! |---|---|
//! | [`store`] | one of three kinds of database behind one set of statements; its tables and their changes |
//! | [`rollup`] | from the journal of a node to rows, each record once |
//! | [`export`] | the rows, for other programs |
//! | [`dump`] | everything, out of a database in use and into an empty one of any kind |
//! | [`expire`] | what is old, out of it |
//!
//! Mail does not know of any of this: the daemon writes its journal, and this reads it, now or later.

#![forbid(unsafe_code)]

pub mod dump;
pub mod expire;
pub mod export;
pub mod outgoing;
pub mod rollup;
pub mod store;
