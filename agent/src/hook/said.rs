//! What a hook answers, in each client's own form.

use serde_json::json;

use crate::calls::Caller;
use crate::output::text::visible;

/// With this exit code all three refuse a call whatever else is said; with any other but 0 Claude Code and Codex go on.
pub const REFUSED: u8 = 2;

/// An answer: what stands on the two outputs, and the exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Standard output.
    pub out: String,
    /// Standard error: what Claude Code and Codex tell the model of a refusal.
    pub error: String,
    /// The exit code.
    pub code: u8,
}

/// It goes on, as it would without a hook. Claude Code and Codex are not told to allow it: that would take the place of
/// asking their user.
pub fn let_through(client: Caller) -> Said {
    let out = match client {
        Caller::ClaudeCode | Caller::Codex => String::new(),
        Caller::Cursor => json!({"permission": "allow"}).to_string(),
    };
    Said { out, error: String::new(), code: 0 }
}

/// It is refused, and why.
pub fn refuse(client: Caller, message: &str) -> Said {
    let message = visible(message).to_string();
    match client {
        Caller::ClaudeCode | Caller::Codex => Said { out: String::new(), error: message, code: REFUSED },
        // only with 0 it reads what is said; what it cannot read it refuses (`failClosed`)
        Caller::Cursor => {
            let out = json!({"permission": "deny", "user_message": message, "agent_message": message});
            Said { out: out.to_string(), error: String::new(), code: 0 }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_the_form_of_its_client_and_no_control_characters() {
        for client in [Caller::ClaudeCode, Caller::Codex] {
            let said = refuse(client, "no\u{1b}[2J");
            assert_eq!((said.code, &*said.out), (2, ""));
            assert!(!said.error.contains('\u{1b}') && said.error.starts_with("no"), "{said:?}");
            assert_eq!(let_through(client), Said { out: String::new(), error: String::new(), code: 0 });
        }
        let said = refuse(Caller::Cursor, "no");
        let answer: serde_json::Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!(
            (said.code, &answer["permission"], &answer["agent_message"]),
            (0, &json!("deny"), &json!("no"))
        );
        assert_eq!(let_through(Caller::Cursor).out, r#"{"permission":"allow"}"#);
    }
}
