use mcpolicy_schema::entry::NamedValue;

use super::super::declared::testing::declared;
use super::*;

/// Numbers above those that a system gives out: nothing of this machine is looked at by them.
const CLIENT: u32 = 4_200_000;

fn process(pid: u32, parent: u32, exe: &str, args: &[&str]) -> Process {
    Process {
        pid: CLIENT + pid,
        parent: Some(CLIENT + parent),
        name: String::new(),
        exe: Some(exe.into()),
        args: args.iter().map(|&arg| arg.to_owned()).collect(),
        uid: Some(1000),
        start_time: 0,
        cwd: None,
    }
}

fn client() -> Process {
    process(0, 900, "/usr/bin/claude", &["claude"])
}

fn npx(pid: u32, package: &str) -> Process {
    process(pid, 0, "/usr/bin/node", &["node", "/usr/bin/npx", "-y", package])
}

fn entry(command: &str, args: &[&str]) -> Entry {
    Entry::stdio(command, args.iter().copied())
}

/// The servers among processes: number, and the words of the entry, or why it is in doubt that it is an undeclared one.
fn found(processes: &[Process], declared: &Declared) -> Vec<(u32, String)> {
    let clients = running::clients(processes);
    let redactor = Redactor::new(b"key");
    let given = |client: &RunningClient<'_>| {
        let given = crate::given::of_client(client, &redactor).into_iter();
        (client.process.pid, given.flat_map(|given| given.entries).collect())
    };
    let given = clients.iter().map(given).collect();
    let found = servers(processes, &clients, (declared, &given), &redactor);
    let told = |one: Found<'_, '_>| {
        let what = match one.server {
            Server::Of(known) if known.is_gone => format!("gone {}", known.entry().args.len()),
            Server::Of(known) => format!("declared {}", known.entry().args.len()),
            Server::Undeclared(_, None) => "undeclared".to_owned(),
            Server::Undeclared(_, Some(doubt)) => doubt,
        };
        (one.process.pid - CLIENT, what)
    };
    found.into_iter().map(told).collect()
}

fn told(pid: u32, what: &str) -> (u32, String) {
    (pid, what.to_owned())
}

