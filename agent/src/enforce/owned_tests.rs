use mcpolicy_clients::elsewhere::switched_off;
use mcpolicy_schema::entry::{Reader, Scope};

use super::*;

fn paths(texts: &[&str]) -> Vec<PathBuf> {
    texts.iter().map(PathBuf::from).collect()
}

fn owner_of(path: &str, git: &[&str]) -> Option<Owner> {
    owner(Path::new(path), Path::new("/home/dev"), &paths(git), &[])
}

#[test]
fn a_file_belongs_to_the_nearest_work_tree() {
    let git = ["/home/dev", "/home/dev/src/proj", "/home/dev/other"];
    let root = |root: &str| Some(Owner::Git { root: PathBuf::from(root) });
    assert_eq!(owner_of("/home/dev/src/proj/.mcp.json", &git), root("/home/dev/src/proj"));
    assert_eq!(owner_of("/home/dev/src/proj2/.mcp.json", &git), root("/home/dev"));
    assert_eq!(owner_of("/home/dev/src/proj/.mcp.json", &[]), None);
    let dotfiles = owner_of("/home/dev/.cursor/mcp.json", &git).unwrap();
    assert!(!dotfiles.leaves(Path::new("/home/dev/.claude.json")), "the switch would be in the same tree");
}

#[test]
fn folders_of_sync_services_are_known_by_name() {
    for (path, service) in [
        ("/home/dev/Dropbox/p/.mcp.json", "Dropbox"),
        ("/home/dev/Dropbox (Example Corp)/p/.mcp.json", "Dropbox"),
        ("/home/dev/OneDrive - Example Corp/p/.mcp.json", "OneDrive"),
        ("/home/dev/onedrive/.mcp.json", "OneDrive"),
        ("/home/dev/Library/Mobile Documents/com~apple~CloudDocs/p/.mcp.json", "iCloud Drive"),
        (
            "/home/dev/Library/CloudStorage/GoogleDrive-dev@example.com/p/.mcp.json",
            "a cloud storage of macOS",
        ),
        ("/home/dev/Google Drive/.mcp.json", "Google Drive"),
    ] {
        let Some(Owner::Sync { service: found, .. }) = owner_of(path, &[]) else { panic!("{path}") };
        assert_eq!(found, service, "{path}");
    }
    for path in [
        "/home/dev/.cursor/mcp.json",
        "/home/dev/src/dropbox/.mcp.json",
        "/home/dev/boxes/.mcp.json",
        "/home/dev/onedrivers/.mcp.json",
        "/home/dev/dropbox",
        "/srv/Dropbox/.mcp.json",
        "/home/dev/Library/Application Support/Claude/claude_desktop_config.json",
    ] {
        assert_eq!(owner_of(path, &[]), None, "{path}");
    }
}

#[test]
fn a_marker_makes_a_synced_folder_but_not_of_the_home_itself() {
    let marked = [(PathBuf::from("/home/dev"), "Dropbox"), (PathBuf::from("/home/dev/work"), "Syncthing")];
    let owner = |path: &str| owner(Path::new(path), Path::new("/home/dev"), &[], &marked);
    let synced = Owner::Sync { root: PathBuf::from("/home/dev/work"), service: "Syncthing" };
    assert_eq!(owner("/home/dev/work/p/.mcp.json"), Some(synced));
    assert_eq!(owner("/home/dev/.cursor/mcp.json"), None);
}

#[test]
fn a_linked_work_tree_names_its_main_one_and_a_submodule_is_its_own() {
    let main = |dot_git| main_work_tree(Path::new("/home/dev/wt"), dot_git);
    assert_eq!(main(None), Path::new("/home/dev/wt"));
    assert_eq!(main(Some("gitdir: /home/dev/proj/.git/worktrees/wt\n")), Path::new("/home/dev/proj"));
    assert_eq!(main(Some("gitdir: ../proj/.git/worktrees/wt\n")), Path::new("/home/dev/proj"));
    assert_eq!(main(Some("gitdir: ../.git/modules/wt\n")), Path::new("/home/dev/wt"));
    assert_eq!(main(Some("gitdir: /bare.git/worktrees/wt\n")), Path::new("/home/dev/wt"));
    assert_eq!(main(Some("nonsense")), Path::new("/home/dev/wt"));
}

const CHECKOUT: &str = "/home/dev/proj";

fn declaration(name: &str) -> Declaration {
    let checkout = || Some(CHECKOUT.to_owned());
    Declaration {
        name: name.to_owned(),
        scope: Scope::Project,
        key_path: "/mcpServers/evil".to_owned(),
        project: checkout(),
        checkout: checkout(),
        repository: checkout(),
    }
}

