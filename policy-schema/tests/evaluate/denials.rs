//! What a denial and a revocation reach, and what they leave alone.

use super::*;

fn denying(identity: Value) -> Policy {
    policy_with(
        json!({ "default": "allow" }),
        json!({ "deny": [{ "id": "d", "identity": identity, "reason": "bad" }] }),
    )
}

/// The shell text is opaque: only its words are looked at.
fn in_a_shell(words: &str) -> Entry {
    entry("sh", &["-c", &format!("cd /x; {words}; true")])
}

#[test]
fn what_stands_behind_an_equals_sign_is_read_from_the_first_and_from_the_last() {
    let python = denying(json!({ "pypi": { "package": "evil", "versions": "<2" } }));
    for words in ["uvx --with=evil==1.0.0 tool", "uvx --from=evil tool", "P=evil==1.0.0", "uvx evil==1.0.0"] {
        assert_eq!(code(&python, &in_a_shell(words)), "denylisted", "{words}");
    }
    assert_eq!(code(&python, &in_a_shell("uvx --with=evil==2.0.0 tool")), "allow");

    let url = denying(json!({ "url": { "url": "https://mcp.evil.example/v1" } }));
    for words in [
        "tool --url=https://mcp.evil.example/v1?key=value",
        "tool --url=https://mcp.evil.example/v1",
        "URL=https://mcp.evil.example/v1/sub/path?a=b tool",
        "tool https://mcp.evil.example/v1?a=b",
        "tool --set=url=https://mcp.evil.example/v1",
    ] {
        assert_eq!(code(&url, &in_a_shell(words)), "denylisted", "{words}");
    }
    assert_eq!(code(&url, &in_a_shell("tool --url=https://mcp.evil.example/v2?key=value")), "allow");
    assert_eq!(
        code(&url, &in_a_shell("tool https://mcp.evil.example")),
        "allow",
        "a path above is not denied"
    );
    let origin = denying(json!({ "url": { "url": "https://mcp.evil.example" } }));
    assert_eq!(code(&origin, &in_a_shell("tool https://mcp.evil.example/v1/x")), "denylisted");

    let npm = denying(json!({ "npm": { "package": "@a/b" } }));
    for words in ["npx --package=@a/b x", "npx -p=@a/b x", "P=@a/b npx $P", "tool --x=y=@a/b"] {
        assert_eq!(code(&npm, &in_a_shell(words)), "denylisted", "{words}");
    }
    for words in ["tool --@a/b", "tool /x/y=@a/b", "tool @a/bc"] {
        assert_eq!(code(&npm, &in_a_shell(words)), "allow", "{words}");
    }
}

#[test]
fn a_word_of_one_character_is_no_mention() {
    let policy = denying(json!({ "npm": { "package": "q" } }));
    assert_eq!(code(&policy, &entry("npx", &["q"])), "denylisted", "here it is the package");
    assert_eq!(code(&policy, &entry("npx", &["other", "-n", "q"])), "allow");
    assert_eq!(code(&policy, &in_a_shell("npx q@1.0.0")), "denylisted");
}

#[test]
fn a_denied_image_is_denied_by_its_digests_or_altogether() {
    let digest = |d: &str| entry("docker", &["run", &format!("owner/server@sha256:{d}")]);
    let all = denying(json!({ "oci": { "image": "owner/server" } }));
    for image in [entry("docker", &["run", "owner/server"]), digest(DIGEST), digest(OTHER)] {
        assert_eq!(code(&all, &image), "denylisted");
    }
    let one = denying(json!({ "oci": { "image": "owner/server", "digests": [format!("sha256:{DIGEST}")] } }));
    assert_eq!(code(&one, &entry("docker", &["run", "owner/server"])), "denylisted");
    assert_eq!(code(&one, &entry("docker", &["run", "owner/server:v1"])), "denylisted");
    assert_eq!((code(&one, &digest(DIGEST)), code(&one, &digest(OTHER))), ("denylisted", "allow"));
}

#[test]
fn a_denied_repository_is_denied_by_its_commits_or_altogether() {
    let (bad, good) = ("a".repeat(40), "b".repeat(40));
    let from = |at: &str| entry("uvx", &["--from", &format!("git+https://git.example/o/r{at}"), "tool"]);
    let denying_commits = |commits: Value| {
        denying(json!({ "git": { "repository": "https://git.example/o/r", "commits": commits } }))
    };
    let one = denying_commits(json!([bad]));
    for (at, expected) in [
        (format!("@{bad}"), "denylisted"),
        (format!("@{good}"), "allow"),
        ("@main".to_owned(), "denylisted"),
        (String::new(), "denylisted"),
    ] {
        assert_eq!(code(&one, &from(&at)), expected, "{at}");
    }
    for all in [json!(["*"]), json!([])] {
        assert_eq!(code(&denying_commits(all), &from(&format!("@{good}"))), "denylisted");
    }
    let any = denying_commits(json!(["*"]));
    assert_eq!(code(&any, &entry("uvx", &["--from", "git+https://git.example/o/other", "tool"])), "allow");
}

