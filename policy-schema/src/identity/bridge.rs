//! Programs that only pass messages on: what counts is where to.

use super::{Identity, Kind, sensitive};
use crate::entry::NamedValue;
use crate::sensitive::Sensitive;

/// Packages and programs that are bridges.
const BRIDGES: &[&str] = &[
    "mcp-remote",
    "supergateway",
    "mcp-proxy",
    "@smithery/cli",
    "mcp-proxy-for-aws",
    "mcp-remote-client",
    "@pyroprompts/mcp-stdio-to-streamable-http-adapter",
    "mcp-stdio-to-streamable-http-adapter",
    "@modelcontextprotocol/mcp-remote",
    "mcp-server-remote",
    "smithery",
    "fastmcp-remote",
    "mcp-client-proxy",
];

/// Flags whose value is where to.
const URL_FLAGS: &[&str] =
    &["--sse", "--streamableHttp", "--streamable-http", "--streamablehttp", "--url", "--ws", "--endpoint"];

/// Flags with another value, so that it is not taken for the target.
const VALUED: &[&str] = &[
    "--transport",
    "--host",
    "--port",
    "--sse-host",
    "--sse-port",
    "--auth-timeout",
    "--resource",
    "--static-oauth-client-info",
    "--static-oauth-client-metadata",
    "--ignore-tool",
    "--log-level",
    "--logLevel",
    "--oauth2Bearer",
    "--outputTransport",
    "--client-id",
    "--client-secret",
    "--token-url",
    "--cwd",
    "--service",
    "--region",
    "--profile",
    "--key",
    "--client",
    "--config",
];

/// Flags that set a header.
const HEADER_FLAGS: &[&str] = &["--header", "-H", "--headers"];

/// What the arguments of a bridge say.
#[derive(Default)]
struct Read {
    target: Option<String>,
    /// The target is a command line that the bridge starts.
    starts: bool,
    headers: Vec<NamedValue>,
    rest: Vec<String>,
    doubt: Option<&'static str>,
}

/// Turns the identity of a bridge package into that of the bridge with its target. A bridge that starts a command
/// instead is opaque: what it starts is code of this machine.
pub(super) fn of_package(mut identity: Identity) -> Identity {
    if !matches!(identity.kind, Kind::Npm | Kind::Pypi | Kind::Executable) {
        return identity;
    }
    let scoped = identity.name.starts_with('@');
    let last = identity.name.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
    let name = if scoped { identity.name.clone() } else { last };
    if !BRIDGES.contains(&name.as_str()) || (scoped && identity.kind == Kind::Executable) {
        return identity;
    }
    let args: Vec<String> = identity.server_args.iter().map(|a| a.expose().to_owned()).collect();
    let is_python = name == "mcp-proxy" && identity.kind != Kind::Npm;
    let read = match name.as_str() {
        "smithery" | "@smithery/cli" => smithery(&args),
        "mcp-proxy" => proxy(&args, is_python),
        _ => forwarder(&args, name == "supergateway"),
    };
    if read.target.is_none() && identity.kind == Kind::Executable {
        return identity;
    }
    identity.ecosystem = super::ecosystem(identity.kind);
    identity.kind = if read.starts { Kind::Opaque } else { Kind::Bridge };
    identity.target = read.target;
    identity.argument_headers = read.headers;
    identity.server_args = sensitive(&read.rest);
    identity.ambiguous = identity.ambiguous.or(read.doubt);
    identity
}

impl Read {
    fn target(&mut self, target: &str) {
        if self.target.is_some() {
            self.doubt = Some("two targets");
            self.rest.push(target.to_owned());
        } else {
            self.target = Some(target.to_owned());
        }
    }

    /// `Name: value`.
    fn header(&mut self, flag: &str, text: &str) {
        match text.split_once(':') {
            Some((name, value)) => {
                let value = Sensitive::new(value.trim());
                self.headers.push(NamedValue { name: name.trim().to_owned(), value });
            }
            None => self.rest.extend([flag.to_owned(), text.to_owned()]),
        }
    }
}

fn is_url(text: &str) -> bool {
    text.contains("://") || text.starts_with("${")
}

