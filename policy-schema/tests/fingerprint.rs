//! What changes the fingerprint of an entry, and what does not.
#![allow(clippy::unwrap_used, reason = "this crate is a test")]

use mcpolicy_schema::entry::{Entry, NamedValue, Position, Scope, Transport};
use mcpolicy_schema::{fingerprint, identity};

const HOME: &str = "/home/jane";

fn entry(command: &str, args: &[&str]) -> Entry {
    Entry {
        name: "any".into(),
        client: "claude-code",
        readers: Vec::new(),
        scope: Scope::User,
        key_path: "/mcpServers/any".into(),
        position: Position { line: 1, column: 1 },
        span: 0..1,
        transport: Transport::Stdio,
        declared_type: None,
        command: Some(command.into()),
        args: args.iter().map(|a| (*a).into()).collect(),
        url: None,
        env: Vec::new(),
        headers: Vec::new(),
        cwd: None,
        disabled: false,
        inert: None,
        members: Vec::new(),
        malformed: None,
        project: None,
    }
}

/// A command line without quotes.
fn line(line: &str) -> Entry {
    let words: Vec<&str> = line.split(' ').collect();
    entry(words[0], &words[1..])
}

fn remote(url: &str) -> Entry {
    Entry { command: None, url: Some(url.into()), transport: Transport::Http, ..entry("", &[]) }
}

fn values(name: &str, value: &str) -> Vec<NamedValue> {
    vec![NamedValue { name: name.into(), value: value.into() }]
}

fn env(name: &str, value: &str) -> Entry {
    Entry { env: values(name, value), ..line("npx -y x@1.0.0") }
}

fn header(name: &str, value: &str) -> Entry {
    Entry { headers: values(name, value), ..remote("https://mcp.example.com/mcp") }
}

fn member(name: &str, value: &str) -> Entry {
    Entry { members: values(name, value), ..line("npx -y x@1.0.0") }
}

fn print(entry: &Entry) -> String {
    print_in(entry, HOME)
}

fn print_in(entry: &Entry, home: &str) -> String {
    fingerprint::of(entry, &identity::identify(entry), Some(home))
}

#[test]
fn a_fingerprint_stays_what_it_is_from_release_to_release() {
    assert_eq!(
        print(&Entry { env: values("API_KEY", "abc"), ..line("npx -y x@1.0.0 /home/jane/work --token abc") }),
        "sha256:35ff055bc1334d0b51f05960bd128efff986cbc6956d0365eb7b9d559b668af1",
        "exceptions and grants in signed policies rest on it; a change needs another domain text"
    );
}

#[test]
fn text_that_decides_what_runs_takes_part_however_random_it_looks() {
    let code = |end: &str| entry("node", &["-e", &format!("{}{end}", "x;".repeat(100_000))]);
    let pairs = [
        (line("npx -y ab12cd34ef56gh78ij90kl12"), line("npx -y zz12cd34ef56gh78ij90kl99")),
        (
            entry("node", &["-e", "eval(atob('Y29uc29sZS5sb2coMSkgICAgICAgIA'))"]),
            entry("node", &["-e", "eval(atob('Y29uc29sZS5sb2coMikgICAgICAgIB'))"]),
        ),
        (code("1"), code("2")),
        (
            line("deno run https://gist.example.com/raw/ab12cd34ef56ab78cd90ef12ab34cd56/x.ts"),
            line("deno run https://gist.example.com/raw/bb12cd34ef56ab78cd90ef12ab34cd56/x.ts"),
        ),
        (
            line("docker run -i --rm ab12cd34ef56ab12cd34ef56ab12cd34ef56ab12cd34ef56ab12cd34ef56ab12"),
            line("docker run -i --rm bb12cd34ef56ab12cd34ef56ab12cd34ef56ab12cd34ef56ab12cd34ef56ab12"),
        ),
        (
            line("uvx --from git+https://git.example/o/r@ab12cd3 x"),
            line("uvx --from git+https://git.example/o/r@bb12cd3 x"),
        ),
        (line("node /tmp/Xk29dLq04TzPm81Q/x.js"), line("node /tmp/Yk29dLq04TzPm81Q/x.js")),
        (line("/tmp/Xk29dLq04TzPm81Q/x"), line("/tmp/Yk29dLq04TzPm81Q/x")),
        (line("sh -c ghp_aaaaaaaaaaaaaaaaaaaa1"), line("sh -c ghp_aaaaaaaaaaaaaaaaaaaa2")),
        (
            remote("https://a.example/mcp?upstream=https://good.example"),
            remote("https://a.example/mcp?upstream=https://evil.example"),
        ),
        (remote("https://a.example/s/Xk29dLq04TzPm81Q"), remote("https://a.example/s/Yk29dLq04TzPm81Q")),
        (remote("https://a.example/#a"), remote("https://a.example/#b")),
        (
            Entry { cwd: Some("/tmp/Xk29dLq04TzPm81Q".into()), ..line("x") },
            Entry { cwd: Some("/tmp/Yk29dLq04TzPm81Q".into()), ..line("x") },
        ),
        (
            Entry { declared_type: Some("stdio".into()), ..line("x") },
            Entry { declared_type: Some("inline_python".into()), ..line("x") },
        ),
        (line("x"), Entry { malformed: Some("two commands"), ..line("x") }),
        (member("envFile", "/a/Xk29dLq04TzPm81Q"), member("envFile", "/a/Yk29dLq04TzPm81Q")),
        (member("envfile", ".env"), member("envfile", ".env2")),
        (member("interpreter", "/usr/bin/python3"), member("interpreter", "/tmp/python3")),
        (member("dev", "{\"watch\": \"a\"}"), member("dev", "{\"watch\": \"b\"}")),
        // switches, whatever their names sound like
        (env("DISABLE_AUTH", "false"), env("DISABLE_AUTH", "true")),
        (env("REQUIRE_PASSWORD", "On"), env("REQUIRE_PASSWORD", "OFF")),
        (env("SKIP_TOKEN", "0"), env("SKIP_TOKEN", "1")),
        (header("X-Auth", "none"), header("X-Auth", "always")),
        (line("npx -y x@1.0.0 --token=none"), line("npx -y x@1.0.0 --token=disabled")),
        (line("npx -y x@1.0.0 ab"), line("npx -y x@1.0.0 a b")),
        (line("npx -y x@1.0.0 a"), line("npx -y x@1.0.0 a ")),
        (line("npx -y x@1.0.0"), line("bunx -y x@1.0.0")),
        (line("npx -y x@1.0.0 ~/a"), line("npx -y x@1.0.0 /home/jane/a")),
    ];
    for (at, (one, two)) in pairs.iter().enumerate() {
        assert_ne!(print(one), print(two), "pair {at}");
    }
}