fn read_by(clients: &[ClientId]) -> Entry {
    let readers = clients.iter().map(|client| Reader { client, setting: None }).collect();
    let mut entry = Entry::stdio("evil", Vec::<String>::new());
    entry.name = "evil".to_owned();
    entry.readers = readers;
    entry
}

/// An object without one member; anything else as it is.
fn without(text: &str, member: &str) -> String {
    let Ok(mut value) = serde_json::from_str::<serde_json::Value>(text) else { return text.to_owned() };
    value.as_object_mut().map(|object| object.remove(member));
    value.to_string()
}

/// What the switches do for readers, where the first file of each client holds these bytes.
fn asked(clients: &[ClientId], here: &[ClientId], bytes: Option<&str>) -> Switches {
    let read = |declared: &Declaration, switch: &OffSwitch| {
        let is_set = |text: &str| {
            // the settings have no part of the state, and are believed only with what is known of them
            let is_settings = switch.keeps.path.ends_with("settings.json");
            let text = if is_settings { without(text, "projects") } else { text.to_owned() };
            is_off(by_id(switch.client).unwrap(), &switch.keeps, &declared.declared(), text.as_bytes())
        };
        let set = bytes.filter(|_| switch.empty.is_some()).map(is_set).into_iter().collect();
        SwitchFile { free: true, set, exists: !switch.keeps.path.contains('?') }
    };
    let declared = |_: ClientId| declaration("evil");
    switches(&read_by(clients), &declared, &|client| here.contains(&client), &read)
}

#[test]
fn switches_are_of_use_only_if_every_client_that_loads_the_entry_has_one() {
    let all = ["claude-code", "vscode", "copilot-cli", "cursor"];
    let set = |clients: &[ClientId]| match asked(clients, &all, None) {
        Switches::ToSet(switches) => switches.into_iter().map(|switch| switch.client).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(set(&["claude-code"]), ["claude-code"; 3], "its state and both of its settings");
    assert_eq!(set(&["claude-code", "cursor"]), ["claude-code", "claude-code", "claude-code", "cursor"]);
    assert_eq!(asked(&["claude-code", "vscode"], &all, None), Switches::NoUse, "VS Code has none");
    assert_eq!(asked(&["claude-code", "copilot-cli"], &all, None), Switches::NoUse, "inferred only");
    assert_eq!(asked(&[], &all, None), Switches::NoUse);
    // a client that is not used in this home does not count
    assert!(matches!(asked(&["claude-code", "vscode"], &["claude-code"], None), Switches::ToSet(_)));
    assert_eq!(asked(&["vscode"], &["claude-code"], None), Switches::NoUse);
}

#[test]
fn switches_that_are_set_are_proved_by_what_is_read() {
    let off = r#"{"projects":{"/home/dev/proj":{"disabledMcpServers":["evil"]}},"disabledMcpjsonServers":["evil"]}"#;
    assert_eq!(asked(&["claude-code"], &["claude-code"], Some(off)), Switches::Off);
    let on = r#"{"projects":{"/home/dev/proj":{"disabledMcpServers":["other"]}}}"#;
    assert!(matches!(asked(&["claude-code"], &["claude-code"], Some(on)), Switches::ToSet(_)));
    assert!(matches!(asked(&["claude-code"], &["claude-code"], Some("{broken")), Switches::ToSet(_)));
}

#[test]
fn a_switch_inside_of_the_owned_tree_is_of_no_use() {
    let inside = |_: &Declaration, _: &OffSwitch| SwitchFile { free: false, set: Vec::new(), exists: true };
    let declared = |_: ClientId| declaration("evil");
    let found = switches(&read_by(&["claude-code"]), &declared, &|_| true, &inside);
    assert_eq!(found, Switches::NoUse);
}

#[test]
fn a_switch_for_all_projects_must_not_take_an_allowed_server_of_the_same_name_along() {
    let adapter = by_id("gemini-cli").unwrap();
    let (evil, good, upper) = (declaration("evil"), declaration("good"), declaration("EVIL"));
    let switch = adapter.off_switches(&evil.declared()).remove(0);
    let after = switched_off(adapter, &switch, &evil.declared(), None).unwrap().unwrap();
    assert!(spares(adapter, &switch.keeps, &[good.declared()], None, &after));
    assert!(!spares(adapter, &switch.keeps, &[good.declared(), upper.declared()], None, &after));
    assert!(spares(adapter, &switch.keeps, &[upper.declared()], Some(&after), &after), "it was off before");
}
