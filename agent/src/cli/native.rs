//! `mcpolicy native`: the policy in the clients' own managed files.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use mcpolicy_native::{self as native, Client, ConflictKind};
use mcpolicy_platform::environment::Environment;
use mcpolicy_platform::machine::Machine;
use mcpolicy_schema::document::{Mode, NativeOwner};
use mcpolicy_schema::evaluate::{Context, Device, System};
use mcpolicy_schema::redact::Redactor;
use serde::Serialize;
use similar::{ChangeTag, TextDiff};

use super::agent::{self, Agent, Where, Which};
use super::enforce::Ceiling;
use super::{answering, exit};
use crate::enforce::pass::{self, On};
use crate::enforce::remembered::Remembered;
use crate::in_force::{self, InForce};
use crate::journal::{Event, Journal, What};
use crate::judge::{Judge, Terms, system_of};
use crate::native::inputs::Declared;
use crate::native::kept::{self, Kept};
use crate::native::over;
use crate::native::program;
use crate::native::work::{self, Change, Done, OfClient};
use crate::output::json;
use crate::output::text::visible;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show what would stand in each client's managed files, and what the client cannot be told; change nothing
    ///
    /// With --to the files are made for MDM: from the policy alone, without entries of this machine.
    /// Exit codes: 0 shown; 1 something stands in the way; 2 wrong usage, or no policy.
    Plan(Plan),
    /// Write them, and read back what was written; in a mode that writes nothing, take ours away
    ///
    /// What an administrator has in the same files stays.
    /// Exit codes: 0 all stands as it should; 1 something does not, or stands in the way; 2 wrong usage, or no policy.
    Apply(Apply),
    /// Tell whether everything stands as it should, and what else the clients may take in its place; change nothing
    ///
    /// Exit codes: 0 it does; 1 it does not, or something stands in the way; 2 wrong usage, or no policy.
    Verify(Apply),
    /// Take ours out of all managed files, and leave what others have in them
    Remove(Remove),
}

#[derive(Debug, Args)]
pub(super) struct Plan {
    #[command(flatten)]
    by: By,

    /// Make the files for this system, from the policy alone
    #[arg(long, value_name = "OS", requires = "to")]
    os: Option<OsName>,

    /// Write the files for MDM into this new folder
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,

    #[command(flatten)]
    shown: Shown,
}

#[derive(Debug, Args)]
pub(super) struct Apply {
    #[command(flatten)]
    by: By,

    #[command(flatten)]
    shown: Shown,
}

#[derive(Debug, Args)]
pub(super) struct Remove {
    #[command(flatten)]
    r#where: Where,

    #[command(flatten)]
    shown: Shown,
}

#[derive(Debug, Args)]
struct Shown {
    /// Only this client, by its id; may be given several times
    #[arg(long = "client", value_name = "ID", value_parser = client_of)]
    clients: Vec<Client>,

    /// Say it as JSON
    #[arg(long)]
    json: bool,
}

/// By which policy, on which machine.
#[derive(Debug, Args)]
struct By {
    #[command(flatten)]
    r#where: Where,

    #[command(flatten)]
    which: Which,

    #[command(flatten)]
    ceiling: Ceiling,

    /// The installed program that clients start for hooks, instead of this one: its path on the machines
    #[arg(long, value_name = "PATH")]
    program: Option<String>,

