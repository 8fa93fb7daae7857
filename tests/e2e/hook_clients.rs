//! Real clients in one session: a server of it is allowed and called, the policy allows it no more, and the next call is refused in
//! the same session. Their model is a stub on loopback (tests/native/model.py); what is compiled for them is in place.
//!
//! The agent is root's, beside the session, and looks at an image: it ends no process and the session's server runs on, so that
//! nothing but the hook can have refused.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mcpolicy_schema::report::v1::Class;
use mcpolicy_tests::private::set_mode;
use mcpolicy_tests::signing::{at, publish};
use mcpolicy_tests::workspace;
use serde_json::json;

use crate::actions::{DEV, site_run_by};
use crate::enforce::{Site, npx, policy, rule};
use crate::hook::{calls, holds_no_secret, socket};
use crate::real_clients::{installed, shut_off};
use crate::reported::{records, with_spool};
use crate::run::{Daemon, put};

/// Lays the managed folders of the image (`$1`) over those of this machine, and the agent's socket (`$2`) where hooks look for it.
/// The clients (`$3`) come to where their user may go.
const MOUNTS: &str = r#"
mount --make-rprivate /
ip link set lo up
mount -t tmpfs none /mnt && mkdir /mnt/up /mnt/work /mnt/clients
mount --bind "$3" /mnt/clients
mount -t overlay overlay -o lowerdir=/etc,upperdir=/mnt/up,workdir=/mnt/work /etc
for folder in claude-code codex; do
    mkdir -p "/etc/$folder"
    mount --bind "$1/$folder" "/etc/$folder"
done
mount -t tmpfs none /run
mkdir /run/mcpolicy
mount --bind "$2" /run/mcpolicy
"#;

struct Client {
    /// The name of its folder of managed files.
    id: &'static str,
    /// What it runs, as shell lines.
    session: &'static str,
    /// Where it looks for its servers.
    file: &'static str,
}

const CLAUDE: Client = Client {
    id: "claude-code",
    session: "env ANTHROPIC_BASE_URL=http://127.0.0.1:8765 ANTHROPIC_API_KEY=none ENABLE_TOOL_SEARCH=false \
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 timeout 120 claude -p go --allowedTools mcp__good__echo",
    file: ".claude.json",
};
const CODEX: Client = Client {
    id: "codex",
    session: "timeout 120 codex exec --skip-git-repo-check --dangerously-bypass-approvals-and-sandbox go",
    file: ".codex/config.toml",
};

/// A machine on which one server is allowed, and is there in both clients.
fn site() -> Site {
    let mut site = site_run_by(None);
    let mut good = rule("@acme/good");
    good["names"] = json!(["good"]);
    good["native_forms"] = json!([["npx", "-y", "@acme/good@1.0.0"]]);
    site.publish(&policy(&json!({}), &json!([good])));
    let servers = json!({"hasCompletedOnboarding": true, "mcpServers": {"good": npx("@acme/good@1.0.0")}});
    put(&site, CLAUDE.file, &servers.to_string());
    let codex = "model = \"stub\"\nmodel_provider = \"stub\"\n[model_providers.stub]\nname = \"stub\"\n\
        base_url = \"http://127.0.0.1:8765/v1\"\nwire_api = \"responses\"\n\
        [mcp_servers.good]\ncommand = \"npx\"\nargs = [\"-y\", \"@acme/good@1.0.0\"]\n";
    put(&site, CODEX.file, codex);
    for script in ["model.py", "server.py"] {
        let text = std::fs::read_to_string(workspace().join("tests/native").join(script)).unwrap();
        put(&site, &format!("bin/{script}"), &text);
    }
    put(&site, "bin/npx", "#!/bin/sh\nexec python3 \"$HOME/bin/server.py\"\n");
    assert!(set_mode(&site.machine.home().join("bin/npx"), 0o755));
    put(&site, "proj/README", "");
    put(&site, "talk/README", "");
    site
}

