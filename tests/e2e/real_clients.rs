//! Real clients from the npm registry write their own configuration by `mcp add`; the scan finds exactly that, and they
//! go on working on what a pass leaves of it.
//!
//! The clients run in a throw-away home, in name spaces of their own: no network, and nothing where their
//! machine-wide policies would be.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use mcpolicy_tests::private::set_mode;
use mcpolicy_tests::{report_of, run, workspace};
use serde_json::{Value, json};

use crate::actions::{DEV, both, settle};
use crate::enforce::{Site, actions, npx, policy, rule};
use crate::git::git;
use crate::run::Daemon;

struct Client {
    package: &'static str,
    /// Shell lines, run in the project.
    adds: &'static [&'static str],
    /// Name, client, scope, command or URL, file below the home.
    wanted: &'static [(&'static str, &'static str, &'static str, &'static str, &'static str)],
}

const CLIENTS: &[Client] = &[
    Client {
        // The release that npm picks on Node 20; 2.1.329 needs Node 22 and writes the same form.
        package: "@anthropic-ai/claude-code@2.1.197",
        adds: &[
            "claude mcp add -s user cc-user -e TOKEN=planted-secret-1 -- npx -y pkg-user@1.0.0",
            "claude mcp add -s local cc-local -- uvx pkg-local",
            "claude mcp add -s project cc-project -- node ./s.js",
            "claude mcp add -s user --transport http cc-http https://cc.example.com/mcp --header 'Authorization: Bearer planted-secret-2'",
            "claude mcp add -s user --transport sse cc-sse https://cc.example.com/sse",
        ],
        wanted: &[
            ("cc-user", "claude-code", "user", "npx", ".claude.json"),
            ("cc-local", "claude-code", "local", "uvx", ".claude.json"),
            ("cc-project", "claude-code", "project", "node", "proj/.mcp.json"),
            ("cc-http", "claude-code", "user", "https://cc.example.com/mcp", ".claude.json"),
            ("cc-sse", "claude-code", "user", "https://cc.example.com/sse", ".claude.json"),
        ],
    },
    Client {
        package: "@openai/codex@0.169.0",
        adds: &[
            "codex mcp add cx-stdio --env KEY=planted-secret-3 -- npx -y pkg-codex",
            "codex mcp add cx-http --url https://cx.example.com/mcp",
        ],
        wanted: &[
            ("cx-stdio", "codex", "user", "npx", ".codex/config.toml"),
            ("cx-http", "codex", "user", "https://cx.example.com/mcp", ".codex/config.toml"),
        ],
    },
    Client {
        package: "@google/gemini-cli@0.61.0",
        adds: &[
            "gemini mcp add --scope user gm-user npx -y pkg-gemini",
            "gemini mcp add gm-project node s.js",
            "gemini mcp add --scope user -t http gm-http https://gm.example.com/mcp",
        ],
        wanted: &[
            ("gm-user", "gemini-cli", "user", "npx", ".gemini/settings.json"),
            ("gm-project", "gemini-cli", "project", "node", "proj/.gemini/settings.json"),
            ("gm-http", "gemini-cli", "user", "https://gm.example.com/mcp", ".gemini/settings.json"),
        ],
    },
    Client {
        package: "@qwen-code/qwen-code@0.15.10",
        adds: &[
            "qwen mcp add --scope user qw-user npx -y pkg-qwen",
            "qwen mcp add --scope project qw-project node s.js",
        ],
        wanted: &[
            ("qw-user", "qwen-code", "user", "npx", ".qwen/settings.json"),
            ("qw-project", "qwen-code", "project", "node", "proj/.qwen/settings.json"),
        ],
    },
    Client {
        package: "@github/copilot@1.0.102",
        adds: &["copilot mcp add gh-stdio -- npx -y pkg-copilot"],
        wanted: &[("gh-stdio", "copilot-cli", "user", "npx", ".copilot/mcp-config.json")],
    },
    Client {
        package: "opencode-ai@1.18.33",
        adds: &["opencode mcp add oc-stdio -- npx -y pkg-opencode"],
        wanted: &[("oc-stdio", "opencode", "user", "npx", ".config/opencode/opencode.jsonc")],
    },
];

