//! Each condition of a rule on its own: what it lets pass and what it does not.

use super::*;

/// One rule about this with these members.
fn about(identity: Value, members: Value) -> Policy {
    let mut rule = json!({ "id": "r", "identity": identity });
    rule.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    policy(json!({ "rule": [rule] }))
}

/// Why an entry is denied, in words.
fn detail(policy: &Policy, entry: &Entry) -> String {
    judge(policy, entry, &now()).reason.map(|reason| reason.detail).unwrap_or_default()
}

#[test]
fn an_absolute_path_is_judged_as_written_and_where_it_was_found() {
    let check = |system, path: &str, written: &str, found: &str| {
        let policy = about(json!({ "executable": { "path": path } }), json!({}));
        let facts = program(file(found, found, None, false));
        code_in(&policy, &entry(written, &[]), &Context { system, facts: &facts, ..now() })
    };
    let (linux, windows) = (System::Linux, System::Windows);
    assert_eq!(check(linux, "/opt/tool", "/opt/tool", "/opt/tool"), "allow");
    assert_eq!(check(linux, "/opt/tool", "/tmp/tool", "/opt/tool"), "not-allowed");
    assert_eq!(check(linux, "/opt/tool", "/opt/tool", "/tmp/tool"), "not-allowed");
    for system in [linux, System::Macos] {
        assert_eq!(check(system, "/opt/Tool", "/opt/tool", "/opt/tool"), "not-allowed", "case counts");
    }
    // there it is a relative path
    assert_eq!(check(linux, "/w/c:/tool", "c:/tool", "/w/c:/tool"), "allow");
    let tool = r"C:\Tools\t.exe";
    assert_eq!(check(windows, tool, "t.exe", r"c:\tools\T.EXE"), "allow", "found in PATH");
    assert_eq!(check(windows, tool, "C:/tools/t.exe", tool), "allow");
    for elsewhere in [r"D:\Tools\t.exe", "D:/Tools/t.exe", r"\\host\share\t.exe", "/tools/t.exe"] {
        assert_eq!(check(windows, tool, elsewhere, tool), "not-allowed", "{elsewhere}");
    }
}

#[test]
fn a_script_is_its_interpreter_and_file_or_its_module() {
    let found = |path: &str| Facts { script: Some(file(path, path, None, false)), ..Facts::default() };
    let node = about(json!({ "script": { "interpreter": "node", "path": "/opt/s/index.js" } }), json!({}));
    let check = |policy: &Policy, command: &str, args: &[&str], facts: &Facts| {
        let judgement = judge(policy, &entry(command, args), &Context { facts, ..now() });
        (judgement.verdict, judgement.reason.map_or("allow", |r| r.code.as_str()))
    };
    let at = found("/opt/s/index.js");
    assert_eq!(check(&node, "node", &["/opt/s/index.js"], &at).1, "allow");
    assert_eq!(check(&node, "tsx", &["/opt/s/index.js"], &at).1, "not-allowed");
    assert_eq!(check(&node, "node", &["/tmp/index.js"], &found("/tmp/index.js")).1, "not-allowed");
    assert_eq!(
        check(&node, "node", &["-r", "/tmp/x", "/opt/s/index.js"], &at).1,
        "runner-argument-not-allowed"
    );
    let module = about(json!({ "script": { "interpreter": "python3", "path": "-m server" } }), json!({}));
    assert_eq!(check(&module, "python3", &["-m", "server"], &Facts::default()).1, "allow");
    assert_eq!(check(&module, "python3", &["-m", "other"], &Facts::default()).1, "not-allowed");
    assert_eq!(check(&module, "python3", &["/w/-m server"], &found("/w/-m server")).1, "not-allowed");
    let isolated = about(
        json!({ "script": { "interpreter": "python3", "path": "-m server" } }),
        json!({ "runner_args": ["-I"] }),
    );
    let none = Facts::default();
    assert_eq!(check(&isolated, "python3", &["-I", "-m", "server"], &none).1, "allow");
    assert_eq!(check(&isolated, "python3", &["-m", "server"], &none).1, "runner-argument-not-allowed");
    assert_eq!(check(&isolated, "python3", &["-u", "-m", "server"], &none).1, "runner-argument-not-allowed");
    let file = about(json!({ "script": { "interpreter": "python3", "path": "/w/-m server" } }), json!({}));
    let deny = (Verdict::Deny, "not-allowed");
    assert_eq!(check(&file, "python3", &["-m", "server"], &Facts::default()), deny, "no fact would help");
}