#[test]
fn a_denied_file_is_denied_by_path_link_or_digest() {
    let by_path = denying(json!({ "executable": { "path": "/opt/bad/server" } }));
    let check = |policy: &Policy, command: &str, facts: Option<FileFacts>| {
        let facts = facts.map(program).unwrap_or_default();
        code_in(policy, &entry(command, &[]), &Context { facts: &facts, ..now() })
    };
    let at = |path: &str, real: &str, digest| Some(file(path, real, digest, false));
    let bad = "/opt/bad/server";
    assert_eq!(check(&by_path, bad, at(bad, bad, Some(DIGEST))), "denylisted", "its digest is of no account");
    assert_eq!(check(&by_path, "server", at("/opt/good/server", "/opt/good/server", None)), "allow");
    assert_eq!(check(&by_path, "server", at(bad, bad, None)), "denylisted");
    assert_eq!(
        check(&by_path, "/opt/good/server", at("/opt/good/server", bad, None)),
        "denylisted",
        "a link"
    );
    let in_home = denying(json!({ "executable": { "path": "~/bin/server" } }));
    assert_eq!(check(&in_home, "/home/jane/bin/server", None), "denylisted");
    assert_eq!(check(&in_home, "/home/eve/bin/server", None), "allow");
    let by_digest = denying(json!({ "executable": { "path": bad, "sha256": [DIGEST] } }));
    assert_eq!(check(&by_digest, bad, at(bad, bad, Some(DIGEST))), "denylisted");
    assert_eq!(check(&by_digest, bad, at(bad, bad, Some(OTHER))), "allow");
    assert_eq!(check(&by_digest, bad, None), "denylisted", "it may be it");
}

#[test]
fn a_denied_script_is_denied_by_its_path() {
    let policy = denying(json!({ "script": { "interpreter": "node", "path": "/opt/bad/index.js" } }));
    assert_eq!(code(&policy, &entry("node", &["/opt/bad/index.js"])), "denylisted");
    assert_eq!(code(&policy, &entry("node", &["/opt/good/index.js"])), "allow");
    let found = file("/opt/good/index.js", "/opt/bad/index.js", None, false);
    let facts = Facts { script: Some(found), ..Facts::default() };
    let context = Context { facts: &facts, ..now() };
    assert_eq!(code_in(&policy, &entry("node", &["/opt/good/index.js"]), &context), "denylisted");
}

#[test]
fn a_denied_path_of_a_host_leaves_its_other_paths() {
    let policy = denying(json!({ "url": { "url": "https://a.example/v1", "subpaths": ["tenants/*"] } }));
    assert_eq!(code(&policy, &remote("https://a.example/v1/tenants/x")), "denylisted");
    assert_eq!(code(&policy, &remote("https://a.example/v1")), "denylisted");
    assert_eq!(code(&policy, &remote("https://a.example/v2")), "allow");
    let whole = denying(json!({ "url": { "url": "https://a.example/v1" } }));
    assert_eq!(code(&whole, &entry("npx", &["other", "https://a.example/v1/x"])), "denylisted");
}

#[test]
fn a_revoked_identity_is_this_version_this_digest_and_this_path() {
    let everything = policy_with(json!({ "default": "allow" }), json!({}));
    let revoked = |identity: Value, entry: &Entry| {
        let list = revocations(json!({ "identity": identity }));
        code_in(&everything, entry, &Context { revocations: Some(&list), ..now() })
    };
    let program = json!({ "executable": { "path": "/opt/bad/server" } });
    assert_eq!(revoked(program.clone(), &entry("/opt/bad/server", &[])), "revoked");
    assert_eq!(revoked(program, &entry("/opt/good/server", &[])), "allow");
    let image = json!({ "oci": { "image": "o/s", "digests": [format!("sha256:{DIGEST}")] } });
    let by_digest = |d: &str| entry("docker", &["run", &format!("o/s@sha256:{d}")]);
    assert_eq!(revoked(image.clone(), &by_digest(DIGEST)), "revoked");
    assert_eq!(revoked(image, &by_digest(OTHER)), "allow");
}

