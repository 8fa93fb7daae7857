//! What an entry mentions, in whatever spelling, and which of several denials is told for it.

use super::*;

/// A policy that allows by default and denies these, with the ids `d0`, `d1` and so on.
fn denying(identities: &[Value]) -> Policy {
    let line = |(at, identity)| json!({ "id": format!("d{at}"), "identity": identity, "reason": "bad" });
    let lines: Vec<Value> = identities.iter().enumerate().map(line).collect();
    policy_with(json!({ "default": "allow" }), json!({ "deny": lines }))
}

fn in_a_shell(words: &str) -> Entry {
    entry("sh", &["-c", &format!("cd /x; {words}; true")])
}

#[test]
fn of_several_denials_the_first_of_the_policy_is_told_whichever_is_mentioned_first() {
    let policy = denying(&[json!({ "npm": { "package": "worse" } }), json!({ "npm": { "package": "bad" } })]);
    let told = |args: &[&str]| judge(&policy, &entry("npx", args), &now()).rule;
    assert_eq!(told(&["-y", "worse", "bad"]).as_deref(), Some("d0"));
    assert_eq!(told(&["-y", "bad", "worse"]).as_deref(), Some("d0"));
    assert_eq!(told(&["-y", "bad"]).as_deref(), Some("d1"));
}

#[test]
fn a_bridge_that_is_a_bare_program_may_be_the_denied_one() {
    let policy = denying(&[json!({ "executable": { "path": "/opt/bad/mcp-proxy" } })]);
    let bridge = entry("mcp-proxy", &["https://a.example/mcp"]);
    assert_eq!(identity::identify(&bridge).kind.as_str(), "bridge");
    assert_eq!(code(&policy, &bridge), "denylisted");
    assert_eq!(code(&policy, &entry("other-proxy", &["https://a.example/mcp"])), "allow");
}

#[test]
fn what_ends_a_word_of_a_shell_does_not_end_a_url() {
    for (denied, other) in [
        ("https://evil.example/a;b", "https://evil.example/a;c"),
        ("https://evil.example/a,b", "https://evil.example/a,c"),
        ("https://evil.example/a(b)", "https://evil.example/a(c)"),
        ("https://evil.example/a&b", "https://evil.example/a"),
    ] {
        let policy = denying(&[json!({ "url": { "url": denied } })]);
        assert_eq!(code(&policy, &entry("tool", &[denied])), "denylisted", "{denied}");
        assert_eq!(code(&policy, &entry("tool", &[other])), "allow", "{other}");
    }
}

#[test]
fn blanks_and_controls_in_a_scheme_hide_no_denied_url() {
    let policy = denying(&[json!({ "url": { "url": "https://evil.example/mcp" } })]);
    for text in [
        "ht\ttps:evil.example/mcp",
        "\thttps:evil.example/mcp",
        "\u{1}https:evil.example/mcp",
        "\u{1} https:evil.example/mcp",
        "https\n:evil.example/mcp",
        "H\r\nTTP:evil.example/mcp",
    ] {
        assert_eq!(code(&policy, &remote(text)), "denylisted", "{text:?}");
        assert_eq!(code(&policy, &entry("tool", &[text])), "denylisted", "{text:?}");
    }
    assert_eq!(code(&policy, &entry("tool", &["evil.example/mcp"])), "allow");
}

#[test]
fn an_image_of_a_registry_whose_host_is_called_like_a_scheme_is_no_url() {
    let policy = denying(&[json!({ "oci": { "image": "ftp:5000/evil/img" } })]);
    assert_eq!(code(&policy, &in_a_shell("docker run ftp:5000/evil/img:1")), "denylisted");
    assert_eq!(code(&policy, &in_a_shell("docker run ftp:5000/good/img:1")), "allow");
}

#[test]
fn an_archive_is_that_of_the_package_in_whose_folder_it_lies() {
    let policy = denying(&[json!({ "npm": { "package": "evil-pkg" } })]);
    for (url, expected) in [
        ("https://registry.example/evil-pkg/-/1.0.0.tgz", "denylisted"),
        ("https://registry.example/evil-pkg/-/other-1.0.0.tgz", "denylisted"),
        ("https://registry.example/good-pkg/-/1.0.0.tgz", "allow"),
    ] {
        assert_eq!(code(&policy, &entry("npx", &["-y", url])), expected, "{url}");
    }
}

