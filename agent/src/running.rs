//! Which entries run now, and what clients run that no file declares. Looks at the process table; starts nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use mcpolicy_clients::adapter::ClientAdapter;
use mcpolicy_clients::adapters;
use mcpolicy_platform::processes::Process;
use mcpolicy_schema::entry::Entry;
use mcpolicy_schema::finding::{Finding, FindingCode};
use mcpolicy_schema::identity::{self, Identity, Kind};
use mcpolicy_schema::redact::Redactor;
use mcpolicy_schema::sensitive::Sensitive;
use mcpolicy_schema::verdict::Judgement;

use crate::assess::Assessed;
use crate::given;

/// A finding about a process.
#[derive(Debug)]
pub struct ProcessFinding {
    /// What was found.
    pub finding: Finding,
    /// The user of the process.
    pub uid: Option<u32>,
    /// The server that it tells of, where its command line says what it is.
    pub undeclared: Option<Box<Undeclared>>,
    /// What the policy says of that server.
    pub judgement: Option<Judgement>,
}

impl ProcessFinding {
    fn new(finding: Finding, uid: Option<u32>) -> Self {
        Self { finding, uid, undeclared: None, judgement: None }
    }
}

/// A server that runs and stands in no file.
#[derive(Debug, Clone)]
pub struct Undeclared {
    /// The entry that would have started it.
    pub entry: Entry,
    /// What it is.
    pub identity: Identity,
    /// Where it works.
    pub directory: Option<PathBuf>,
    /// The file that it runs, unless that is only the interpreter of what its command line names.
    pub file: Option<PathBuf>,
}

/// A process that is a client.
pub struct RunningClient<'p> {
    /// The process.
    pub process: &'p Process,
    /// Which client.
    pub adapter: &'static dyn ClientAdapter,
}

/// The processes that are clients, by the names of their executables. Node programs carry theirs in the second word
/// of the command line.
pub fn clients(processes: &[Process]) -> Vec<RunningClient<'_>> {
    let found = processes
        .iter()
        .filter_map(|process| client_of(process).map(|adapter| RunningClient { process, adapter }));
    found.collect()
}

/// Whether a process is a client.
pub fn is_client(process: &Process) -> bool {
    client_of(process).is_some()
}

fn client_of(process: &Process) -> Option<&'static dyn ClientAdapter> {
    let exe = process.exe.as_deref().map(stem);
    let first = process.args.first().map(|a| stem(Path::new(a)));
    let interpreter = exe.as_deref().is_some_and(is_interpreter);
    let script = process.args.get(1).filter(|_| interpreter).map(|a| stem(Path::new(a)));
    let names = [Some(stem(Path::new(&process.name))), exe, first, script];
    let names: Vec<String> = names.into_iter().flatten().collect();
    adapters::ALL
        .iter()
        .copied()
        .find(|a| a.about().processes.iter().any(|p| names.iter().any(|name| name.eq_ignore_ascii_case(p))))
}

/// Programs that run what the command line names, and may take its name.
pub(crate) fn is_interpreter(stem: &str) -> bool {
    let plain = stem.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    matches!(plain, "node" | "bun" | "deno" | "python")
}