#[test]
fn a_revoked_digest_is_also_that_of_a_container() {
    let policy = policy_with(json!({ "default": "allow" }), json!({}));
    let list = revocations(json!({ "sha256": DIGEST }));
    let context = Context { revocations: Some(&list), ..now() };
    let image = |digest: &str| entry("docker", &["run", &format!("o/s@sha256:{digest}")]);
    assert_eq!(code_in(&policy, &image(DIGEST), &context), "revoked");
    assert_eq!(code_in(&policy, &image(OTHER), &context), "allow");
}

#[test]
fn ignored_revocations_revoke_neither_entries_nor_rules() {
    let allow = json!({ "rule": [{ "id": "ab", "identity": { "npm": { "package": "@a/b" } } }] });
    let policy = policy_with(json!({ "ignore_revocations": true }), allow);
    for revoked in [json!({ "rule": "ab" }), json!({ "identity": { "npm": { "package": "@a/b" } } })] {
        let list = revocations(revoked.clone());
        assert_eq!(
            code_in(&policy, &ab(), &Context { revocations: Some(&list), ..now() }),
            "allow",
            "{revoked}"
        );
    }
}

#[test]
fn a_denied_package_is_denied_as_alias_archive_and_shell_text() {
    let npm = denying(json!({ "npm": { "package": "evil-pkg", "versions": "<2" } }));
    for args in [
        &["x@NPM:evil-pkg@1.0.0"][..],
        &["Npm:evil-pkg@1.0.0"],
        &["https://registry.example/evil-pkg/-/evil-pkg-1.0.0.tgz"],
        &["https://registry.example/evil%2Dpkg/-/evil-pkg-1.0.0.tgz"],
        &["x@https://registry.example/evil-pkg/-/evil-pkg-1.0.0.tgz"],
    ] {
        assert_eq!(code(&npm, &entry("npx", args)), "denylisted", "{args:?}");
    }
    let newer = "https://registry.example/evil-pkg/-/evil-pkg-2.0.0.tgz";
    assert_eq!(code(&npm, &entry("npx", &[newer])), "allow", "another version than the denied ones");
    for line in
        [r"npx evil\-pkg", "npx evil-{pkg,}", "npx ev'il-p'kg", "npx e{x,vil-p{a,kg}}", "npx \"evil\"-pkg"]
    {
        assert_eq!(code(&npm, &in_a_shell(line)), "denylisted", "{line}");
    }
    assert_eq!(code(&npm, &in_a_shell("npx other-{pkg,}")), "allow");

    let pypi = denying(json!({ "pypi": { "package": "evil-pkg" } }));
    for url in [
        "https://files.example/packages/ab/evil_pkg-1.0-py3-none-any.whl",
        "https://files.example/packages/ab/Evil.Pkg-1.0.tar.gz#sha256=00",
    ] {
        assert_eq!(code(&pypi, &entry("uvx", &["--from", url, "tool"])), "denylisted", "{url}");
    }
}

#[test]
fn a_denied_url_is_denied_in_every_spelling() {
    let url = denying(json!({ "url": { "url": "https://evil.example/mcp" } }));
    let spellings = [
        "https:evil.example/mcp",
        "https:/evil.example/mcp",
        "https:\\\\evil.example\\mcp",
        "https://evil.exa\tmple/mcp",
        "HTTPS://EVIL.example./mcp/",
        "http://evil.example/mcp",
        "ws://evil.example/mcp",
        "https://evil.example/%6dcp",
        "https://evil.example//mcp",
        "http://evil.example//%6Dcp/below?x=y",
        "https://a@evil.example/mcp#x",
    ];
    for text in spellings {
        assert_eq!(code(&url, &remote(text)), "denylisted", "{text}");
        assert_eq!(code(&url, &entry("npx", &["-y", "mcp-remote", text])), "denylisted", "{text}");
    }
    for text in ["https://evil.example/other", "https://other.example/mcp"] {
        assert_eq!(code(&url, &remote(text)), "allow", "{text}");
    }
    let below = denying(json!({ "url": { "url": "https://evil.example/a", "subpaths": ["x/*"] } }));
    assert_eq!(code(&below, &remote("http://evil.example/%61/b")), "denylisted");
}

