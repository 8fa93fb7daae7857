//! What a user reads on the desktop: what was done, why, whom to ask, and the id to ask with. Everything is redacted before.

use super::notices::Notice;
use super::servers::Told;
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

/// Of a server that runs and is denied: that it will end, that it has, or that it is spared after all.
pub(super) fn server(told: &Told, contact: &str) -> Notice {
    let then = match told.what {
        "server-warned" => "will be ended",
        "server-spared" => "is not ended any more",
        _ => "was ended",
    };
    let mut lines = vec![format!("{} ({})", told.detail, told.code)];
    lines.extend(ask(contact));
    lines.push(format!("More: mcpolicy explain {}", crate::answers::word(&told.server)));
    Notice { title: format!("{} {then}", told.server), lines }
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
            identity: None,
        }
    }

    #[test]
    fn a_user_reads_that_a_running_server_will_end_and_that_it_has() {
        let told = |what| Told {
            what,
            user: "ann".to_owned(),
            server: "rogue-mcp --all".to_owned(),
            client: "claude-code",
            process: 7,
            code: "not-allowed",
            rule: None,
            identity: None,
            fingerprint: String::new(),
            detail: "Claude Code (process 6) runs rogue-mcp: no rule names it; it is ended in 60 s"
                .to_owned(),
            since: std::time::Duration::ZERO,
            is_news: true,
        };
        let warned = server(&told("server-warned"), "#mcp-help");
        assert_eq!(warned.title, "rogue-mcp --all will be ended");
        assert!(warned.lines[0].ends_with("in 60 s (not-allowed)") && warned.lines[1] == "Ask: #mcp-help");
        assert_eq!(warned.lines[2], "More: mcpolicy explain 'rogue-mcp --all'");
        assert_eq!(server(&told("server-ended"), "").title, "rogue-mcp --all was ended");
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