#[test]
fn a_wrapper_is_listed_with_its_own_arguments_and_lies_where_runners_lie() {
    let wsl = rule(json!({ "wrappers": ["wsl -d Ubuntu"] }));
    let with = |words: &[&str]| code(&wsl, &entry("wsl", &[words, &["npx", "@a/b@1.0.0"]].concat()));
    assert_eq!(with(&["-d", "Ubuntu"]), "allow");
    for words in [&["-d", "Debian"][..], &[], &["-d", "Ubuntu", "-u", "root"], &["-u", "Ubuntu"]] {
        assert_eq!(with(words), "wrapper-not-allowed", "{words:?}");
    }
    let shell = rule(json!({ "wrappers": ["sh -c"] }));
    let through = |sh: &str| code(&shell, &entry(sh, &["-c", "npx @a/b@1.0.0"]));
    assert_eq!((through("sh"), through("/bin/sh"), through("/usr/bin/sh")), ("allow", "allow", "allow"));
    assert_eq!(through("/tmp/sh"), "wrapper-not-allowed", "a file that only bears the name");
    assert_eq!(through("SH"), "wrapper-not-allowed", "another file than sh");
    let roots = policy_with(
        json!({ "runner_roots": ["/opt/Tools/bin"] }),
        json!({ "rule": [{ "id": "ab", "identity": { "npm": { "package": "@a/b" } }, "wrappers": ["sh -c"] }] }),
    );
    assert_eq!(code(&roots, &entry("/opt/Tools/bin/sh", &["-c", "npx @a/b@1.0.0"])), "allow");
}

#[test]
fn windows_implies_its_own_shell_without_further_arguments_and_no_other() {
    let plain = rule(json!({}));
    let windows = || Context { system: System::Windows, ..now() };
    let check = |words: &[&str]| code_in(&plain, &entry(words[0], &words[1..]), &windows());
    assert_eq!(check(&["cmd", "/c", "npx", "@a/b@1.0.0"]), "allow");
    assert_eq!(check(&["CMD.EXE", "/c", "npx", "@a/b@1.0.0"]), "allow");
    assert_eq!(check(&["cmd", "/v:on", "/c", "npx", "@a/b@1.0.0"]), "wrapper-not-allowed");
    assert_eq!(check(&["bash", "-c", "npx @a/b@1.0.0"]), "wrapper-not-allowed");
    assert_eq!(check(&["cross-env", "npx", "@a/b@1.0.0"]), "wrapper-not-allowed");
}

#[test]
fn extra_packages_and_extras_are_named_one_by_one() {
    let python = |with: Value| about(json!({ "pypi": { "package": "tool" } }), json!({ "with": with }));
    let uvx = |words: &[&str]| entry("uvx", words);
    let both = python(json!(["x", "[fast]"]));
    assert_eq!(code(&both, &uvx(&["--with", "x", "tool[fast]"])), "allow");
    assert_eq!(code(&both, &uvx(&["--with", "y", "tool[fast]"])), "extra-package-not-allowed");
    assert_eq!(code(&both, &uvx(&["--with", "x", "tool[slow]"])), "extra-package-not-allowed");
    assert_eq!(code(&both, &uvx(&["--with", "x", "--with", "y", "tool"])), "extra-package-not-allowed");
    assert_eq!(code(&python(json!(["fast"])), &uvx(&["tool[fast]"])), "extra-package-not-allowed");
    assert_eq!(code(&both, &uvx(&["tool"])), "allow");
}

