//! Which entries are the same server everywhere, and which are whatever lies in the directory where they are started.

use mcpolicy_schema::evaluate::{depends_on_directory, is_tied};

use super::*;

fn depends(entry: &Entry) -> bool {
    depends_on_directory(entry, &identity::identify(entry))
}

fn line(line: &str) -> Entry {
    let words: Vec<&str> = line.split(' ').collect();
    entry(words[0], &words[1..])
}

fn started_in(cwd: &str, entry: Entry) -> Entry {
    Entry { cwd: Some(cwd.into()), ..entry }
}

#[test]
fn what_lies_in_the_working_directory_is_another_server_in_another() {
    for text in [
        "node ./x.js",
        "node x.js",
        "python -m server",
        "./server",
        "bin/server --x",
        "bin\\server.exe",
        "npx ./server",
        "npx x@.evil",
        "uvx x@evil",
        "uv run server.py",
        "cargo run",
        "npm run mcp",
        "sh -c ./x;true",
        // Nobody can tell what it runs, though nothing in it looks like a path.
        "sh -c true;x",
        "node ${workspaceFolder}/x.js",
        "env NODE_OPTIONS=--require=./x.js npx a@1.0.0",
        "env NODE_PATH=.. npx a@1.0.0",
        "env PYTHONPATH=. uvx a",
        "uvx --with ./evil x",
        "uvx --with extra@evil x",
        "uvx --with ok,extra@evil x",
        "npx --package a --package b@.evil a",
        "npx --prefix ../x a",
        "docker run -v ./x:/x img",
        "env PATH=./bin:/bin npx a",
        "bin/env npx a@1.0.0",
        "node /proc/self/cwd/server.js",
        "node /proc/thread-self/cwd/server.js",
        "java -jar /proc/self/cwd/server.jar",
        "node /x/..//proc//self/cwd/server.js",
        "docker run -v /proc/self/cwd:/x img",
        "node ~+/server.js",
    ] {
        assert!(depends(&line(text)), "{text}");
    }
    for text in [
        "npx -y a@1.0.0 ./data",
        "uvx a .",
        "uvx --with extra@1.0 x",
        "uvx --with extra==1.0,more>2 x",
        "npx --package a --package b@^1 a",
        // To npm that is a tag.
        "npx --package a --package b@next a",
        "npx --prefix /opt/x a",
        "env NODE_PATH=/opt/.x npx a@1.0.0",
        "node /opt/x.js ./data",
        "/opt/server .",
        "server",
        "docker run -i img",
        "npx -y mcp-remote https://h.example/mcp",
    ] {
        assert!(!depends(&line(text)), "{text}");
    }
}

#[test]
fn a_whole_path_is_the_same_from_everywhere_and_one_with_a_tilde_or_a_variable_is_not() {
    for path in ["/opt/x.js", "C:\\x\\y.js", "C:/x/y.js", "\\\\host\\share\\y.js"] {
        assert!(!depends(&entry("node", &[path])), "{path}");
        assert!(!depends(&started_in(path, line("node ./x.js"))), "{path}");
    }
    for path in [
        "x.js",
        "x/C:/y.js",
        "~/x.js",
        "~jane/x.js",
        "$HOME/x.js",
        "${env:HOME}/x.js",
        "%APPDATA%\\x.js",
        "${X}/x.js",
        "C:x.js",
        "\\x.js",
        "x~/y.js",
    ] {
        assert!(depends(&entry("node", &[path])), "{path}");
        assert!(depends(&started_in(path, ab())), "{path}");
    }
}

#[test]
fn an_entry_that_says_where_it_is_started_depends_on_that_alone() {
    assert!(!depends(&started_in("/srv/x", line("node ./x.js"))));
    assert!(depends(&started_in("sub", ab())), "a package too is started in another directory");
    assert!(!depends(&started_in("", ab())), "an empty word says nothing");
    assert!(depends(&started_in("", line("node ./x.js"))));
}

#[test]
fn an_exception_for_what_lies_in_the_directory_does_not_follow_it_into_the_next() {
    for (text, elsewhere) in [
        ("./server", false),
        ("bin/server", false),
        ("sh -c true;x", false),
        ("/opt/server", false),
        ("npx -y a", true),
        // one takes a program of the directory from it, others take what they like or an address
        ("env NODE_OPTIONS=--import=x.js npx -y a", false),
        ("env GREETING=x.js npx -y a", true),
        ("env HTTPS_PROXY=x.net npx -y a", true),
    ] {
        let entry = Entry { scope: Scope::Project, ..line(text) };
        let identity = identity::identify(&entry);
        let here = held_as(&entry, &identity, "f", Some("/w/a"));
        let there = held_as(&entry, &identity, "f", Some("/w/b"));
        assert_eq!(here == there, elsewhere, "{text}");
        assert_eq!(held_as(&entry, &identity, "f", None).is_some(), elsewhere, "{text}");
    }
}

#[test]
fn an_entry_is_tied_to_a_directory_if_a_repository_or_plugin_brings_what_lies_there() {
    for (scope, brought) in [
        (Scope::Managed, false),
        (Scope::User, false),
        (Scope::Local, true),
        (Scope::Project, true),
        (Scope::Plugin, true),
    ] {
        let tied = |entry: Entry| {
            let entry = Entry { scope, ..entry };
            is_tied(&entry, &identity::identify(&entry))
        };
        assert_eq!(tied(line("node ./x.js")), brought, "{scope:?}");
        assert!(!tied(ab()), "{scope:?}: a package is the same everywhere");
    }
}

#[test]
fn what_a_project_starts_is_the_same_in_each_directory_if_no_word_of_it_is_a_file_there() {
    for (text, same) in [
        ("npx -y a host a.net", false),
        ("npx -y a --host=a.net", true),
        ("npx -y a --host ./x", false),
        ("npx -y a --host ..", false),
        ("npx -y a --config --verbose", true),
        ("npx -y a https://h.net:80/x", true),
        ("npx -y a C:\\x.js", true),
        ("npx -y a /opt/x:lib/y", false),
        ("npx -y a @args", false),
        ("npx -y a @scope/name", true),
        ("python3.12 -X utf8 /opt/x.py", true),
        ("pypy3 -X utf8 /opt/x.py", true),
        ("py -X utf8 /opt/x.py", true),
        ("python -Q lib /opt/x.py", false),
        ("ruby -X lib /opt/x.rb", false),
    ] {
        let entry = Entry { scope: Scope::Project, ..line(text) };
        let identity = identity::identify(&entry);
        assert_eq!(!depends_on_directory(&entry, &identity), same, "{text}");
    }
}
