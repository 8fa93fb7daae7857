//! Facts on fake machines.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mcpolicy_schema::entry::NamedValue;
use mcpolicy_schema::identity::identify;

use super::*;

const DIGEST_OF_X: &str = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";

struct Fake {
    root: tempfile::TempDir,
    search_path: BTreeMap<String, Vec<String>>,
}

impl Fake {
    fn new(files: &[&str]) -> Self {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file.trim_start_matches('/'));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "x").unwrap();
            mark_executable(&path);
        }
        Self { root, search_path: BTreeMap::new() }
    }

    fn facts(&self, entry: &Entry, directory: Option<&str>) -> Facts {
        let machine = Machine::at_root(self.root.path());
        let ground = Ground {
            look: &machine,
            has_files: true,
            processes: None,
            has_sockets: false,
            search_path: &self.search_path,
            wants_digest: Box::new(|path| path.ends_with("pinned")),
        };
        let dweller = Dweller {
            at: None,
            home: Some(PathBuf::from("/home/dev")),
            os: crate::ground::host_os(),
            account: Account { uid: Some(65_533), gids: BTreeSet::new() },
        };
        Resolver::new(ground).facts(&Asked {
            entry,
            identity: &identify(entry),
            dweller: &dweller,
            directory: directory.map(Path::new),
            running: None,
        })
    }
}

/// Copies the mode of a program of the host: the agent itself never sets modes.
fn mark_executable(path: &Path) {
    let program = std::env::current_exe().unwrap();
    std::fs::set_permissions(path, std::fs::metadata(program).unwrap().permissions()).unwrap();
}

fn entry(command: &str, args: &[&str]) -> Entry {
    Entry { name: "server".to_owned(), client: "claude-code", ..Entry::stdio(command, args.iter().copied()) }
}

fn program_path(facts: &Facts) -> Option<&str> {
    facts.program.as_ref().map(|file| file.path.as_str())
}

#[test]
fn a_bare_command_is_looked_for_in_the_search_path_of_the_policy() {
    let mut fake = Fake::new(&["/usr/bin/tool", "/opt/tools/tool", "/home/dev/bin/tool"]);
    assert_eq!(program_path(&fake.facts(&entry("tool", &[]), None)), Some("/usr/bin/tool"));
    let os = crate::ground::host_os().as_str().to_owned();
    fake.search_path.insert(os.clone(), vec!["/opt/tools".to_owned(), "/usr/bin".to_owned()]);
    assert_eq!(program_path(&fake.facts(&entry("tool", &[]), None)), Some("/opt/tools/tool"));
    fake.search_path.insert(os, vec!["~/bin".to_owned()]);
    assert_eq!(program_path(&fake.facts(&entry("tool", &[]), None)), Some("/home/dev/bin/tool"));
    assert_eq!(program_path(&fake.facts(&entry("absent", &[]), None)), None);
}

#[test]
fn an_entry_that_sets_path_decides_where_its_command_is_found() {
    let fake = Fake::new(&["/usr/bin/tool", "/tmp/evil/tool"]);
    let mut own = entry("tool", &[]);
    own.env = vec![NamedValue { name: "PATH".to_owned(), value: "/tmp/evil:/usr/bin".into() }];
    assert_eq!(program_path(&fake.facts(&own, None)), Some("/tmp/evil/tool"));
    // a variable in it may stand for any directory, and so may one that is relative
    for unknown in ["$HOME/bin:/usr/bin", "bin:/usr/bin", ":/usr/bin"] {
        own.env[0].value = unknown.into();
        assert_eq!(program_path(&fake.facts(&own, None)), None, "{unknown}");
    }
    let wrapped = entry("env", &["PATH=/tmp/evil", "tool"]);
    assert_eq!(program_path(&fake.facts(&wrapped, None)), Some("/tmp/evil/tool"));
}

#[test]
fn a_file_that_may_not_be_run_is_passed_over_in_the_search() {
    let fake = Fake::new(&["/usr/local/bin/tool", "/usr/bin/tool"]);
    let first = fake.root.path().join("usr/local/bin/tool");
    std::fs::remove_file(&first).unwrap();
    // a new file has no right to be run
    std::fs::write(&first, "x").unwrap();
    assert_eq!(program_path(&fake.facts(&entry("tool", &[]), None)), Some("/usr/bin/tool"));
}

