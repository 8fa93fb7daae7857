//! Findings about settings: where a switch stands and whether it is on.

use mcpolicy_schema::finding::{Finding, FindingCode, Severity};

use crate::adapter::SettingFinding;
use crate::node::Node;

/// A finding at a node, with the weight of its code.
pub fn found(code: FindingCode, message: &str, node: &Node<'_>) -> SettingFinding {
    SettingFinding { finding: Finding::new(code, message), offset: node.span.start as usize }
}

/// A finding at a node, with a weight of its own.
pub fn weighing(code: FindingCode, severity: Severity, message: &str, node: &Node<'_>) -> SettingFinding {
    let finding = Finding::new(code, message).weighing(severity);
    SettingFinding { finding, offset: node.span.start as usize }
}

/// A setting whose name has dots: one literal key, or nested objects.
pub fn dotted<'d>(root: &'d Node<'d>, name: &str) -> Option<&'d Node<'d>> {
    root.get(name).or_else(|| name.split('.').try_fold(root, |node, part| node.get(part)))
}

/// The node of a dotted setting that is `true`.
pub fn is_on<'d>(root: &'d Node<'d>, name: &str) -> Option<&'d Node<'d>> {
    dotted(root, name).filter(|node| node.as_bool() == Some(true))
}

/// The node of a dotted setting that is this word.
pub fn is_word<'d>(root: &'d Node<'d>, name: &str, word: &str) -> Option<&'d Node<'d>> {
    dotted(root, name).filter(|node| node.as_str() == Some(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json;

    #[test]
    fn a_dotted_setting_is_found_in_both_spellings() {
        for text in [r#"{"a.b":true}"#, r#"{"a":{"b":true}}"#] {
            assert!(is_on(&json::parse(text, false).unwrap().root, "a.b").is_some(), "{text}");
        }
        assert!(is_on(&json::parse(r#"{"a.b":"true"}"#, false).unwrap().root, "a.b").is_none());
    }
}
