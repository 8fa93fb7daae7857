//! How results leave the machine. A wire format is a frozen copy: it shares no type with the working code but words.

pub mod privacy;
pub mod v1;
