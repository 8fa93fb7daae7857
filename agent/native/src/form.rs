//! How a server is started, exactly: what a client compares.

use std::collections::BTreeSet;
use std::fmt;

use mcpolicy_schema::entry::{ClientId, Entry, NamedValue, Scope, Transport};
use mcpolicy_schema::evaluate::depends_on_directory;
use mcpolicy_schema::identity::{Identity, identify};
use mcpolicy_schema::redact::Redactor;
use mcpolicy_schema::secret;
use mcpolicy_schema::sensitive::Sensitive;

/// A command line or a URL, word by word as it stands in an entry. It may hold a secret: [`fmt::Debug`] hides it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Launch {
    /// Command and arguments; the first word is the command.
    Command(Vec<Sensitive>),
    /// A URL.
    Remote(Sensitive),
}

impl fmt::Debug for Launch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(words) => write!(f, "<command of {} words>", words.len()),
            Self::Remote(url) => write!(f, "<URL: {url:?}>"),
        }
    }
}

impl Launch {
    /// A command line; `None` without a command.
    pub fn command<T: Into<Sensitive>>(words: impl IntoIterator<Item = T>) -> Option<Self> {
        let words: Vec<Sensitive> = words.into_iter().map(Into::into).collect();
        words.first().is_some_and(|command| !command.is_empty()).then_some(Self::Command(words))
    }

    /// A URL.
    pub fn remote(url: impl Into<Sensitive>) -> Self {
        Self::Remote(url.into())
    }

    /// What an entry starts; `None` where it says nothing, or says two things.
    pub fn of_entry(entry: &Entry) -> Option<Self> {
        match (&entry.command, &entry.url) {
            (Some(command), None) => {
                Self::command(std::iter::once(command).chain(&entry.args).map(Sensitive::expose))
            }
            (None, Some(url)) if !url.is_empty() => Some(Self::Remote(url.clone())),
            _ => None,
        }
    }

    /// The words of a command, for what is written.
    pub(crate) fn words(&self) -> Option<Vec<&str>> {
        match self {
            Self::Command(words) => Some(words.iter().map(Sensitive::expose).collect()),
            Self::Remote(_) => None,
        }
    }

    /// The URL, for what is written.
    pub(crate) fn url(&self) -> Option<&str> {
        match self {
            Self::Remote(url) => Some(url.expose()),
            Self::Command(_) => None,
        }
    }

    /// An entry that starts just this, for the evaluation.
    pub(crate) fn entry(&self) -> Entry {
        match self {
            Self::Command(words) => match words.split_first() {
                Some((command, args)) => Entry::stdio(command.clone(), args.iter().cloned()),
                None => Entry::stdio("", Vec::<Sensitive>::new()),
            },
            Self::Remote(url) => Entry::remote(url.clone()),
        }
    }

    /// What it would run or contact.
    pub(crate) fn identity(&self) -> Identity {
        identify(&self.entry())
    }

    /// Whether a secret stands in it. Managed files are read by every user of the machine, so such a form is never
    /// written; doubt counts as a secret.
    pub fn holds_secret(&self) -> bool {
        let redactor = Redactor::new(b"only compared");
        match self {
            Self::Command(words) => {
                let shown = redactor.args(words);
                words.iter().zip(&shown).any(|(word, shown)| word.expose() != shown)
            }
            Self::Remote(url) => {
                let url = url.expose();
                let (plain, query) = url.split_once('?').unwrap_or((url, ""));
                redactor.url(plain) != plain || query.split('&').any(is_secret_parameter)
            }
        }
    }
}

fn is_secret_parameter(parameter: &str) -> bool {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    let told = secret::is_reference(value) || secret::is_placeholder(value) || value.is_empty();
    !told && (secret::is_secret_name(name) || secret::classify(value).is_some())
}

