//! What a client says of a call.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::calls::{Call, Caller, Ended, MAX_FOLDERS, names};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Nothing of a server: whatever it is, it goes on.
    NotOurs,
    /// A call is to be made.
    Before(Box<Call>),
    /// A call is over.
    After(Box<Ended>),
}

/// Tools of Claude Code itself that read from a server, which stands in their arguments.
const READERS: &[&str] = &["ReadMcpResourceTool", "ListMcpResourcesTool"];

/// What the three say, under all their names. What else is there is passed over unread.
#[derive(Deserialize)]
struct Input {
    hook_event_name: Option<String>,
    session_id: Option<String>,
    conversation_id: Option<String>,
    tool_use_id: Option<String>,
    tool_name: Option<String>,
    #[serde(default)]
    tool_input: Value,
    cwd: Option<String>,
    mcp_server: Option<Server>,
    // Cursor
    mcp_server_name: Option<String>,
    mcp_server_url: Option<String>,
    url: Option<String>,
    command: Option<String>,
    #[serde(default)]
    workspace_roots: Vec<String>,
    result_json: Option<String>,
    duration: Option<f64>,
    // the others, of a call that is over
    #[serde(default)]
    tool_response: Value,
    duration_ms: Option<f64>,
}

#[derive(Deserialize)]
struct Server {
    name: Option<String>,
    source: Option<String>,
}

/// What Claude Code (2.1.329) says of the source of a server that a flag or the application around it has given.
const GIVEN: &str = "dynamic";

/// Reads what a client says. What cannot be read is a call of which nothing is known: somebody else decides what becomes of
/// such. `project` is the folder that the client's environment names.
pub fn hear(client: Caller, bytes: &[u8], project: Option<&str>) -> Heard {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let Ok(input) = serde_json::from_slice::<Input>(bytes) else { return unreadable(client) };
    let event = input.hook_event_name.clone().unwrap_or_default();
    match (client, &*event) {
        (Caller::Cursor, "beforeMCPExecution") => before(client, &input, project),
        (Caller::Cursor, "afterMCPExecution") => after(client, &input, project),
        (Caller::Cursor, _) => Heard::NotOurs,
        (_, "PreToolUse") => before(client, &input, project),
        (_, "PostToolUse" | "PostToolUseFailure") => after(client, &input, project),
        // no event at all is none of any client: such an input is made up, or of a client that has changed
        (_, "") => unreadable(client),
        _ => Heard::NotOurs,
    }
}

fn unreadable(client: Caller) -> Heard {
    Heard::Before(Box::new(Call {
        client,
        session: String::new(),
        call: String::new(),
        server: None,
        is_given: false,
        tool: String::new(),
        folders: Vec::new(),
        command: None,
        url: None,
        input: String::new(),
        is_unreadable: true,
    }))
}

fn before(client: Caller, input: &Input, project: Option<&str>) -> Heard {
    call(client, input, project).map_or(Heard::NotOurs, |call| Heard::Before(Box::new(call)))
}

fn after(client: Caller, input: &Input, project: Option<&str>) -> Heard {
    let Some(call) = call(client, input, project) else { return Heard::NotOurs };
    let took = input.duration_ms.or(input.duration).filter(|took| took.is_finite() && *took >= 0.0);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "what is too large becomes the largest"
    )]
    let took_ms = took.map(|took| took as u64);
    Heard::After(Box::new(Ended { call, is_ok: is_ok(client, input), took_ms }))
}

/// The call; nothing of what is no tool of a server.
fn call(client: Caller, input: &Input, project: Option<&str>) -> Option<Call> {
    let tool = input.tool_name.clone().unwrap_or_default();
    let is_reader = client == Caller::ClaudeCode && READERS.contains(&&*tool);
    let of_input = || input.tool_input.get("server").and_then(Value::as_str).map(str::to_owned);
    let server = match client {
        Caller::Cursor => input.mcp_server_name.clone(),
        _ if is_reader => Some(of_input()?),
        _ if !names::is_of_server(&tool) => return None,
        _ => input.mcp_server.as_ref().and_then(|server| server.name.clone()),
    };
    let folders = input.cwd.iter().map(String::as_str).chain(project);
    let folders = folders.chain(input.workspace_roots.iter().map(String::as_str));
    Some(Call {
        client,
        session: input.session_id.clone().or_else(|| input.conversation_id.clone()).unwrap_or_default(),
        call: input.tool_use_id.clone().unwrap_or_default(),
        server: server.filter(|name| !name.is_empty()),
        is_given: input.mcp_server.as_ref().is_some_and(|server| server.source.as_deref() == Some(GIVEN)),
        tool,
        folders: folders.map(str::to_owned).take(MAX_FOLDERS).collect(),
        command: input.command.clone().filter(|_| client == Caller::Cursor),
        url: input.mcp_server_url.clone().or_else(|| input.url.clone()).filter(|_| client == Caller::Cursor),
        input: digest(&input.tool_input),
        is_unreadable: false,
    })
}

/// Whether a call went well, as far as the client says.
fn is_ok(client: Caller, input: &Input) -> Option<bool> {
    let of_result = |result: &Value| result.get("isError").and_then(Value::as_bool).map(|is_error| !is_error);
    match client {
        Caller::ClaudeCode => Some(input.hook_event_name.as_deref() == Some("PostToolUse")),
        Caller::Codex => Some(of_result(&input.tool_response).unwrap_or(true)),
        Caller::Cursor => {
            let result = input.result_json.as_deref()?;
            Some(serde_json::from_str(result).ok().as_ref().and_then(of_result).unwrap_or(true))
        }
    }
}