#[test]
fn of_sixty_four_alternatives_between_braces_each_is_looked_at() {
    let line = format!("npx x{}", "{a,b}".repeat(6));
    for number in 0..64_u8 {
        let letters: String = (0..6).map(|bit| if number >> bit & 1 == 0 { 'a' } else { 'b' }).collect();
        let policy = denying(&[json!({ "npm": { "package": format!("x{letters}") } })]);
        assert_eq!(code(&policy, &in_a_shell(&line)), "denylisted", "{letters}");
    }
}

#[test]
fn a_shell_text_whose_braces_say_more_than_is_looked_at_may_be_what_is_denied() {
    let evil = json!({ "npm": { "package": "evil-pkg" } });
    let deny = denying(std::slice::from_ref(&evil));
    let nothing = denying(&[]);
    let long = in_a_shell(&format!("npx {{evil-pkg,x}}{}", "{,}".repeat(7)));
    let json = r#"{"a":{"b":1,"c":2},"d":{"e":1,"f":2}}"#.repeat(4);
    assert_eq!(code(&deny, &in_a_shell("npx {evil-pkg,x}{,}")), "denylisted");
    assert_eq!(code(&deny, &in_a_shell(&format!("npx {{good-pkg,x}}{}", "{,}".repeat(5)))), "allow");
    assert_eq!(code(&deny, &long), "ambiguous-entry");
    assert_eq!(code(&nothing, &long), "allow", "where nothing is denied");
    assert_eq!(code(&deny, &entry("npx", &["good-pkg", &json])), "allow", "no shell reads these braces");
    let list = revocations(json!({ "identity": evil }));
    assert_eq!(code_in(&nothing, &long, &Context { revocations: Some(&list), ..now() }), "ambiguous-entry");
    let everything = json!({
        "rule": [{ "id": "all", "identity": { "any": {} } }],
        "deny": [{ "id": "d", "identity": evil, "reason": "bad" }],
    });
    assert_eq!(code(&policy(everything), &long), "ambiguous-entry");
    let words = ["sh", "-c", "cd /x; y {a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}"];
    let exact = json!({
        "rule": [{ "id": "o", "identity": { "opaque": { "argv": words } } }],
        "deny": [{ "id": "d", "identity": evil, "reason": "bad" }],
    });
    assert_eq!(
        code(&policy(exact), &entry(words[0], &words[1..])),
        "allow",
        "an exact command was read by a person"
    );
}

#[test]
fn a_denied_url_without_sub_paths_is_that_path_and_all_below_it_alone() {
    let policy = denying(&[json!({ "url": { "url": "https://evil.example/v1" } })]);
    for (url, expected) in [
        ("https://evil.example/v1", "denylisted"),
        ("https://evil.example/v1/x/y", "denylisted"),
        ("https://evil.example/v12", "allow"),
        ("https://evil.example", "allow"),
    ] {
        assert_eq!(code(&policy, &remote(url)), expected, "{url}");
        assert_eq!(code(&policy, &in_a_shell(&format!("tool {url}"))), expected, "{url}");
    }
    let host = denying(&[json!({ "url": { "url": "https://evil.example" } })]);
    for url in ["https://evil.example", "https://evil.example/", "https://evil.example/v1/x"] {
        assert_eq!(code(&host, &remote(url)), "denylisted", "{url}");
    }
}

#[test]
fn a_denied_repository_is_denied_by_every_address_that_serves_it() {
    let policy =
        denying(&[json!({ "git": { "repository": "https://github.com/evil/srv", "commits": ["*"] } })]);
    for words in [
        "npx git://github.com/evil/srv",
        "npx git+https://x@github.com/evil/srv",
        "npx https://github.com/evil/srv/tarball/x",
        "npx https://codeload.github.com/evil/srv/tar.gz/main",
        "uvx --from https://github.com/evil/srv/archive/x.zip x",
        "uvx --from x@https://github.com/evil/srv/archive/x.zip x",
        "pipx run --spec https://github.com/evil/srv/archive/x.zip x",
        "go run github.com/evil/srv@latest",
        "go run github.com/evil/srv/cmd/x@latest",
        "deno run https://raw.githubusercontent.com/evil/srv/main/x.ts",
        "deno run https://esm.sh/gh/evil/srv",
        "bunx evil/srv",
        "npx github:evil/srv",
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        assert_eq!(code(&policy, &entry(words[0], &words[1..])), "denylisted", "{words:?}");
        assert_eq!(code(&policy, &in_a_shell(&words.join(" "))), "denylisted", "{words:?}");
    }
    for words in ["npx https://github.com/evil/other/tarball/x", "go run github.com/good/srv@latest"] {
        let words: Vec<&str> = words.split(' ').collect();
        assert_eq!(code(&policy, &entry(words[0], &words[1..])), "allow", "{words:?}");
    }
}