#[test]
fn the_value_of_a_variable_takes_part_unless_it_is_a_secret() {
    for (name, one, two) in [
        ("PATH", "/opt/team/bin:/usr/bin", "/tmp/evil/bin"),
        ("HOME", "/home/jane", "/tmp"),
        ("HTTPS_PROXY", "http://proxy.example:3128", "http://evil.example:3128"),
        ("VIRTUAL_ENV", "a", "b"),
        ("DOCKER_CONFIG", "a", "b"),
        ("UV_INDEX_TEAM", "a", "b"),
        ("GIT_CONFIG_KEY_0", "core.editor", "core.sshCommand"),
        ("NODE_TLS_REJECT_UNAUTHORIZED", "1", "0"),
        ("ComSpec", "a", "b"),
        ("PATHEXT", ".EXE", ".EVIL"),
        ("npm_config_package", "good", "evil"),
        ("npm_config_key", "good", "evil"),
        ("NODE_OPTIONS", "--max-old-space-size=1", "--require=x"),
        ("UPSTREAM", "https://good.example", "https://evil.example"),
        ("MODE", "read", "write"),
        // The name of a secret, and something that may lead somewhere in its place.
        ("API_KEY", "abc", "/tmp/evil"),
        ("API_KEY", "https://good.example/a", "https://evil.example/a"),
        ("API_KEY", "${API_KEY}", "${AWS_SECRET_ACCESS_KEY}"),
        ("API_KEY", "$(id)", "$(ls)"),
        ("API_TOKEN", "a b", "a c"),
        ("API_TOKEN", "../good", "../evil"),
        ("AUTH_HOST", "good.example", "evil.example"),
        ("TOKEN_COMMAND", "good", "evil"),
        ("GIT_ASKPASS", "good", "evil"),
        ("API_KEY", "", "abc"),
    ] {
        assert_ne!(print(&env(name, one)), print(&env(name, two)), "{name}");
    }
    assert_ne!(print(&env("A", "1")), print(&env("a", "1")), "names of variables have case");
    let twice = |one: &str, two: &str| Entry {
        env: [values("A", one), values("A", two)].concat(),
        ..line("npx -y x@1.0.0")
    };
    assert_ne!(print(&twice("1", "2")), print(&twice("2", "1")), "the last of two counts");
}

