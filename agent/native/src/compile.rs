//! From a policy and a machine to what shall stand in a client's files.

use std::collections::BTreeMap;

use mcpolicy_schema::document::{Approvals, Lock, Mode, NativeOwner};
use mcpolicy_schema::evaluate::{Context, System};
use mcpolicy_schema::policy::Policy;

use crate::clients::{Compiler, Content, compiler};
use crate::form::{Allowed, Denied};
use crate::json_file::{self, MergeError, Merged};
use crate::output::{Compiled, Conflict, ConflictKind, Drift, Ours, Output, State};
use crate::plan::{Plan, native_of};
use crate::refused::Refused;
use crate::target::{Client, Format, Target};
use crate::toml_file;

/// Switches beside the lists, as a policy sets them for one client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Locks {
    /// The approval floor: modes in which a client asks nobody are locked off where it has a managed key for it.
    pub(crate) approvals: bool,
    /// Plugins, extensions and marketplaces of others are locked out as a whole, whatever else they bring.
    pub(crate) plugins: bool,
    /// Flags that bring servers from nowhere (`--mcp-config`, `--plugin-dir`) are refused.
    pub(crate) flags: bool,
    /// Connectors that the vendor's cloud brings are off.
    pub(crate) connectors: bool,
    /// Claude Code takes its servers from `managed-mcp.json` alone, and every other entry vanishes.
    pub(crate) exclusive: bool,
}

impl Locks {
    /// What a policy says of a client.
    pub(crate) fn of(policy: &Policy, client: Client) -> Self {
        let native = native_of(policy, client);
        Self {
            approvals: policy.document().policy.approvals == Approvals::Ask,
            plugins: native.plugins == Lock::Locked,
            flags: native.flags == Lock::Locked,
            connectors: native.connectors == Lock::Locked,
            exclusive: native.exclusive,
        }
    }
}

/// What a compilation needs.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The policy in force.
    pub policy: &'a Policy,
    /// System, time and device, with which the forms of rules are judged. Facts of files are not needed: what has to be
    /// looked at is only let through as an entry that the caller judged.
    pub context: &'a Context<'a>,
    /// The mode that counts, after rings and the ceiling of MDM.
    pub mode: Mode,
    /// Homes of the machine's users, for forms with `{home}`.
    pub homes: &'a [String],
    /// Entries that are allowed on this machine, those that hold mode leaves among them.
    pub allowed: &'a [Allowed],
    /// Entries that are denied on this machine.
    pub denied: &'a [Denied],
    /// What stands at each target now, by [`Target::id`].
    pub present: &'a BTreeMap<String, State>,
    /// Other files of the client, by path: see [`Target::beside`].
    pub beside: &'a BTreeMap<String, Vec<u8>>,
    /// Absolute path of the program for hooks; `None`: no hook is compiled.
    pub program: Option<&'a str>,
}

impl Input<'_> {
    pub(crate) fn state(&self, target: &Target) -> State {
        self.present.get(&target.id()).cloned().unwrap_or_default()
    }
}

/// Where a client looks on a system; empty where it has no managed configuration there.
pub fn targets(client: Client, os: System) -> Vec<Target> {
    compiler(client).targets(os)
}

/// Whether a client takes a file as it is meant: nothing that makes it refuse all servers, refuse to start, or take the
/// file for "everything".
///
/// # Errors
/// The first thing that is wrong.
pub fn validate(client: Client, target: &Target, bytes: &[u8]) -> Result<(), Refused> {
    compiler(client).validate(target, bytes)
}

