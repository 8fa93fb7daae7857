//! What wildcards, runners and URLs were talked into, and no longer are.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "this crate is a test")]

use std::time::Instant;

use mcpolicy_schema::entry::{Entry, Position, Reader, Scope, Transport};
use mcpolicy_schema::evaluate::{Context, Facts, FileFacts, Subject, System, evaluate};
use mcpolicy_schema::policy::Policy;
use mcpolicy_schema::{fingerprint, identity};
use serde_json::{Value, json};

fn policy(rule: Value) -> Result<Policy, String> {
    let mut rule = rule;
    rule.as_object_mut().unwrap().entry("id").or_insert_with(|| "r".into());
    let document = json!({
        "schema": "mcpolicy/policy/v1",
        "policy": { "name": "test", "contact": "security@example.com" },
        "rule": [rule],
    });
    Policy::compile(serde_json::from_value(document).unwrap()).map_err(|faults| format!("{faults:?}"))
}

fn entry(line: &str) -> Entry {
    let mut words = line.split(' ');
    Entry {
        name: "any".into(),
        client: "claude-code",
        readers: vec![Reader { client: "claude-code", setting: None }],
        scope: Scope::User,
        key_path: "/mcpServers/any".into(),
        position: Position { line: 1, column: 1 },
        span: 0..1,
        transport: Transport::Stdio,
        declared_type: None,
        command: words.next().map(Into::into),
        args: words.map(Into::into).collect(),
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

fn remote(url: &str) -> Entry {
    Entry { command: None, args: Vec::new(), url: Some(url.into()), transport: Transport::Http, ..entry("x") }
}

fn code_on(policy: &Policy, entry: &Entry, system: System) -> &'static str {
    code_with(policy, entry, system, &Facts::default())
}

fn code_with(policy: &Policy, entry: &Entry, system: System, facts: &Facts) -> &'static str {
    let identity = identity::identify(entry);
    let fingerprint = fingerprint::of(entry, &identity, Some("/home/jane"));
    let subject = Subject { entry, identity: &identity, fingerprint: &fingerprint };
    let now = "2026-11-21T12:00:00Z".parse().unwrap();
    let context = Context { home: Some("/home/jane"), system, facts, ..Context::bare(now) };
    evaluate(policy, &subject, &context).reason.map_or("allow", |reason| reason.code.as_str())
}

fn code(policy: &Policy, entry: &Entry) -> &'static str {
    code_on(policy, entry, System::Linux)
}

fn npm(members: Value) -> Policy {
    let mut rule = json!({ "identity": { "npm": { "package": "@a/b", "versions": "1.0.0" } } });
    rule.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    policy(rule).unwrap()
}

#[test]
fn a_variable_among_the_arguments_of_a_runner_is_unresolvable() {
    let plain = npm(json!({}));
    assert_eq!(code(&plain, &entry("npx -y --loglevel silent @a/b@1.0.0")), "allow");
    for value in ["${X:--d}", "${X}", "${config:a.b}", "${input:a}", "$x", "{env:X}", "%x%"] {
        let line = format!("npx -y --loglevel {value} @a/b@1.0.0");
        assert_eq!(code(&plain, &entry(&line)), "unresolvable-identity", "{value}");
    }
    let named = npm(json!({ "runner_args": ["--cache ${workspaceFolder}/.npm"] }));
    assert_eq!(
        code(&named, &entry("npx -y --cache ${workspaceFolder}/.npm @a/b@1.0.0")),
        "allow",
        "word by word"
    );
}

#[test]
fn only_a_program_of_the_package_s_name_is_its_own() {
    let pypi = |package: &str| {
        policy(json!({ "identity": { "pypi": { "package": package } }, "args": { "positional": ["..."] } }))
            .unwrap()
    };
    for (package, bin, wanted) in [
        ("docker-mcp", "docker-mcp", "allow"),
        ("docker-mcp", "docker", "program-not-allowed"),
        ("docker-mcp", "docker-mcp/x", "program-not-allowed"),
        ("mcp-server-git", "mcp-server-git", "allow"),
        ("mcp-server-git", "mcp_server_git", "allow"),
        ("mcp-server-git", "git", "program-not-allowed"),
        ("mcp-server-git", "git-server", "program-not-allowed"),
        ("mcp-server", "mcp", "program-not-allowed"),
        ("mcp-server-py", "python", "program-not-allowed"),
    ] {
        let line = format!("uvx --from {package} {bin} run");
        let code = code(&pypi(package), &entry(&line));
        assert!(code == wanted || (wanted != "allow" && code != "allow"), "{line}: {code}");
    }
    let bins = npm(json!({ "bins": ["other"] }));
    assert_eq!(code(&bins, &entry("npx -y --package @a/b@1.0.0 other")), "allow");
    assert_eq!(code(&bins, &entry("npx -y --package @a/b@1.0.0 b")), "program-not-allowed");
    assert_eq!(
        code(&npm(json!({})), &entry("npx -y --package @a/b@1.0.0 b")),
        "allow",
        "the name without scope"
    );
}