/// SHA-256 of arguments, whatever the order and spacing in which they were written. Cursor gives them as a text of JSON.
fn digest(arguments: &Value) -> String {
    let read = arguments.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let arguments = read.as_ref().unwrap_or(arguments);
    if arguments.is_null() {
        return String::new();
    }
    // objects are kept in the order of their names
    let bytes = serde_json::to_vec(arguments).unwrap_or_default();
    Sha256::digest(&bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn heard(client: Caller, input: &Value) -> Heard {
        hear(client, input.to_string().as_bytes(), Some("/project"))
    }

    fn call_of(heard: Heard) -> Call {
        match heard {
            Heard::Before(call) => *call,
            Heard::After(ended) => ended.call,
            Heard::NotOurs => panic!("not a call"),
        }
    }

    fn claude(event: &str) -> Value {
        json!({"session_id": "s", "cwd": "/home/ann/p", "hook_event_name": event, "tool_name": "mcp__corp__echo",
            "tool_input": {"text": "hi", "n": 1}, "tool_use_id": "toolu_01", "mcp_server": {"name": "corp", "source": "user"}})
    }

    #[test]
    fn claude_codes_form_is_read_and_nothing_of_the_arguments_is_in_what_is_asked() {
        let call = call_of(heard(Caller::ClaudeCode, &claude("PreToolUse")));
        assert_eq!(
            (&*call.tool, call.server.as_deref(), &*call.call),
            ("mcp__corp__echo", Some("corp"), "toolu_01")
        );
        assert_eq!(call.folders, ["/home/ann/p", "/project"]);
        assert!(call.input.len() == 64 && !format!("{call:?}").contains("hi\""));
        let mut other = claude("PreToolUse");
        other["tool_input"] = serde_json::from_str(r#"{ "n" : 1,  "text" : "hi" }"#).unwrap();
        assert_eq!(
            call_of(heard(Caller::ClaudeCode, &other)).input,
            call.input,
            "the order of members is none"
        );
        other["tool_input"]["n"] = json!(2);
        assert_ne!(call_of(heard(Caller::ClaudeCode, &other)).input, call.input);
    }

    #[test]
    fn the_end_of_a_call_tells_how_it_went_and_how_long_it_took() {
        let mut end = claude("PostToolUse");
        end["duration_ms"] = json!(22.9);
        let Heard::After(ended) = heard(Caller::ClaudeCode, &end) else { panic!() };
        assert_eq!((ended.is_ok, ended.took_ms), (Some(true), Some(22)));
        let Heard::After(ended) = heard(Caller::ClaudeCode, &claude("PostToolUseFailure")) else { panic!() };
        assert_eq!((ended.is_ok, ended.took_ms), (Some(false), None));
        end["tool_response"] = json!({"isError": true, "content": []});
        let Heard::After(ended) = heard(Caller::Codex, &end) else { panic!() };
        assert_eq!(ended.is_ok, Some(false));
    }

    #[test]
    fn cursors_form_names_command_or_url_and_gives_arguments_as_a_text() {
        let input = json!({"hook_event_name": "beforeMCPExecution", "conversation_id": "c", "tool_name": "echo",
            "tool_input": "{\"text\": \"hi\"}", "mcp_server_name": "corp", "command": "npx -y corp@1.0.0",
            "workspace_roots": ["/w"]});
        let call = call_of(heard(Caller::Cursor, &input));
        assert_eq!(
            (call.command.as_deref(), call.server.as_deref()),
            (Some("npx -y corp@1.0.0"), Some("corp"))
        );
        assert_eq!((call.folders, &*call.session), (vec!["/project".to_owned(), "/w".to_owned()], "c"));
        assert_eq!(call.input, digest(&json!({"text": "hi"})));
        let mut end = input;
        end["hook_event_name"] = json!("afterMCPExecution");
        end["result_json"] = json!("{\"isError\":true}");
        let Heard::After(ended) = heard(Caller::Cursor, &end) else { panic!() };
        assert_eq!(ended.is_ok, Some(false));
    }

    #[test]
    fn what_is_no_tool_of_a_server_is_not_asked_about_and_a_resource_of_one_is() {
        let mut input = claude("PreToolUse");
        input["tool_name"] = json!("Bash");
        assert_eq!(heard(Caller::ClaudeCode, &input), Heard::NotOurs);
        input["tool_name"] = json!("ReadMcpResourceTool");
        assert_eq!(heard(Caller::ClaudeCode, &input), Heard::NotOurs, "of no server");
        input["tool_input"] = json!({"server": "corp", "uri": "x://y"});
        assert_eq!(call_of(heard(Caller::ClaudeCode, &input)).server.as_deref(), Some("corp"));
        assert_eq!(heard(Caller::ClaudeCode, &claude("SessionStart")), Heard::NotOurs);
        assert_eq!(
            heard(Caller::Cursor, &json!({"hook_event_name": "beforeShellExecution"})),
            Heard::NotOurs
        );
    }

    #[test]
    fn what_cannot_be_read_is_a_call_of_which_nothing_is_known() {
        let deep = format!("{{\"tool_input\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        let twice = r#"{"hook_event_name":"SessionStart","hook_event_name":"PreToolUse"}"#;
        for bytes in [&b""[..], b"{", b"[]", b"null", b"\xff\xfe{}", deep.as_bytes(), b"{}", twice.as_bytes()]
        {
            let call = call_of(hear(Caller::ClaudeCode, bytes, None));
            assert!(call.is_unreadable);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_heard_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for client in [Caller::ClaudeCode, Caller::Codex, Caller::Cursor] {
                hear(client, &bytes, None);
            }
        }
    }
}