    /// By an unsigned policy.toml, or the folder it is in
    #[arg(long, value_name = "FILE", conflicts_with_all = ["policy", "trust_root"])]
    draft: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum OsName {
    Linux,
    Macos,
    Windows,
}

fn client_of(id: &str) -> Result<Client, String> {
    Client::of_id(id).ok_or_else(|| {
        let ids: Vec<&str> = Client::ALL.into_iter().map(Client::id).collect();
        format!("there is none with this id; there are {}", ids.join(", "))
    })
}

pub(super) fn run(command: &Command, environment: &Environment) -> anyhow::Result<u8> {
    match command {
        Command::Plan(Plan { by, os, to: Some(folder), shown }) => {
            for_mdm(by, *os, folder, shown, environment)
        }
        Command::Plan(Plan { by, shown, .. }) => {
            let found = found(by, shown, environment)?;
            tell(&found, &[], shown)?;
            Ok(if found.in_the_way() { exit::FINDINGS } else { exit::OK })
        }
        Command::Verify(Apply { by, shown }) => {
            let found = found(by, shown, environment)?;
            tell(&found, &[], shown)?;
            let is_well = !found.in_the_way() && !found.changes().any(Change::is_needed);
            Ok(if is_well { exit::OK } else { exit::FINDINGS })
        }
        Command::Apply(Apply { by, shown }) => {
            anyhow::ensure!(by.draft.is_none(), "a draft is signed by nobody: nothing is written by it");
            // before the state is read: two that write at once would forget what the other put there
            let _alone = kept::lock(&by.r#where.agent(environment)?.state)?;
            make(found(by, shown, environment)?, shown)
        }
        Command::Remove(Remove { r#where, shown }) => {
            let agent = r#where.agent(environment)?;
            agent.ensure_own("takes native policies away")?;
            // one that was begun between this and the removal writes them again, as whoever began it wants
            anyhow::ensure!(
                agent.try_lock()?.is_some(),
                "the running agent would write them again at once: stop it first, or let the policy say \
                 `native.default.owner = \"off\"`"
            );
            let _alone = kept::lock(&agent.state)?;
            make(of_nothing(agent, shown, environment)?, shown)
        }
    }
}

/// What stands on a machine and what is to.
struct Found {
    agent: Agent,
    machine: Machine,
    kept: Kept,
    mode: Mode,
    policy: String,
    clients: Vec<OfClient>,
    notices: Vec<String>,
    /// Other sources of each client.
    over: Vec<Vec<over::Source>>,
}

impl Found {
    fn changes(&self) -> impl Iterator<Item = &Change> {
        self.clients.iter().flat_map(|client| &client.changes)
    }

    /// Whether an administrator's own, another source, or something that cannot be read, stands against the policy.
    fn in_the_way(&self) -> bool {
        let conflicts = self.clients.iter().flat_map(|client| &client.compiled.conflicts);
        conflicts.into_iter().any(|one| one.kind != ConflictKind::Narrowed)
            || self.over.iter().flatten().any(over::Source::wins)
    }
}

fn policy(by: &By, agent: &Agent) -> anyhow::Result<(InForce, jiff::Timestamp)> {
    match &by.draft {
        Some(draft) => Ok((InForce::draft(draft)?, by.which.now())),
        None => answering::of_agent(agent, None, &by.which.reading()),
    }
}

fn judged_by<'a>(
    (in_force, now): (&'a InForce, jiff::Timestamp),
    (device, groups): (&'a str, &'a [String]),
    remembered: Option<&'a Remembered>,
) -> Terms<'a> {
    Terms { in_force, now, device, groups, remembered }
}

fn found(by: &By, shown: &Shown, environment: &Environment) -> anyhow::Result<Found> {
    let mut agent = by.r#where.agent(environment)?;
    by.which.overrule(&mut agent.settings);
    by.ceiling.lower(&mut agent);
    agent.ensure_own("looks at native policies")?;
    agent.ensure_trust_root()?;
    let (newest, now) = policy(by, &agent)?;
    let redactor = agent::redactor()?;
    let ground = agent.ground(environment)?;
    let setting = agent.setting(by.which.reading(), &redactor);
    let homes = agent::homes(&ground, &redactor);
    let mut outcome =
        agent::with_bounds(|bounds| pass::look(&setting, On { ground: &ground, homes: &homes }, bounds));
    let remembered = Remembered::look(&agent.state.join("remembered.json"));
    let (device, groups) = (agent.device(), agent.settings.device.groups.clone());
    let remembered = remembered.as_ref();
    let ring = Judge::new(&ground, &homes, judged_by((&newest, now), (&device, &groups), remembered))
        .ring()
        .map(str::to_owned);
    let in_force = newest.of_ring(ring.as_deref());
    Judge::new(&ground, &homes, judged_by((&in_force, now), (&device, &groups), remembered))
        .judge(&mut outcome);
    let ceiling = agent.settings.enforcement.mode_ceiling;
    let mode = in_force.policy.mode(ring.as_deref());
    let mode = ceiling.map_or(mode, |ceiling| ceiling.min(mode));
    let entries = Declared::of(&ground, &outcome).entries();
    let kept = Kept::open(&agent.state)?;
    // of a folder that is taken for a machine nobody knows where on it the program is
    let own = || program::installed().filter(|_| ground.machine.is_live());
    let program = by.program.clone().or_else(own);
    let terms = work::Terms {
        in_force: &in_force,
        mode,
        ring: ring.as_deref(),
        device: &device,
        groups: &groups,
        now,
        system: system_of(ground.os),
        program: program.as_deref(),
    };
    let clients = work::compile(&terms, &entries, (Some(&ground.machine), &kept), &shown.clients);
    let about = in_force.about(ring.as_deref());
    let sequence = about.sequence.map_or_else(|| "draft".to_owned(), |sequence| sequence.to_string());
    let machine = ground.machine.clone();
    let mut notices = about.notices;
    if entries.left_out > 0 {
        notices
            .push(format!("{} entries are left out, of homes with more than any user's", entries.left_out));
    }
    // where nothing of ours is, nothing wins over it
    let is_ours = |of: &OfClient| of.changes.iter().any(|change| change.output.ours.is_some());
    let sources = |of: &OfClient| match is_ours(of) {
        true => over::sources(of.compiled.client, &ground, &homes, &outcome),
        false => Vec::new(),
    };
    let over = clients.iter().map(sources).collect();
    drop(homes);
    Ok(Found {
        machine,
        kept,
        mode,
        policy: format!("{} {sequence}", about.name),
        clients,
        notices,
        over,
        agent,
    })
}

/// Everything that is ours is to go, whatever a policy says.
fn of_nothing(agent: Agent, shown: &Shown, environment: &Environment) -> anyhow::Result<Found> {
    let ground = agent.ground(environment)?;
    let kept = Kept::open(&agent.state)?;
    let clients = work::give_back((&ground.machine, &kept), system_of(ground.os), &shown.clients);
    let machine = ground.machine;
    let (policy, notices, over) = ("none".to_owned(), Vec::new(), vec![Vec::new(); clients.len()]);
    Ok(Found { machine, kept, mode: Mode::Observe, policy, clients, notices, over, agent })
}

/// Makes all changes, and tells what became of each.
fn make(mut found: Found, shown: &Shown) -> anyhow::Result<u8> {
    let state = found.agent.try_lock()?;
    let changes: Vec<Change> = found.changes().cloned().collect();
    let mut done = Vec::new();
    for change in &changes {
        done.push(work::make(change, &found.machine, &mut found.kept));
    }
    let redactor = agent::redactor()?;
    if state.is_some() {
        note(&found.agent, changes.iter().zip(&done), &redactor)?;
    } else {
        found
            .notices
            .push("the running agent keeps the journal: what was done here does not stand in it".to_owned());
    }
    tell(&found, &done, shown)?;
    let is_well = done.iter().all(|one| !matches!(one, Done::Failed(_)))
        && !found.in_the_way()
        && changes.iter().zip(&done).all(|(change, done)| *done != Done::Left || !change.is_needed());
    Ok(if is_well { exit::OK } else { exit::FINDINGS })
}

fn note<'c>(
    agent: &Agent,
    made: impl Iterator<Item = (&'c Change, &'c Done)>,
    redactor: &Redactor,
) -> anyhow::Result<()> {
    let (mut journal, _) = Journal::open(&agent.state.join("journal"), agent::now())?;
    for (change, done) in made {
        let place = format!("{}: {}", change.client.id(), change.output.target.id());
        let event = match done {
            Done::Same | Done::Left => continue,
            Done::Written => Event::new("native-written", place),
            Done::Removed => Event::new("native-removed", place),
            Done::Failed(why) => Event::new("native-failed", format!("{place}: {}", redactor.name(why))),
        };
        journal.append(agent::now(), What::Event(event))?;
    }
    Ok(())
}

/// Files for MDM, by the policy alone.
fn for_mdm(
    by: &By,
    os: Option<OsName>,
    folder: &Path,
    shown: &Shown,
    environment: &Environment,
) -> anyhow::Result<u8> {
    let mut agent = by.r#where.agent(environment)?;
    by.which.overrule(&mut agent.settings);
    let (in_force, now) = policy(by, &agent)?;
    let system = match os {
        Some(OsName::Linux) => System::Linux,
        Some(OsName::Macos) => System::Macos,
        Some(OsName::Windows) => System::Windows,
        None => system_of(crate::ground::host_os()),
    };
    let mode = in_force.policy.mode(None);
    let context = Context {
        system,
        device: Device::default(),
        revocations: in_force.revocations.as_ref(),
        ..Context::bare(now)
    };
    let (present, beside) = Default::default();
    let input = native::Input {
        policy: &in_force.policy,
        context: &context,
        mode,
        homes: &[],
        allowed: &[],
        denied: &[],
        present: &present,
        beside: &beside,
        program: by.program.as_deref(),
    };
    std::fs::create_dir(folder)
        .with_context(|| format!("cannot make {}: give a folder that is not there yet", folder.display()))?;
    let mut out = io::stdout().lock();
    let all =
        Client::ALL.into_iter().filter(|client| shown.clients.is_empty() || shown.clients.contains(client));
    let mut made = Vec::new();
    let mut refused = BTreeSet::new();
    for client in all {
        match native::mdm(client, &input) {
            Ok(files) => made.extend(files.into_iter().map(|file| (client, file))),
            Err(error) => drop(refused.insert(format!("{}: {error}", client.id()))),
        }
    }
    let mut written = Vec::new();
    for (client, file) in &made {
        let path = folder.join(&file.name);
        mcpolicy_platform::durable::replace_public(&path, &file.bytes)
            .with_context(|| format!("cannot write {}", path.display()))?;
        written.push(MdmFile { client: client.id(), file: file.name.clone(), place: file.place.to_string() });
    }
    let notice = (mode < Mode::Hold)
        .then(|| format!("mode {} writes nothing: the folder is empty", in_force::word(mode)));
    let answer = MdmAnswer { schema: "mcpolicy/native-mdm/v1", files: written, refused, notice };
    let said = if shown.json { json::write_value(&answer, &mut out) } else { answer.human(folder, &mut out) };
    super::written(said)?;
    Ok(if answer.refused.is_empty() { exit::OK } else { exit::FINDINGS })
}

#[derive(Serialize)]
struct MdmAnswer {
    schema: &'static str,
    files: Vec<MdmFile>,
    refused: BTreeSet<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<String>,
}

#[derive(Serialize)]
struct MdmFile {
    client: &'static str,
    file: String,
    place: String,
}

impl MdmAnswer {
    fn human(&self, folder: &Path, out: &mut impl Write) -> io::Result<()> {
        for MdmFile { client, file, place } in &self.files {
            writeln!(out, "{client}: {} for {place}", folder.join(file).display())?;
        }
        self.refused.iter().chain(&self.notice).try_for_each(|line| writeln!(out, "! {}", visible(line)))
    }
}

/// What is said of a machine, frozen: members may be added.
#[derive(Serialize)]
struct Answer<'f> {
    schema: &'static str,
    policy: &'f str,
    mode: &'static str,
    clients: Vec<ClientAnswer<'f>>,
    notices: &'f [String],
}