#[test]
fn a_denied_program_and_image_are_denied_by_their_other_names() {
    let program = denying(json!({ "executable": { "path": "/opt/evil/bin" } }));
    for path in ["/opt/evil/bin", "/opt//evil/bin", "/opt/evil/./bin", "/opt/evil/../evil/bin"] {
        assert_eq!(code(&program, &entry(path, &[])), "denylisted", "{path}");
    }
    assert_eq!(code(&program, &entry("/opt/good/bin", &[])), "allow");
    let home = denying(json!({ "executable": { "path": "~/bin/evil" } }));
    assert_eq!(code(&home, &entry("/home/jane/x/../bin/evil", &[])), "denylisted");

    let image = denying(json!({ "oci": { "image": "evil/img" } }));
    for name in [
        "evil/img",
        "docker.io/evil/img",
        "registry-1.docker.io/evil/img",
        "registry.hub.docker.com/evil/img:1",
    ] {
        assert_eq!(code(&image, &entry("docker", &["run", "-i", name])), "denylisted", "{name}");
    }
    assert_eq!(code(&image, &entry("docker", &["run", "-i", "ghcr.io/evil/img"])), "allow");
}

#[test]
fn a_version_that_a_runner_may_take_for_a_directory_is_none_for_any_runner() {
    let npm = policy(
        json!({ "rule": [{ "id": "n", "identity": { "npm": { "package": "good", "versions": "*" } } }] }),
    );
    let runners: [(&str, &[&str]); 7] = [
        ("npx", &["-y"]),
        ("npm", &["exec", "--"]),
        ("bunx", &[]),
        ("bun", &["x"]),
        ("pnpm", &["dlx"]),
        ("yarn", &["dlx"]),
        ("deno", &["run"]),
    ];
    for (runner, before) in runners {
        let prefix = if runner == "deno" { "npm:" } else { "" };
        let code = |spec: &str| {
            let spec = format!("{prefix}{spec}");
            code(&npm, &entry(runner, &[before, &[spec.as_str()]].concat()))
        };
        assert_eq!(code("good@1.0.0"), "allow", "{runner}");
        for directory in ["good@.evil", "good@..x", "good@./evil", "good@x.tar-gz"] {
            assert_ne!(code(directory), "allow", "{runner} {directory}");
        }
    }
    let pypi = policy(
        json!({ "rule": [{ "id": "p", "with": ["extra"], "identity": { "pypi": { "package": "good", "versions": "*" } } }] }),
    );
    assert_eq!(code(&pypi, &entry("uvx", &["--with", "extra", "good"])), "allow");
    for args in [
        &["--with", "extra@evil", "good"][..],
        &["--with=extra@./evil", "good"],
        &["--with", "extra,extra@evil", "good"],
        &["--from", "good@evil", "good"],
        &["good@evil"],
    ] {
        assert_ne!(code(&pypi, &entry("uvx", args)), "allow", "{args:?}");
    }
}

#[test]
fn what_may_be_anything_does_not_pass_a_denylist_by_a_default_that_allows() {
    let deny = denying(json!({ "npm": { "package": "evil-pkg" } }));
    let nothing = policy_with(json!({ "default": "allow" }), json!({}));
    let settings = json!({ "default": "allow", "ignore_denylist": true });
    let ignored = policy_with(
        settings,
        json!({ "deny": [{ "id": "d", "identity": { "npm": { "package": "evil-pkg" } }, "reason": "r" }] }),
    );
    let mut malformed = entry("npx", &["good"]);
    malformed.malformed = Some("its shape is wrong");
    for (doubtful, why) in [
        (entry("npx", &["${PACKAGE}"]), "ambiguous-entry"),
        (entry("npx", &["-y", "good@${X}"]), "unresolvable-identity"),
        (entry("uvx", &["good@dir"]), "ambiguous-entry"),
        (malformed, "ambiguous-entry"),
    ] {
        let told = |policy: &Policy| code(policy, &doubtful);
        assert_eq!((told(&deny), told(&nothing), told(&ignored)), (why, "allow", "allow"), "{doubtful:?}");
        let list = revocations(json!({ "identity": { "npm": { "package": "evil-pkg" } } }));
        let context = Context { revocations: Some(&list), ..now() };
        assert_eq!(code_in(&nothing, &doubtful, &context), why, "{doubtful:?}");
        let other = revocations(json!({ "device": "laptop-1" }));
        let context = Context { revocations: Some(&other), ..now() };
        assert_eq!(code_in(&nothing, &doubtful, &context), "allow", "{doubtful:?}");
    }
    assert_eq!(code(&deny, &entry("npx", &["good"])), "allow");
    // nor by a rule for everything
    let everything = policy(json!({
        "rule": [{ "id": "any", "identity": { "any": {} } }],
        "deny": [{ "id": "d", "identity": { "npm": { "package": "evil-pkg" } }, "reason": "r" }],
    }));
    assert_eq!(code(&everything, &entry("uvx", &["good@dir"])), "ambiguous-entry");
    assert_eq!(code(&everything, &entry("npx", &["good"])), "allow");
}