/// The file name without what systems put behind it.
pub(crate) fn stem(path: &Path) -> String {
    let name = path.file_name().map(|n| n.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let name = name.rsplit(['\\', '/']).next().unwrap_or_default();
    [".exe", ".js", ".mjs", ".cjs", ".cmd"]
        .iter()
        .find_map(|s| name.strip_suffix(s))
        .unwrap_or(name)
        .to_owned()
}

/// Marks the entries that run and returns what is worth telling about processes. `uid_of` is the user of an entry's
/// home: a process counts only for entries of its own user, and for machine-wide ones.
pub fn look(
    processes: &[Process],
    assessed: &mut [Assessed],
    uid_of: &dyn Fn(&Assessed) -> Option<u32>,
    redactor: &Redactor,
) -> Vec<ProcessFinding> {
    let clients = clients(processes);
    let children = below_clients(processes, &clients);
    let mut findings: Vec<ProcessFinding> = clients.iter().flat_map(|c| of_flags(c, redactor)).collect();
    let mut declared: BTreeSet<u32> = BTreeSet::new();
    for item in assessed.iter_mut() {
        let uid = uid_of(item);
        let of_user = |child: &Process| uid.is_none() || child.uid.is_none() || child.uid == uid;
        let running = children.iter().filter(|(child, _)| of_user(child) && runs(child, &item.entry));
        let running: Vec<u32> = running.map(|(child, _)| child.pid).collect();
        item.running = Some(!running.is_empty());
        declared.extend(running);
    }
    for (child, client) in &children {
        // What a declared server starts (uvx its Python, npx its Node) is part of it.
        let part_of_declared =
            declared.contains(&child.pid) || child.parent.is_some_and(|p| declared.contains(&p));
        if !part_of_declared && let Some((finding, server)) = undeclared(child, client, redactor) {
            let undeclared = Some(Box::new(server));
            findings.push(ProcessFinding { undeclared, ..ProcessFinding::new(finding, child.uid) });
        }
    }
    findings
}

/// Processes below a client: its children and, since launchers such as npx stay in between, their children.
pub(crate) fn below_clients<'p>(
    processes: &'p [Process],
    clients: &'p [RunningClient<'p>],
) -> Vec<(&'p Process, &'p RunningClient<'p>)> {
    let by_pid: BTreeMap<u32, &RunningClient<'_>> = clients.iter().map(|c| (c.process.pid, c)).collect();
    let parents: BTreeMap<u32, u32> = processes.iter().filter_map(|p| Some((p.pid, p.parent?))).collect();
    let mut out = Vec::new();
    for process in processes.iter().filter(|p| !by_pid.contains_key(&p.pid)) {
        let parent = process.parent;
        let grandparent = parent.and_then(|p| parents.get(&p).copied());
        if let Some(client) =
            parent.and_then(|p| by_pid.get(&p)).or_else(|| grandparent.and_then(|g| by_pid.get(&g)))
        {
            out.push((process, *client));
        }
    }
    out
}

/// Whether a process was started from an entry: the same arguments behind the same command, or behind the launcher
/// that took the command's place (`npm exec` for npx, an interpreter for a script).
pub(crate) fn runs(process: &Process, entry: &Entry) -> bool {
    let Some(command) = &entry.command else { return false };
    let command = stem(Path::new(command.expose()));
    let wanted: Vec<&str> = entry.args.iter().map(Sensitive::expose).collect();
    let Some(head) = process.args.len().checked_sub(wanted.len()).filter(|_| !command.is_empty()) else {
        return titled(process, &command, &wanted);
    };
    let (before, tail) = process.args.split_at(head);
    // Without arguments any process of the same program would fit: it must have none either.
    let same_tail = (!wanted.is_empty() || before.len() == 1)
        && tail.iter().map(String::as_str).eq(wanted.iter().copied());
    let by_command = before.iter().any(|word| stem(Path::new(word)) == command)
        || process.exe.as_deref().is_some_and(|exe| stem(exe) == command);
    let by_launcher = command == "npx" && before.iter().any(|word| stem(Path::new(word)).starts_with("npx"));
    (same_tail && !before.is_empty() && (by_command || by_launcher)) || titled(process, &command, &wanted)
}

const TITLE: &str = "npm exec ";

/// npm gives its processes a title of one word: `npm exec @scope/package args`.
fn titled(process: &Process, command: &str, wanted: &[&str]) -> bool {
    // attack: this is asked of each process for each entry, and a command line may have 2 MB
    if command != "npx" || !process.args.first().is_some_and(|first| first.starts_with(TITLE)) {
        return false;
    }
    let title = process.args.join(" ");
    let plain: Vec<&str> = wanted.iter().copied().filter(|a| !matches!(*a, "-y" | "--yes")).collect();
    !plain.is_empty() && title.trim_end() == format!("npm exec {}", plain.join(" "))
}

/// Most flags of one client that are told one by one.
const MOST_FLAGS: usize = 8;