/// What the session has written, once it is there.
fn result(site: &Site, number: u32) -> String {
    let path = site.machine.home().join(format!("talk/result-{number}"));
    let end = Instant::now() + Duration::from_secs(120);
    loop {
        if let Ok(text) = std::fs::read_to_string(&path) {
            return text;
        }
        assert!(Instant::now() < end, "the session has not come to call {number}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Writes what is compiled for a client, with the program under test as the hook.
fn apply(site: &Site, client: &Client) -> PathBuf {
    let published = site.folder("published");
    let trust = published.join("root.1.json");
    let now = site.now();
    let output = site.run(&[
        "native",
        "apply",
        "--json",
        "--client",
        client.id,
        "--program",
        crate::BINARY,
        "--policy",
        published.to_str().unwrap(),
        "--trust-root",
        trust.to_str().unwrap(),
        "--now",
        &now,
    ]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("hook") && said.contains("fails_open"), "{said}");
    // elsewhere: the agent keeps those of the image, for which it knows of no installed program
    let managed = site.folder("managed");
    std::fs::rename(site.folder("etc"), &managed).unwrap();
    for folder in [CLAUDE.id, CODEX.id] {
        std::fs::create_dir_all(managed.join(folder)).unwrap();
    }
    managed
}

fn session(site: &Site, client: &Client, etc: &Path) -> String {
    let steps = format!(
        "cd \"$HOME/proj\"\npython3 \"$HOME/bin/model.py\" 8765 \"$HOME/talk\" good/echo good/echo good/echo &\n\
         model=$!\nsleep 1\n{} </dev/null || true\nkill $model\n",
        client.session
    );
    put(site, "steps.sh", &steps);
    let home = site.machine.home();
    let path = format!("{}:/mnt/clients/node_modules/.bin", home.join("bin").display());
    let run = PathBuf::from(socket(site)).parent().unwrap().to_owned();
    let line = format!("setpriv --reuid {DEV} --regid {DEV} --clear-groups bash -e \"$HOME/steps.sh\"");
    let (said, errors) = shut_off(&home, &path, (MOUNTS, &[etc, &run, installed()]), &line);
    said + &errors
}

fn a_revocation_reaches_the_session(client: &Client) {
    let site = site();
    let etc = apply(&site, client);
    let (settings, listens) = (with_spool(&site), socket(&site));
    let (daemon, _) = Daemon::start_with(&site, &["--settings", &settings, "--socket", &listens]);
    let said = std::thread::scope(|scope| {
        let site_ref = &site;
        let session = scope.spawn(|| session(site_ref, client, &etc));
        // the session has begun, and its server answers
        assert!(result(site_ref, 1).contains("ECHO: call 0"), "{}", result(site_ref, 1));
        put(site_ref, "talk/go-2", "");
        assert!(result(site_ref, 2).contains("ECHO: call 1"), "{}", result(site_ref, 2));
        let later = policy(&json!({}), &json!([rule("@acme/other")]));
        publish(&site_ref.folder("published"), 2, at(2), &later, None);
        daemon.wait("a pass", |line| line["what"] == "pass" && line["sequence"] == 2);
        put(site_ref, "talk/go-3", "");
        let refused = result(site_ref, 3);
        assert!(refused.contains("mcpolicy refused this call") && refused.contains("#mcp-help"), "{refused}");
        session.join().unwrap()
    });
    assert_eq!(site.read("calls"), "call 0\ncall 1\n", "the third reached the server: {said}");
    assert_eq!(daemon.stop(), Some(0));
    let told = calls(&records(&site, Class::ToolCall));
    let decided: Vec<_> = told.iter().map(|call| (&*call.client, &*call.decision, &*call.result)).collect();
    let [first, second] = [(client.id, "allow", "ok"), (client.id, "deny", "")];
    assert_eq!(decided, [first, first, second], "{told:?}");
    let same = |call: &mcpolicy_schema::report::v1::ToolCall| {
        call.user == "dev" && call.session == told[0].session && call.server == "good" && call.tool == "echo"
    };
    assert!(told.iter().all(same) && told[0].latency_ms.is_some(), "{told:?}");
    holds_no_secret(&site);
}

#[test]
#[ignore = "installs real clients from the npm registry and needs root; .ci/run runs it"]
fn the_real_claude_code_is_refused_a_revoked_server_in_the_session_that_called_it_before() {
    a_revocation_reaches_the_session(&CLAUDE);
}

#[test]
#[ignore = "installs real clients from the npm registry and needs root; .ci/run runs it"]
fn the_real_codex_is_refused_a_revoked_server_in_the_session_that_called_it_before() {
    a_revocation_reaches_the_session(&CODEX);
}