#[test]
fn a_denied_package_is_denied_by_other_addresses_and_across_a_broken_line() {
    let policy = denying(&[json!({ "npm": { "package": "evil-pkg", "versions": "<2" } })]);
    for words in [
        "deno run https://esm.sh/evil-pkg",
        "deno run https://esm.sh/evil-pkg@1.0.0",
        "deno run https://unpkg.com/evil-pkg@1.0.0/x.js",
        "deno run https://cdn.jsdelivr.net/npm/evil-pkg@1.0.0/x.js",
        "deno run npm:evil-pkg",
        "deno run npm:/evil-pkg@1.0.0/bin",
        "deno run NPM:evil-pkg/bin",
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        assert_eq!(code(&policy, &entry(words[0], &words[1..])), "denylisted", "{words:?}");
        assert_eq!(code(&policy, &in_a_shell(&words.join(" "))), "denylisted", "{words:?}");
    }
    for line in ["npx ev\\\nil-pkg", "npx ev\\\r\nil-pkg", "npx ev^\nil-pkg", "npx $'evil-pkg'"] {
        assert_eq!(code(&policy, &entry("sh", &["-c", line])), "denylisted", "{line:?}");
    }
    for words in ["run https://esm.sh/evil-pkg@2.0.0", "run https://esm.sh/good-pkg", "run npm:good/evil-pkg"]
    {
        let words: Vec<&str> = words.split(' ').collect();
        assert_eq!(code(&policy, &entry("deno", &words)), "allow", "{words:?}");
    }
    // To Bun that is a repository of GitHub, and no file of the package.
    assert_eq!(code(&policy, &entry("bunx", &["evil-pkg/sub"])), "allow");
}

#[test]
fn a_denied_package_of_another_registry_is_denied_in_a_shell_too() {
    let dotnet = denying(&[json!({ "dotnet": { "package": "Evil.Tool" } })]);
    assert_eq!(code(&dotnet, &in_a_shell("dnx evil.tool@1.0.0")), "denylisted");
    assert_eq!(code(&dotnet, &in_a_shell("dnx good.tool")), "allow");
    let go = denying(&[json!({ "go": { "package": "h.example/o/r" } })]);
    assert_eq!(code(&go, &in_a_shell("go run h.example/o/r/cmd/x@v1.0.0")), "denylisted");
    assert_eq!(code(&go, &entry("go", &["run", "h.example/o/r/cmd/x@v1.0.0"])), "denylisted");
    assert_eq!(code(&go, &in_a_shell("go run h.example/o/rest@v1.0.0")), "allow");
    let deno = denying(&[json!({ "deno": { "package": "@a/b" } })]);
    for words in
        ["deno run jsr:@a/b@1.0.0/x", "deno run jsr:/@a/b", "deno run https://jsr.io/@a/b/1.0.0/mod.ts"]
    {
        assert_eq!(code(&deno, &in_a_shell(words)), "denylisted", "{words}");
    }
    assert_eq!(code(&deno, &in_a_shell("deno run jsr:@a/c")), "allow");
}

/// One argument of 16,000 URLs took 37 s, and four times as long for each doubling: each beginning of it was looked for.
#[test]
fn a_hundred_thousand_urls_in_an_argument_are_looked_at_once_each() {
    let policy = denying(&[
        json!({ "url": { "url": "https://evil.example/x/y" } }),
        json!({ "go": { "package": "evil.example/m" } }),
    ]);
    let begin = std::time::Instant::now();
    for (long, is_denied) in [
        ("https://a.example/b ".repeat(100_000), false),
        ("https://a.example/b,".repeat(100_000), false),
        (format!("https://a.example/{}", "c/".repeat(100_000)), false),
        (format!("https://evil.example/x/y/{}", "c/".repeat(100_000)), true),
        (format!("{} https://evil.example/x/y/z", "https://a.example/b ".repeat(100_000)), true),
        (format!("evil.example/m/{}", "c/".repeat(100_000)), true),
        (format!("evil.example/n/{}", "c/".repeat(100_000)), false),
    ] {
        let found = code(&policy, &entry("tool", &[&long]));
        assert_eq!(found == "denylisted", is_denied, "{}… {found}", &long[..40]);
    }
    assert!(begin.elapsed().as_secs() < 60, "{:?}", begin.elapsed());
}