#[test]
fn a_package_starts_its_own_program_or_one_that_the_rule_names() {
    let start = |package: &str, bin: &str, members: Value| {
        code(&about(json!({ "npm": { "package": package } }), members), &entry("npx", &["-p", package, bin]))
    };
    for (package, bin) in [
        ("@a/b", "b"),
        ("@a/mcp-server-b", "mcp-server-b"),
        ("@a/mcp-server-b", "b-mcp"),
        ("@a/b-c-mcp", "mcp_b_c"),
        ("b", "mcp-b"),
        ("mcp-server", "mcp-server"),
    ] {
        assert_eq!(start(package, bin, json!({})), "allow", "{package} {bin}");
    }
    for (package, bin) in [
        ("@a/b", "c"),
        ("@a/b", "B"),
        ("@a/b-c", "b"),
        ("@a/b-c", "b_c"),
        ("@a/mcp-server-b", "b"),
        ("b", "b-server"),
        ("b", "mcp-b-cli"),
        ("mcp-server", "mcp"),
        ("mcp-server", "cli"),
        ("@a/b", "x/b"),
        ("@a/b", "./b"),
    ] {
        assert_ne!(start(package, bin, json!({})), "allow", "{package} {bin}");
    }
    assert_eq!(start("mcp-server", "mcp", json!({})), "program-not-allowed");
    assert_eq!(start("@a/b", "sh", json!({ "bins": ["sh"] })), "allow");
    assert_eq!(start("@a/b", "b", json!({ "bins": ["sh"] })), "program-not-allowed", "the list is whole");
}

#[test]
fn a_refused_argument_is_told_by_flag_or_place_and_never_by_its_value() {
    let plain = rule(json!({}));
    let told = |argument: &str| detail(&plain, &entry("npx", &["@a/b@1.0.0", argument]));
    assert_eq!(told("--evil"), "the rule: an argument that is not among those allowed: `--evil`");
    assert_eq!(told("--evil=hunter2"), "the rule: an argument that is not among those allowed: `--evil`");
    // what follows a flag for a secret is hidden as its value: in a sentence of ours nothing does
    let redactor = mcpolicy_schema::redact::Redactor::new(b"key");
    for flag in ["--token", "--password", "--api-key"] {
        let told = told(flag);
        assert!(told.contains(flag) && redactor.text(&told) == told, "{}", redactor.text(&told));
    }
    let by_place = "the rule: argument 1 is not among those allowed";
    for argument in [
        "hunter2",
        "--Evil",
        "--ev1l",
        "-evil",
        "--a-flag-so-long-that-it-may-well-be-something-else",
        "abcdefgh",
        "--sk-ant-api-aaaaaaaaaaaaaaaaaaaaaaaaaa",
    ] {
        let told = told(argument);
        assert!(told == by_place || !argument.starts_with("--sk"), "{argument}: {told}");
        assert!(told == by_place || argument.starts_with("--sk"), "{argument}: {told}");
    }
    let of_runner = detail(&plain, &entry("npx", &["--evil", "@a/b@1.0.0"]));
    assert!(!of_runner.is_empty());
}

#[test]
fn a_version_is_told_as_missing_as_vague_or_as_wrong() {
    let plain = rule(json!({}));
    let told = |package: &str| detail(&plain, &entry("npx", &[package]));
    assert_eq!(told("@a/b"), "it asks for no version, so it may get any");
    assert_eq!(told("@a/b@^1.0.0"), "it may get a version that the rule does not mean");
    assert_eq!(told("@a/b@2.0.0"), "it asks for a version that the rule does not mean");
}

#[test]
fn a_working_directory_is_of_the_rule_and_without_variables() {
    let policy = rule(json!({ "cwd": ["{home}/**"] }));
    let within = |cwd: &str| code(&policy, &Entry { cwd: Some(cwd.into()), ..ab() });
    assert_eq!((within(""), within("/home/jane/w/x")), ("allow", "allow"));
    assert_eq!(within("/home/jane/${X}"), "working-directory-not-allowed");
    assert_eq!(within("/tmp"), "working-directory-not-allowed");
    assert_eq!(code(&rule(json!({})), &Entry { cwd: Some("".into()), ..ab() }), "allow");
}

