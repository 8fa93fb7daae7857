//! The house rules that a machine can check: who may depend on whom, where the operating system may be named, how long
//! a file may be, and that every dependency has its reason.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Crates that would give a pure crate files, network, clock, randomness or the operating system.
const IMPURE: &[&str] = &[
    "anyhow",
    "async-std",
    "chrono",
    "clap",
    "getrandom",
    "hyper",
    "ignore",
    "interprocess",
    "jiff",
    "libc",
    "mio",
    "native-tls",
    "nix",
    "notify",
    "openssl",
    "rand",
    "reqwest",
    "ring",
    "rustix",
    "rustls",
    "smol",
    "socket2",
    "sysinfo",
    "tempfile",
    "time",
    "tokio",
    "ureq",
    "walkdir",
    "winapi",
    "windows",
];
/// Families of such crates.
const IMPURE_FAMILIES: &[&str] = &["core-foundation", "objc2", "security-framework", "tokio-", "windows-"];
/// Impure crates that a dependency needs all the same, with who needs it and why.
const TOLERATED: &[(&str, &str)] = &[
    // asks the processor for its SHA instructions, through libc on ARM
    ("libc", "cpufeatures"),
    // reads and compares the times of policies; clippy.toml forbids what would ask for the present one
    ("jiff", "mcpolicy-schema"),
];

/// Where conditions on the operating system, `std::os` and unsafe code may stand.
const MAY_NAME_THE_OS: &[&str] = &[
    "agent/platform/",
    // they build fake machines: links, pipes, permissions
    "tests/",
];

/// Longest source file, in lines.
const MAX_LINES: usize = 800;
/// The one version of Rust.
const RUST_VERSION: &str = "1.95";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the repository").to_owned()
}