#[derive(Serialize)]
struct ClientAnswer<'f> {
    client: &'static str,
    owner: NativeOwner,
    places: Vec<PlaceAnswer>,
    /// The hook that is asked at each call, and what becomes of a call where its program is missing or fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    hook: Option<HookAnswer<'f>>,
    inexpressible: &'f [native::Inexpressible],
    conflicts: Vec<ConflictAnswer<'f>>,
    /// Other sources of the client: those that are there, those that would win and are not, and those that nobody sees from here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sources: Vec<SourceAnswer<'f>>,
}

#[derive(Serialize)]
struct SourceAnswer<'f> {
    place: String,
    /// `wins`, `may-win`, `not-there`, `unseen`.
    state: &'static str,
    what: &'f str,
}

#[derive(Serialize)]
struct HookAnswer<'f> {
    command: &'f str,
    fails_open: bool,
    what: &'static str,
}

#[derive(Serialize)]
struct PlaceAnswer {
    place: String,
    /// `as-it-should-be`, `to-be-written`, `to-be-removed`; after `apply` and `remove` `written`, `removed`, `left`, `failed`.
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    /// Lines with `-`, `+` or a blank before each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    difference: Vec<String>,
}

#[derive(Serialize)]
struct ConflictAnswer<'f> {
    place: &'f str,
    key: &'f str,
    kind: ConflictKind,
    what: &'f str,
}