#[test]
fn an_image_is_named_by_a_digest_or_tag_of_the_rule_in_a_certain_registry() {
    let tagged = |tags: Value| about(json!({ "oci": { "image": "o/s", "tags": tags } }), json!({}));
    let run = |engine: &str, image: &str| entry(engine, &["run", "-i", "--rm", image]);
    let v1 = tagged(json!(["v1"]));
    assert_eq!(code(&v1, &run("docker", "o/s:v1")), "allow");
    for image in ["o/s:v2", "o/s", "o/s:latest"] {
        assert_eq!(code(&v1, &run("docker", image)), "version-not-allowed", "{image}");
    }
    assert_eq!(code(&v1, &run("docker", &format!("o/s@sha256:{DIGEST}"))), "version-not-allowed");
    let latest = tagged(json!(["latest"]));
    assert_eq!(
        (code(&latest, &run("docker", "o/s")), code(&latest, &run("docker", "o/s:latest"))),
        ("allow", "allow")
    );
    let any = tagged(json!(["*"]));
    for image in ["o/s:v2".to_owned(), "o/s".to_owned(), format!("o/s@sha256:{DIGEST}")] {
        assert_eq!(code(&any, &run("docker", &image)), "allow", "{image}");
        assert_eq!(code(&any, &run("podman", &image)), "ambiguous-entry", "{image}: whose registry?");
        assert_eq!(code(&any, &run("podman", &format!("docker.io/{image}"))), "allow", "{image}");
    }
    let pinned =
        about(json!({ "oci": { "image": "o/s", "digests": [format!("sha256:{DIGEST}")] } }), json!({}));
    assert_eq!(code(&pinned, &run("docker", &format!("o/s@sha256:{DIGEST}"))), "allow");
    assert_eq!(code(&pinned, &run("docker", &format!("o/s@sha256:{OTHER}"))), "version-not-allowed");
}

#[test]
fn a_repository_is_named_by_a_commit_of_the_rule() {
    let (good, other) = ("a".repeat(40), "b".repeat(40));
    let from = |at: &str| entry("uvx", &["--from", &format!("git+https://git.example/o/r{at}"), "r"]);
    let git = |commits: Value| {
        about(json!({ "git": { "repository": "https://git.example/o/r", "commits": commits } }), json!({}))
    };
    let one = git(json!([good]));
    assert_eq!(code(&one, &from(&format!("@{good}"))), "allow");
    for at in [format!("@{other}"), "@main".to_owned(), String::new()] {
        assert_eq!(code(&one, &from(&at)), "version-not-allowed", "{at}");
        assert_eq!(code(&git(json!(["*"])), &from(&at)), "allow", "{at}");
    }
}

#[test]
fn a_bridge_leads_only_to_what_another_rule_approves_here_and_now() {
    let bridge = json!({ "id": "bridge", "identity": { "bridge": {
        "ecosystem": "npm", "package": "mcp-remote", "versions": ">=0.1.16", "approved_targets": true } } });
    let to = |remote_rule: Value, url: &str, time: &str| {
        let policy = policy(json!({ "rule": [bridge, remote_rule] }));
        code_in(&policy, &entry("npx", &["-y", "mcp-remote@0.1.30", url]), &at(time))
    };
    let overdue = json!({ "id": "u", "identity": { "url": { "url": "https://a.example/mcp" } },
        "remediation": { "what": "rotate", "deadline": "2026-11-30", "done": false } });
    assert_eq!(to(overdue.clone(), "https://a.example/mcp", "2026-11-30T12:00:00Z"), "allow");
    assert_eq!(to(overdue, "https://a.example/mcp", "2026-12-01T12:00:00Z"), "target-not-allowed");
    let below =
        json!({ "id": "u", "identity": { "url": { "url": "https://a.example/v1", "subpaths": ["mcp"] } } });
    let noon = "2026-11-21T12:00:00Z";
    assert_eq!(to(below.clone(), "https://a.example/v1/mcp", noon), "allow");
    assert_eq!(to(below, "https://a.example/v2", noon), "target-not-allowed");
}

#[test]
fn an_exact_command_may_hold_a_variable_but_no_other_fault() {
    let exact = |argv: Value| about(json!({ "opaque": { "argv": argv } }), json!({}));
    assert_eq!(code(&exact(json!(["${DIR}/server", "-e"])), &entry("${DIR}/server", &["-e"])), "allow");
    let both = Entry { url: Some("https://a.example/".into()), ..entry("/opt/x", &[]) };
    assert_eq!(code(&exact(json!(["/opt/x"])), &both), "ambiguous-entry");
    assert_eq!(code(&exact(json!(["node", "-e", "1"])), &entry("node", &["-e", "1"])), "allow");
    let download = ["npx", "-y", "https://a.example/x.tgz"];
    assert_eq!(code(&exact(json!(download)), &entry(download[0], &download[1..])), "allow");
}

