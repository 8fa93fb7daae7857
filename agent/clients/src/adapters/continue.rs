//! Continue, extension and `cn` CLI. Tested cn 1.5.47.

use mcpolicy_schema::entry::Scope;

use crate::adapter::{About, ClientAdapter, Found, Lead, Variable};
use crate::codec::{Dialect, Format, Parsed};
use crate::environment::{EnvironmentFile, Form, Marks, Taken};
use crate::filled;
use crate::location::Location;
use crate::node::Node;
use crate::reads::Reads;
use crate::servers;

/// Continue.
pub(super) struct Adapter;

/// A list, and what older versions took for the only server.
const DEPRECATED: &[&str] = &["/experimental/modelContextProtocolServers"];
const ONLY: &str = "/experimental/modelContextProtocolServer";

const fn agents(path: &'static str, scope: Scope) -> Location {
    Location { scope, ..Location::user(path).format(Format::Yaml).or_list().aside() }
}

const ABOUT: About = About {
    id: "continue",
    name: "Continue (extension and cn CLI)",
    rank: 24,
    locations: &[
        Location::user("$CONTINUE_GLOBAL_DIR/config.yaml").format(Format::Yaml).or_list(),
        // The deprecated file of the extension.
        Location::user("$CONTINUE_GLOBAL_DIR/config.json").json(Dialect::JSONC).keys(DEPRECATED).or_list(),
        // It is merged into that one.
        Location::project("<project>/.continuerc.json").json(Dialect::JSONC).keys(DEPRECATED).or_list(),
        Location::user("$CONTINUE_GLOBAL_DIR/mcpServers/*").format(Format::YamlOrJson).or_list(),
        Location::project("<project>/.continue/mcpServers/*").format(Format::YamlOrJson).or_list(),
        // Whole configurations of their own; `assistants` is the older name.
        agents("$CONTINUE_GLOBAL_DIR/agents/*.yaml", Scope::User),
        agents("$CONTINUE_GLOBAL_DIR/agents/*.yml", Scope::User),
        agents("$CONTINUE_GLOBAL_DIR/assistants/*.yaml", Scope::User),
        agents("$CONTINUE_GLOBAL_DIR/assistants/*.yml", Scope::User),
        agents("<project>/.continue/agents/*.yaml", Scope::Project),
        agents("<project>/.continue/agents/*.yml", Scope::Project),
        agents("<project>/.continue/assistants/*.yaml", Scope::Project),
        agents("<project>/.continue/assistants/*.yml", Scope::Project),
    ],
    variables: &[Variable { name: "CONTINUE_GLOBAL_DIR", default: "~/.continue" }],
    environments: &[dotenv("~/.env"), dotenv("<project>/.env")],
    processes: &["cn"],
    // The deprecated file keeps entries in a `transport` object.
    reads: &Reads { nested: true, ..Reads::USUAL },
    evidence: "tested cn 1.5.47; source stacklok/toolhive; docs continuedev/continue",
    notes: "cn 1.5.47 loaded `config.yaml` only; the extension's documentation names the directories. The extension's processes count for its editor. Blocks of the hub (`uses:`) are fetched: a gap.",
    ..About::NONE
};

/// Run on cn 1.5.47: that of the folder that it is started in, trusted or not.
const fn dotenv(path: &'static str) -> EnvironmentFile {
    EnvironmentFile::new(path, Form::Dotenv(Marks::NONE), const { &[Taken::own("CONTINUE_GLOBAL_DIR")] })
}

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn servers<'d>(&self, at: &Location, doc: &'d Parsed<'d>) -> Vec<Found<'d>> {
        let mut found = servers::under_keys(&doc.root, at.keys);
        if at.keys == DEPRECATED {
            let only = servers::tables_at(&doc.root, ONLY).into_iter().filter(|node| node.is_object());
            found.extend(only.map(|node| Found {
                name: "modelContextProtocolServer".to_owned(),
                key_path: ONLY.to_owned(),
                node,
                span: node.span,
                scope: None,
                project: None,
            }));
        }
        found
    }

    /// `${{ secrets.NAME }}` is put into the text before it is parsed (source of cn 1.5.47, and run).
    fn rewrites(&self, _: &str, doc: &Parsed<'_>) -> Option<usize> {
        const MARK: &[&str] = &["${{"];
        filled::key(&doc.root, MARK).or_else(|| filled::server(&doc.root, &["/mcpServers"], MARK))
    }

    fn fills_from(&self) -> &'static [&'static str] {
        &["$CONTINUE_GLOBAL_DIR/.env", "<project>/.continue/.env", "<project>/.env"]
    }

    fn leads(&self, at: &Location, doc: &Parsed<'_>) -> Vec<Lead> {
        let found = servers::under_keys(&doc.root, at.keys);
        let count = found.iter().filter(|f| is_reference(f.node)).count();
        let what = format!("blocks of a hub that are fetched: {count}");
        if count == 0 { Vec::new() } else { vec![Lead::Elsewhere { kind: "hub-blocks", what }] }
    }
}

/// `- uses: owner/block`: a server, but what it starts is not in the file; it is inventoried and named as a gap.
fn is_reference(node: &Node<'_>) -> bool {
    node.get("uses").is_some() && !servers::looks_like_entry(node)
}
