//! What a user reads on the desktop: what was done, why, whom to ask, and the id to ask with. Everything is redacted before.

use super::notices::Notice;
use crate::journal::Action;

/// Of something that was done; nothing of what is no news to a user.
pub(super) fn done(action: &Action, block: Option<&str>, contact: &str) -> Option<Notice> {
    let server = shown(action);
    let title = match action.action.as_str() {
        "quarantine" | "quarantine-file" => format!("{server} was taken out of {}", action.client),
        "switch-off" | "disable" => format!("{server} was switched off in {}", action.client),
        "revert" => format!("{server} was put back as it was approved in {}", action.client),
        "pin" => format!("{server} was set to its approved version in {}", action.client),
        // approvals go with their server, and what is put back is welcome
        _ => return None,
    };
    let mut lines = vec![reason(action)];
    lines.extend(ask(contact));
    if let Some(block) = block {
        lines.push(format!("More: mcpolicy explain {block}"));
    }
    Some(Notice { title, lines })
}

/// Of something that would be done, in a mode that writes nothing.
pub(super) fn would(action: &Action, contact: &str) -> Notice {
    let server = shown(action);
    let title = format!("{server} in {} is not approved", action.client);
    let mut lines =
        vec![reason(action), "It still works; it will be taken away once the policy is enforced.".to_owned()];
    lines.extend(ask(contact));
    lines.push(format!("More: mcpolicy explain {}", action.server));
    Notice { title, lines }
}

fn shown(action: &Action) -> String {
    if action.server.is_empty() { "A file of settings".to_owned() } else { action.server.clone() }
}

fn reason(action: &Action) -> String {
    match action.detail.as_str() {
        "" => format!("Reason: {}", action.code),
        detail => format!("Reason: {detail} ({})", action.code),
    }
}

fn ask(contact: &str) -> Option<String> {
    (!contact.is_empty()).then(|| format!("Ask: {contact}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(what: &str) -> Action {
        Action {
            action: what.to_owned(),
            server: "evil".to_owned(),
            client: "cursor".to_owned(),
            fingerprint: String::new(),
            code: "not-allowed".to_owned(),
            detail: "no rule names it".to_owned(),
            rule: None,
        }
    }

    #[test]
    fn a_user_reads_what_was_done_why_whom_to_ask_and_with_which_id() {
        let notice = done(&action("quarantine"), Some("q-1"), "#mcp-help").unwrap();
        assert_eq!(notice.title, "evil was taken out of cursor");
        assert_eq!(
            notice.lines,
            ["Reason: no rule names it (not-allowed)", "Ask: #mcp-help", "More: mcpolicy explain q-1"]
        );
        assert_eq!(done(&action("approval"), Some("q-1"), ""), None);
        assert!(would(&action("quarantine"), "").lines[1].contains("still works"));
    }
}