#[test]
fn runners_of_the_system_only_concern_runners_and_what_can_be_known() {
    let judged = |rule: Value, entry: &Entry, facts: Facts| {
        let policy = policy_with(json!({ "runners": "system" }), json!({ "rule": [rule] }));
        let judgement = judge(&policy, entry, &Context { facts: &facts, ..now() });
        (judgement.verdict, judgement.reason.map_or("allow", |r| r.code.as_str()))
    };
    let package = json!({ "id": "ab", "identity": { "npm": { "package": "@a/b" } } });
    let writable = |path: &str| program(file(path, path, None, true));
    assert_eq!(judged(package.clone(), &ab(), writable("/x/npx")), (Verdict::Deny, "runner-user-writable"));
    assert_eq!(judged(package, &ab(), Facts::default()), (Verdict::Unknown, "missing-fact"));
    let tool = json!({ "id": "t", "identity": { "executable": { "path": "/opt/t" } } });
    assert_eq!(judged(tool, &entry("/opt/t", &[]), writable("/opt/t")), (Verdict::Allow, "allow"));
    let download = ["npx", "-y", "https://a.example/x.tgz"];
    let exact = json!({ "id": "o", "identity": { "opaque": { "argv": download } } });
    assert_eq!(
        judged(exact, &entry(download[0], &download[1..]), Facts::default()),
        (Verdict::Allow, "allow")
    );
}

/// No command line is read so; an identity that says so all the same is not believed.
#[test]
fn parts_that_an_identity_cannot_have_are_refused() {
    let judged = |policy: &Policy, entry: &Entry, change: fn(&mut identity::Identity)| {
        let mut identity = identity::identify(entry);
        change(&mut identity);
        let found = program(file("/opt/t", "/opt/t", None, false));
        let subject = Subject { entry, identity: &identity, fingerprint: "" };
        let judgement = evaluate(policy, &subject, &Context { facts: &found, ..now() });
        judgement.reason.map_or("allow", |reason| reason.code.as_str())
    };
    let tool = about(json!({ "executable": { "path": "/opt/t" } }), json!({}));
    let t = entry("/opt/t", &[]);
    assert_eq!(judged(&tool, &t, |_| {}), "allow");
    assert_eq!(judged(&tool, &t, |i| i.inline_code = true), "ambiguous-entry");
    assert_eq!(judged(&tool, &t, |i| i.runner_args = vec!["-x".into()]), "runner-argument-not-allowed");
    let image = about(json!({ "oci": { "image": "o/s", "tags": ["*", "v1"] } }), json!({}));
    let podman = entry("podman", &["run", "o/s:v1"]);
    assert_eq!(judged(&image, &podman, |i| i.ambiguous = None), "version-not-allowed", "whose registry?");
}

#[test]
fn a_bare_runner_is_held_to_the_places_of_runners_where_only_those_of_the_system_count() {
    let rule = json!({ "id": "r", "identity": { "npm": { "package": "@a/b" } } });
    let policy = |settings: Value| policy_with(settings, json!({ "rule": [rule] }));
    let found = |policy: &Policy, path: &str| {
        let facts = program(file(path, path, None, false));
        code_in(policy, &entry("npx", &["@a/b@1.0.0"]), &Context { facts: &facts, ..now() })
    };
    let system = policy(json!({ "runners": "system", "runner_roots": ["/opt/x"] }));
    for path in ["/usr/bin/npx", "/opt/x/npx"] {
        assert_eq!(found(&system, path), "allow", "{path}");
    }
    for path in ["/srv/evil/npx", "/opt/x/y/npx", "/opt/xx/npx"] {
        assert_eq!(found(&system, path), "runner-not-allowed", "{path}");
    }
    assert_eq!(found(&policy(json!({ "runners": "any" })), "/srv/evil/npx"), "allow");
}

#[test]
fn no_digest_is_taken_for_a_module_that_the_interpreter_finds_itself() {
    let matcher =
        |path: &str| json!({ "script": { "interpreter": "python", "path": path, "sha256": [DIGEST] } });
    for list in ["rule", "deny"] {
        let faults = |path: &str| {
            let mut line = json!({ "id": "s", "identity": matcher(path) });
            if list == "deny" {
                line["reason"] = json!("r");
            }
            let document = json!({
                "schema": "mcpolicy/policy/v1", "policy": { "name": "n", "contact": "c" }, list: [line],
            });
            Policy::from_body(document.to_string().as_bytes()).map(|_| ()).map_err(|faults| faults[0].clone())
        };
        let fault = faults("-m mod").unwrap_err();
        assert!(
            fault.place.ends_with("/identity/script/sha256") && fault.message.contains("module"),
            "{fault:?}"
        );
        assert!(faults("/opt/mod.py").is_ok());
    }
}
