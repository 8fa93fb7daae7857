//! The order of decision, and which reason is told where several hold.

use super::*;

fn on<'a>(id: &'a str, user: &'a str) -> Context<'a> {
    Context { device: Device { id, user, ..Device::default() }, ..now() }
}

#[test]
fn an_expired_policy_denies_what_it_did_not_allow_before() {
    let nothing = BTreeSet::new();
    let judgement = judge(&rule(json!({})), &ab(), &Context { expired: Some(&nothing), ..now() });
    assert_eq!(judgement.verdict, Verdict::Deny);
    let reason = judgement.reason.unwrap();
    assert_eq!((reason.code.as_str(), reason.detail.is_empty()), ("policy-expired", false));
    assert_eq!(
        code_in(&policy(json!({})), &ab(), &Context { expired: Some(&nothing), ..now() }),
        "not-allowed",
        "what is denied anyway keeps its reason"
    );
}

#[test]
fn a_grant_is_for_one_entry_and_names_both_device_and_user() {
    let grant = |device: &str, user: &str| Grant {
        schema: "mcpolicy/grant/v1".into(),
        id: "g1".into(),
        fingerprint: fingerprint_of(&ab()),
        identity: "npm:@a/b".into(),
        device: device.into(),
        user: user.into(),
        ticket: None,
        issued: "2026-11-21T12:00:00Z".parse().unwrap(),
        expires: "2026-11-22T11:00:00Z".parse().unwrap(),
        crit: Vec::new(),
    };
    let none = policy(json!({}));
    let check = |grant: Grant, entry: &Entry, context: Context<'_>| {
        code_in(&none, entry, &Context { grants: std::slice::from_ref(&grant), ..context })
    };
    assert_eq!(check(grant("d1", "jane"), &ab(), on("d1", "jane")), "allow", "from its very moment on");
    assert_eq!(check(grant("d1", "jane"), &entry("npx", &["x"]), on("d1", "jane")), "not-allowed");
    assert_eq!(check(grant("", "jane"), &ab(), on("", "jane")), "not-allowed");
    assert_eq!(check(grant("d1", ""), &ab(), on("d1", "")), "not-allowed");
}

#[test]
fn an_exception_for_devices_or_users_alone_counts_for_these() {
    let exception = |members: Value| {
        let mut exception = json!({
            "id": "x", "fingerprint": fingerprint_of(&ab()), "owner": "o", "ticket": "t", "expires": "2026-12-01T00:00:00Z",
        });
        exception.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        policy(json!({ "exception": [exception] }))
    };
    let users = exception(json!({ "users": ["jane"] }));
    let devices = exception(json!({ "devices": ["d1"] }));
    let check = |policy: &Policy, id, user| code_in(policy, &ab(), &on(id, user));
    assert_eq!((check(&users, "d2", "jane"), check(&users, "d1", "eve")), ("allow", "not-allowed"));
    assert_eq!((check(&devices, "d1", "eve"), check(&devices, "d2", "jane")), ("allow", "not-allowed"));
}