/// `claude --mcp-config '{…}'` and `codex -c mcp_servers.x.command=node`: words in which nothing speaks of MCP.
#[test]
fn what_a_client_was_given_on_its_command_line_is_a_server_whatever_its_own_words() {
    let text = r#"{"mcpServers":{"x":{"command":"/usr/bin/node","args":["/home/dev/tool.js"]}}}"#;
    let tool = |pid| process(pid, 0, "/usr/bin/node", &["/usr/bin/node", "/home/dev/tool.js"]);
    let mut claude = client();
    assert_eq!(found(&[claude.clone(), tool(1)], &Declared::default()), []);
    claude.args.extend(["--mcp-config", text].map(str::to_owned));
    assert_eq!(found(&[claude, tool(1)], &Declared::default()), [told(1, "undeclared")]);
    let mut codex =
        process(0, 900, "/usr/bin/codex", &["codex", "-c", "mcp_servers.x.command=/usr/bin/node"]);
    codex.args.extend(["-c", r#"mcp_servers.x.args=["/home/dev/tool.js"]"#].map(str::to_owned));
    assert_eq!(found(&[codex, tool(1)], &Declared::default()), [told(1, "undeclared")]);
}

#[test]
fn servers_of_entries_that_are_there_or_gone_and_of_none_are_told_apart() {
    let declared = declared(vec![
        (entry("npx", &["-y", "good"]), true, false),
        (entry("npx", &["-y", "evil"]), false, true),
    ]);
    let processes = [
        client(),
        npx(1, "good"),
        npx(2, "evil"),
        npx(3, "other-mcp"),
        process(4, 0, "/usr/bin/rg", &["rg", "x"]),
    ];
    assert_eq!(
        found(&processes, &declared),
        [told(1, "declared 2"), told(2, "gone 2"), told(3, "undeclared")]
    );
}

#[test]
fn what_a_server_has_started_is_no_server_of_its_own() {
    let processes = [
        client(),
        // a lower number than that which started it: numbers begin anew
        process(1, 5, "/usr/bin/node", &["node", "/x/evil-mcp"]),
        npx(5, "evil-mcp"),
    ];
    assert_eq!(found(&processes, &Declared::default()), [told(5, "undeclared")]);
}

#[test]
fn neither_clients_nor_programs_of_other_users_are_servers() {
    let mut sudo = npx(1, "evil-mcp");
    sudo.uid = Some(0);
    let nested = process(2, 0, "/usr/bin/codex", &["codex", "mcp-server"]);
    let elsewhere = process(3, 800, "/usr/bin/node", &["node", "/usr/bin/npx", "evil-mcp"]);
    assert_eq!(found(&[client(), sudo, nested, elsewhere], &Declared::default()), []);
}

#[test]
fn a_process_that_takes_the_words_of_an_approved_entry_is_not_it() {
    let declared = declared(vec![(entry("npx", &["-y", "good-mcp"]), true, false)]);
    let renamed = process(1, 0, "/tmp/evil", &["npx", "-y", "good-mcp"]);
    assert_eq!(found(&[client(), renamed], &declared), [told(1, "undeclared")]);
    let replaced = process(1, 0, "/opt/npx (deleted)", &["npx", "-y", "good-mcp"]);
    assert_eq!(found(&[client(), replaced], &declared), [told(1, "declared 2")], "an update");
}

#[test]
fn a_command_in_a_shell_and_what_a_wrapper_starts_are_in_doubt() {
    let shell = process(1, 0, "/bin/bash", &["/bin/bash", "-c", "grep mcp x"]);
    let below = process(3, 2, "/usr/bin/node", &["node", "/usr/bin/npx", "mcp-tests"]);
    let plain_shell = process(2, 0, "/bin/zsh", &["zsh"]);
    let seen = found(&[client(), shell, below, plain_shell], &Declared::default());
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert!(seen.iter().all(|(_, doubt)| doubt.contains("in a shell")), "{seen:?}");
    let declared = declared(vec![(entry("acme", &["--stdio", "notes"]), true, false)]);
    let wrapped = process(1, 0, "/opt/acme/acme-mcp", &["/opt/acme/acme-mcp", "--stdio", "notes"]);
    assert!(found(&[client(), wrapped], &declared)[0].1.contains("it may be"), "exec \"$@\"");
    let renamed = process(1, 0, "/opt/evil", &["/opt/acme/acme-mcp", "--stdio", "notes"]);
    assert_eq!(found(&[client(), renamed], &declared), [told(1, "undeclared")]);
}

#[test]
fn of_entries_with_the_same_words_the_one_counts_whose_variables_the_process_has() {
    use std::process::{Command, Stdio};
    let with = |names: &[(&str, &str)]| {
        let value =
            |(name, value): &(&str, &str)| NamedValue { name: (*name).to_owned(), value: (*value).into() };
        Entry { env: names.iter().map(value).collect(), ..entry("sleep", &["631"]) }
    };
    let declared = declared(vec![
        (with(&[]), true, false),
        (with(&[("MCPOLICY_INJECTED", "-r /tmp/x.js")]), false, true),
    ]);
    for (variable, expected) in [("MCPOLICY_INJECTED", "gone 1"), ("MCPOLICY_OTHER", "declared 1")] {
        let mut command = Command::new("sleep");
        let mut child =
            command.arg("631").env(variable, "-r /tmp/x.js").stdin(Stdio::null()).spawn().unwrap();
        // between fork and exec it has the variables of the test
        std::thread::sleep(std::time::Duration::from_millis(300));
        let server = Process { pid: child.id(), ..process(1, 0, "/bin/sleep", &["sleep", "631"]) };
        let processes = [client(), server];
        let clients = running::clients(&processes);
        let seen = servers(&processes, &clients, (&declared, &BTreeMap::new()), &Redactor::new(b"key"));
        child.kill().unwrap();
        child.wait().unwrap();
        let Server::Of(known) = seen[0].server else { panic!("it is declared") };
        assert_eq!(if known.is_gone { "gone 1" } else { "declared 1" }, expected);
    }
}

#[test]
fn all_that_a_server_has_started_goes_with_it_but_for_clients_and_what_is_below_those() {
    let server = npx(1, "evil");
    let processes = [
        client(),
        server.clone(),
        process(2, 1, "/bin/sh", &["sh", "-c", "evil"]),
        process(3, 2, "/usr/bin/node", &["node", "evil"]),
        process(4, 3, "/usr/bin/codex", &["codex"]),
        process(5, 4, "/bin/bash", &["bash"]),
        Process { uid: Some(0), ..process(6, 3, "/usr/bin/sudo", &["sudo"]) },
        npx(7, "good"),
    ];
    let leave: BTreeSet<u32> = running::clients(&processes).iter().map(|client| client.process.pid).collect();
    let mut parts: Vec<u32> =
        below(&server, &processes, &leave).iter().map(|part| part.pid - CLIENT).collect();
    parts.sort_unstable();
    assert_eq!(parts, [2, 3]);
}
