//! From a policy and a machine to its managed files, and back.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use mcpolicy_native::{
    self as native, Client, Compiled, Conflict, ConflictKind, Input, Output, State, Target,
};
use mcpolicy_platform::machine::Machine;
use mcpolicy_schema::document::{Expressible, Mode, NativeOwner};
use mcpolicy_schema::evaluate::{Context, Device, System};

use super::files::{self, Found};
use super::inputs::Entries;
use super::kept::Kept;
use crate::in_force::InForce;

/// By what is compiled.
#[derive(Clone, Copy)]
pub struct Terms<'a> {
    /// The policy that acts.
    pub in_force: &'a InForce,
    /// The mode that holds.
    pub mode: Mode,
    /// The machine's ring.
    pub ring: Option<&'a str>,
    /// Its id.
    pub device: &'a str,
    /// Its groups.
    pub groups: &'a [String],
    /// The time to judge by.
    pub now: Timestamp,
    /// Whose paths.
    pub system: System,
    /// The program that hooks start; without one none is compiled.
    pub program: Option<&'a str>,
}

/// What is to become of one place.
#[derive(Debug, Clone)]
pub struct Change {
    /// Whose.
    pub client: Client,
    /// Who writes it.
    pub owner: NativeOwner,
    /// What stands there now.
    pub now: Option<Vec<u8>>,
    /// What is to stand there.
    pub output: Output,
}

impl Change {
    /// Whether something else is to stand there.
    pub fn is_needed(&self) -> bool {
        self.now != self.output.bytes
    }
}

/// All of one client.
#[derive(Debug)]
pub struct OfClient {
    /// What was compiled; its outputs are in `changes`, and conflicts have what was found on the machine.
    pub compiled: Compiled,
    /// What is to become of each place.
    pub changes: Vec<Change>,
}

/// Compiles for all clients, or for one.
pub fn compile(
    terms: &Terms<'_>,
    entries: &Entries,
    (machine, kept): (Option<&Machine>, &Kept),
    only: &[Client],
) -> Vec<OfClient> {
    let clients = Client::ALL.into_iter().filter(|client| only.is_empty() || only.contains(client));
    clients.map(|client| of_client(client, terms, entries, (machine, kept))).collect()
}

fn of_client(
    client: Client,
    terms: &Terms<'_>,
    entries: &Entries,
    (machine, kept): (Option<&Machine>, &Kept),
) -> OfClient {
    let targets = native::targets(client, terms.system);
    let (mut present, mut barred) = (BTreeMap::new(), BTreeMap::new());
    let mut beside = BTreeMap::new();
    for target in targets.iter().filter(|target| !target.mdm) {
        let id = target.id();
        match machine.map_or(Found::Bytes(None), |machine| files::find(machine, target)) {
            Found::Bytes(bytes) => {
                let ours = kept.ours(&id, bytes.as_deref());
                present.insert(id, State { bytes, ours });
            }
            Found::Barred(why) => drop(barred.insert(id, why)),
        }
        beside.extend(machine.map(|machine| files::beside(machine, target)).unwrap_or_default());
    }
    let context = context(terms);
    let input = Input {
        policy: &terms.in_force.policy,
        context: &context,
        mode: terms.mode,
        homes: &entries.homes,
        allowed: &entries.allowed,
        denied: &entries.denied,
        present: &present,
        beside: &beside,
        program: terms.program,
    };
    let mut compiled = native::compile(client, &input);
    let outputs = std::mem::take(&mut compiled.outputs);
    let mut changes = Vec::new();
    // what MDM alone may write is no file, and is not read yet
    for output in outputs.into_iter().filter(|output| !output.target.mdm) {
        let id = output.target.id();
        let now = present.get(&id).and_then(|state| state.bytes.clone());
        // what stands there and is left as it is matters where something of ours was to be there
        if let Some(why) = barred.get(&id) {
            if output.ours.is_some() {
                compiled.conflicts.push(unreadable(&output.target, why));
            }
            continue;
        }
        changes.push(Change { client, owner: compiled.owner, now, output });
    }
    OfClient { compiled, changes }
}

