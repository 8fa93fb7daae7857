//! Findings about settings: where a switch stands and whether it is on.

use mcpolicy_schema::entry::{NamedValue, Scope};
use mcpolicy_schema::finding::{Finding, FindingCode, Severity};

use mcpolicy_schema::risk;

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

/// The texts and numbers of a table of variables, with the place of each.
pub fn variables(root: &Node<'_>, name: &str) -> Vec<(NamedValue, usize)> {
    let members = root.get(name).map_or(&[][..], Node::members).iter();
    let variable = |member: &crate::node::Member<'_>| {
        let value = member.value.as_str().map_or_else(|| "set".to_owned(), str::to_owned);
        let value = NamedValue { name: member.key.to_string(), value: value.as_str().into() };
        (value, member.value.span.start as usize)
    };
    members.map(variable).collect()
}

/// Findings about variables that reach every server of a client. A repository has no business to set them; of the
/// user's own the proxies and certificates of a company's network are usual.
pub fn client_environment(variables: &[(NamedValue, usize)], scope: Scope) -> Vec<SettingFinding> {
    let found = |(variable, offset): &(NamedValue, usize)| {
        let (name, value) = (&variable.name, variable.value.expose());
        let is_own = scope != Scope::Project;
        let (code, severity) = match risk::of_client(name, value) {
            Some(FindingCode::ProxyOverride) if is_own => (FindingCode::ProxyOverride, Severity::Medium),
            Some(code) => (code, Severity::High),
            // a repository that sets any for the servers of its user may turn one to another host
            None if !is_own && !risk::is_harmless_of_client(name, value) => {
                (FindingCode::LoaderVariable, Severity::Medium)
            }
            None => return None,
        };
        // Whoever wrote the file chose the name, and `…_BASE_URL` may be any.
        let is_word = variable.name.len() <= 48
            && variable.name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
            || risk::is_powerful(&variable.name);
        let name = if is_word { variable.name.as_str() } else { "a variable" };
        let message = format!("{name} in the settings of the client reaches every server that it starts");
        let finding = Finding::new(code, message).weighing(severity);
        Some(SettingFinding { finding, offset: *offset })
    };
    variables.iter().filter_map(found).collect()
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