#[test]
fn a_runner_that_the_user_can_write_is_told_and_a_program_of_his_own_is_not() {
    let codes = |entry: &Entry, writable| {
        let facts = program(file("/x", "/x", None, writable));
        let identity = identity::identify(entry);
        let subject = Subject { entry, identity: &identity, fingerprint: "" };
        let notices = notices(&subject, &Context { facts: &facts, ..now() });
        notices.iter().map(|n| n.code.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(codes(&ab(), true), ["runner-user-writable"]);
    assert_eq!(codes(&ab(), false), [""; 0]);
    assert_eq!(codes(&entry("/x", &[]), true), [""; 0]);
}

#[test]
fn a_name_of_an_approved_server_hides_no_ambiguity_but_a_variable() {
    let policy = rule(json!({ "names": ["github"] }));
    let named_github = |entry: Entry| Entry { name: "github".into(), ..entry };
    let ambiguous = Entry { malformed: Some("args is not a list"), ..entry("/tmp/x", &[]) };
    assert_eq!(code(&policy, &named_github(ambiguous)), "ambiguous-entry");
    assert_eq!(code(&policy, &named_github(remote("http://169.254.169.254/"))), "link-local-url");
    assert_eq!(code(&policy, &named_github(entry("${DIR}/x", &[]))), "impersonation");
    assert_eq!(code(&policy, &entry("${DIR}/x", &[])), "unresolvable-identity");
}

#[test]
fn what_runs_nothing_or_is_part_of_the_client_impersonates_nobody() {
    let policy = rule(json!({ "names": ["github"] }));
    let named_github = |entry: Entry| code(&policy, &Entry { name: "github".into(), ..entry });
    let nothing = Entry { command: None, ..entry("", &[]) };
    assert_eq!(named_github(nothing.clone()), "not-allowed");
    assert_eq!(named_github(Entry { transport: Transport::Builtin, ..nothing }), "not-allowed");
    assert_eq!(named_github(entry("sh", &["-c", "a; b"])), "impersonation");
    assert_eq!(named_github(entry("/opt/x", &[])), "impersonation");
}

#[test]
fn the_rule_that_comes_nearest_gives_the_reason_and_all_are_in_the_trace() {
    let identity = json!({ "npm": { "package": "@a/b", "versions": "1.0.0" } });
    let policy = policy(json!({ "rule": [
        { "id": "far", "identity": identity, "runners": ["bunx"], "contact": "far@example.com" },
        { "id": "near", "identity": identity, "users": ["eve"], "contact": "near@example.com" },
    ] }));
    let judgement = judge(&policy, &ab(), &now());
    let tried: Vec<(&str, &str)> =
        judgement.trace.iter().map(|t| (t.rule.as_str(), t.reason.code.as_str())).collect();
    assert_eq!(tried, [("far", "runner-not-allowed"), ("near", "outside-rule")]);
    assert_eq!(judgement.reason.unwrap().code.as_str(), "outside-rule");
    assert_eq!((judgement.contact.as_str(), judgement.decided_by), ("near@example.com", DecidedBy::Default));
}

#[test]
fn an_unknown_verdict_has_the_reason_of_the_rule_that_wants_the_fact() {
    let policy = policy(json!({ "rule": [
        { "id": "other", "identity": { "executable": { "path": "/opt/tool" } }, "users": ["eve"] },
        { "id": "pinned", "identity": { "executable": { "path": "/opt/tool", "sha256": [DIGEST] } } },
    ] }));
    let facts = program(file("/opt/tool", "/opt/tool", None, false));
    let judgement = judge(&policy, &entry("/opt/tool", &[]), &Context { facts: &facts, ..now() });
    assert_eq!((judgement.verdict, judgement.rule.as_deref()), (Verdict::Unknown, Some("pinned")));
    assert_eq!(judgement.reason.unwrap().code.as_str(), "missing-fact");
}

#[test]
fn a_revoked_rule_is_told_as_a_revocation_and_wins_over_a_default_of_allow() {
    let allow = json!({ "rule": [{ "id": "ab", "identity": { "npm": { "package": "@a/b" } } }] });
    let list = revocations(json!({ "rule": "ab" }));
    let context = Context { revocations: Some(&list), ..now() };
    for settings in [json!({}), json!({ "default": "allow" })] {
        let judgement = judge(&policy_with(settings, allow.clone()), &ab(), &context);
        assert_eq!((judgement.verdict, judgement.decided_by), (Verdict::Deny, DecidedBy::Revocation));
    }
}

#[test]
fn a_file_that_only_bears_a_runners_name_is_an_executable() {
    let policy = policy(json!({ "rule": [{ "id": "x", "identity": { "executable": { "path": "/opt/npx" } },
        "args": { "positional": ["@a/b@1.0.0"] } }] }));
    let facts = program(file("/opt/npx", "/opt/npx", None, false));
    let context = Context { facts: &facts, ..now() };
    assert_eq!(code_in(&policy, &entry("/opt/npx", &["@a/b@1.0.0"]), &context), "allow");
    // behind a wrapper it is not known what it is
    assert_eq!(code_in(&policy, &entry("env", &["/opt/npx", "@a/b@1.0.0"]), &context), "not-allowed");
    let package = rule(json!({ "wrappers": ["env"] }));
    assert_eq!(code(&package, &entry("env", &["npx", "@a/b@1.0.0"])), "allow");
    assert_eq!(code(&package, &entry("NPX", &["@a/b@1.0.0"])), "not-allowed", "another file than npx");
}

#[test]
fn a_local_url_that_a_runner_downloads_is_no_server_of_this_machine() {
    assert_eq!(code(&policy(json!({})), &entry("npx", &["-y", "http://127.0.0.1/x.tgz"])), "not-allowed");
    assert_eq!(code(&policy(json!({})), &remote("http://127.0.0.1/x.tgz")), "loopback-unbound");
    let bridge = entry("npx", &["-y", "mcp-remote@0.1.30", "http://127.0.0.1/mcp"]);
    assert_eq!(code(&policy(json!({})), &bridge), "loopback-unbound");
}

#[test]
fn blanks_around_name_or_version_are_ambiguous() {
    let policy = policy(json!({ "rule": [{ "id": "ab", "identity": { "npm": { "package": "@a/b" } } }] }));
    for word in [" @a/b@1.0.0", "@a/b @1.0.0", "@a/b@ 1.0.0", "@a/b@1.0.0\t", "@a/b@>=1\t<2", "@a/b@>=1\n<2"]
    {
        assert_ne!(code(&policy, &entry("npx", &[word])), "allow", "{word:?}");
    }
    assert_eq!(code(&policy, &entry("npx", &["@a/b@>=1\t<2"])), "ambiguous-entry");
    assert_eq!(code(&policy, &entry("npx", &["@a/b@ 1.0.0"])), "ambiguous-entry");
    assert_eq!(code(&policy, &entry("npx", &["@a/b@>=1 <2"])), "allow");
    assert_eq!(code(&policy, &entry("npx", &["@a/b@1.0.0", "a\0b"])), "ambiguous-entry");
}

#[test]
fn a_blank_beside_the_version_of_a_python_package_makes_it_a_directory() {
    let policy = policy(json!({ "rule": [{
        "id": "p", "with": ["[fast]", "good"], "identity": { "pypi": { "package": "good", "versions": "*" } },
    }] }));
    for plain in ["good@1.0", "good@latest", "good[fast]@1.0", "good >=1", "good == 1.0"] {
        assert_eq!(code(&policy, &entry("uvx", &[plain])), "allow", "{plain:?}");
    }
    for spec in [
        "good @1.0",
        "good @latest",
        "good[fast] @latest",
        "good[] @latest",
        "good@latest ",
        " good@latest",
        "good@ 1.0",
        "good\t@1.0",
        "good\u{a0}@1.0",
        "good(@1.0)",
        "good (@latest)",
    ] {
        for words in [&[spec][..], &["--from", spec, "good"], &["--with", spec, "good"]] {
            assert_ne!(code(&policy, &entry("uvx", words)), "allow", "uvx {words:?}");
            let tool = [&["tool", "run"], words].concat();
            assert_ne!(code(&policy, &entry("uv", &tool)), "allow", "uv {tool:?}");
        }
        assert_ne!(code(&policy, &entry("pipx", &["run", "--spec", spec, "good"])), "allow", "pipx {spec:?}");
    }
}

#[test]
fn an_empty_command_beside_a_url_and_an_empty_url_beside_a_command_are_none() {
    let policy = policy(json!({ "rule": [
        { "id": "ab", "identity": { "npm": { "package": "@a/b" } } },
        { "id": "u", "identity": { "url": { "url": "https://a.example/mcp" } } },
    ] }));
    assert_eq!(code(&policy, &Entry { url: Some("".into()), ..ab() }), "allow");
    assert_ne!(
        code(&policy, &Entry { command: Some("".into()), ..remote("https://a.example/mcp") }),
        "ambiguous-entry"
    );
}

#[test]
fn a_variable_is_a_fault_where_it_decides_what_is_run() {
    let none = policy(json!({}));
    for (command, args) in [("${DIR}/server", &[][..]), ("npx", &["@a/b@${VERSION}"])] {
        assert_eq!(code(&none, &entry(command, args)), "unresolvable-identity", "{command} {args:?}");
    }
    assert_eq!(
        code(&none, &entry("sh", &["-c", "a; echo $X"])),
        "not-allowed",
        "it is not understood at all"
    );
    assert_eq!(code(&none, &entry("npx", &["https://a.example/${X}.tgz"])), "not-allowed");
    assert_eq!(code(&none, &remote("https://${HOST}/mcp")), "unresolvable-identity");
}

#[test]
fn a_rule_for_everything_means_public_servers_and_no_others() {
    let all = policy(json!({ "rule": [{ "id": "all", "identity": { "any": {} } }] }));
    assert_eq!(code(&all, &remote("https://mcp.example.com/mcp")), "allow");
    assert_eq!(code(&all, &remote("http://127.0.0.1/mcp")), "loopback-unbound");
    assert_eq!(code(&all, &remote("http://10.0.0.1/mcp")), "private-address");
}

#[test]
fn an_exception_of_what_lies_in_a_project_counts_in_that_project_alone() {
    let relative = Entry { scope: Scope::Project, ..entry("node", &["./server.js"]) };
    let print = |entry: &Entry| fingerprint::of(entry, &identity::identify(entry), Some("/home/jane"));
    let exception = |entry: &Entry, directory: Option<&str>| {
        let mut exception = json!({
            "id": "ex", "fingerprint": print(entry), "owner": "o", "ticket": "T-1", "expires": "2026-12-01T00:00:00Z",
        });
        if let Some(directory) = directory {
            exception.as_object_mut().unwrap().insert("directory".into(), directory.into());
        }
        policy(json!({ "exception": [exception] }))
    };
    let within = |directory: Option<&'static str>| Context { directory, ..now() };
    let here = || within(Some("/home/jane/src/one"));
    for (directory, context, expected) in [
        (None, here(), "not-allowed"),
        (None, within(None), "not-allowed"),
        (Some("~/src/one"), here(), "allow"),
        (Some("/home/jane/src/one"), here(), "allow"),
        (Some("~/src/one"), within(Some("/home/jane/src/two")), "not-allowed"),
        (Some("~/src/one"), within(Some("/home/jane/src/one/below")), "not-allowed"),
        (Some("~/src/one"), within(None), "not-allowed"),
    ] {
        assert_eq!(code_in(&exception(&relative, directory), &relative, &context), expected, "{directory:?}");
    }
    // What is the same server everywhere needs no directory, nor does what only the user's own file declares.
    let rooted = Entry { scope: Scope::Project, ..entry("node", &["/opt/server.js"]) };
    assert_eq!(code_in(&exception(&rooted, None), &rooted, &here()), "allow");
    let own = Entry { scope: Scope::User, ..relative };
    assert_eq!(code_in(&exception(&own, None), &own, &within(None)), "allow");
}

/// Lines that run what lies in a project, or are told something that the project decides.
const OF_THE_PROJECT: &[&str] = &[
    "make mcp",
    "just mcp",
    "yarn mcp",
    "pnpm mcp",
    "deno task mcp",
    "bundle exec x",
    "bundle exec /opt/x",
    "rails mcp",
    "gradle run",
    "mvn exec:java",
    "poetry run x",
    "npx tsx src/x.ts",
    "npx -y tsx@1.0.0 x.ts",
    "npx -y tsx@1.0.0 x",
    "npx -y turbo@1.0.0 run mcp",
    "npx -y -p a@1.0.0 make mcp",
    "uvx invoke mcp",
    "mise run x",
    "mise exec -- npx -y a@1.0.0",
    "dotenvx run -- npx -y a@1.0.0",
    "turbo run x",
    "nix run .#x",
    "devbox run x",
    "composer mcp",
    "dotnet tool run x",
    "go tool x",
    "git mcp",
    "server",
    "docker run --env-file .env a/b",
    "docker run --env-file env a/b",
    "docker run -v sub/dir:/data a/b",
    "env -C sub npx -y a@1.0.0",
    "op run --env-file op.env -- npx -y a@1.0.0",
    "/opt/x --config ./c.json",
    "/opt/x --config=c.json",
    "/opt/x --config conf",
    "/opt/x config.json",
    "/opt/x ${workspaceFolder}",
    "/opt/x @args",
    "/opt/x .",
    "npx -y a@1.0.0 ./data",
    "npx --prefix sub -y a@1.0.0",
    "uvx --with-requirements reqs c==1.0",
    "node -r dotenv/config /opt/x.js",
    "node --env-file env /opt/x.js",
    "ruby -Ilib -rx /opt/x",
    "ruby -I lib /opt/x",
    "uv run /opt/x.py",
    "uv run https://h.example/x.py",
    "uv run --project sub /opt/x.py",
    "bun /opt/x.ts",
    "bun run /opt/x.ts",
    "tsx /opt/x.ts",
    "Rscript /opt/x.R",
    "cargo run --manifest-path /opt/x/Cargo.toml",
    "java -cp lib/a.jar -jar /opt/x.jar",
    "env NODE_PATH=lib npx -y a@1.0.0",
    "env CONFIG_FILE=conf npx -y a@1.0.0",
    "env NODE_OPTIONS=--require=x.js npx -y a@1.0.0",
    "mcp-proxy https://a.example/mcp",
    "sh -c /opt/x",
    "~/bin/x ~/data",
    "/opt/x --config /etc/x.json https://h.example/x.json",
    "/usr/bin/make mcp",
    "/usr/bin/pnpm mcp",
    "/usr/bin/deno task mcp",
    "/usr/bin/mise run x",
    "/usr/bin/git mcp",
    "/usr/bin/nix run",
    "/usr/bin/mvn exec:java",
    "npx -y grunt mcp",
    "npx -y just-scripts mcp",
    "npx -y lage mcp",
    "npx -y jake mcp",
    "uvx go-task mcp",
    "uvx doit mcp",
    "uvx pixi run x",
    "uvx scons",
    "uvx flask run",
    "uvx fastmcp run",
];

/// Lines that say in full what they run.
const NAMED_IN_FULL: &[&str] = &[
    "npx -y @a/c@1.0.0 --port 1",
    "npx -y a",
    "npx -y a --read-only @a/b --name x",
    "npx -y a --host h.example --config /etc/x.json",
    "npx -y a --model org/name",
    "bunx a@1.0.0",
    "uvx c==1.0 -v",
    "uvx --python 3.12 c",
    "uvx --from git+https://h.example/o/r@v1 c",
    "npx -y mcp-remote https://a.example/mcp --header X:y",
    "docker run -i a/b ./data",
    "docker run --rm -i --platform linux/amd64 -v /a:/b -e A=1 a/b",
    "docker run -v C:\\a:/b a/b",
    "deno run --allow-net=a.example npm:c@1.0.0",
    "deno run https://h.example/x.ts",
    "go run h.example/o/r@v1.0.0",
    "dnx c@1.0.0",
    "cmd /c npx -y a",
    "/usr/bin/env A=1 npx -y a",
    "op run -- npx -y a",
    "node /opt/x.js --port 80",
    "node --max-old-space-size=4096 /opt/x.js",
    "python -u -W ignore /opt/x.py",
    "uv run --no-project /opt/x.py",
    "uv run --directory /opt/x /opt/x/y.py",
    "uv --project=/opt/x run /opt/x/y.py",
    "java -Xmx2g -jar /opt/x.jar",
];

fn of_line(line: &str, scope: Scope) -> Entry {
    let words: Vec<&str> = line.split(' ').collect();
    Entry { scope, ..entry(words[0], &words[1..]) }
}

/// Whether an exception without a directory allows an entry of a project.
fn is_excepted_everywhere(entry: &Entry) -> bool {
    let print = fingerprint::of(entry, &identity::identify(entry), Some("/home/jane"));
    let policy = policy(json!({ "exception": [{
        "id": "ex", "fingerprint": print, "owner": "o", "ticket": "T-1", "expires": "2026-12-01T00:00:00Z",
    }] }));
    let directory = (entry.scope == Scope::Project).then_some("/home/jane/src/one");
    code_in(&policy, entry, &Context { directory, ..now() }) == "allow"
}

#[test]
fn what_a_repository_runs_by_a_bare_name_or_tells_a_relative_word_is_excepted_in_one_directory_only() {
    for line in OF_THE_PROJECT {
        assert!(!is_excepted_everywhere(&of_line(line, Scope::Project)), "{line}");
    }
    for line in NAMED_IN_FULL {
        assert!(is_excepted_everywhere(&of_line(line, Scope::Project)), "{line}");
    }
    let server = Entry { scope: Scope::Project, ..remote("https://a.example/mcp") };
    assert!(is_excepted_everywhere(&server));
    assert!(is_excepted_everywhere(&of_line("make mcp", Scope::User)), "a user's own is where it is");
}

#[test]
fn a_member_that_names_a_file_of_the_project_ties_an_entry_to_it() {
    let with = |member: &str, value: &str| {
        is_excepted_everywhere(&Entry {
            members: vec![named(member, value)],
            ..of_line("node /opt/x.js", Scope::Project)
        })
    };
    for (member, value) in [
        ("envFile", "${workspaceFolder}/.env"),
        ("envFile", ".env"),
        ("env_file", "env"),
        ("headersHelper", "make headers"),
        ("interpreter", "python3"),
    ] {
        assert!(!with(member, value), "{member} {value}");
    }
    assert!(with("envFile", "/etc/x.env") && with("headersHelper", "/opt/headers"));
    assert!(with("description", "see docs/x.md"));
}

#[test]
fn hold_mode_leaves_what_runs_of_a_project_only_where_it_was() {
    let hold = policy_with(json!({ "mode": "hold", "grace_until": "2026-12-31" }), json!({}));
    let verdicts = |line: &str| {
        let entry = of_line(line, Scope::Project);
        let identity = identity::identify(&entry);
        let print = fingerprint::of(&entry, &identity, Some("/home/jane"));
        let held = held_as(&entry, &identity, &print, Some("/p/one")).unwrap().into_owned();
        let held = BTreeSet::from([held]);
        let within = |directory| Context { directory: Some(directory), grandfathered: &held, ..now() };
        [within("/p/one"), within("/p/two")].map(|context| code_in(&hold, &entry, &context) == "allow")
    };
    for line in OF_THE_PROJECT {
        assert_eq!(verdicts(line), [true, false], "{line}");
    }
    for line in NAMED_IN_FULL {
        assert_eq!(verdicts(line), [true, true], "{line}");
    }
}

#[test]
fn a_grant_and_hold_mode_leave_what_lies_in_a_project_only_where_it_was() {
    let relative = Entry { scope: Scope::Project, ..entry("node", &["./server.js"]) };
    let identity = identity::identify(&relative);
    let print = fingerprint::of(&relative, &identity, Some("/home/jane"));
    let grant = Grant {
        schema: "mcpolicy/grant/v1".into(),
        id: "g".into(),
        fingerprint: print.clone(),
        identity: "script:./server.js".into(),
        device: "d".into(),
        user: "jane".into(),
        ticket: None,
        issued: "2026-11-21T00:00:00Z".parse().unwrap(),
        expires: "2026-11-22T00:00:00Z".parse().unwrap(),
        crit: Vec::new(),
    };
    let context =
        Context { directory: Some("/p/one"), grants: std::slice::from_ref(&grant), ..on("d", "jane") };
    assert_eq!(code_in(&policy(json!({})), &relative, &context), "not-allowed");

    let hold = policy_with(json!({ "mode": "hold", "grace_until": "2026-12-31" }), json!({}));
    let held = held_as(&relative, &identity, &print, Some("/p/one")).unwrap().into_owned();
    let held = BTreeSet::from([held]);
    let within = |directory| Context { directory: Some(directory), grandfathered: &held, ..now() };
    assert_eq!(code_in(&hold, &relative, &within("/p/one")), "allow");
    assert_eq!(code_in(&hold, &relative, &within("/p/two")), "not-allowed");
    assert_eq!(held_as(&relative, &identity, &print, None), None, "without a directory it cannot be told");
}

#[test]
fn what_allows_for_a_time_says_until_when_and_by_which_ticket() {
    let said = |policy: &Policy, context: &Context<'_>| {
        let judgement = judge(policy, &ab(), context);
        assert_eq!(judgement.verdict, Verdict::Allow);
        (judgement.until.map(|until| until.to_string()), judgement.ticket)
    };
    let until = |time: &str| Some(time.to_owned());
    let exception = json!({
        "id": "x", "fingerprint": fingerprint_of(&ab()), "owner": "o", "ticket": "CHG-7", "expires": "2026-12-01T00:00:00Z",
    });
    let excepted = policy(json!({ "exception": [exception] }));
    assert_eq!(said(&excepted, &now()), (until("2026-12-01T00:00:00Z"), until("CHG-7")));
    let condition = |done: bool| {
        rule(json!({ "ticket": "CHG-8",
            "remediation": { "what": "rotate the key", "deadline": "2026-11-30", "done": done } }))
    };
    assert_eq!(said(&condition(false), &now()), (until("2026-12-01T00:00:00Z"), until("CHG-8")));
    assert_eq!(said(&condition(true), &now()), (None, until("CHG-8")));
    let held = BTreeSet::from([fingerprint_of(&ab())]);
    let hold = policy_with(json!({ "mode": "hold", "grace_until": "2026-11-30" }), json!({}));
    let there = Context { grandfathered: &held, ..now() };
    assert_eq!(said(&hold, &there), (until("2026-12-01T00:00:00Z"), None));
}
