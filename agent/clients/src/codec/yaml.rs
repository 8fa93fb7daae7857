//! YAML 1.2 (core schema) to the common tree.
//!
//! Aliases are expanded and merge keys applied. What an alias stands for keeps the place of its anchor, so members
//! of an aliased or merged map lie outside of the span of the node that holds them.

pub(crate) mod build;
pub(crate) mod scalar;
#[cfg(test)]
mod tests;

use super::{ParseError, Parsed};

/// Parses YAML.
///
/// # Errors
/// The first syntax error, a second document, a key that is not text, or aliases that expand to too much.
pub fn parse(text: &str) -> Result<Parsed<'_>, ParseError> {
    build::document(text)
}