fn tell(found: &Found, done: &[Done], shown: &Shown) -> anyhow::Result<()> {
    let redactor = agent::redactor()?;
    let mut done = done.iter();
    let clients = found.clients.iter().zip(&found.over).map(|(of, over)| ClientAnswer {
        client: of.compiled.client.id(),
        owner: of.compiled.owner,
        places: of.changes.iter().map(|change| place(change, done.next(), &redactor)).collect(),
        hook: of.compiled.hook.as_ref().map(|hook| HookAnswer {
            command: &hook.command,
            fails_open: hook.fails_open,
            what: hook.what,
        }),
        inexpressible: &of.compiled.inexpressible,
        conflicts: of.compiled.conflicts.iter().map(conflict).collect(),
        sources: over.iter().map(|source| self::source(source, &redactor)).collect(),
    });
    let answer = Answer {
        schema: "mcpolicy/native/v1",
        policy: &found.policy,
        mode: in_force::word(found.mode),
        clients: clients.collect(),
        notices: &found.notices,
    };
    let mut out = io::BufWriter::new(io::stdout().lock());
    let said = if shown.json { json::write_value(&answer, &mut out) } else { human(&answer, &mut out) };
    super::written(said.and_then(|()| out.flush()))
}

fn conflict(one: &native::Conflict) -> ConflictAnswer<'_> {
    ConflictAnswer { place: &one.place, key: &one.key, kind: one.kind, what: &one.what }
}