/// A server that is allowed on this machine: an entry that was judged, or a form that the caller made of a rule.
#[derive(Debug, Clone)]
pub struct Allowed {
    /// Name of the entry.
    pub name: String,
    /// What it starts.
    pub launch: Launch,
    /// Ids of the clients that read the entry.
    pub clients: BTreeSet<ClientId>,
    /// Id of the rule, exception or grant that allows it; `None` for what hold mode leaves and for the default.
    pub rule: Option<String>,
    /// How its client talks to it, for clients that take a whole definition.
    pub transport: Transport,
    /// Where it is declared.
    pub scope: Scope,
    /// The plugin that declares it, as its client names it (`plugin@marketplace`).
    pub plugin: Option<String>,
    /// Its environment, for clients that take a whole definition. Values that may be secrets are not written.
    pub env: Vec<NamedValue>,
    /// Its headers, for the same.
    pub headers: Vec<NamedValue>,
    /// It sets a working directory or members that a definition of ours would not have.
    pub has_more: bool,
    /// What it runs depends on the directory in which its client starts it.
    pub of_directory: bool,
}

impl Allowed {
    /// An allowed entry; `None` where it starts nothing, or nothing certain.
    pub fn of_entry(entry: &Entry, rule: Option<&str>) -> Option<Self> {
        if entry.contradicts() {
            return None;
        }
        let readers = entry.readers.iter().map(|reader| reader.client);
        Some(Self {
            name: entry.name.clone(),
            launch: Launch::of_entry(entry)?,
            clients: readers.chain([entry.client]).collect(),
            rule: rule.map(str::to_owned),
            transport: entry.transport,
            scope: entry.scope,
            plugin: None,
            env: entry.env.clone(),
            headers: entry.headers.clone(),
            has_more: entry.cwd.is_some() || !entry.members.is_empty(),
            of_directory: depends_on_directory(entry, &identify(entry)),
        })
    }
}

/// A server on this machine that the policy denies.
#[derive(Debug, Clone)]
pub struct Denied {
    /// Name of the entry.
    pub name: String,
    /// What it starts, where that is certain.
    pub launch: Option<Launch>,
    /// Ids of the clients that read the entry.
    pub clients: BTreeSet<ClientId>,
    /// Where it is declared.
    pub scope: Scope,
}

impl Denied {
    /// A denied entry.
    pub fn of_entry(entry: &Entry) -> Self {
        let readers = entry.readers.iter().map(|reader| reader.client);
        Self {
            name: entry.name.clone(),
            launch: if entry.contradicts() { None } else { Launch::of_entry(entry) },
            clients: readers.chain([entry.client]).collect(),
            scope: entry.scope,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(words: &[&str]) -> Launch {
        Launch::command(words.iter().copied()).unwrap()
    }

    #[test]
    fn what_a_launch_holds_is_not_printed() {
        let launch = command(&["npx", "ghp_0123456789abcdefghijABCDEFGHIJ012345"]);
        assert_eq!(format!("{launch:?}"), "<command of 2 words>");
    }

    #[test]
    fn a_form_with_a_secret_in_it_is_known() {
        for plain in [
            command(&["npx", "-y", "@modelcontextprotocol/server-filesystem@2025.8.21", "/home/ann/work"]),
            command(&[
                "docker",
                "run",
                "-i",
                "--rm",
                "-e",
                "GITHUB_TOKEN",
                "ghcr.io/github/github-mcp-server",
            ]),
            command(&["npx", "x", "--token", "${TOKEN}"]),
            Launch::remote("https://mcp.example.com/mcp?read_only=true&features=docs,account"),
        ] {
            assert!(!plain.holds_secret(), "{:?}", plain.words());
        }
        for secret in [
            command(&["npx", "x", "--api-key", "kR4tQz81LmWc9VbN"]),
            command(&["npx", "x", "ghp_0123456789abcdefghijABCDEFGHIJ012345"]),
            command(&[
                "npx",
                "mcp-remote",
                "https://x.example/mcp",
                "--header",
                "Authorization: Bearer kR4tQz81LmWc9VbN",
            ]),
            Launch::remote("https://mcp.example.com/mcp?api_key=kR4tQz81LmWc9VbN"),
            Launch::remote("https://ann:pass1word@mcp.example.com/mcp"),
        ] {
            assert!(secret.holds_secret(), "{:?} {:?}", secret.words(), secret.url());
        }
    }

    #[test]
    fn an_entry_that_says_two_things_has_no_form() {
        let mut entry = Entry::stdio("npx", ["x"]);
        entry.url = Some("https://x.example".into());
        assert!(Launch::of_entry(&entry).is_none());
        assert!(Launch::of_entry(&Entry::stdio("", Vec::<String>::new())).is_none());
    }
}
