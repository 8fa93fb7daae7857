//! Entries for tests.

use crate::entry::{Entry, Position, Scope, Transport};
use crate::sensitive::Sensitive;

/// A live `stdio` entry of a user's file.
pub(crate) fn entry(command: &str, args: &[&str]) -> Entry {
    Entry {
        name: "test".to_owned(),
        client: "cursor",
        readers: Vec::new(),
        scope: Scope::User,
        key_path: "/mcpServers/test".to_owned(),
        position: Position { line: 1, column: 1 },
        span: 0..0,
        transport: Transport::Stdio,
        declared_type: None,
        command: Some(Sensitive::new(command)),
        args: args.iter().map(|a| Sensitive::new(*a)).collect(),
        url: None,
        env: Vec::new(),
        headers: Vec::new(),
        cwd: None,
        disabled: false,
        inert: None,
        members: Vec::new(),
        malformed: None,
        project: None,
    }
}

/// A live remote entry.
pub(crate) fn remote(url: &str) -> Entry {
    Entry { command: None, url: Some(Sensitive::new(url)), transport: Transport::Http, ..entry("", &[]) }
}