/// Run with npm 11: it starts the package of that variable.
#[test]
fn what_is_denied_may_stand_in_a_variable_or_a_header() {
    let everything = |identity: serde_json::Value| {
        policy(json!({
            "rule": [{ "id": "any", "identity": { "any": {} } }],
            "deny": [{ "id": "d", "identity": identity, "reason": "r" }],
        }))
    };
    let told = |denied: &serde_json::Value, set: &[(&str, &str)]| {
        let mut started = entry("npm", &["exec", "-c", "x"]);
        started.env = set.iter().map(|(name, value)| named(name, value)).collect();
        let mut contacted = remote("https://good.example/mcp");
        contacted.headers = set.iter().map(|(name, value)| named(name, value)).collect();
        let policy = everything(denied.clone());
        [code(&policy, &started), code(&policy, &contacted)]
    };
    let npm = json!({ "npm": { "package": "@evil/x" } });
    let pypi = json!({ "pypi": { "package": "evil-py" } });
    let url = json!({ "url": { "url": "https://evil.example/mcp" } });
    for (denied, name, value) in [
        (&npm, "npm_config_package", "@evil/x"),
        (&npm, "NPM_CONFIG_PACKAGE", "@evil/x@1.0.0"),
        (&pypi, "UV_WITH", "a,evil-py>1"),
        (&url, "GRAFANA_URL", "https://evil.example/mcp"),
        (&url, "GRAFANA_URL", "https:/evil.example/mcp"),
        (&url, "GRAFANA_URL", "https:evil.example/mcp"),
        (&url, "GRAFANA_URL", "https:\\\\evil.example\\mcp"),
        (&url, "ARGUMENTS", "-q --url=https://evil.example/mcp"),
        (&url, "SETTINGS", "a=b=https://evil.example/mcp"),
        (&url, "TARGETS", "https://good.example, HTTPS://EVIL.example:443/mcp"),
    ] {
        assert_eq!(told(denied, &[(name, value)]), ["denylisted"; 2], "{name}={value}");
    }
    for (denied, name, value) in
        [(&npm, "MODE", "@evil/x"), (&pypi, "TITLE", "evil-py"), (&url, "URL", "https://other.example/mcp")]
    {
        assert_eq!(told(denied, &[(name, value)]), ["allow"; 2], "{name}={value}");
    }
}

#[test]
fn a_denied_version_of_deno_dotnet_or_go_is_that_version_in_any_words() {
    for (kind, denied, other) in [
        ("dotnet", "Evil.Tool@1.0.0", "Evil.Tool@2.0.0"),
        ("deno", "jsr:@evil/x@1.0.0", "jsr:@evil/x@2.0.0"),
        ("go", "example.com/evil@v1.0.0", "example.com/evil@v2.0.0"),
    ] {
        let (package, version) = denied.rsplit_once('@').unwrap();
        let policy =
            denying(json!({ kind: { "package": package.trim_start_matches("jsr:"), "versions": version } }));
        assert_eq!(code(&policy, &entry("mystery", &[denied])), "denylisted", "{denied}");
        assert_eq!(code(&policy, &entry("mystery", &[package])), "denylisted", "{package}");
        assert_eq!(code(&policy, &entry("mystery", &[other])), "allow", "{other}");
    }
}

/// On Windows a detour is written with either separator; on the other systems a backslash is a letter of a name.
#[test]
fn a_denied_program_is_denied_by_a_detour_as_its_system_reads_it() {
    let denied = |path: &str| {
        policy_with(
            json!({ "default": "allow" }),
            json!({ "deny": [{ "id": "d", "identity": { "executable": { "path": path } }, "reason": "bad" }] }),
        )
    };
    let on = |system: System, path: &str, command: &str| {
        code_in(&denied(path), &entry(command, &[]), &Context { system, ..now() })
    };
    let windows = r"C:\tools\evil.exe";
    assert_eq!(on(System::Windows, windows, r"C:\tools\x\..\evil.exe"), "denylisted");
    assert_eq!(on(System::Windows, windows, r"C:\tools\x\..\good.exe"), "allow");
    assert_eq!(on(System::Linux, "/opt/evil", "/opt/x/../evil"), "denylisted");
    assert_eq!(on(System::Linux, "/opt/evil", r"/opt/x\..\evil"), "allow");
}
