//! The documents as bytes, as read from a published folder or an inbox.

use std::collections::BTreeMap;

/// The bytes of documents. What is absent is `None`; nothing here has been verified.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Documents {
    /// Roots by the number in their names.
    pub roots: BTreeMap<u64, Vec<u8>>,
    /// The head.
    pub head: Option<Vec<u8>>,
    /// The policy's statement.
    pub statement: Option<Vec<u8>>,
    /// The policy's body.
    pub body: Option<Vec<u8>>,
    /// The statement of the policy for machines outside of the head's ring.
    pub elsewhere_statement: Option<Vec<u8>>,
    /// The body of that policy.
    pub elsewhere_body: Option<Vec<u8>>,
    /// The revocations' statement.
    pub revocations_statement: Option<Vec<u8>>,
    /// The revocations' body.
    pub revocations_body: Option<Vec<u8>>,
}
