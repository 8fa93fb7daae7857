//! How clients spell servers and tools in the name of a call.

/// What begins the name of a tool of a server.
const MCP: &str = "mcp__";

/// A name as it stands within that of a tool. Claude Code keeps `-`, Codex makes it `_`, both make `_` of anything else that
/// is no letter or digit: what differs only in that is taken for the same.
pub fn folded(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// Whether it is the name of a tool of a server at all.
pub fn is_of_server(tool: &str) -> bool {
    tool.starts_with(MCP)
}

/// The tool's own name if it is one of the server of this name: `mcp__SERVER__TOOL`. Of a plugin's server the name may be
/// `plugin:PLUGIN:SERVER`.
pub fn tool_of<'t>(tool: &'t str, server: &str) -> Option<&'t str> {
    let rest = tool.strip_prefix(MCP)?;
    let length = server.chars().count();
    let head = rest.get(..length)?;
    if folded(head) != folded(server) {
        return None;
    }
    rest.get(length..)?.strip_prefix("__").filter(|own| !own.is_empty())
}

/// The server and the tool, as far as two underscores tell: that is not certain, for either may have such itself.
pub fn split(tool: &str) -> (&str, &str) {
    tool.strip_prefix(MCP).and_then(|rest| rest.split_once("__")).unwrap_or(("", tool))
}

/// Whether a client that calls a server so may mean the entry of this name. `is_plugins`: a plugin brings it, and the client
/// puts the plugin's name before it.
pub fn is_called(said: &str, name: &str, is_plugins: bool) -> bool {
    let (said, name) = (folded(said), folded(name));
    said == name
        || is_plugins
            && said.starts_with("plugin_")
            && said.strip_suffix(&name).is_some_and(|head| head.ends_with('_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tool_of_a_server_is_what_stands_behind_its_name_however_it_is_spelt() {
        assert_eq!(tool_of("mcp__corp__echo", "corp"), Some("echo"));
        assert_eq!(tool_of("mcp__my_corp__echo", "my-corp"), Some("echo"));
        assert_eq!(tool_of("mcp__my_corp__a__b", "my corp"), Some("a__b"));
        assert_eq!(tool_of("mcp__plugin_p_s__t", "plugin:p:s"), Some("t"));
        assert_eq!(tool_of("mcp__a__b__c", "a"), Some("b__c"));
        assert_eq!(tool_of("mcp__a__b__c", "a__b"), Some("c"));
        for (tool, server) in
            [("mcp__corp2__echo", "corp"), ("mcp__corp__", "corp"), ("Bash", "corp"), ("mcp__é", "ab")]
        {
            assert_eq!(tool_of(tool, server), None, "{tool}");
        }
        assert_eq!(tool_of("mcp__m_ller__t", "müller"), Some("t"), "one character is one underscore");
        assert_eq!(split("mcp__a__b__c"), ("a", "b__c"));
        assert_eq!(split("mcp__a"), ("", "mcp__a"));
    }

    #[test]
    fn a_server_of_a_plugin_is_called_by_both_names() {
        assert!(is_called("plugin:p:web", "web", true) && is_called("web", "web", true));
        assert!(!is_called("plugin:p:web", "web", false) && !is_called("plugin:p:cobweb", "web", true));
    }
}