/// Where machine-wide policies of these clients would be.
const POLICY_FOLDERS: &str =
    "/etc/claude-code /etc/codex /etc/gemini-cli /etc/qwen-code /etc/github-copilot /etc/opencode";

/// Installed once for all tests, which run at the same time.
pub(crate) fn installed() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(install)
}

fn install() -> PathBuf {
    let prefix = workspace().join("target/real-clients");
    let packages: Vec<&str> = CLIENTS.iter().map(|c| c.package).collect();
    let stamp = prefix.join("installed");
    #[allow(clippy::disallowed_methods, reason = "a file of the test itself")]
    if std::fs::read_to_string(&stamp).is_ok_and(|s| s == packages.join("\n")) {
        return prefix;
    }
    std::fs::create_dir_all(&prefix).unwrap();
    let mut npm = Command::new("npm");
    // what a package runs when it is installed (opencode makes folders) finds a home of its own; settings and cache of npm stay
    let home = prefix.join("home");
    std::fs::create_dir_all(&home).unwrap();
    if let Some(own) = std::env::var_os("HOME").map(PathBuf::from) {
        npm.env("npm_config_userconfig", own.join(".npmrc")).env("npm_config_cache", own.join(".npm"));
    }
    npm.env("HOME", &home);
    for name in ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"] {
        npm.env_remove(name);
    }
    // errors are shown: a full disk and a registry that does not answer are mended in different places
    npm.args(["install", "--loglevel=error", "--no-progress", "--no-fund", "--no-audit", "--prefix"])
        .arg(&prefix)
        .args(&packages);
    assert!(
        npm.stdin(Stdio::null()).status().expect("npm is installed").success(),
        "npm could not install the clients"
    );
    std::fs::write(stamp, packages.join("\n")).unwrap();
    prefix
}

/// Runs the clients' own commands in a home of their own.
fn configure(home: &Path, prefix: &Path) {
    let lines: Vec<&str> = CLIENTS.iter().flat_map(|c| c.adds.iter().copied()).collect();
    in_project(home, prefix, &lines);
}

/// Runs shell lines in the project of a home, shut off from the machine. Before them come lines that mount folders, as
/// `$1` and so on. What they print, and what of it is errors.
pub(crate) fn shut_off(
    home: &Path,
    path: &str,
    (mounts, folders): (&str, &[&Path]),
    lines: &str,
) -> (String, String) {
    let script = format!(
        "set -e\nfor d in {POLICY_FOLDERS}; do if [ -d $d ]; then mount -t tmpfs none $d; fi; done\n\
         {mounts}\ncd \"$HOME/proj\"\n{lines}\n"
    );
    let output = Command::new("unshare")
        .args(["--mount", "--net", "bash", "-c", &script, "bash"])
        .args(folders)
        .env_clear()
        .env("HOME", home)
        .env("PATH", format!("{path}:/usr/local/bin:/usr/bin:/bin"))
        .env("DISABLE_AUTOUPDATER", "1")
        // nothing answers: `mcp list` need not wait for it
        .env("MCP_TIMEOUT", "2000")
        .stdin(Stdio::null())
        .output()
        .expect("unshare runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (said, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{lines}: a client failed: {errors}{said}");
    (said, errors)
}

/// Runs shell lines in the project; what they print.
fn in_project(home: &Path, prefix: &Path, lines: &[&str]) -> String {
    let path = prefix.join("node_modules/.bin");
    shut_off(home, &path.to_string_lossy(), ("", &[]), &lines.join("\n")).0
}