fn source<'f>(source: &over::Source, redactor: &Redactor) -> SourceAnswer<'f> {
    let state = match source.is_there {
        _ if source.wins() => "wins",
        Some(true) => "may-win",
        Some(false) => "not-there",
        None => "unseen",
    };
    SourceAnswer { place: redactor.name(&source.place), state, what: source.what }
}

fn place(change: &Change, done: Option<&Done>, redactor: &Redactor) -> PlaceAnswer {
    let (state, why) = match done {
        Some(Done::Written) => ("written", None),
        Some(Done::Removed) => ("removed", None),
        Some(Done::Left) => ("left", Some("MDM writes it".to_owned())),
        Some(Done::Failed(why)) => ("failed", Some(redactor.name(why))),
        Some(Done::Same) => ("as-it-should-be", None),
        None if !change.is_needed() => ("as-it-should-be", None),
        None if change.output.ours.is_some() => ("to-be-written", None),
        None => ("to-be-removed", None),
    };
    let difference = if change.is_needed() { difference(change, redactor) } else { Vec::new() };
    PlaceAnswer { place: change.output.target.id(), state, why, difference }
}

/// The lines that differ, with one around them; without what is a secret by its shape.
fn difference(change: &Change, redactor: &Redactor) -> Vec<String> {
    let text =
        |bytes: &Option<Vec<u8>>| String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).into_owned();
    let (old, new) = (text(&change.now), text(&change.output.bytes));
    let diff = TextDiff::from_lines(&old, &new);
    let mut lines = Vec::new();
    for change in diff.grouped_ops(1).iter().flatten().flat_map(|op| diff.iter_changes(op)) {
        let sign = match change.tag() {
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
            ChangeTag::Equal => ' ',
        };
        let line = change.value().trim_end_matches(['\r', '\n']);
        lines.push(format!("{sign}{}", redactor.name(line)));
    }
    lines
}

fn human(answer: &Answer<'_>, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "policy {}, mode {}", visible(answer.policy), answer.mode)?;
    for client in &answer.clients {
        if client.places.is_empty() && client.conflicts.is_empty() && client.inexpressible.is_empty() {
            continue;
        }
        writeln!(out, "\n{} (owner {})", client.client, owner(client.owner))?;
        for place in &client.places {
            let why = place.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            writeln!(out, "  {} {}{}", place.state, visible(&place.place), visible(&why))?;
            place.difference.iter().try_for_each(|line| writeln!(out, "    {}", visible(line)))?;
        }
        if let Some(hook) = &client.hook {
            let word = if hook.fails_open { "fails open" } else { "fails closed" };
            writeln!(out, "  hook `{}` {word}: {}", visible(hook.command), hook.what)?;
        }
        for one in &client.conflicts {
            writeln!(out, "  ! {} {}: {}", visible(one.place), visible(one.key), visible(one.what))?;
        }
        for one in &client.sources {
            let what = visible(one.what);
            match one.state {
                "wins" => writeln!(out, "  ! {}: {what}", visible(&one.place))?,
                "may-win" => writeln!(out, "  ? {}: {what}", visible(&one.place))?,
                "unseen" => writeln!(out, "  not seen from here: {what}")?,
                _ => {}
            }
        }
        for one in client.inexpressible {
            let rule = if one.rule.is_empty() { "policy" } else { &one.rule };
            let mark = if one.blocks { "does not start" } else { "not told" };
            writeln!(out, "  {mark}: {}: {}", visible(rule), visible(&one.why))?;
        }
    }
    answer.notices.iter().try_for_each(|notice| writeln!(out, "! {}", visible(notice)))
}

fn owner(owner: NativeOwner) -> &'static str {
    match owner {
        NativeOwner::Agent => "agent",
        NativeOwner::Mdm => "mdm",
        NativeOwner::Off => "off",
    }
}