#[test]
fn a_relative_command_is_taken_from_where_the_client_starts_it() {
    let fake = Fake::new(&["/work/shop/bin/server", "/srv/bin/server"]);
    let mut relative = entry("./bin/server", &[]);
    assert_eq!(fake.facts(&relative, None), Facts::default());
    let facts = fake.facts(&relative, Some("/work/shop"));
    let program = facts.program.unwrap();
    assert_eq!(
        (program.path.as_str(), program.real_path.as_str()),
        ("/work/shop/bin/server", "/work/shop/bin/server")
    );
    relative.cwd = Some("/srv".into());
    let facts = fake.facts(&relative, Some("/work/shop"));
    assert_eq!(facts.program.unwrap().real_path, "/srv/bin/server");
    relative.cwd = Some("$SOMEWHERE".into());
    assert_eq!(fake.facts(&relative, Some("/work/shop")).program, None);
}

#[test]
fn the_script_of_an_interpreter_is_a_fact_of_its_own() {
    let fake = Fake::new(&["/usr/bin/node", "/opt/mcp/server.js", "/work/shop/server.js"]);
    let facts = fake.facts(&entry("node", &["/opt/mcp/server.js"]), None);
    assert_eq!(facts.script.unwrap().path, "/opt/mcp/server.js");
    assert_eq!(facts.program.unwrap().path, "/usr/bin/node");
    let facts = fake.facts(&entry("node", &["server.js"]), Some("/work/shop"));
    assert_eq!(facts.script.unwrap().real_path, "/work/shop/server.js");
    for (command, args) in [
        ("node", &["server.js"][..]),
        ("python3", &["-m", "server"]),
        ("npm", &["run", "server.js"]),
        ("node", &["-e", "server.js"]),
    ] {
        let directory = if args.len() > 1 { Some("/work/shop") } else { None };
        assert_eq!(fake.facts(&entry(command, args), directory).script, None, "{command} {args:?}");
    }
    let moved = entry("uv", &["--directory", "/tmp", "run", "server.py"]);
    assert_eq!(fake.facts(&moved, Some("/work/shop")).script, None);
}

#[test]
fn what_a_client_or_shell_would_expand_first_is_no_path() {
    let fake = Fake::new(&["/home/dev/bin/server", "/work/~/bin/server"]);
    for command in ["~/bin/server", "$HOME/bin/server", "${HOME}/bin/server", "%USERPROFILE%/server", ""] {
        assert_eq!(fake.facts(&entry(command, &[]), Some("/work")).program, None, "{command}");
    }
}

#[test]
fn a_digest_is_made_only_where_it_is_wanted() {
    let fake = Fake::new(&["/opt/pinned", "/opt/other"]);
    let digest = |path: &str| fake.facts(&entry(path, &[]), None).program.unwrap().sha256;
    assert_eq!(digest("/opt/pinned").as_deref(), Some(DIGEST_OF_X));
    assert_eq!(digest("/opt/other"), None);
}

#[test]
fn a_file_too_large_to_hash_is_a_counted_gap() {
    let fake = Fake::new(&["/opt/pinned"]);
    let machine = Machine::at_root(fake.root.path());
    let mut files = Files::hashing_at_most(&machine, 0);
    let facts = files.facts(Path::new("/opt/pinned"), None, &Account::default(), &|_| true);
    assert_eq!(facts.unwrap().sha256, None);
    files.facts(Path::new("/opt/pinned"), None, &Account::default(), &|_| true);
    let gaps = files.take_gaps();
    assert_eq!(gaps.len(), 1, "each file is told once");
    assert_eq!((gaps[0].kind, gaps[0].partial), ("not-hashed", false));
}

#[test]
fn files_of_the_host_are_no_facts_of_an_image() {
    let fake = Fake::new(&["/opt/other"]);
    // on every host, and not in the image
    let host = std::env::current_exe().unwrap();
    assert_eq!(fake.facts(&entry(host.to_str().unwrap(), &[]), None), Facts::default());
}
