//! The receivers, one file each.

pub mod elastic;
pub mod file;
pub mod https;
pub mod otlp;
mod otlp_wire;
mod post;
pub(crate) use post::words;
pub mod splunk;
pub mod syslog;
