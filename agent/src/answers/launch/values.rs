//! What a server is given: variables and headers.

use mcpolicy_clients::writes::Given;
use mcpolicy_schema::document::{AuthKind, Rule};
use mcpolicy_schema::secret::is_secret_name;

use super::{Wanted, at_home};

/// Values with what else there is to say.
pub(super) struct Values {
    pub(super) given: Vec<Given>,
    pub(super) notes: Vec<String>,
}

/// Whether the entry may hold a reference to a credential: not where its user signs in, or where none is needed.
///
/// Attack: a token that nobody asked for is sent to a server that could not have had it otherwise.
fn has_credential(rule: &Rule) -> bool {
    !matches!(rule.auth.as_ref().map(|auth| auth.kind), Some(AuthKind::Oauth | AuthKind::None))
}

/// What a user does in place of a credential in the entry.
fn sign_in(rule: &Rule) -> Option<String> {
    let is_oauth = rule.auth.as_ref().is_some_and(|auth| auth.kind == AuthKind::Oauth);
    is_oauth.then(|| "Sign in when the client asks (OAuth); nothing is kept in the entry.".to_owned())
}

/// Variables: fixed values of the rule, and references for what is secret. Anything else is the user's to set or not.
pub(super) fn environment(wanted: Wanted<'_>) -> Values {
    let rule = wanted.rule;
    let is_key = rule.auth.as_ref().is_some_and(|auth| auth.kind == AuthKind::Key);
    let (mut given, mut notes) = (Vec::new(), Vec::from_iter(sign_in(rule)));
    for (name, pattern) in &rule.env {
        let is_secret = is_secret_name(name) || (is_key && rule.env.len() == 1);
        if !pattern.contains('*') {
            let text = at_home(pattern, wanted.home);
            given.push(Given { name: name.clone(), text, variable: None });
        } else if !is_secret {
            notes.push(format!("It may also be given {name}."));
        } else if has_credential(rule) {
            given.push(Given { name: name.clone(), text: String::new(), variable: Some(name.clone()) });
        }
    }
    Values { given, notes }
}

/// Headers: fixed values of the rule, and references where a credential belongs and the rule says from which variable it may
/// come. Any other header is the user's to send or not.
pub(super) fn headers(wanted: Wanted<'_>) -> Values {
    let rule = wanted.rule;
    let secret: Vec<&String> = rule.headers.keys().filter(|name| is_secret_name(name)).collect();
    let (mut given, mut notes) = (Vec::new(), Vec::from_iter(sign_in(rule)));
    for (name, pattern) in &rule.headers {
        let Some((before, after)) = pattern.split_once('*') else {
            given.push(Given { name: name.clone(), text: pattern.clone(), variable: None });
            continue;
        };
        if !secret.contains(&name) {
            notes.push(format!("It may also be sent the header {name}."));
            continue;
        }
        if !has_credential(rule) {
            continue;
        }
        match variable_for(rule, name, secret.len() == 1).filter(|_| after.is_empty()) {
            Some(variable) => {
                let is_authorization = name.eq_ignore_ascii_case("authorization");
                let before = if before.is_empty() && is_authorization { "Bearer " } else { before };
                given.push(Given {
                    name: name.clone(),
                    text: before.to_owned(),
                    variable: Some(variable.clone()),
                });
            }
            None => notes.push(format!(
                "It may be sent the header {name}; the policy names no variable for it: ask its owner how."
            )),
        }
    }
    Values { given, notes }
}

/// The variable from which the value of a header comes: the one of the same name, else, for the only credential, the first
/// that the rule names.
fn variable_for<'r>(rule: &'r Rule, header: &str, is_only: bool) -> Option<&'r String> {
    let is_variable = |name: &&String| {
        name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_') && !name.is_empty()
    };
    let own = header.to_ascii_uppercase().replace('-', "_");
    let mut variables = rule.references.iter().filter(is_variable);
    rule.references.iter().find(|name| **name == own).or_else(|| variables.next().filter(|_| is_only))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::answers::testing::draft;

    /// Headers or variables of a rule as they would be written, and what is said besides.
    fn told(rule: &str, of: fn(Wanted<'_>) -> Values) -> (Vec<String>, Vec<String>) {
        let url = "identity.url = { url = \"https://a.example/mcp\" }";
        let in_force = draft(&format!("[[rule]]\nid = \"x\"\n{url}\n{rule}\n"));
        let rule = &in_force.policy.document().rule[0];
        let values = of(Wanted { rule, name: "x", home: Path::new("/home/ann"), args: &[] });
        let shown = |one: &Given| {
            let variable = one.variable.as_ref().map(|name| format!("${name}")).unwrap_or_default();
            format!("{}: {}{variable}", one.name, one.text)
        };
        (values.given.iter().map(shown).collect(), values.notes)
    }

    const GITHUB: &str = "headers = { Authorization = \"Bearer *\", X-MCP-Toolsets = \"*\", X-MCP-Readonly = \"*\", X-Fixed = \"a\" }\nreferences = [\"GITHUB_TOKEN\", \"GITHUB_PAT\"]";

    #[test]
    fn a_credential_goes_into_the_header_where_one_belongs_and_into_no_other() {
        let (given, notes) = told(GITHUB, headers);
        assert_eq!(given, ["Authorization: Bearer $GITHUB_TOKEN", "X-Fixed: a"]);
        assert_eq!(
            notes,
            [
                "It may also be sent the header X-MCP-Readonly.",
                "It may also be sent the header X-MCP-Toolsets."
            ]
        );
        let two = "headers = { DD-API-KEY = \"*\", DD-APPLICATION-KEY = \"*\" }\nreferences = [\"DD_APP\", \"DD_API_KEY\"]";
        let (given, notes) = told(two, headers);
        assert_eq!(given, ["DD-API-KEY: $DD_API_KEY"], "of two keys one is not sent as the other");
        assert!(notes[0].contains("DD-APPLICATION-KEY"), "{notes:?}");
    }

    #[test]
    fn where_a_user_signs_in_or_no_credential_is_needed_none_is_written() {
        for kind in ["oauth", "none"] {
            let auth = format!("auth = {{ kind = \"{kind}\" }}\n");
            let (given, notes) = told(&format!("{auth}{GITHUB}"), headers);
            assert_eq!(given, ["X-Fixed: a"], "{kind}");
            assert!(notes.iter().all(|note| !note.contains("Authorization")), "{notes:?}");
            let (given, _) = told(&format!("{auth}env = {{ API_TOKEN = \"*\" }}"), environment);
            assert_eq!(given, [""; 0], "{kind}");
        }
        let (given, _) = told("env = { API_TOKEN = \"*\" }", environment);
        assert_eq!(given, ["API_TOKEN: $API_TOKEN"]);
    }
}
