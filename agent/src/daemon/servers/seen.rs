//! Which processes are servers, and of which entries. Looks at a process table; starts and ends nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mcpolicy_platform::processes::{self, Process};
use mcpolicy_schema::entry::Entry;
use mcpolicy_schema::redact::Redactor;
use mcpolicy_schema::sensitive::Sensitive;
use mcpolicy_schema::verdict::Judgement;

use super::declared::{Declared, Known};
use crate::running::{self, RunningClient, Undeclared, is_interpreter, stem};

/// Programs that take a command line and run it: clients do so for their users all the time.
const SHELLS: &[&str] =
    &["sh", "bash", "dash", "zsh", "ash", "ksh", "fish", "busybox", "pwsh", "powershell", "cmd"];
/// Programs beside interpreters and shells that run what their command line names, under its name.
const RUNNERS: &[&str] = &[
    "npm", "npx", "pnpm", "yarn", "uv", "uvx", "pipx", "docker", "podman", "ruby", "perl", "php", "java",
    "dotnet",
];

/// A process that is a server.
pub(super) struct Found<'p, 'd> {
    pub(super) process: &'p Process,
    pub(super) client: &'p RunningClient<'p>,
    pub(super) server: Server<'d>,
}

/// Where it comes from.
pub(super) enum Server<'d> {
    /// From an entry.
    Of(&'d Known),
    /// From no entry that is known. Beside it, why that it is a server, and none that is allowed, is not certain.
    Undeclared(Box<Undeclared>, Option<String>),
}

/// The servers below clients. `clients` are those whose servers count; `given` is what they were given on their command
/// lines, by their numbers.
pub(super) fn servers<'p, 'd>(
    processes: &'p [Process],
    clients: &'p [RunningClient<'p>],
    (declared, given): (&'d Declared, &BTreeMap<u32, Vec<Entry>>),
    redactor: &Redactor,
) -> Vec<Found<'p, 'd>> {
    let is_client: BTreeSet<u32> = clients.iter().map(|client| client.process.pid).collect();
    let mut children = running::below_clients(processes, clients);
    // Attack: a program with another user's rights below a client (`sudo`) is not its user's.
    children.retain(|(child, client)| child.uid == client.process.uid);
    // what a client starts itself comes before what that starts: the latter is part of it
    children.sort_by_key(|(child, _)| child.parent.is_none_or(|parent| !is_client.contains(&parent)));
    let shells: BTreeSet<u32> = processes.iter().filter(|one| is_shell(one)).map(|one| one.pid).collect();
    let is_given = |process: &Process, client: &RunningClient<'_>| {
        let of_client = given.get(&client.process.pid).into_iter().flatten();
        of_client.into_iter().any(|entry| running::runs(process, entry))
    };
    let mut found: Vec<Found<'p, 'd>> = Vec::new();
    for (process, client) in children {
        let parent = process.parent.unwrap_or_default();
        if found.iter().any(|other| other.process.pid == parent) {
            continue;
        }
        let server = match entry_of(process, client, declared) {
            Some(known) => Some(Server::Of(known)),
            // its client's own command line says that it is one
            None if is_given(process, client) => {
                running::given(process, client).map(|server| Server::Undeclared(Box::new(server), None))
            }
            None => running::undeclared(process, client, redactor).map(|(_, server)| {
                let is_in_shell = shells.contains(&process.pid) || shells.contains(&parent);
                let doubt = doubt(process, is_in_shell, declared, redactor);
                Server::Undeclared(Box::new(server), doubt)
            }),
        };
        found.extend(server.map(|server| Found { process, client, server }));
    }
    found
}

/// All processes below one, but for clients and what is below those.
pub(super) fn below<'p>(
    server: &Process,
    processes: &'p [Process],
    leave: &BTreeSet<u32>,
) -> Vec<&'p Process> {
    let mut children: BTreeMap<u32, Vec<&Process>> = BTreeMap::new();
    for process in processes {
        children.entry(process.parent.unwrap_or_default()).or_default().push(process);
    }
    let mut seen = BTreeSet::from([server.pid]);
    let (mut out, mut next) = (Vec::new(), vec![server.pid]);
    while let Some(pid) = next.pop() {
        for child in children.get(&pid).into_iter().flatten() {
            if child.uid == server.uid && !leave.contains(&child.pid) && seen.insert(child.pid) {
                out.push(*child);
                next.push(child.pid);
            }
        }
    }
    out
}

