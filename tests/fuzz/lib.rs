//! What the fuzz targets assert: the invariants of the property tests.

#[path = "../../agent/clients/tests/invariants/mod.rs"]
pub mod invariants;

pub mod signed;

/// Checks a text, if the bytes are one that `decode` lets through.
pub fn text(bytes: &[u8], check: fn(&str)) {
    if let Ok(text) = mcpolicy_clients::codec::decode::decode(bytes) {
        check(&text.text);
    }
}