#[test]
fn a_rotated_secret_and_another_home_change_nothing() {
    let same = |one: &Entry, two: &Entry, why: &str| assert_eq!(print(one), print(two), "{why}");
    for (name, one, two) in [
        ("GITHUB_TOKEN", "ghp_SECRETMARK00000001", "ghp_SECRETMARK00000002"),
        ("GITHUB", "ghp_SECRETMARK00000001", "ghp_SECRETMARK00000002"),
        ("MYSQL_ROOT_PASSWORD", "hunter2", "hunter3!"),
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPL2"),
        (
            "AWS_SECRET_ACCESS_KEY",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKE2",
        ),
        ("TELEGRAM_TOKEN", "123456789:AAAAAAAAAAAAAAAAAAAAAAAA", "123456780:AAAAAAAAAAAAAAAAAAAAAAAB"),
        ("DATABASE_URL", "postgres://app:hunter2@db.example/x", "postgres://app:hunter3@db.example/x"),
        ("HTTPS_PROXY", "http://u:hunter2@proxy.example", "http://u:hunter3@proxy.example"),
        ("npm_config_//registry.example.com/:_authToken", "abc", "abd"),
        ("DB", "Server=db;Password=hunter2;x=1", "Server=db;Password=hunter3;x=1"),
    ] {
        same(&env(name, one), &env(name, two), name);
    }
    same(&header("Authorization", "Bearer abc"), &header("Authorization", "Bearer abd"), "a header");
    same(&header("X-API-Key", "abc"), &header("X-API-Key", "abd"), "a header");
    for (one, two) in [
        (
            "npx -y x@1.0.0 --api-key ghp_SECRETMARK00000001",
            "npx -y x@1.0.0 --api-key ghp_SECRETMARK00000002",
        ),
        ("npx -y x@1.0.0 --token=abc==", "npx -y x@1.0.0 --token=abd=="),
        ("docker run -i -e API_TOKEN=hunter2 mcp/x", "docker run -i -e API_TOKEN=hunter3 mcp/x"),
        ("docker run -i --env=API_TOKEN=hunter2 mcp/x", "docker run -i --env=API_TOKEN=hunter3 mcp/x"),
        ("env API_TOKEN=hunter2 npx -y x@1.0.0", "env API_TOKEN=hunter3 npx -y x@1.0.0"),
        (
            "npx -y x@1.0.0 postgres://app:hunter2@db.example/x",
            "npx -y x@1.0.0 postgres://app:hunter3@db.example/x",
        ),
        (
            "npx -y mcp-remote@1.0.0 https://a.example/?api_key=abc",
            "npx -y mcp-remote@1.0.0 https://a.example/?api_key=abd",
        ),
    ] {
        same(&line(one), &line(two), one);
    }
    let bridge = |value: &str| {
        entry(
            "npx",
            &[
                "-y",
                "mcp-remote",
                "https://a.example/mcp",
                "--header",
                &format!("Authorization: Bearer {value}"),
            ],
        )
    };
    same(&bridge("abc"), &bridge("abd"), "the header of a bridge");
    same(
        &remote("https://a.example/mcp?api_key=abc"),
        &remote("https://a.example/mcp?api_key=abd"),
        "a parameter",
    );
    same(
        &member("timeout_ms", "1"),
        &member("timeout_ms", "2"),
        "a member that changes nothing of what runs",
    );

    let at_home = |home: &str| print_in(&line(&format!("npx -y x@1.0.0 {home}/work --dir={home}")), home);
    assert_eq!(at_home("/home/jane"), at_home("/home/joe"));
}

#[test]
fn what_stands_in_the_place_of_a_secret_but_may_be_more_takes_part() {
    for (one, two) in [
        // The flag is npx's or nobody's, and the word behind it the package.
        ("npx --token ab12 x", "npx --token ab13 x"),
        ("npx -y x@1.0.0 --token /tmp/a", "npx -y x@1.0.0 --token /tmp/b"),
        ("npx -y x@1.0.0 --token --a", "npx -y x@1.0.0 --token --b"),
        ("npx -y x@1.0.0 --use-token a", "npx -y x@1.0.0 --use-token b"),
        ("npx -y x@1.0.0 --auth-host a", "npx -y x@1.0.0 --auth-host b"),
        ("npx -y x@1.0.0 --token @a", "npx -y x@1.0.0 --token @b"),
        ("docker run -e PATH=/a mcp/x", "docker run -e PATH=/b mcp/x"),
        ("docker run -e UPSTREAM=a mcp/x", "docker run -e UPSTREAM=b mcp/x"),
        (
            "npx -y mcp-remote https://good.example@evil.example/",
            "npx -y mcp-remote https://good.example@evil2.example/",
        ),
        ("npx -y mcp-remote https://a:b@c@d.example/", "npx -y mcp-remote https://a:b@e@d.example/"),
        ("npx -y mcp-remote https://a:b/c@good.example/", "npx -y mcp-remote https://a:b/d@good.example/"),
    ] {
        assert_ne!(print(&line(one)), print(&line(two)), "{one}");
    }
    let code = |text: &str| entry("node", &["-e", text]);
    assert_ne!(
        print(&code("fetch('https://u:p@a.example')")),
        print(&code("fetch('https://u:q@a.example')"))
    );
    assert_ne!(print(&header("Authorization", "https://a")), print(&header("Authorization", "https://b")));
    assert_ne!(print(&header("X-Upstream", "a")), print(&header("X-Upstream", "b")));
}

#[test]
fn name_place_and_switch_of_an_entry_take_no_part() {
    let base = line("npx -y x@1.0.0");
    let other = Entry { name: "other".into(), scope: Scope::Project, disabled: true, ..base.clone() };
    assert_eq!(print(&base), print(&other));
}
