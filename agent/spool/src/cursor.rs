//! How far records of a class were taken.

use std::collections::BTreeMap;

use mcpolicy_schema::report::v1::Class;
use serde::{Deserialize, Serialize};

/// A place between two records of a class. The default is before the oldest.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// The epoch of the record before it.
    pub epoch: String,
    /// The number of the record before it.
    pub seq: u64,
}

/// One for each class; a class that is not there is before its oldest record.
pub type Positions = BTreeMap<Class, Cursor>;
