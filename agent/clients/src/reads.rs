//! Under which names a client reads what it launches.

/// The names that a client reads, each list in its own order: the first that is there counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reads {
    /// What is run.
    pub command: &'static [&'static str],
    /// Environment.
    pub env: &'static [&'static str],
    /// What is contacted.
    pub url: &'static [&'static str],
    /// HTTP headers.
    pub headers: &'static [&'static str],
    /// The transport.
    pub transport: &'static [&'static str],
    /// Whether it keeps all of these in an object `transport`.
    pub nested: bool,
}

impl Reads {
    /// What most clients read.
    pub const USUAL: Self = Self {
        command: &["command"],
        env: &["env"],
        url: &["url"],
        headers: &["headers"],
        transport: &["type"],
        nested: false,
    };
    /// Every name that some client reads: for clients of which it was not established.
    pub const ANY: Self = Self {
        command: &["command", "cmd", "executable"],
        env: &["env", "environment", "envs"],
        url: &["url", "httpUrl", "serverUrl", "uri", "endpoint", "baseUrl", "base_url", "server_url"],
        headers: &["headers", "http_headers"],
        transport: &["type", "transport", "transportType", "server_type"],
        nested: false,
    };
    /// opencode and its relative.
    pub const OPENCODE: Self = Self { env: &["environment"], ..Self::USUAL };
    /// The Gemini CLI and its relative. Which of both URLs comes first has changed.
    pub const GEMINI: Self = Self { url: &["httpUrl", "url"], ..Self::USUAL };

    /// Whether a launch member is read by some client, but by none of these. A word for the transport decides nothing
    /// where it is not read.
    pub fn is_foreign(name: &str, readers: &[&Self]) -> bool {
        let reads = |reads: &Self| reads.lists().into_iter().any(|list| list.contains(&name));
        let is_word = Self::ANY.transport.contains(&name);
        reads(&Self::ANY) && !is_word && !readers.iter().any(|reader| reads(reader))
    }

    /// Whether a name is that of a launch member in some client.
    pub fn is_launch(name: &str) -> bool {
        matches!(name, "args" | "cwd") || Self::ANY.lists().into_iter().any(|list| list.contains(&name))
    }

    /// All lists.
    pub(crate) fn lists(&self) -> [&'static [&'static str]; 5] {
        [self.command, self.env, self.url, self.headers, self.transport]
    }
}
