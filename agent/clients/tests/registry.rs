//! The registry is checked by machine: adapter files, registry lines, fixtures and docs/clients.md go together, every
//! template expands on its systems, and nothing of the reference registry is missing.

#![expect(clippy::disallowed_methods, reason = "a test reads sources, documents and one variable")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![allow(missing_docs, dead_code, reason = "a test binary; not each one uses all of the common code")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use mcpolicy_clients::adapter::{About, Holds};
use mcpolicy_clients::adapters;
use mcpolicy_clients::codec::{Dialect, Format};
use mcpolicy_clients::elsewhere::{Declared, Evidence};
use mcpolicy_clients::location::{ANY_OS, Location, Os, Role};
use mcpolicy_clients::node::Node;
use mcpolicy_clients::template::{self, Layout, Pattern};
use mcpolicy_schema::entry::Scope;

use common::{names_in, regenerates, workspace};

fn abouts() -> impl Iterator<Item = &'static About> {
    adapters::ALL.iter().map(|adapter| adapter.about())
}

fn ids() -> BTreeSet<String> {
    abouts().map(|about| about.id.to_owned()).collect()
}

fn layout(os: Os) -> Layout {
    Layout { os, home: PathBuf::from("/home/dev"), variables: BTreeMap::new() }
}

#[test]
fn adapter_files_and_fixture_directories_and_the_registry_agree() {
    let files = names_in(&workspace().join("agent/clients/src/adapters"));
    let files = files.iter().filter_map(|name| name.strip_suffix(".rs")).filter(|name| *name != "mod");
    assert_eq!(files.map(|name| name.replace('_', "-")).collect::<BTreeSet<_>>(), ids());
    let fixtures = workspace().join("tests/fixtures/clients");
    assert_eq!(names_in(&fixtures).into_iter().collect::<BTreeSet<_>>(), ids());
    for id in ids() {
        let cases = names_in(&fixtures.join(&id));
        assert!(cases.iter().any(|case| case.starts_with("typical")), "{id} has no typical fixture");
    }
}

#[test]
fn ids_are_in_order_and_ranks_are_unique() {
    let order: Vec<&str> = abouts().map(|about| about.id).collect();
    assert!(order.is_sorted() && ids().len() == order.len());
    let ranks: BTreeSet<u8> = abouts().map(|about| about.rank).collect();
    assert_eq!(ranks.len(), order.len());
}

#[test]
fn every_client_says_what_it_is_and_where_that_is_known_from() {
    for about in abouts() {
        assert!(!about.name.is_empty() && !about.evidence.is_empty(), "{}", about.id);
        assert!(about.processes.iter().all(|p| *p == p.to_ascii_lowercase()), "{}", about.id);
        assert!(about.bypass_flags.iter().all(|f| f.starts_with("--")), "{}", about.id);
        assert!(about.locations.iter().any(|at| !at.keys.is_empty() && at.role == Role::Own), "{}", about.id);
    }
}

#[test]
fn each_client_has_the_off_switch_in_the_entry_that_is_known_of_it_and_no_other() {
    let told = |about: &About| {
        let switch = about.switch?;
        assert!(!switch.evidence.is_empty(), "{}", about.id);
        let sure = match switch.holds {
            Holds::In(versions) => !versions.is_empty(),
            Holds::NotAlways(why) => why.is_empty(),
        };
        assert_eq!(about.sure_switch().is_some(), sure, "{}", about.id);
        Some((about.id, switch.member, switch.off, sure))
    };
    let known: Vec<_> = abouts().filter_map(told).collect();
    let expected = [
        ("amazon-q", "disabled", true, false),
        ("cline", "disabled", true, false),
        ("codex", "enabled", false, false),
        ("crush", "disabled", true, false),
        ("droid", "disabled", true, false),
        ("goose", "enabled", false, true),
        ("kilo-code", "enabled", false, false),
        ("kiro", "disabled", true, true),
        ("opencode", "enabled", false, false),
        ("roo-code", "disabled", true, false),
    ];
    assert_eq!(known, expected);
    for id in ["claude-code", "claude-desktop", "cursor", "vscode", "gemini-cli", "zed", "windsurf"] {
        assert_eq!(adapters::by_id(id).unwrap().about().switch, None, "{id}");
    }
}

