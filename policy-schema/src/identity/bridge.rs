//! Programs that only pass messages on: what counts is where to.

use super::{Identity, Kind};

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

/// Turns the identity of a bridge package into that of the bridge with its target.
pub(super) fn of_package(mut identity: Identity) -> Identity {
    if !matches!(identity.kind, Kind::Npm | Kind::Pypi | Kind::Executable) {
        return identity;
    }
    let name = identity.name.rsplit(['/', '\\']).next().unwrap_or_default();
    let scoped = identity.name.starts_with('@');
    if !BRIDGES.contains(&if scoped { identity.name.as_str() } else { name })
        || (scoped && identity.kind == Kind::Executable)
    {
        return identity;
    }
    let target = target(&identity);
    if target.is_none() && identity.kind == Kind::Executable {
        return identity;
    }
    identity.kind = Kind::Bridge;
    identity.target = target;
    identity
}

/// The URL, or the command line (`--stdio "npx …"`), or the registry name (`smithery run NAME`) behind a bridge.
fn target(identity: &Identity) -> Option<String> {
    let args: Vec<&str> = identity.server_args.iter().map(crate::sensitive::Sensitive::expose).collect();
    if identity.name.ends_with("smithery/cli") || identity.name.ends_with("smithery") {
        let run = args.iter().position(|a| *a == "run")?;
        return args[run + 1..].iter().find(|a| !a.starts_with('-')).map(|name| format!("smithery:{name}"));
    }
    let url_flags =
        ["--sse", "--streamableHttp", "--streamable-http", "--stdio", "--url", "--ws", "--endpoint"];
    let by_flag = args.iter().enumerate().find_map(|(at, arg)| match arg.split_once('=') {
        Some((flag, value)) if url_flags.contains(&flag) => Some(value),
        _ if url_flags.contains(arg) => args.get(at + 1).copied(),
        _ => None,
    });
    let is_url = |a: &&&str| a.contains("://") || a.starts_with("${");
    let mut skip = false;
    let positional = args.iter().filter(|arg| {
        let value = std::mem::replace(
            &mut skip,
            matches!(
                **arg,
                "--header"
                    | "-H"
                    | "--headers"
                    | "--transport"
                    | "--host"
                    | "--auth-timeout"
                    | "--resource"
                    | "--static-oauth-client-info"
                    | "--static-oauth-client-metadata"
            ),
        );
        !value
    });
    by_flag.or_else(|| positional.filter(is_url).copied().next()).map(str::to_owned)
}