/// Takes ours out of everything that holds something of it.
pub fn give_back((machine, kept): (&Machine, &Kept), system: System, only: &[Client]) -> Vec<OfClient> {
    let clients = Client::ALL.into_iter().filter(|client| only.is_empty() || only.contains(client));
    clients
        .map(|client| {
            let mut of = OfClient { compiled: nothing_of(client), changes: Vec::new() };
            for target in native::targets(client, system).into_iter().filter(|target| !target.mdm) {
                give_back_one(target, (machine, kept), &mut of);
            }
            of
        })
        .collect()
}

fn give_back_one(target: Target, (machine, kept): (&Machine, &Kept), of: &mut OfClient) {
    let now = match files::find(machine, &target) {
        Found::Bytes(bytes) => bytes,
        Found::Barred(why) => {
            if kept.targets().any(|id| id == target.id()) {
                of.compiled.conflicts.push(unreadable(&target, &why));
            }
            return;
        }
    };
    let Some(ours) = kept.ours(&target.id(), now.as_deref()) else { return };
    let bytes = now.as_deref().map(|bytes| native::remove(&target, bytes, &ours)).transpose();
    match bytes {
        Ok(bytes) => of.changes.push(Change {
            client: of.compiled.client,
            owner: NativeOwner::Agent,
            now,
            output: Output { target, bytes: bytes.flatten(), ours: None },
        }),
        Err(error) => of.compiled.conflicts.push(unreadable(&target, &error.to_string())),
    }
}

fn nothing_of(client: Client) -> Compiled {
    Compiled {
        client,
        owner: NativeOwner::Agent,
        inexpressible_mode: Expressible::Closed,
        outputs: Vec::new(),
        inexpressible: Vec::new(),
        conflicts: Vec::new(),
        hook: None,
    }
}

fn unreadable(target: &Target, why: &str) -> Conflict {
    let what = format!("{why}; it is left as it is");
    Conflict { place: target.id(), key: String::new(), kind: ConflictKind::Unreadable, what }
}

fn context<'a>(terms: &Terms<'a>) -> Context<'a> {
    Context {
        system: terms.system,
        device: Device { id: terms.device, groups: terms.groups, ring: terms.ring, ..Device::default() },
        revocations: terms.in_force.revocations.as_ref(),
        grants: &terms.in_force.grants,
        ..Context::bare(terms.now)
    }
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// It stands there as it should; it was so before.
    Same,
    /// It was put in place and read back.
    Written,
    /// What was ours is gone, and was read back.
    Removed,
    /// Others write it.
    Left,
    /// The system refused, or it reads otherwise than it was written.
    Failed(String),
}

/// Makes one change: the state first, then the file, then it is read back.
pub fn make(change: &Change, machine: &Machine, kept: &mut Kept) -> Done {
    if !change.is_needed() {
        return Done::Same;
    }
    if change.owner == NativeOwner::Mdm {
        return Done::Left;
    }
    let target = &change.output.target;
    let Some(host) = files::host_path(machine, target) else { return Done::Left };
    match put(change, (machine, &host), kept) {
        Ok(()) if change.output.ours.is_some() => Done::Written,
        Ok(()) => Done::Removed,
        Err(error) => Done::Failed(error.to_string()),
    }
}

fn put(change: &Change, (machine, host): (&Machine, &Path), kept: &mut Kept) -> anyhow::Result<()> {
    let (target, bytes) = (&change.output.target, change.output.bytes.as_deref());
    let id = target.id();
    // somebody else may have written it since it was read
    anyhow::ensure!(
        files::find(machine, target) == Found::Bytes(change.now.clone()),
        "it was changed just now"
    );
    // attack: a user whose entries make it longer than is read, so that it could not be mended any more
    let length = bytes.map_or(0, <[u8]>::len) as u64;
    anyhow::ensure!(length <= files::MAX_BYTES, "it would have {length} bytes, more than is read again");
    kept.begin(&id, change.now.as_deref(), bytes, change.output.ours.as_ref())?;
    files::put(host, bytes)?;
    kept.end(&id)?;
    match files::find(machine, target) {
        Found::Bytes(found) if found.as_deref() == bytes => Ok(()),
        Found::Bytes(_) => anyhow::bail!("it reads otherwise than it was written"),
        Found::Barred(why) => anyhow::bail!("{why}"),
    }
}