#[test]
fn what_is_denied_is_found_as_the_default_of_a_reference() {
    let policy = denying(&[
        json!({ "npm": { "package": "@evil/x" } }),
        json!({ "pypi": { "package": "evil-py" } }),
        json!({ "url": { "url": "https://evil.example/mcp" } }),
    ]);
    let many = format!("${{X:-@evil/x}}{}", "${Z:-}".repeat(1000));
    let deep = format!("{}@evil/x{}", "${X:-".repeat(100), "}".repeat(100));
    for words in [
        &["npx", "-p", "${X:-@evil/x}", "-c", "x"],
        &["npx", "-p", "@ev${X}il/x", "-c", "x"],
        &["npm", "exec", "--package=${X:-@evil/x}", "-c", "x"],
        &["npx", "-c", "${X:-npx @evil/x}", "--", "y"],
        &["uvx", "--with", "${X:-evil-py}", "p", "y"],
        &["uvx", "p", "--url", "${X:-https://evil.example/mcp}", "y"],
        &["uvx", "p", "--url", "${X:-https://evil.example}/mcp", "y"],
        &["uvx", "p", "--url", "${A:-https://evil.example/mcp#${}", "y"],
        &["npx", "-c", "npx ${A:-@evil/x #${}", "--", "y"],
        &["npx", "-c", "npx ${A:-$}{B:-@evil/x}", "--", "y"],
        &["npx", "-p", &many, "-c", "x"],
        &["npx", "-p", &deep, "-c", "x"],
    ] {
        let denied = code(&policy, &entry(words[0], &words[1..]));
        assert!(["denylisted", "ambiguous-entry"].contains(&denied), "{words:?} {denied}");
        if words[2] == deep {
            assert_eq!(denied, "ambiguous-entry");
            continue;
        }
        let other: Vec<String> =
            words.iter().map(|word| word.replace("evil", "good").replace("@ev${X}il", "@good")).collect();
        let other: Vec<&str> = other.iter().map(String::as_str).collect();
        assert_eq!(code(&policy, &entry(other[0], &other[1..])), "allow", "{other:?}");
    }
    let opaque = denying(&[json!({ "opaque": { "argv": ["make", "mcp"] } })]);
    assert_eq!(code(&opaque, &entry("make", &["${X:-mcp}"])), "denylisted");
    assert_eq!(code(&opaque, &entry("make", &["${X:-all}"])), "allow");
    for (name, value) in [
        ("npm_config_package", "${X:-@evil/x}"),
        ("UV_WITH", "a,${X:-evil-py}"),
        ("SSE_URL", "${X:-https://evil.example/mcp}"),
    ] {
        let mut entry = entry("npx", &["good"]);
        entry.env = vec![named(name, value)];
        assert_eq!(code(&policy, &entry), "denylisted", "{name}");
    }
}

#[test]
fn what_is_denied_is_found_in_a_member_that_is_a_command_or_an_address() {
    let policy = denying(&[
        json!({ "npm": { "package": "@evil/x" } }),
        json!({ "npm": { "package": "plain" } }),
        json!({ "url": { "url": "https://evil.example/mcp" } }),
    ]);
    let with = |name: &str, value: &str| {
        let mut entry = remote("https://ok.example/mcp");
        entry.members = vec![named(name, value)];
        code(&policy, &entry)
    };
    for (name, value) in [
        ("headersHelper", "npx -y @evil/x"),
        ("headersHelper", "npx -y ${X:-@evil/x}"),
        ("myCommand", "npx -y @evil/x"),
        ("oauth", r#"{"tokenUrl":"https://evil.example/mcp/token"}"#),
        ("proxy", "https://evil.example/mcp"),
        ("unheardOf", "https://evil.example/mcp"),
    ] {
        assert_eq!(with(name, value), "denylisted", "{name} {value}");
    }
    for (name, value) in [
        ("headersHelper", "npx -y @good/x"),
        ("description", "runs plain"),
        ("mode", "plain"),
        ("title", "@evil/x"),
    ] {
        assert_eq!(with(name, value), "allow", "{name} {value}");
    }
}