#[test]
fn a_parameter_can_be_required_and_stands_once() {
    let url = |required: Value| {
        policy(json!({ "identity": { "url": {
            "url": "https://mcp.example.com/mcp", "query": { "read_only": "true", "ref": "*" }, "required": required,
        } }, "references": ["REF"] }))
    };
    let rule = url(json!(["read_only"])).unwrap();
    for (query, wanted) in [
        ("?read_only=true", "allow"),
        ("?ref=x&read_only=true", "allow"),
        ("?read_only=true&ref=${REF}", "allow"),
        ("?read_only=true&ref=${input:ref}", "allow"),
        ("", "query-not-allowed"),
        ("?ref=x", "query-not-allowed"),
        ("?read_only=false", "query-not-allowed"),
        ("?read_only", "query-not-allowed"),
        ("?read_only=true&read_only=true", "query-not-allowed"),
        ("?read_only=true&ref=x;read_only=false", "query-not-allowed"),
        ("?read_only=true&ref=${AWS_SECRET_ACCESS_KEY}", "reference-not-allowed"),
        ("?read_only=true&ref=$(id)", "reference-not-allowed"),
        ("?read_only=true&ref={env:SECRET}", "reference-not-allowed"),
    ] {
        assert_eq!(code(&rule, &remote(&format!("https://mcp.example.com/mcp{query}"))), wanted, "{query}");
    }
    let fault = url(json!(["readonly"])).unwrap_err();
    assert!(fault.contains("/identity/url/"), "{fault}");
    assert!(fault.contains("`required` names `readonly`"), "{fault}");

    let through = policy(json!({ "identity": { "bridge": {
        "ecosystem": "npm", "package": "mcp-remote", "versions": "1.0.0", "targets": ["https://mcp.example.com/mcp"],
    } } }));
    let line = "npx -y mcp-remote@1.0.0 https://mcp.example.com/mcp";
    assert_eq!(code(&through.unwrap(), &entry(line)), "allow");
}

#[test]
fn a_bridge_to_an_approved_server_needs_its_parameters_too() {
    let document = json!({
        "schema": "mcpolicy/policy/v1",
        "policy": { "name": "test", "contact": "security@example.com" },
        "rule": [
            { "id": "b", "identity": { "bridge": { "ecosystem": "npm", "package": "mcp-remote", "versions": "1.0.0", "approved_targets": true } } },
            { "id": "u", "identity": { "url": { "url": "https://mcp.example.com/mcp", "query": { "ro": "true", "ref": "*" }, "required": ["ro"] } } },
        ],
    });
    let policy = Policy::compile(serde_json::from_value(document).unwrap()).unwrap();
    let at = |query: &str| {
        code(&policy, &entry(&format!("npx -y mcp-remote@1.0.0 https://mcp.example.com/mcp{query}")))
    };
    assert_eq!(at("?ro=true"), "allow");
    assert_eq!(at(""), "query-not-allowed");
    assert_eq!(at("?ro=true&ref=${SECRET}"), "reference-not-allowed");
}

#[test]
fn on_windows_no_argument_of_a_batch_file_holds_an_operator() {
    let rule = npm(json!({ "args": { "positional": ["*"] } }));
    let with = |command: &str, argument: &str, system| {
        let mut entry = entry(&format!("{command} @a/b@1.0.0"));
        entry.args.push(argument.into());
        code_on(&rule, &entry, system)
    };
    assert_eq!(with("npx", "a", System::Windows), "allow");
    for argument in ["a\"&calc&\"", "a|b", "a<b", "a>b", "a^b", "a%b", "a!b", "\"a\"", "a\nb"] {
        for command in ["npx", "npx.cmd", "NPX.CMD", "cmd /c npx", "C:\\Program_Files\\npx.cmd", "bunx"] {
            assert_eq!(with(command, argument, System::Windows), "ambiguous-entry", "{command} {argument}");
        }
    }
    assert_eq!(with("npx", "a&b", System::Linux), "allow");

    let python =
        policy(json!({ "identity": { "pypi": { "package": "b" } }, "args": { "positional": ["*"] } }));
    let line = entry("uvx b a&b");
    assert_eq!(code_on(&python.unwrap(), &line, System::Windows), "allow", "no batch file");
}

