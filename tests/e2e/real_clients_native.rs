//! Real clients refuse by themselves what the running agent has told them by their managed files. They run in a home that no
//! agent watches, so that nothing but the client itself can have refused.

use std::path::Path;

use serde_json::json;

use crate::enforce::{Site, npx, policy, rule};
use crate::native_kept::is_told;
use crate::real_clients::{installed, shut_off};
use crate::run::Daemon;

/// Lays the managed folders of the image `$1` over those of this machine, which is not touched.
const MANAGED: &str = r#"
mount -t tmpfs tmpfs /mnt && mkdir /mnt/up /mnt/work
mount -t overlay overlay -o lowerdir=/etc,upperdir=/mnt/up,workdir=/mnt/work /etc
for folder in $(ls "$1"); do
    mkdir -p "/etc/$folder"
    mount --bind "$1/$folder" "/etc/$folder"
done
"#;

/// A machine on which one server is allowed and used in each client.
fn site() -> Site {
    let mut site = Site::new();
    let mut good = rule("@acme/good");
    good["names"] = json!(["good"]);
    good["native_forms"] = json!([["npx", "-y", "@acme/good@1.0.0"]]);
    site.publish(&policy(&json!({"mode": "enforce"}), &json!([good])));
    let servers = json!({"mcpServers": {"good": npx("@acme/good@1.0.0")}}).to_string();
    for file in [".claude.json", ".gemini/settings.json", ".qwen/settings.json", ".copilot/mcp-config.json"] {
        site.machine.file(file, &servers);
    }
    site.machine.file(
        ".codex/config.toml",
        "[mcp_servers.good]\ncommand = \"npx\"\nargs = [\"-y\", \"@acme/good@1.0.0\"]\n",
    );
    site
}

/// What the clients print in a home of their own, with the managed folders of a machine or without.
fn said(etc: Option<&Path>, lines: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("proj")).unwrap();
    let path = installed().join("node_modules/.bin").to_string_lossy().into_owned();
    let (mounts, folders) = etc.map_or(("", Vec::new()), |etc| (MANAGED, vec![etc]));
    let (said, errors) = shut_off(home.path(), &path, (mounts, &folders), lines);
    format!("{said}{errors}")
}

const CLAUDE: &str = "
claude mcp add --transport http evil https://attacker.example/mcp 2>&1 || echo \"exit $?\"
claude mcp add evil-too -- npx -y @evil/mcp 2>&1 || echo \"exit $?\"
claude mcp add good -- npx -y @acme/good@1.0.0 2>&1 || echo \"exit $?\"
";
const CODEX: &str = "
codex mcp add evil -- npx -y @evil/mcp
codex mcp add good -- npx -y @acme/good@1.0.0
codex mcp list
";

#[test]
#[ignore = "installs real clients from the npm registry and needs root; .ci/run runs it"]
fn real_clients_refuse_what_the_running_agent_did_not_tell_them_of_and_take_it_without_the_agent() {
    let site = site();
    let (daemon, _) = Daemon::start(&site);
    is_told(&site, "in-force");
    let etc = site.folder("etc");

    let claude = said(Some(&etc), CLAUDE);
    assert_eq!(claude.matches("not allowed by enterprise policy").count(), 2, "{claude}");
    assert_eq!((claude.matches("exit 1").count(), claude.matches("Added ").count()), (2, 1), "{claude}");
    let codex = said(Some(&etc), CODEX);
    let line =
        |name: &str| codex.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap_or("none");
    assert!(line("evil").contains("disabled: requirements"), "{codex}");
    assert!(line("good").contains("enabled") && !line("good").contains("disabled"), "{codex}");

    assert_eq!(daemon.stop(), Some(0));
    let removed = site.run(&["native", "remove", "--json"]);
    assert_eq!(removed.status.code(), Some(0));
    // the control: the same clients and servers, with nothing of ours
    let claude = said(None, CLAUDE);
    assert_eq!(claude.matches("Added ").count(), 3, "{claude}");
    let codex = said(None, CODEX);
    assert!(!codex.contains("disabled"), "{codex}");
}
