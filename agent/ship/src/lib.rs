//! Ways out of a laptop and back in: lines of JSON go to where a security team reads them, documents come from a URL.
//! The only crate that may use the network.
//!
//! It knows no policy and trusts nothing. What it sends it was given as lines, redacted before they came here; what it
//! fetches it lays into a folder, and whoever reads that folder verifies it. It runs as a user of its own, without rights.
//!
//! - [`place`]: where to; [`http`]: how, with [`secret`]s that are never shown
//! - [`sink`]: one trait, and [`sinks`], one file each; [`formats`]: a record in other words
//! - [`retry`]: what to do after an answer, pure; [`drive`]: the loop of one sink
//! - [`fetch`]: a published policy, into the [`inbox`]
//! - [`diagnose`]: which hop fails

pub mod clock;
pub mod diagnose;
pub mod drive;
pub mod fetch;
pub mod formats;
pub mod http;
pub mod inbox;
mod issuer;
pub mod place;
pub mod retry;
pub mod secret;
pub mod sink;
pub mod sinks;
mod tls;
mod trouble;
mod view;

pub use http::{Http, HttpSettings, Pem, ProxyChoice, SetupError};
pub use place::Place;
pub use secret::Secret;
pub use sink::{Batch, Limits, Line, Receipt, Sink, SinkError};
pub use trouble::{Hop, Trouble};
