//! One rule put into a policy.toml; comments, order and everything else stay.

use anyhow::Context as _;
use mcpolicy_schema::document::PolicyDocument;
use toml_edit::{ArrayOfTables, DocumentMut, Item};

/// The text with the rule behind the last one.
pub(super) fn with_rule(text: &str, rule: &str) -> anyhow::Result<String> {
    let mut document: DocumentMut = text.parse().context("the policy is no TOML")?;
    let proposed: DocumentMut = rule.parse().context("the rule is no TOML")?;
    let tables = proposed.get("rule").and_then(Item::as_array_of_tables).context("the rule is no table")?;
    let rules = document.entry("rule").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
    let rules = rules
        .as_array_of_tables_mut()
        .context("the rules are written as an inline list; write each as [[rule]]")?;
    for table in tables {
        let mut table = table.clone();
        // Behind the last rule, wherever that stands in the file.
        table.set_position(None);
        let before = table.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default().to_owned();
        table.decor_mut().set_prefix(format!("\n{}", before.trim_start()));
        rules.push(table);
    }
    Ok(document.to_string())
}

/// The text with the line ends of the one before, so that a change shows only what it changes.
pub(super) fn lines_as_in(before: &str, text: String) -> String {
    if before.contains("\r\n") { text.replace("\r\n", "\n").replace('\n', "\r\n") } else { text }
}

/// Whether the new policy is the old one and one more rule.
pub(super) fn is_only_addition(old: &PolicyDocument, new: &PolicyDocument) -> bool {
    let mut without = new.clone();
    without.rule.pop();
    without == *old
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "# why\nschema = \"mcpolicy/policy/v1\"   # ours\n\n[policy]\nname = 'a'\ncontact = \"c\"\n\n\
        # first\n[[rule]]\nid = \"a\"\nidentity.builtin = \"x\"\n\n[[deny]]\nid = \"d\"\nidentity.builtin = \"y\"\nreason = \"r\"\n# end\n";

    #[test]
    fn a_rule_stands_behind_the_last_one_and_all_else_is_unchanged() {
        let edited =
            with_rule(POLICY, "[[rule]]\nid = \"b\"\nidentity.builtin = \"z\"\nargs.positional = [\"1\"]\n")
                .unwrap();
        let (at_a, at_b, at_d) =
            (edited.find("\"a\"").unwrap(), edited.find("\"b\"").unwrap(), edited.find("[[deny]]").unwrap());
        assert!(at_a < at_b && at_b < at_d, "{edited}");
        let without: String = edited
            .replace("\n[[rule]]\nid = \"b\"\nidentity.builtin = \"z\"\nargs.positional = [\"1\"]\n", "");
        assert_eq!(without, POLICY);
        let read = |text: &str| toml::from_str::<PolicyDocument>(text).unwrap();
        assert!(is_only_addition(&read(POLICY), &read(&edited)));
        assert!(!is_only_addition(&read(POLICY), &read(POLICY)));
    }

    #[test]
    fn a_file_with_windows_line_ends_keeps_them() {
        let windows = POLICY.replace('\n', "\r\n");
        let edited = with_rule(&windows, "[[rule]]\nid = \"b\"\nidentity.builtin = \"z\"\n").unwrap();
        let edited = lines_as_in(&windows, edited);
        assert!(edited.lines().count() > windows.lines().count());
        assert_eq!(edited.matches('\n').count(), edited.matches("\r\n").count(), "{edited:?}");
        let kept = windows.split_inclusive('\n').filter(|line| !edited.contains(line)).count();
        assert_eq!(kept, 0, "{edited:?}");
        assert_eq!(lines_as_in(POLICY, "a\n".to_owned()), "a\n");
    }

    #[test]
    fn a_policy_without_rules_gets_its_first() {
        let edited = with_rule("schema = \"s\"\n[policy]\nname = \"a\"\n", "[[rule]]\nid = \"b\"\n").unwrap();
        assert!(edited.ends_with("[[rule]]\nid = \"b\"\n"), "{edited}");
        assert!(with_rule("rule = []\n", "[[rule]]\nid = \"b\"\n").is_err());
    }
}