#[test]
#[ignore = "installs six real clients from the npm registry and needs root; .ci/run runs it"]
fn real_clients_write_what_the_scan_then_finds() {
    let prefix = installed();
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().canonicalize().unwrap();
    std::fs::create_dir(home.join("proj")).unwrap();
    assert!(
        Command::new("git").args(["init", "-q"]).current_dir(home.join("proj")).status().unwrap().success()
    );
    configure(&home, prefix);
    let output =
        run(Path::new(crate::BINARY), &home, &["scan", "--home", home.to_str().unwrap(), "--format", "json"]);
    let report = report_of(&output);
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let found: BTreeSet<_> = report["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| {
            let what = if e["command"].is_string() { text(&e["command"]) } else { text(&e["url"]) };
            let path = text(&e["source"]["path"]);
            let below = path.strip_prefix(home.to_str().unwrap()).unwrap_or(&path).trim_start_matches('/');
            (text(&e["name"]), text(&e["client"]), text(&e["scope"]), what, below.to_owned())
        })
        .collect();
    let wanted: BTreeSet<_> = CLIENTS
        .iter()
        .flat_map(|c| c.wanted)
        .map(|w| (w.0.to_owned(), w.1.to_owned(), w.2.to_owned(), w.3.to_owned(), w.4.to_owned()))
        .collect();
    assert_eq!(found, wanted);
    assert!(!String::from_utf8_lossy(&output.stdout).contains("planted-secret"), "a secret was shown");
    let live = report["entries"].as_array().unwrap().iter().all(|e| e.get("inert").is_none());
    assert!(live, "what a client wrote itself is live");
    judge(&home);
}

/// Of what the clients wrote, a policy allows exactly what it names.
fn judge(home: &Path) {
    let draft = home.join("policy.toml");
    std::fs::write(&draft, DRAFT).unwrap();
    let arguments =
        ["scan", "--home", home.to_str().unwrap(), "--format", "json", "--draft", draft.to_str().unwrap()];
    let output = run(Path::new(crate::BINARY), home, &arguments);
    let report = report_of(&output);
    let entries = report["entries"].as_array().unwrap();
    let allowed = entries.iter().filter(|e| e["judged"]["verdict"] == "allow");
    let allowed: BTreeSet<&str> = allowed.map(|e| e["name"].as_str().unwrap()).collect();
    assert_eq!(allowed, BTreeSet::from(["cc-http", "cc-user", "cx-http"]));
    let told = entries.iter().all(|e| e["judged"]["verdict"] == "allow" || e["judged"]["reason"].is_string());
    assert!(told, "what is not allowed has its reason");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("planted-secret"), "a secret was shown");
}

const DRAFT: &str = r#"
schema = "mcpolicy/policy/v1"
[policy]
name = "real"
contact = "security"

[[rule]]
id = "user"
identity.npm = { package = "pkg-user", versions = "1.0.0" }
env = { TOKEN = "*" }

[[rule]]
id = "http"
identity.url = { url = "https://cc.example.com/mcp" }
headers = { Authorization = "Bearer *" }

[[rule]]
id = "codex"
identity.url = { url = "https://cx.example.com/mcp" }
"#;

/// The policy of [`DRAFT`] as it is published.
fn published() -> Value {
    let rules = json!([
        {"id": "user", "identity": {"npm": {"package": "pkg-user", "versions": "1.0.0"}}, "env": {"TOKEN": "*"}},
        {"id": "http", "identity": {"url": {"url": "https://cc.example.com/mcp"}}, "headers": {"Authorization": "Bearer *"}},
        {"id": "codex", "identity": {"url": {"url": "https://cx.example.com/mcp"}}},
    ]);
    policy(&json!({}), &rules)
}

