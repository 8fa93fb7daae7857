//! Kimi Code CLI. Tested 2.1.0 on Linux.

use crate::adapter::{About, ClientAdapter, Lead, Variable};
use crate::codec::Parsed;
use crate::location::Location;
use crate::manifest;
use crate::node::Node;

/// Kimi Code CLI.
pub(super) struct Adapter;

/// The list of what was installed.
const INSTALLED: &str = "$KIMI_CODE_HOME/plugins/installed.json";

const ABOUT: About = About {
    id: "kimi-code",
    name: "Kimi Code CLI",
    rank: 36,
    locations: &[
        Location::user("$KIMI_CODE_HOME/mcp.json"),
        Location::project("<project>/.kimi-code/mcp.json"),
        Location::project("<project>/.mcp.json").shared(),
        Location::plugin(INSTALLED).no_servers(),
        Location::plugin("$KIMI_CODE_HOME/plugins/managed/*/kimi.plugin.json"),
        Location::plugin("$KIMI_CODE_HOME/plugins/managed/*/.kimi-plugin/plugin.json"),
        Location::plugin("<plugin>/kimi.plugin.json"),
        Location::plugin("<plugin>/.kimi-plugin/plugin.json"),
    ],
    variables: &[Variable { name: "KIMI_CODE_HOME", default: "~/.kimi-code" }],
    processes: &["kimi"],
    evidence: "tested 2.1.0 on Linux; public descriptions for the variable",
    notes: "A plugin's servers stand in its manifest, as a map; a plugin counts where the list of installed ones says that it is on.",
    ..About::NONE
};

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    /// `plugins[].root` of the list.
    fn leads(&self, at: &Location, doc: &Parsed<'_>) -> Vec<Lead> {
        if at.path != INSTALLED {
            return Vec::new();
        }
        let all = doc.root.get("plugins").map_or(&[][..], Node::items).iter();
        let roots = all.filter_map(|plugin| plugin.get("root")?.as_str());
        let mut leads = roots.flat_map(manifest::installed_at).collect();
        manifest::cap(&mut leads);
        leads
    }
}