/// `mcp-remote URL …`, `supergateway --sse URL`, and others alike.
fn forwarder(args: &[String], by_flag_only: bool) -> Read {
    let mut read = Read::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let (flag, glued) = match arg.split_once('=') {
            Some((flag, value)) if flag.starts_with('-') => (flag, Some(value)),
            _ => (arg.as_str(), None),
        };
        let is_known = HEADER_FLAGS.contains(&flag)
            || URL_FLAGS.contains(&flag)
            || VALUED.contains(&flag)
            || flag == "--stdio";
        let value = if is_known { glued.or_else(|| args.next().map(String::as_str)) } else { None };
        match value {
            Some(value) if HEADER_FLAGS.contains(&flag) => read.header(flag, value),
            Some(value) if flag == "--stdio" => {
                read.starts = true;
                read.rest.push(flag.to_owned());
                read.target(value);
            }
            Some(value) if URL_FLAGS.contains(&flag) && is_url(value) => {
                read.rest.push(flag.to_owned());
                read.target(value);
            }
            Some(_) if glued.is_some() => read.rest.push(arg.clone()),
            Some(value) => read.rest.extend([flag.to_owned(), value.to_owned()]),
            None if !arg.starts_with('-') && is_url(arg) => {
                // mcp-remote takes its first argument (headers apart) for the URL, whatever it is.
                if read.target.is_none() && (!read.rest.is_empty() || by_flag_only) {
                    read.doubt = Some("the URL is not the first argument");
                }
                read.target(arg);
            }
            None => read.rest.push(arg.clone()),
        }
    }
    read
}

/// `mcp-proxy URL` connects; `mcp-proxy COMMAND …` starts a server and opens a port.
fn proxy(args: &[String], is_python: bool) -> Read {
    let mut read = Read::default();
    let mut at = 0;
    while let Some(arg) = args.get(at) {
        at += 1;
        let two = args.get(at).zip(args.get(at + 1));
        match (arg.as_str(), two) {
            // The Python one takes name and value as two arguments.
            ("-H" | "--headers", Some((name, value))) if is_python && !name.contains(':') => {
                read.headers.push(NamedValue { name: name.clone(), value: Sensitive::new(value.as_str()) });
                at += 2;
            }
            (flag, _) if HEADER_FLAGS.contains(&flag) => match args.get(at) {
                Some(value) => {
                    read.header(flag, value);
                    at += 1;
                }
                None => read.rest.push(arg.clone()),
            },
            // `--env NAME VALUE`, `--named-server NAME COMMAND`: for servers that it starts.
            ("-e" | "--env" | "--named-server" | "--named-server-config", _) => {
                read.starts = true;
                read.rest.push(arg.clone());
            }
            (flag, _) if VALUED.contains(&flag) => {
                read.rest.push(arg.clone());
                read.rest.extend(args.get(at).cloned());
                at += 1;
            }
            (flag, _) if flag.starts_with('-') => {
                let is_known = flag.contains('=')
                    || matches!(
                        flag,
                        "--debug"
                            | "--stateless"
                            | "--pass-environment"
                            | "--verify-ssl"
                            | "--no-verify-ssl"
                            | "-v"
                            | "--version"
                    );
                if !is_known {
                    read.doubt = Some("a flag that is not known may take the argument after it");
                }
                read.rest.push(arg.clone());
            }
            (url, _) if is_url(url) => read.target(url),
            // The first word that is no URL starts the command line.
            _ if read.target.is_none() => {
                read.starts = true;
                read.rest.extend_from_slice(&args[at - 1..]);
                break;
            }
            _ => read.rest.push(arg.clone()),
        }
    }
    read
}

/// `smithery run NAME`: what runs is what the registry has under that name.
fn smithery(args: &[String]) -> Read {
    let mut read = Read::default();
    let mut is_run = false;
    let mut skip = false;
    for arg in args {
        let is_value = std::mem::replace(&mut skip, VALUED.contains(&arg.as_str()));
        if is_run && !is_value && !arg.starts_with('-') && read.target.is_none() {
            read.target = Some(format!("smithery:{arg}"));
        } else {
            is_run |= arg == "run";
            read.rest.push(arg.clone());
        }
    }
    read
}