#[test]
fn an_entry_is_off_only_by_its_clients_own_member_and_only_by_a_truth_value() {
    let is_off = |id: &str, text: &str| {
        let parsed = mcpolicy_clients::codec::parse(Format::Json(Dialect::STRICT), "x.json", text).unwrap();
        adapters::by_id(id).unwrap().about().is_off(&parsed.root)
    };
    assert!(is_off("kiro", r#"{"disabled": true}"#) && is_off("goose", r#"{"enabled": false}"#));
    for text in [
        "{}",
        r#"{"disabled": false}"#,
        r#"{"disabled": "true"}"#,
        r#"{"disabled": 1}"#,
        r#"{"Disabled": true}"#,
        r#"{"disabled": true, "disabled": false}"#,
        r#"{"enabled": false}"#,
    ] {
        assert!(!is_off("kiro", text), "{text}");
    }
    for about in abouts().filter(|about| about.sure_switch().is_none()) {
        assert!(!is_off(about.id, r#"{"disabled": true, "enabled": false}"#), "{}", about.id);
    }
}

#[test]
fn every_template_expands_to_full_paths_on_each_of_its_systems() {
    for about in abouts() {
        for at in about.locations {
            assert!(!at.os.is_empty() && !at.path.contains('\\'), "{} {}", about.id, at.path);
            for os in at.os {
                for pattern in patterns(about, at.path, *os) {
                    let path = joined(&pattern);
                    let full = path.starts_with('/') || path.starts_with("C:/");
                    assert!(full && !path.contains(['$', '%', '<', '~', '?']), "{} {path}", about.id);
                    assert!(!path.ends_with('/'), "{} {path}", about.id);
                }
            }
        }
    }
}

#[test]
fn windows_and_mac_folders_are_only_named_on_their_systems() {
    for about in abouts() {
        for at in about.locations {
            let windows = at.path.starts_with('%');
            let mac = at.path.contains("Library/Application Support");
            assert!(!windows || at.os == [Os::Windows], "{} {}", about.id, at.path);
            // MCPorter asks for the folder of macOS wherever it runs
            let everywhere = about.id == "mcporter" && at.role != Role::Own;
            assert!(!mac || everywhere || at.os == [Os::Macos], "{} {}", about.id, at.path);
        }
    }
}

/// Where a template points, with nothing set. A variable without default points nowhere.
fn patterns(about: &About, path: &str, os: Os) -> Vec<Pattern> {
    // a file that another names, under whatever name
    if path.starts_with('<') && !path.contains('/') {
        return vec![Pattern { base: "/srv/plugin/named.json".into(), rest: Vec::new() }];
    }
    let below = ["<project>", "<plugin>", "<skills>", "<marketplace>", "<agents>"]
        .into_iter()
        .filter_map(|prefix| template::below(path, prefix, Path::new("/srv/project")));
    let below: Vec<Pattern> = below.collect();
    if !below.is_empty() {
        return below;
    }
    let patterns = template::expand(about, path, &layout(os));
    let variable = path.contains("?/") || path.ends_with('?');
    assert!(variable || !patterns.is_empty(), "{} {path} expands to nothing", about.id);
    patterns
}

fn joined(pattern: &Pattern) -> String {
    let base = pattern.base.to_str().unwrap().replace('\\', "/");
    if pattern.rest.is_empty() { base } else { format!("{base}/{}", pattern.rest.join("/")) }
}

/// Whether all that one pattern stands for another one stands for too.
fn covers(ours: &str, theirs: &str) -> bool {
    let (ours, theirs): (Vec<_>, Vec<_>) = (ours.split('/').collect(), theirs.split('/').collect());
    ours.len() == theirs.len() && ours.iter().zip(&theirs).all(|(o, t)| template::component_matches(o, t))
}

#[test]
fn every_location_of_the_reference_registry_is_covered() {
    let path = workspace().join("../shared/clients.toml");
    let Ok(text) = std::fs::read_to_string(&path) else {
        mcpolicy_tests::skip("the reference registry is not beside this workspace");
        return;
    };
    let parsed = mcpolicy_clients::codec::toml::parse(&text).unwrap();
    let clients = parsed.root.get("client").unwrap().items();
    assert_eq!(clients.len(), 34);
    let mut missing = Vec::new();
    for client in clients {
        let id = client.get("id").and_then(Node::as_str).unwrap();
        let Some(adapter) = adapters::by_id(id) else {
            missing.push(id.to_owned());
            continue;
        };
        for wanted in client.get("location").unwrap().items() {
            missing.extend(uncovered(adapter.about(), wanted));
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// What of one reference location no location of ours stands for.
fn uncovered(about: &About, wanted: &Node<'_>) -> Vec<String> {
    let field = |name: &str| wanted.get(name).and_then(Node::as_str).unwrap();
    let (path, format, key) = (field("path").replace('\\', "/"), field("format"), field("key"));
    if matches!(format, "plist" | "registry") {
        return Vec::new();
    }
    let systems = wanted.get("os").unwrap().items().iter().filter_map(Node::as_str);
    let systems = systems.map(|name| *ANY_OS.iter().find(|os| os.as_str() == name).unwrap());
    let points_there = |at: &Location, os: Os| {
        let ours: Vec<String> = patterns(about, at.path, os).iter().map(joined).collect();
        patterns(about, &path, os).iter().map(joined).all(|theirs| {
            let inside = |o: &String| format == "dir" && o.starts_with(&format!("{theirs}/"));
            ours.iter().any(|o| covers(o, &theirs) || inside(o))
        })
    };
    let fits = |at: &Location, os: Os| {
        at.os.contains(&os)
            && at.scope.as_str() == field("scope")
            && points_there(at, os)
            && format_fits(at.format, format)
            && (format == "dir" || key_fits(at, key))
    };
    systems
        .filter(|os| !about.locations.iter().any(|at| fits(at, *os)))
        .map(|os| format!("{} {} {path} ({format}, {key})", about.id, os.as_str()))
        .collect()
}

fn format_fits(ours: Format, theirs: &str) -> bool {
    let dialect = |fits: fn(Dialect) -> bool| matches!(ours, Format::Json(ours) if fits(ours));
    match theirs {
        "dir" => true,
        "json" => dialect(|_| true),
        "json-strict" => dialect(|d| !d.comments && !d.trailing_commas),
        "json+comments" => dialect(|d| d.comments && !d.trailing_commas),
        "jsonc" => dialect(|d| d.comments && d.trailing_commas),
        "toml" => ours == Format::Toml,
        "yaml" => ours == Format::Yaml,
        "yaml|json" => ours == Format::YamlOrJson,
        "xml" => ours == Format::Xml,
        "shell" => ours == Format::Shell,
        other => panic!("unknown format {other}"),
    }
}

/// Whether the reference key is among ours. Keys of policies and of programs are no keys of servers.
fn key_fits(at: &Location, key: &str) -> bool {
    const NO_SERVERS: &[&str] = &[
        "allowedMcpServers",
        "ChatAllowedMcpServers",
        "mcp.allowed",
        "mcpPolicy",
        "amp.mcpPermissions",
        "mcp add",
    ];
    if NO_SERVERS.contains(&key) {
        return true;
    }
    if let Some(list) = key.strip_suffix("[]") {
        return at.list && at.keys.contains(&format!("/{list}").as_str());
    }
    let component = key.strip_prefix("component[@name='").and_then(|k| k.strip_suffix("']"));
    let literal = format!("/{}", component.unwrap_or(key));
    let nested = literal.replace('.', "/");
    at.keys.contains(&literal.as_str()) || at.keys.contains(&nested.as_str())
}

#[test]
fn docs_clients_md_is_what_the_registry_says() {
    let path = workspace().join("docs/clients.md");
    let generated = document();
    if regenerates() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &generated).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == generated,
        "docs/clients.md is out of date: MCPOLICY_REGENERATE=1 cargo test -p mcpolicy-clients --test registry"
    );
}

fn document() -> String {
    let mut out = String::from(
        "# Clients\n\nGenerated from the registry (`agent/clients/src/adapters`); do not edit.\n\n\
         Paths: `~` is the home, `$NAME` a variable with its default, `$NAME?` a variable that counts only where it is\n\
         set, `%NAME%` a Windows folder, `<project>` the root of a project, `<plugin>` a directory that a plugin index,\n\
         a catalogue or settings name, `<named>`, `<catalogue>` and `<catalogue-copy>` a file that a plugin, settings or an\n\
         index name, `<agent>` a file and `<skills>`, `<agents>` and `<marketplace>` folders that settings or manifests name, `*` one component. Keys are JSON Pointers; a location without key holds settings, an index or a policy.\n\
         `own` is the client's own file; the others are files of other clients that it reads too. What holds the state\n\
         of its client is never taken away as a whole.\n\n\
         | rank | client | id | servers from |\n|---|---|---|---|\n",
    );
    let mut ranked: Vec<&About> = abouts().collect();
    ranked.sort_by_key(|about| about.rank);
    for about in &ranked {
        let own = about.locations.iter().filter(|at| !at.keys.is_empty() && at.role == Role::Own);
        let scopes: BTreeSet<_> = own.map(|at| at.scope.as_str()).collect();
        let scopes: Vec<_> = scopes.into_iter().collect();
        writeln!(out, "| {} | {} | `{}` | {} |", about.rank, about.name, about.id, scopes.join(", "))
            .unwrap();
    }
    for about in ranked {
        section(&mut out, about);
    }
    out
}

fn section(out: &mut String, about: &About) {
    writeln!(out, "\n## {}\n\n`{}`. Evidence: {}.\n", about.name, about.id, about.evidence).unwrap();
    out.push_str("| scope | system | path | key | format | reads |\n|---|---|---|---|---|---|\n");
    for at in about.locations {
        let systems: Vec<_> = at.os.iter().map(|os| os.as_str()).collect();
        let systems = if systems.len() == 3 { "all".to_owned() } else { systems.join(", ") };
        let keys: Vec<_> = at.keys.iter().map(|key| if key.is_empty() { "(top)" } else { key }).collect();
        let keys = if keys.is_empty() { "-".to_owned() } else { format!("`{}`", keys.join("`, `")) };
        let reads = match at.role {
            Role::Own if at.state => "own, with its state".to_owned(),
            Role::Own => "own".to_owned(),
            Role::Reads => "always".to_owned(),
            Role::ReadsIf(setting) => format!("if: {setting}"),
        };
        let list = if at.list { ", list or map" } else { "" };
        let (scope, format) = (at.scope.as_str(), format_name(at.format));
        writeln!(out, "| {scope} | {systems} | `{}` | {keys}{list} | {format} | {reads} |", at.path).unwrap();
    }
    let mut lines = Vec::new();
    for variable in about.variables {
        let default = if variable.default.is_empty() { "no default" } else { variable.default };
        lines.push(format!("`${}` ({default}) moves files.", variable.name));
    }
    for files in about.environments.chunk_by(|a, b| a.takes == b.takes) {
        let takes: Vec<&str> = files[0].takes.iter().map(|taken| taken.name).collect();
        let paths: Vec<&str> = files.iter().map(|file| file.path).collect();
        lines.push(format!("Takes `{}` by itself from `{}`.", takes.join("`, `"), paths.join("`, `")));
    }
    if !about.content.is_empty() {
        let told = "is a gap where a start file sets it";
        lines.push(format!("`{}` brings servers, too: it {told}.", about.content.join("`, `")));
    }
    if !about.processes.is_empty() {
        lines.push(format!("Processes: `{}`.", about.processes.join("`, `")));
    }
    if !about.bypass_flags.is_empty() {
        lines.push(format!("Flags that switch its questions off: `{}`.", about.bypass_flags.join("`, `")));
    }
    if !about.notes.is_empty() {
        lines.push(about.notes.to_owned());
    }
    lines.extend(about.switch.map(|switch| {
        let set = format!("`{}`: `{}`", switch.member, switch.off);
        match switch.holds {
            Holds::In(versions) => {
                format!("Its off switch in the entry: {set} ({versions}; {}).", switch.evidence)
            }
            Holds::NotAlways(why) => {
                format!("Its off switch in the entry, {set} ({}), is not relied on: {why}.", switch.evidence)
            }
        }
    }));
    lines.extend(elsewhere(about));
    if !lines.is_empty() {
        writeln!(out, "\n{}", lines.join(" ")).unwrap();
    }
}

/// Where the client keeps approvals and off switches of a project's server.
fn elsewhere(about: &About) -> Vec<String> {
    let adapter = adapters::by_id(about.id).unwrap();
    let project = Some("/PROJECT");
    let declared = Declared {
        name: "NAME",
        scope: Scope::Project,
        key_path: "/mcpServers/NAME",
        project,
        checkout: project,
        repository: project,
    };
    let listed = |paths: Vec<String>| format!("`{}`", paths.join("`, `"));
    let mut lines = Vec::new();
    let approvals = adapter.approval_files(&declared);
    if !approvals.is_empty() {
        let paths = approvals.into_iter().map(|keeps| keeps.path).collect();
        lines.push(format!("Approvals of a project's server, which go with it: {}.", listed(paths)));
    }
    let switches = adapter.off_switches(&declared);
    if let Some(evidence) = switches.first().map(|switch| switch.evidence) {
        let evidence = match evidence {
            Evidence::Tested => "tested",
            Evidence::Read => "read in its code",
            Evidence::Inferred => "inferred: nothing rests on it",
        };
        let paths = switches.into_iter().map(|switch| switch.keeps.path).collect();
        lines.push(format!(
            "The user's switch for it, outside of the project ({evidence}): {}.",
            listed(paths)
        ));
    }
    lines
}

fn format_name(format: Format) -> &'static str {
    match format {
        Format::Json(Dialect::STRICT) => "JSON, strict",
        Format::Json(Dialect::COMMENTS) => "JSON with comments",
        Format::Json(Dialect::RECOVERING) => "JSONC with error recovery",
        Format::Json(_) => "JSON with comments and trailing commas, or not established",
        Format::Toml => "TOML",
        Format::Yaml => "YAML",
        Format::YamlOrJson => "YAML or JSON",
        Format::FrontMatter => "Markdown, its front matter",
        Format::Xml => "XML",
        Format::Shell => "program",
    }
}