/// Which of the names that were ever added a client's list shows.
fn shown(list: &str, names: &[&'static str]) -> BTreeSet<&'static str> {
    let first = |line: &str| line.split([':', ' ', '\t']).next().unwrap_or_default().to_owned();
    let shown: BTreeSet<String> = list.lines().map(first).collect();
    names.iter().copied().filter(|name| shown.contains(*name)).collect()
}

#[test]
#[ignore = "installs real clients from the npm registry and needs root; .ci/run runs it"]
fn real_clients_go_on_working_on_what_a_pass_leaves() {
    let prefix = installed();
    let mut site = Site::new();
    let home = site.machine.home();
    std::fs::create_dir(home.join("proj")).unwrap();
    let claude_and_codex = &CLIENTS[..2];
    let adds: Vec<&str> = claude_and_codex.iter().flat_map(|client| client.adds.iter().copied()).collect();
    in_project(&home, prefix, &adds);
    site.publish(&published());
    let taken: BTreeSet<String> = actions(&site.enforce()).into_iter().map(|(_, server)| server).collect();
    let denied = ["cc-local", "cc-project", "cc-sse", "cx-stdio"].map(str::to_owned);
    assert_eq!(taken, BTreeSet::from(denied));

    let names: Vec<&str> = claude_and_codex.iter().flat_map(|client| client.wanted).map(|w| w.0).collect();
    let claude = in_project(&home, prefix, &["claude mcp list"]);
    assert_eq!(shown(&claude, &names), BTreeSet::from(["cc-http", "cc-user"]), "{claude}");
    let codex = in_project(&home, prefix, &["codex mcp list"]);
    assert_eq!(shown(&codex, &names), BTreeSet::from(["cx-http"]), "{codex}");
    let got = in_project(&home, prefix, &["claude mcp get cc-user", "codex mcp get cx-http"]);
    assert!(got.contains("pkg-user@1.0.0") && got.contains("https://cx.example.com/mcp"), "{got}");
    in_project(
        &home,
        prefix,
        &["if claude mcp get cc-sse; then exit 9; fi", "if codex mcp get cx-stdio; then exit 9; fi"],
    );

    // they write the edited files again, and go on in them
    let adds = [
        "claude mcp add -s user cc-later -- node later.js",
        "claude mcp add -s local cc-local-later -- node later.js",
        "claude mcp add -s project cc-project-later -- node later.js",
        "codex mcp add cx-later -- node later.js",
    ];
    in_project(&home, prefix, &adds);
    let later = ["cc-later", "cc-local-later", "cc-project-later", "cx-later"];
    let now: BTreeSet<&str> = later.into_iter().chain(["cc-http", "cc-user", "cx-http"]).collect();
    let report = site.machine.scan(&[]);
    let entries = report["entries"].as_array().unwrap();
    let found: BTreeSet<&str> = entries.iter().map(|entry| entry["name"].as_str().unwrap()).collect();
    assert_eq!(found, now);
    for file in [".claude.json", "proj/.mcp.json"] {
        let text = std::fs::read(home.join(file)).unwrap();
        assert!(serde_json::from_slice::<Value>(&text).is_ok(), "{file} is JSON as JSON is");
    }
    let taken: BTreeSet<String> = actions(&site.enforce()).into_iter().map(|(_, server)| server).collect();
    assert_eq!(taken, BTreeSet::from(later.map(str::to_owned)), "and the next pass takes those");
}

/// Runs shell lines in the project as the user of a machine.
fn as_user(site: &Site, prefix: &Path, lines: &str) {
    let home = site.machine.home();
    site.machine.file("steps.sh", lines);
    settle(site);
    let uid = DEV;
    let line = format!("setpriv --reuid {uid} --regid {uid} --clear-groups bash -e \"$HOME/steps.sh\"");
    // whoever is not root may not come to where the clients are
    let mounts = "mount -t tmpfs none /mnt\nmkdir /mnt/clients\nmount --bind \"$1\" /mnt/clients";
    shut_off(&home, "/mnt/clients/node_modules/.bin", (mounts, &[prefix]), &line);
}

/// How often, by `MCPOLICY_ROUNDS`: a few where it is not said, and 200 before a release (tests/long).
fn rounds() -> usize {
    std::env::var("MCPOLICY_ROUNDS").map_or(3, |rounds| rounds.parse().expect("MCPOLICY_ROUNDS is a number"))
}

#[test]
#[ignore = "installs real clients from the npm registry and needs root; .ci/run runs it"]
fn real_clients_beside_the_daemon_write_and_list_as_without_it_and_keep_no_denied_server() {
    let prefix = installed();
    both(|site| {
        let home = site.machine.home();
        std::fs::create_dir(home.join("proj")).unwrap();
        site.publish(&published());
        let adds = "claude mcp add -s user cc-user -e TOKEN=planted-secret-1 -- npx -y pkg-user@1.0.0\n\
            codex mcp add cx-http --url https://cx.example.com/mcp\n";
        as_user(site, prefix, adds);
        let state = || -> Value { serde_json::from_str(&site.read(".claude.json")).expect("it is JSON") };
        let before = state();
        let (daemon, _) = Daemon::start(site);
        for round in 0..rounds() {
            let begin = Instant::now();
            let lines = format!(
                "claude mcp add -s user cc-{round} -- node later.js\n\
                 codex mcp add cx-{round} -- node later.js\n\
                 claude mcp list > \"$HOME/claude.txt\"\ncodex mcp list > \"$HOME/codex.txt\"\n"
            );
            as_user(site, prefix, &lines);
            let (claude, codex) = (format!("\"cc-{round}\""), format!("mcp_servers.cx-{round}]"));
            let end = Instant::now() + Duration::from_secs(10);
            while site.read(".claude.json").contains(&claude)
                || site.read(".codex/config.toml").contains(&codex)
            {
                assert!(Instant::now() < end, "round {round}: a denied server is still there");
                std::thread::sleep(Duration::from_millis(5));
            }
            assert!(site.read("claude.txt").contains("cc-user"), "{}", site.read("claude.txt"));
            assert!(site.read("codex.txt").contains("cx-http"), "{}", site.read("codex.txt"));
            let now = state();
            assert_eq!(now["mcpServers"], before["mcpServers"], "round {round}");
            assert_eq!(now["userID"], before["userID"], "the state of the client is its own");
            let codex: toml::Table = site.read(".codex/config.toml").parse().expect("it is TOML");
            assert_eq!(codex["mcp_servers"].as_table().map(toml::Table::len), Some(1), "{codex}");
            // more than five denied servers a minute in one file are a fight, and answered ever more slowly
            if rounds() > 5 {
                std::thread::sleep(Duration::from_secs(13).saturating_sub(begin.elapsed()));
            }
        }
        assert_eq!(daemon.stop(), Some(0));
        assert_eq!(actions(&site.enforce()), []);
    });
}

/// Runs shell lines in a repository of a machine, with its `/home` where the client looks for it: lists of the client
/// name projects by their paths. What they print, and which packages were started meanwhile.
fn at_home(site: &Site, prefix: &Path, line: &str) -> (String, BTreeSet<String>) {
    let home = site.machine.home();
    let started = home.join("started");
    std::fs::remove_dir_all(&started).ok();
    std::fs::create_dir(&started).unwrap();
    // the clients' folder may lie below the /home of this machine
    let mounts = "mount -t tmpfs none /mnt\nmkdir /mnt/clients\nmount --bind \"$1\" /mnt/clients\n\
        mount --bind \"$2\" /home";
    let (path, folders) =
        ("/home/dev/bin:/mnt/clients/node_modules/.bin", [prefix, &site.machine.root().join("home")]);
    let (said, errors) = shut_off(Path::new("/home/dev"), path, (mounts, &folders), line);
    let started = std::fs::read_dir(started).unwrap();
    (said + &errors, started.map(|file| file.unwrap().file_name().into_string().unwrap()).collect())
}

/// A session that ends at once, for it is not logged in; now and then before it has started any server.
fn in_a_session(site: &Site, prefix: &Path) -> BTreeSet<String> {
    let session = || at_home(site, prefix, "claude -p hello || true").1;
    (0..5).map(|_| session()).find(|started| started.contains(GOOD)).expect("a session starts its servers")
}

const GOOD: &str = "good@1.0.0";
const EVIL: &str = "evil@1.0.0";

#[test]
#[ignore = "installs real clients from the npm registry and needs root; .ci/run runs it"]
fn the_real_claude_code_keeps_a_switch_outside_of_the_work_tree_and_comes_back() {
    let prefix = installed();
    let mut site = Site::new();
    let home = site.machine.home();
    let tree = home.join("proj");
    // whatever is started leaves a file with its name, and ends
    site.machine.file("bin/npx", "#!/bin/sh\ntouch \"$HOME/started/${2##*/}\"\n");
    assert!(set_mode(&home.join("bin/npx"), 0o755));
    site.machine.file(".claude.json", "{\"hasCompletedOnboarding\": true}");
    site.machine.file(".claude/settings.json", "{\"enableAllProjectMcpServers\": true}\n");
    let servers = json!({"mcpServers": {"good": npx("@acme/good@1.0.0"), "evil": npx(EVIL)}});
    site.machine.file("proj/.mcp.json", format!("{servers:#}\n"));
    git(&tree, &["init", "-b", "main"]);
    git(&tree, &["add", "-A"]);
    git(&tree, &["commit", "-m", "begin"]);
    let is_clean = |when: &str| assert_eq!(git(&tree, &["status", "--porcelain"]), "", "{when}");
    let both = BTreeSet::from([GOOD, EVIL].map(str::to_owned));
    let good = BTreeSet::from([GOOD.to_owned()]);
    assert_eq!(at_home(&site, prefix, "claude mcp list").1, both, "before");

    site.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
    let off = |server: &str| ("switch-off".to_owned(), server.to_owned());
    assert_eq!(actions(&site.enforce()), vec![off("evil"); 3]);
    let (list, started) = at_home(&site, prefix, "claude mcp list");
    assert_eq!(started, good, "{list}");
    assert!(!list.contains(EVIL), "{list}");
    let (got, started) = at_home(&site, prefix, "claude mcp get evil");
    assert!(started.is_empty() && got.contains("Rejected"), "{got}");
    assert_eq!(in_a_session(&site, prefix), good);
    is_clean("switched off");
    // neither a start nor the client's own way to forget choices drops it
    at_home(&site, prefix, "claude mcp reset-project-choices");
    assert_eq!(actions(&site.enforce()), []);
    is_clean("choices forgotten");

    site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("evil")])));
    let pass = site.enforce();
    assert_eq!(pass["restored"].as_array().unwrap().len(), 3, "{pass}");
    assert!(!pass.to_string().contains("still has evil off"), "{pass}");
    let (list, started) = at_home(&site, prefix, "claude mcp list");
    assert_eq!(started, both, "{list}");
    assert!(list.contains(EVIL), "{list}");
    assert_eq!(in_a_session(&site, prefix), both);
    is_clean("allowed again");
}

#[test]
#[ignore = "installs real clients from the npm registry and needs root; .ci/run runs it"]
fn a_real_client_starts_what_is_marked_off_in_words_it_does_not_read_and_a_pass_takes_it_out() {
    let prefix = installed();
    let mut site = Site::new();
    let home = site.machine.home();
    std::fs::create_dir(home.join("proj")).unwrap();
    let started = home.join("started");
    let evil = json!({"command": "/usr/bin/touch", "args": [&started], "disabled": true, "enabled": false});
    let state = json!({"hasCompletedOnboarding": true, "mcpServers": {"evil": evil}});
    site.machine.file(".claude.json", state.to_string());
    in_project(&home, prefix, &["claude mcp list"]);
    assert!(started.exists(), "the client has no such switch");
    std::fs::remove_file(&started).unwrap();
    site.publish(&policy(&json!({"prefer_disable": true}), &json!([])));
    assert_eq!(actions(&site.enforce()), [("quarantine".to_owned(), "evil".to_owned())]);
    in_project(&home, prefix, &["claude mcp list"]);
    assert!(!started.exists(), "it is gone");
}
