//! A fleet from its stored reports: whole scans and streams of records, loaded into SQLite and asked what a security team
//! asks. The tables and queries are those of docs/siem, which a larger fleet runs in ClickHouse unchanged.
//!
//! Constraints: input is hostile (a laptop that somebody took over writes what it likes), so that nothing in it is held in
//! memory as a whole, cut names and bounded ids aside; the database is on the disk. No network, no clock: `now` is given.
//!
//! - [`load`] reads files, folders and a stream on a thread of its own and writes rows on that of the caller.
//! - [`Fleet::gates`] asks every gate of docs/siem/gates.toml.
//! - [`Fleet::check`] proves that no record is missing, or says which are.
//! - [`Fleet::blast`] tells who had a server, since when, and beside which credentials.
//! - [`Fleet::write_page`] and [`Fleet::write_tables`] write it all down for people.

mod batch;
mod blast;
mod chain;
mod coding;
mod ends;
mod gaps;
mod gates;
mod input;
mod line;
mod lines;
mod load;
mod looks;
mod page;
mod rows;
mod sheet;
mod spans;
mod store;
mod supplied;
mod table;
mod text;
mod told;
mod wanted;

pub use blast::{Blast, Credential, Had, What};
pub use chain::{Chain, Checked, Dropped, Fault};
pub use gates::{Bound, Definition, Gate, GateState, Offender, definitions};
pub use input::Problem;
pub use load::{Counts, Options, Progress, load};
pub use store::Fleet;
pub use supplied::{Kind as SuppliedKind, SuppliedError};
pub use wanted::Wanted;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// The database cannot be made, is full, or a query is wrong, which is a fault of ours.
    #[error("the database: {0}")]
    Database(#[from] rusqlite::Error),
    /// A database is kept under a name that is taken.
    #[error("{0} is there already; name another file")]
    Taken(String),
    /// The answer cannot be written.
    #[error("cannot write: {0}")]
    Write(#[from] std::io::Error),
    /// The gates that are built in cannot be read, which is a fault of ours.
    #[error("docs/siem/gates.toml: {0}")]
    Gates(String),
}