/// The entry that a process was started from: of those with its words, the one whose variables it has.
///
/// Attack: an approved entry is given `NODE_OPTIONS` beside its approved words, and put back; the server that was started
/// from it meanwhile looks like the approved one but for its environment.
fn entry_of<'d>(process: &Process, client: &RunningClient<'_>, declared: &'d Declared) -> Option<&'d Known> {
    let of_user = |known: &&Known| known.uid.is_none() || process.uid.is_none() || known.uid == process.uid;
    let fitting = declared
        .iter()
        .filter(of_user)
        .filter(|known| running::runs(process, known.entry()) && !is_renamed(process, known));
    let mut fitting: Vec<&Known> = fitting.collect();
    let id = client.adapter.about().id;
    let is_of_client = |known: &Known| {
        known.entry().client == id || known.entry().readers.iter().any(|reader| reader.client == id)
    };
    if fitting.iter().any(|known| is_of_client(known)) {
        fitting.retain(|known| is_of_client(known));
    }
    let is_allowed = |known: &Known| known.judgement().is_some_and(Judgement::is_allowed);
    let agree = fitting
        .iter()
        .all(|known| is_allowed(known) == fitting.first().is_some_and(|first| is_allowed(first)));
    if !agree {
        let names: BTreeSet<&str> =
            fitting.iter().flat_map(|known| &known.entry().env).map(|value| value.name.as_str()).collect();
        let has = processes::environment_of(process.pid, &names);
        let has_all = |entry: &Entry| {
            entry.env.iter().all(|value| {
                let wanted = value.value.expose();
                // what the client fills in is not compared
                has.get(&value.name).is_some_and(|got| got == wanted || wanted.contains(['$', '{', '%']))
            })
        };
        if fitting.iter().any(|known| has_all(known.entry())) {
            fitting.retain(|known| has_all(known.entry()));
            let most = fitting.iter().map(|known| known.entry().env.len()).max().unwrap_or_default();
            fitting.retain(|known| known.entry().env.len() == most);
        }
    }
    // what cannot be told apart may be the one that is allowed; what is there goes before what was
    fitting.into_iter().min_by_key(|known| (!is_allowed(known), known.is_gone))
}

/// Attack: a process chooses its own command line, and may take that of an approved server. Its file it cannot choose: that
/// is the entry's program, or one that runs other programs under their names.
fn is_renamed(process: &Process, known: &Known) -> bool {
    let Some(exe) = &process.exe else { return false };
    let name = program_name(exe);
    let command = known.entry().command.as_ref().map(|command| stem(Path::new(command.expose())));
    let facts = known.item.facts.as_ref().and_then(|facts| facts.program.as_ref());
    let is_program = facts.is_some_and(|program| Path::new(&program.real_path) == exe);
    let runs_others = is_interpreter(&name) || [SHELLS, RUNNERS].concat().contains(&name.as_str());
    !(is_program || runs_others || command.is_some_and(|command| command == name))
}

/// The name of a running file; one that was replaced since (an update) has a mark of the kernel behind its name.
fn program_name(exe: &Path) -> String {
    let name = exe.to_string_lossy();
    stem(Path::new(name.strip_suffix(" (deleted)").unwrap_or(&name)))
}

fn is_shell(process: &Process) -> bool {
    let by_file = process.exe.as_deref().map(program_name);
    let name = by_file.or_else(|| process.args.first().map(|word| stem(Path::new(word))));
    name.is_some_and(|name| SHELLS.contains(&name.trim_start_matches('-')))
}

/// Why it is not certain that a process is a server that stands in no file.
fn doubt(process: &Process, is_in_shell: bool, declared: &Declared, redactor: &Redactor) -> Option<String> {
    if is_in_shell {
        return Some("a command that its client runs in a shell for its user looks the same".to_owned());
    }
    if processes::is_spoken_to(process.pid) == Some(false) {
        return Some(
            "its client does not speak to it through its input and output, as to a server".to_owned(),
        );
    }
    // A wrapper that ends with `exec program "$@"`: the words behind the command are those of the entry.
    let is_honest = process.exe.as_deref().is_none_or(|exe| {
        let name = program_name(exe);
        is_interpreter(&name) || process.args.first().is_some_and(|word| stem(Path::new(word)) == name)
    });
    let wrapped = declared.iter().find(|known| {
        let words = &known.entry().args;
        known.judgement().is_some_and(Judgement::is_allowed)
            && (known.uid.is_none() || known.uid == process.uid)
            && !words.is_empty()
            && ends_with(&process.args, words)
    });
    wrapped.filter(|_| is_honest).map(|known| {
        let name = redactor.name(&known.entry().name);
        format!("it may be {name}, which is allowed, under the name of what that starts")
    })
}

fn ends_with(args: &[String], words: &[Sensitive]) -> bool {
    args.len() > words.len()
        && args[args.len() - words.len()..].iter().map(String::as_str).eq(words.iter().map(Sensitive::expose))
}

#[cfg(test)]
#[path = "seen_tests.rs"]
mod tests;