#[expect(clippy::disallowed_methods, reason = "tracked files of our own")]
fn text(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn output_of(command: &mut Command) -> String {
    let output =
        command.current_dir(repository()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn tracked(patterns: &[&str]) -> Vec<String> {
    let listing = output_of(Command::new("git").args(["ls-files", "-z", "--"]).args(patterns));
    let names = listing.split('\0').filter(|name| !name.is_empty());
    // a file that is deleted but not yet committed is still listed
    names.filter(|name| repository().join(name).exists()).map(str::to_owned).collect()
}

/// What a crate reaches without its tests, and through whom.
fn reached_by(package: &str) -> BTreeMap<String, BTreeSet<String>> {
    let arguments =
        ["tree", "-e", "normal", "--offline", "--all-features", "--prefix", "depth", "-p", package];
    let tree = output_of(Command::new(env!("CARGO")).args(arguments));
    let mut path: Vec<String> = Vec::new();
    let mut reached: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in tree.lines() {
        let digits = line.bytes().take_while(u8::is_ascii_digit).count();
        let depth: usize = line[..digits].parse().expect("a depth before the name");
        let name = line[digits..].split(' ').next().expect("a name");
        path.truncate(depth);
        let parent = path.last().cloned().unwrap_or_default();
        reached.entry(name.to_owned()).or_default().insert(parent);
        path.push(name.to_owned());
    }
    reached
}

#[test]
fn the_arrows_between_our_crates_are_those_of_the_architecture() {
    let arrows: &[(&str, &[&str])] = &[
        ("mcpolicy-schema", &["mcpolicy-schema"]),
        ("mcpolicy-clients", &["mcpolicy-clients", "mcpolicy-schema"]),
        ("mcpolicy-platform", &["mcpolicy-platform"]),
        ("mcpolicy-fleet", &["mcpolicy-fleet", "mcpolicy-platform", "mcpolicy-schema"]),
        ("mcpolicy-native", &["mcpolicy-clients", "mcpolicy-native", "mcpolicy-schema"]),
        ("mcpolicy-ship", &["mcpolicy-platform", "mcpolicy-ship"]),
        ("mcpolicy-spool", &["mcpolicy-platform", "mcpolicy-schema", "mcpolicy-spool"]),
    ];
    for (package, allowed) in arrows {
        let reached = reached_by(package);
        let ours: Vec<&str> =
            reached.keys().map(String::as_str).filter(|name| name.starts_with("mcpolicy")).collect();
        assert_eq!(ours, *allowed, "{package} reaches another crate of ours than it may");
    }
}

#[test]
fn the_pure_crates_reach_no_file_network_clock_or_randomness() {
    for package in ["mcpolicy-schema", "mcpolicy-clients", "mcpolicy-native"] {
        let reached = reached_by(package);
        assert!(reached.len() > 3, "the tree of {package} was not read");
        for (name, parents) in reached {
            let tolerated = |parent: &String| TOLERATED.contains(&(name.as_str(), parent.as_str()));
            let impure = IMPURE.contains(&name.as_str())
                || IMPURE_FAMILIES.iter().any(|family| name.starts_with(family));
            assert!(!impure || parents.iter().all(tolerated), "{package} reaches {name} through {parents:?}");
        }
    }
}

#[test]
fn no_source_file_is_longer_than_its_limit() {
    let files = tracked(&["*.rs"]);
    assert!(files.len() > 10, "the listing is not that of this repository");
    for file in files {
        let lines = text(&file).lines().count();
        assert!(
            lines <= MAX_LINES,
            "{file} has {lines} lines, the limit is {MAX_LINES}: cut it by what its parts do"
        );
    }
}

#[test]
fn only_the_platform_crate_names_the_operating_system() {
    let mut named = 0;
    for file in tracked(&["*.rs"]) {
        let code = code_of(&text(&file));
        if MAY_NAME_THE_OS.iter().any(|place| file.starts_with(place)) {
            named += system_words(&code).len();
            continue;
        }
        let found = system_words(&code);
        assert!(
            found.is_empty(),
            "{file} names the operating system ({found:?}): that belongs in agent/platform"
        );
    }
    assert!(named > 10, "the search finds nothing even in the platform crate");
    for manifest in tracked(&["*Cargo.toml"]) {
        let conditional = text(&manifest).contains("[target.");
        assert!(
            !conditional || manifest == "agent/platform/Cargo.toml",
            "{manifest} has dependencies of one system"
        );
    }
}

/// Conditions on the operating system, `std::os` and unsafe code in a text without comments and strings.
fn system_words(code: &str) -> Vec<String> {
    let systems = ["unix", "windows", "target_os", "target_family", "target_env", "target_vendor"];
    let mut found = Vec::new();
    for form in ["cfg(", "cfg!(", "cfg_attr("] {
        for (at, _) in code.match_indices(form) {
            let condition = in_parentheses(&code[at + form.len()..]);
            if words(condition).any(|word| systems.contains(&word)) {
                found.push(format!("{form}{condition})"));
            }
        }
    }
    found.extend(code.match_indices("std::os::").map(|(_, path)| path.to_owned()));
    found.extend(words(code).filter(|word| *word == "unsafe").map(str::to_owned));
    found
}

fn in_parentheses(text: &str) -> &str {
    let mut depth = 1;
    for (at, c) in text.char_indices() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        if depth == 0 {
            return &text[..at];
        }
    }
    text
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// Rust source without its comments and without what stands in its strings.
fn code_of(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(end) = end_of_raw_string(rest).filter(|_| !code.ends_with(is_word)) {
            end
        } else if c == '"' {
            end_of_string(rest)
        } else if rest.starts_with("'\"'") {
            3
        } else if let Some(escaped) = rest.strip_prefix("'\\") {
            // an escaped quote as a character
            escaped.find('\'').map_or(rest.len(), |end| end + 3).max(4)
        } else {
            code.push(c);
            c.len_utf8()
        };
        rest = rest.get(skipped..).unwrap_or_default();
    }
    code
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn end_of_raw_string(text: &str) -> Option<usize> {
    let after = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let marks = after.bytes().take_while(|byte| *byte == b'#').count();
    let content = after[marks..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(marks));
    let before = text.len() - content.len();
    Some(content.find(&end).map_or(text.len(), |at| before + at + end.len()))
}

#[test]
fn the_search_sees_code_and_neither_comments_nor_strings() {
    let source = r##"
        // unsafe
        /* cfg(unix) */ let a = "unsafe \" cfg(windows)"; let b = r#"unsafe "std::os::"#; let c = '"'; let d = '\'';
        #[cfg(all(test, not(windows)))] let unsafe_code = br"unsafe"; cfg!(debug_assertions)
        fn e() { unsafe { std::os::fd() } }
    "##;
    let found = system_words(&code_of(source));
    assert_eq!(found.len(), 3, "{found:?}");
    assert_eq!(found[0], "cfg(all(test, not(windows)))");
    assert_eq!(found[1..], ["std::os::", "unsafe"]);
}

#[test]
fn every_dependency_has_its_reason_above_it() {
    let manifest = text("Cargo.toml");
    let (_, section) = manifest.split_once("[workspace.dependencies]\n").expect("the shared dependencies");
    let section = section.split("\n[").next().expect("a section");
    let without = without_reason(section);
    assert!(without.is_empty(), "say in a comment above it why it is here: {without:?}");
    let all = section.lines().filter(|line| line.contains(" = ")).count();
    assert!(all > 10, "the dependencies were not found");
}

/// Dependencies in a group (lines without an empty one between) that has no comment above them. Ours need none.
fn without_reason(section: &str) -> Vec<&str> {
    let mut reason = false;
    let mut without = Vec::new();
    for line in section.lines().map(str::trim) {
        if line.is_empty() {
            reason = false;
        } else if line.starts_with('#') {
            reason = line.len() > 10;
        } else if let Some((name, _)) = line.split_once(" = ")
            && !reason
            && !name.starts_with("mcpolicy-")
        {
            without.push(name);
        }
    }
    without
}

#[test]
fn a_dependency_without_a_reason_is_found() {
    let section = "mcpolicy-a = { path = \"a\" }\n\n# clients: quick search in text\nb = \"1\"\nc = \"1\"\n\nd = \"1\"\n#\ne = \"1\"\n";
    assert_eq!(without_reason(section), ["d", "e"]);
}

#[test]
fn there_is_one_version_of_rust_and_no_file_that_downloads_another() {
    let metadata = output_of(Command::new(env!("CARGO")).args([
        "metadata",
        "--no-deps",
        "--offline",
        "--format-version=1",
    ]));
    let metadata: serde_json::Value = serde_json::from_str(&metadata).expect("JSON of cargo");
    let packages = metadata["packages"].as_array().expect("packages");
    assert!(packages.len() >= 4, "the workspace was not read");
    for package in packages {
        assert_eq!(package["rust_version"], RUST_VERSION, "{}", package["name"]);
        let manifest = package["manifest_path"].as_str().expect("a path");
        let manifest = Path::new(manifest).strip_prefix(repository()).expect("in the repository");
        let inherited = text(manifest.to_str().expect("text")).contains("rust-version.workspace = true");
        assert!(inherited, "{} must inherit the version from the workspace", manifest.display());
    }
    assert!(text("clippy.toml").contains(&format!("msrv = \"{RUST_VERSION}\"")));
    assert_eq!(
        tracked(&["rust-toolchain", "rust-toolchain.toml", "*/rust-toolchain.toml"]),
        Vec::<String>::new()
    );
}

#[test]
fn every_file_that_a_document_links_to_exists() {
    for document in tracked(&["*.md"]) {
        if document.starts_with("tests/fixtures/") {
            continue;
        }
        let folder = Path::new(&document).parent().expect("a folder").to_owned();
        for link in links_of(&text(&document)) {
            let path = repository().join(&folder).join(&link);
            assert!(path.exists(), "{document} names {link}, which does not exist");
        }
    }
}

/// What a page of attacks or promises is worth is that each of its tests is there.
#[test]
fn every_test_that_a_page_of_promises_names_exists() {
    let sources: String = tracked(&["*.rs"]).iter().map(|path| text(path)).collect();
    for page in ["docs/security.md", "docs/evidence.md"] {
        let content = text(page);
        let named: BTreeSet<&str> = content
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|name| {
                name.matches('_').count() >= 2
                    && name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric())
                    && name.bytes().any(|b| b.is_ascii_lowercase())
            })
            .collect();
        assert!(named.len() > 50, "{page} was not read");
        for name in named {
            let exists = sources.contains(&format!("fn {name}(")) || sources.contains(&format!("\"{name}\""));
            assert!(exists, "{page} names {name}, which is no test");
        }
    }
}

/// A mistake in checking a certificate, or a query that writes a file, cannot be made by what is not there. Whoever adds
/// one of these says in docs/security.md what holds instead.
#[test]
fn cve_2020_1887_and_cve_2020_26273_only_the_role_that_ships_speaks_to_a_network_and_nothing_evaluates_programs()
 {
    const FETCH: &[&str] = &["reqwest", "rustls", "rustls-platform-verifier", "tokio-rustls", "hyper-util"];
    const NEVER: &[&str] = &[
        "ureq",
        "curl",
        "openssl",
        "native-tls",
        "aws-lc-rs",
        "quinn",
        "tonic",
        "mlua",
        "rhai",
        "wasmtime",
        "boa_engine",
        "deno_core",
        "minijinja",
        "tera",
    ];
    let reached = reached_by("mcpolicy");
    assert!(reached.len() > 50, "the tree was not read");
    for name in NEVER {
        assert!(!reached.contains_key(*name), "mcpolicy reaches {name} through {:?}", reached[*name]);
    }
    let ours = |name: &&String| name.starts_with("mcpolicy");
    for name in FETCH {
        let ours: Vec<&String> = reached[*name].iter().filter(ours).collect();
        assert_eq!(ours, ["mcpolicy-ship"], "{name} is for the crate of the network alone");
    }
    let may = [
        "agent/ship/",
        "agent/src/shipper",
        "agent/src/cli/ship.rs",
        "agent/src/settings/shipping.rs",
        "agent/src/cli/doctor/network.rs",
        "tests/",
    ];
    for path in tracked(&["*.rs"]) {
        let is_used = text(&path).contains("mcpolicy_ship::");
        assert!(!is_used || may.iter().any(|may| path.starts_with(may)), "{path} may not use the network");
    }
}

/// The files that a Markdown text links to, without addresses and without the part after `#`. Code blocks hold none.
fn links_of(markdown: &str) -> BTreeSet<String> {
    let prose: Vec<&str> = markdown.split("\n```").step_by(2).collect();
    let prose = prose.join("\n");
    let targets =
        prose.match_indices("](").filter_map(|(at, _)| prose[at + 2..].split([')', ' ', '\n']).next());
    let files = targets.filter(|target| !target.contains("://") && !target.starts_with(['#', '<', '/']));
    let files = files.filter(|target| !target.starts_with("mailto:"));
    files
        .filter_map(|target| target.split('#').next().map(str::to_owned))
        .filter(|file| !file.is_empty())
        .collect()
}

#[test]
fn links_are_found_in_prose_only() {
    let markdown = "[a](docs/a.md#x) [b](https://x.example/) [c](#c) ![d](d.png \"t\")\n```sh\n[e](e.md)\n```\n[f](f.md)\n";
    let links: Vec<String> = links_of(markdown).into_iter().collect();
    assert_eq!(links, ["d.png", "docs/a.md", "f.md"]);
}
