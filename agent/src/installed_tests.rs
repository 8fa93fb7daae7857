use mcpolicy_tests::TestMachine;

use super::*;

/// A file that may be run: with the mode of a program of this host.
fn program(machine: &TestMachine, path: &str) -> PathBuf {
    let path = machine.file(path, "");
    let own = std::env::current_exe().unwrap();
    std::fs::set_permissions(&path, std::fs::metadata(own).unwrap().permissions()).unwrap();
    path
}

fn found(machine: &TestMachine, os: Os) -> Vec<(String, String, Option<String>, Tested)> {
    let layout = Layout { os, home: PathBuf::from("/home/dev"), variables: BTreeMap::new() };
    let all = find(&Machine::at_root(&machine.root()), &[&layout], os, &[]);
    let one = |one: Installed| {
        let path = one.path.to_string_lossy().replace('\\', "/");
        (one.id.to_owned(), path.trim_start_matches("/home/dev/").to_owned(), one.version, one.tested)
    };
    all.into_iter().map(one).collect()
}

fn row(
    id: &str,
    path: &str,
    version: Option<&str>,
    tested: Tested,
) -> (String, String, Option<String>, Tested) {
    (id.to_owned(), path.to_owned(), version.map(str::to_owned), tested)
}

#[test]
fn versions_are_read_from_packages_paths_and_folders_and_nothing_is_run() {
    let machine = TestMachine::new("");
    // a path of the machine at another
    let link = |target: &Path, at: &str| {
        let at = machine.home().join(at);
        std::fs::create_dir_all(at.parent().unwrap()).unwrap();
        mcpolicy_tests::private::link_folder(
            &Path::new("/").join(target.strip_prefix(machine.root()).unwrap()),
            &at,
        )
    };
    // npm, below a Node whose own version stands in the path
    let node = ".nvm/versions/node/v22.13.0";
    let gemini = program(&machine, &format!("{node}/lib/node_modules/@google/gemini-cli/dist/index.js"));
    machine.file(
        &format!("{node}/lib/node_modules/@google/gemini-cli/package.json"),
        r#"{"name": "@google/gemini-cli", "version": "0.61.0", "bin": {"gemini": "dist/index.js"}}"#,
    );
    if !link(&gemini, &format!("{node}/bin/gemini")) {
        // this system has no links that are made so
        return;
    }
    // a package of another program, and one that lies
    let codex = program(&machine, ".bun/lib/x/codex.js");
    machine.file(".bun/lib/x/package.json", r#"{"name": "x", "version": "9.9.9", "bin": {"other": "y"}}"#);
    link(&codex, ".bun/bin/codex");
    let kimi = program(&machine, ".bun/lib/kimi/kimi.js");
    machine.file(".bun/lib/kimi/package.json", r#"{"name": "kimi", "version": "1.0\u001b[2J"}"#);
    link(&kimi, ".bun/bin/kimi");
    // the client's own installer
    let claude = program(&machine, ".local/share/claude/versions/2.1.400");
    link(&claude, ".local/bin/claude");
    // a script beside its packages
    program(&machine, ".claude/local/claude");
    machine.file(
        ".claude/local/node_modules/@anthropic-ai/claude-code/package.json",
        r#"{"name": "@anthropic-ai/claude-code", "version": "2.1.329", "bin": {"claude": "cli.js"}}"#,
    );
    // one that is only called so, without any version, and a file that is no program
    program(&machine, "bin/goose");
    machine.file("bin/crush", "notes");
    machine.file(".vscode/extensions/saoudrizwan.claude-dev-3.50.1-linux-x64/package.json", "{}");
    machine.file(".vscode/extensions/other.thing-1.0.0/package.json", "{}");
    assert_eq!(
        found(&machine, Os::Linux),
        [
            row("claude-code", ".claude/local/claude", Some("2.1.329"), Tested::ThisVersion),
            row("claude-code", ".local/bin/claude", Some("2.1.400"), Tested::OtherVersions),
            row("codex", ".bun/bin/codex", None, Tested::Unknown),
            row("gemini-cli", &format!("{node}/bin/gemini"), Some("0.61.0"), Tested::ThisVersion),
            row(
                "cline",
                ".vscode/extensions/saoudrizwan.claude-dev-3.50.1-linux-x64",
                Some("3.50.1"),
                Tested::None
            ),
            row("goose", "bin/goose", None, Tested::Unknown),
            row("kimi-code", ".bun/bin/kimi", None, Tested::Unknown),
        ]
    );
}

#[test]
fn bundles_and_the_folders_of_windows_tell_their_versions() {
    let machine = TestMachine::new("");
    let plist = |version: &str| {
        format!(
            "<plist><dict><key>CFBundleShortVersionString</key>\n\t<string>{version}</string></dict></plist>"
        )
    };
    machine.file("Applications/Claude.app/Contents/Info.plist", plist("1.2.3"));
    machine.file("Applications/Cursor.app/Contents/Info.plist", "bplist00");
    machine.file("Applications/Cursor.app/Contents/Resources/app/package.json", r#"{"version": "2.0.1"}"#);
    machine.file("Applications/Notes.app/Contents/Info.plist", plist("7.0"));
    machine.file("AppData/Local/AnthropicClaude/app-0.36.0/claude.exe", "");
    machine.file("AppData/Local/Programs/cursor/Cursor.exe", "");
    machine.file("AppData/Local/Programs/cursor/resources/app/package.json", r#"{"version": "2.0.2"}"#);
    assert_eq!(
        found(&machine, Os::Macos),
        [
            row("cursor", "Applications/Cursor.app", Some("2.0.1"), Tested::None),
            row("claude-desktop", "Applications/Claude.app", Some("1.2.3"), Tested::None),
        ]
    );
    assert_eq!(
        found(&machine, Os::Windows),
        [
            row("cursor", "AppData/Local/Programs/cursor/Cursor.exe", Some("2.0.2"), Tested::None),
            row(
                "claude-desktop",
                "AppData/Local/AnthropicClaude/app-0.36.0/claude.exe",
                Some("0.36.0"),
                Tested::None
            ),
        ]
    );
}

#[test]
fn what_is_installed_for_all_of_windows_is_found_without_any_home() {
    let folder = TestMachine::new("");
    let machine = Machine::at_root(&folder.root());
    let program = machine.host_path(Path::new("C:/Program Files/Cursor/Cursor.exe"));
    std::fs::create_dir_all(program.parent().unwrap()).unwrap();
    std::fs::write(&program, "").unwrap();
    let all = find(&machine, &[], Os::Windows, &[]);
    assert_eq!(all.iter().map(|one| one.id).collect::<Vec<_>>(), ["cursor"]);
}