/// What the command line of a client says: switched-off checks and servers given by flags.
fn of_flags(client: &RunningClient<'_>, redactor: &Redactor) -> Vec<ProcessFinding> {
    let about = client.adapter.about();
    let process = client.process;
    let words: Vec<&str> = process.args.iter().map(String::as_str).collect();
    let mut out = Vec::new();
    let mut tell = |code, message: String| {
        out.push(ProcessFinding::new(Finding::new(code, message), process.uid));
    };
    for flag in about.bypass_flags {
        let (name, value) = flag.split_once('=').map_or((*flag, None), |(n, v)| (n, Some(v)));
        let joined = words.contains(flag);
        let apart = value.is_some_and(|v| words.windows(2).any(|w| w[0] == name && w[1] == v));
        if joined || apart {
            tell(
                FindingCode::PermissionBypass,
                format!("{} (process {}) runs with {flag}", about.name, process.pid),
            );
        }
    }
    let given = given::of_client(client, redactor);
    if let Some(more) = given.len().checked_sub(MOST_FLAGS + 1) {
        let message = format!("{} (process {}) was given {} more", about.name, process.pid, more + 1);
        tell(FindingCode::UndeclaredServer, message);
    }
    for given in given.into_iter().take(MOST_FLAGS) {
        let message = format!("{} (process {}) {}", about.name, process.pid, given.said);
        tell(FindingCode::UndeclaredServer, message);
    }
    out
}

/// A child that looks like an MCP server and stands in no file. Clients also start shells, git and search tools: only
/// what names MCP, or was fetched by a package runner, is told.
pub(crate) fn undeclared(
    process: &Process,
    client: &RunningClient<'_>,
    redactor: &Redactor,
) -> Option<(Finding, Undeclared)> {
    let words = words(process);
    let (command, args) = words.split_first()?;
    let entry = entry_of(command, args, client);
    let identity = identity::identify(&entry);
    let fetched = matches!(identity.kind, Kind::Npm | Kind::Pypi | Kind::Oci | Kind::Bridge | Kind::Git);
    let says_mcp = process.args.iter().any(|a| a.to_ascii_lowercase().contains("mcp"));
    if !fetched && !says_mcp {
        return None;
    }
    let shown = redactor.args(&entry.args).join(" ");
    let message = format!(
        "{} (process {}) runs {} {shown} (process {}), which stands in no file",
        client.adapter.about().name,
        client.process.pid,
        redactor.text(command),
        process.pid
    );
    Some((Finding::new(FindingCode::UndeclaredServer, message), server_of(process, entry, identity, client)))
}

/// A child that runs what its client was given on its command line, whatever its own words are about.
pub(crate) fn given(process: &Process, client: &RunningClient<'_>) -> Option<Undeclared> {
    let words = words(process);
    let (command, args) = words.split_first()?;
    let entry = entry_of(command, args, client);
    let identity = identity::identify(&entry);
    Some(server_of(process, entry, identity, client))
}

/// The words of a process. npm gives its own a title of one word, see [`titled`].
fn words(process: &Process) -> Vec<String> {
    match process.args.first().filter(|title| title.starts_with(TITLE)) {
        // npx is the same program, and what nearly all entries name
        Some(title) => {
            std::iter::once("npx").chain(title.split_whitespace().skip(2)).map(str::to_owned).collect()
        }
        None => process.args.clone(),
    }
}

/// What is judged. A process chooses its command line freely: unless an interpreter runs it, which takes the name of
/// what it runs, the file of the process stands in the place of the first word.
fn server_of(process: &Process, entry: Entry, identity: Identity, client: &RunningClient<'_>) -> Undeclared {
    let directory = process.cwd.clone();
    let file = process.exe.clone().filter(|exe| !is_interpreter(&stem(exe)));
    let Some(program) = file.as_deref().and_then(Path::to_str) else {
        return Undeclared { entry, identity, directory, file: None };
    };
    let entry = entry_of(program, process.args.get(1..).unwrap_or_default(), client);
    let identity = identity::identify(&entry);
    Undeclared { entry, identity, directory, file }
}

fn entry_of(command: &str, args: &[String], client: &RunningClient<'_>) -> Entry {
    Entry { client: client.adapter.about().id, ..Entry::stdio(command, args.iter().map(String::as_str)) }
}