/// Says what shall stand in the managed configuration of a client.
pub fn compile(client: Client, input: &Input<'_>) -> Compiled {
    let compiler = compiler(client);
    let native = native_of(input.policy, client);
    // a mode that writes nothing, or nobody who writes: what was ours goes
    let writes = matches!(input.mode, Mode::Hold | Mode::Enforce) && native.owner != NativeOwner::Off;
    let mut plan = Plan::new(input, client, compiler.abilities());
    let mut out = Compiled {
        client,
        owner: native.owner,
        inexpressible_mode: native.inexpressible,
        outputs: Vec::new(),
        inexpressible: Vec::new(),
        conflicts: Vec::new(),
        hook: None,
    };
    for target in compiler.targets(input.context.system) {
        // what MDM wrote is compared where it is MDM that writes
        if target.mdm && native.owner != NativeOwner::Mdm {
            continue;
        }
        let content = if writes { compiler.content(&target, &mut plan) } else { nothing(&target) };
        match at_target(compiler, &target, &input.state(&target), &content) {
            Ok(merged) => {
                out.conflicts.extend(merged.conflicts);
                out.outputs.push(Output { bytes: merged.bytes, ours: merged.ours, target: target.clone() });
            }
            Err(error) => out.conflicts.push(Conflict {
                place: target.id(),
                key: String::new(),
                kind: ConflictKind::Unreadable,
                what: error.to_string(),
            }),
        }
        if writes {
            out.conflicts.extend(compiler.foreign(&target, &plan));
        }
    }
    if writes {
        out.hook = compiler.hook(&plan);
        out.inexpressible = plan.told.into_iter().collect();
    }
    out.conflicts.sort();
    out.conflicts.dedup();
    out
}

fn nothing(target: &Target) -> Content {
    match target.format {
        Format::Toml => Content::Toml(toml_file::Blocks::default()),
        Format::Json | Format::Jsonc | Format::Values => Content::Json(Vec::new()),
    }
}

/// Puts ours into one file. What its client would refuse is never handed out.
pub(crate) fn at_target(
    compiler: &dyn Compiler,
    target: &Target,
    state: &State,
    content: &Content,
) -> Result<Merged, Refused> {
    let merged = match content {
        Content::Json(settings) => json_file::merge(target, state, settings)?,
        Content::Toml(blocks) => {
            let check = |bytes: &[u8]| compiler.validate(target, bytes).is_ok() || is_blank(bytes);
            toml_file::merge(target, state, blocks, &check)?
        }
    };
    let Some(ours) = &merged.ours else { return Ok(merged) };
    let bytes = merged.bytes.as_deref().unwrap_or_default();
    match compiler.validate(target, bytes) {
        // an administrator's own "everything" is told as a conflict, and what is ours beside it still counts
        Err(Refused::AllowsAll { .. }) if is_theirs_alone(compiler, target, bytes, ours) => Ok(merged),
        Err(refused) => Err(refused),
        Ok(()) => Ok(merged),
    }
}

/// Whether what others have in a file means "everything" by itself.
fn is_theirs_alone(compiler: &dyn Compiler, target: &Target, bytes: &[u8], ours: &Ours) -> bool {
    let theirs = remove(target, bytes, ours).ok().flatten();
    theirs.is_some_and(|theirs| matches!(compiler.validate(target, &theirs), Err(Refused::AllowsAll { .. })))
}

fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(u8::is_ascii_whitespace)
}

/// Gives a file back as its administrator has it: without what is ours. `None`: it was not there before, and nothing but
/// ours is in it.
///
/// # Errors
/// It can no longer be read as its client reads it.
pub fn remove(target: &Target, bytes: &[u8], ours: &Ours) -> Result<Option<Vec<u8>>, MergeError> {
    match target.format {
        Format::Toml => toml_file::remove(bytes, ours),
        format => json_file::remove(format, bytes, ours),
    }
}

/// What of ours is gone or changed in what stands at a target now.
///
/// # Errors
/// It can no longer be read as its client reads it, so that nothing of ours holds.
pub fn verify(target: &Target, bytes: Option<&[u8]>, ours: &Ours) -> Result<Vec<Drift>, MergeError> {
    match target.format {
        Format::Toml => toml_file::verify(bytes, ours),
        format => json_file::verify(format, bytes, ours),
    }
}