#[test]
fn a_bare_program_that_is_found_as_a_batch_file_is_read_as_one() {
    let rule = policy(json!({ "identity": { "pypi": { "package": "b" } }, "args": { "positional": ["*"] } }));
    let rule = rule.unwrap();
    let with = |line: &str, path: &str| {
        let file =
            FileFacts { path: path.into(), real_path: path.into(), sha256: None, user_writable: false };
        let facts = Facts { program: Some(file), ..Facts::default() };
        code_with(&rule, &entry(line), System::Windows, &facts)
    };
    let (shim, program) = ("C:/Shims/UVX.CMD", "C:/Tools/uvx.exe");
    assert_eq!(with("uvx b a", shim), "allow");
    assert_eq!(with("uvx b a&b", shim), "ambiguous-entry");
    assert_eq!(with("uvx b a&b", program), "allow");
}

#[test]
fn pipx_runs_a_package_only_where_spec_names_it() {
    let rule = policy(json!({ "identity": { "pypi": { "package": "b" } } })).unwrap();
    assert_eq!(code(&rule, &entry("pipx run b")), "ambiguous-entry", "a file `b` of the working directory");
    assert_eq!(code(&rule, &entry("pipx run --spec b b")), "allow");
}

#[test]
fn a_file_of_further_arguments_is_none_that_the_policy_has_seen() {
    let rule = policy(json!({ "identity": { "dotnet": { "package": "b" } }, "runner_args": ["@more.rsp"] }));
    let rule = rule.unwrap();
    assert_eq!(code(&rule, &entry("dnx b --yes")), "allow");
    assert_eq!(code(&rule, &entry("dnx @more.rsp b --yes")), "ambiguous-entry");
}

#[test]
fn a_client_that_reads_bare_names_takes_in_small_ones_too() {
    let rule = npm(json!({ "env": { "TOKEN": "*" }, "references": ["listed"] }));
    let with = |client: &'static str, value: &str| {
        let mut entry = entry("npx -y @a/b@1.0.0");
        entry.client = client;
        entry.readers = vec![Reader { client, setting: None }];
        entry.env = vec![mcpolicy_schema::entry::NamedValue { name: "TOKEN".into(), value: value.into() }];
        code(&rule, &entry)
    };
    assert_eq!(with("claude-code", "pa$sword"), "allow", "a password");
    assert_eq!(with("gemini-cli", "pa$sword"), "reference-not-allowed");
    assert_eq!(with("gemini-cli", "$TOKEN"), "allow");
    assert_eq!(with("gemini-cli", "$listed"), "allow");

    // One reader among several is enough, and free arguments are read alike.
    let open = npm(json!({ "args": { "positional": ["..."] }, "references": ["listed"] }));
    let beside = |reader: &'static str, argument: &str| {
        let mut entry = entry(&format!("npx -y @a/b@1.0.0 {argument}"));
        entry.readers.push(Reader { client: reader, setting: None });
        code(&open, &entry)
    };
    assert_eq!(beside("cursor", "pa$sword"), "allow");
    assert_eq!(beside("crush", "pa$sword"), "reference-not-allowed");
    assert_eq!(beside("crush", "$listed"), "allow");
}

#[test]
fn a_name_in_the_letters_of_another_script_is_impersonation() {
    let rule = npm(json!({ "names": ["github"] }));
    let named = |name: &str| code(&rule, &Entry { name: name.into(), ..entry("npx -y evil@1.0.0") });
    for name in ["github", "GitHub", "g\u{456}thub", "g1thub", "\u{ff47}ithub"] {
        assert_eq!(named(name), "impersonation", "{name}");
    }
    assert_eq!(named("gitlab"), "not-allowed");
}

#[test]
fn a_long_argument_against_many_wildcards_takes_no_time() {
    let rule = npm(json!({ "args": { "positional": ["{home}/**/src/**/main.js"] } }));
    let mut long = entry("npx -y @a/b@1.0.0");
    long.args.push(format!("/home/jane{}", "/a/src/".repeat(40_000)).as_str().into());
    let start = Instant::now();
    assert_eq!(code(&rule, &long), "argument-not-allowed");
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}
