//! The different servers of a fleet, each with how widespread it is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use mcpolicy_schema::evaluate::System;
use mcpolicy_schema::finding::{FindingCode, Severity};
use mcpolicy_schema::policy::Policy;
use mcpolicy_schema::report::v1;
use mcpolicy_schema::verdict::Judgement;
use serde::Serialize;

use crate::authoring::fleet::{self, Dated};
use crate::authoring::reports::{self, Report};
use crate::authoring::simulate::cache::Cache;
use crate::authoring::simulate::key::Asked;
use crate::authoring::stored::{Site, Stored};

/// Findings below critical for which no rule is proposed: somebody else decides what runs or what is read.
const REFUSED: &[FindingCode] = &[
    FindingCode::PlainHttp,
    FindingCode::OpaqueCode,
    FindingCode::RegistryOverride,
    FindingCode::ProxyOverride,
    FindingCode::HeaderHelper,
    FindingCode::EnvFile,
    FindingCode::HostMount,
    FindingCode::SandboxOff,
    FindingCode::ShellWrapper,
];

/// One server as it is written, the same wherever it is seen.
#[derive(Debug)]
pub(crate) struct Variant {
    pub(crate) entry: v1::Entry,
    pub(crate) stored: Stored,
    pub(crate) system: System,
    pub(crate) home: Option<String>,
    /// Codes of findings for which no rule is proposed.
    pub(crate) grave: BTreeSet<&'static str>,
}

impl Variant {
    pub(crate) fn new(entry: &v1::Entry, site: &Site<'_>, grave: BTreeSet<&'static str>) -> Self {
        let home = site.homes.get(entry.user.as_deref().unwrap_or_default());
        Self {
            entry: entry.clone(),
            stored: Stored::new(entry),
            system: site.system,
            home: home.map(|home| (*home).to_owned()),
            grave,
        }
    }

    pub(crate) fn judge(&self, policy: &Policy, now: Timestamp) -> Judgement {
        let user = self.entry.user.as_deref().unwrap_or_default();
        let homes = self.home.as_deref().map(|home| (user, home)).into_iter().collect();
        self.stored.judge(policy, &Site { system: self.system, homes, device: "", revocations: None, now })
    }
}

/// How widespread something is.
#[derive(Debug, Default, Clone)]
pub(crate) struct Spread {
    pub(crate) entries: u64,
    pub(crate) machines: BTreeSet<Arc<str>>,
    pub(crate) users: BTreeSet<String>,
}

/// The same as numbers.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Use {
    /// On so many machines.
    pub machines: usize,
    /// Of so many users.
    pub users: usize,
    /// In so many entries.
    pub entries: u64,
}

impl Spread {
    pub(crate) fn merge(&mut self, other: &Self) {
        self.entries += other.entries;
        self.machines.extend(other.machines.iter().cloned());
        self.users.extend(other.users.iter().cloned());
    }

    pub(crate) fn count(&self) -> Use {
        Use { machines: self.machines.len(), users: self.users.len(), entries: self.entries }
    }
}

/// The fleet's servers that some client loads.
pub(crate) struct Fleet {
    pub(crate) variants: Vec<(Arc<Variant>, Spread)>,
    pub(crate) machines: usize,
    pub(crate) superseded: u64,
    pub(crate) problems: Vec<reports::Problem>,
}

/// Reads them all.
pub(crate) fn read(
    inputs: &[PathBuf],
    existing: Option<&Policy>,
    now: Timestamp,
    done: &(dyn Fn(u64, u64) + Sync),
) -> Fleet {
    let cache: Cache<Variant> = Cache::new(Asked::by(existing.into_iter(), None));
    let read = reports::each(inputs, done, |place, report| {
        let items = items(&cache, &report, now);
        Dated::new(place, &report, items)
    });
    let mut spreads: BTreeMap<*const Variant, (Arc<Variant>, Spread)> = BTreeMap::new();
    let mut machines = BTreeSet::new();
    let reports = read.items.len();
    let newest = fleet::newest(read.items);
    let superseded = (reports - newest.len()) as u64;
    for (origin, items) in newest {
        let machine: Arc<str> = origin.machine.into();
        machines.insert(Arc::clone(&machine));
        for variant in items {
            let (variant, spread) =
                spreads.entry(Arc::as_ptr(&variant)).or_insert_with(|| (variant, Spread::default()));
            spread.entries += 1;
            spread.machines.insert(Arc::clone(&machine));
            spread.users.extend(variant.entry.user.clone());
        }
    }
    let mut variants: Vec<(Arc<Variant>, Spread)> = spreads.into_values().collect();
    // Addresses differ from run to run, what is written must not.
    variants.sort_by_cached_key(|(variant, _)| serde_json::to_string(&variant.entry).unwrap_or_default());
    Fleet { superseded, variants, machines: machines.len(), problems: read.problems }
}

fn items(cache: &Cache<Variant>, report: &Report, now: Timestamp) -> Vec<Arc<Variant>> {
    let site = Site::of(&report.host, &report.scan.homes, now);
    let mut grave: BTreeMap<&str, BTreeSet<&'static str>> = BTreeMap::new();
    for finding in &report.findings {
        let Some(code) = FindingCode::ALL.iter().find(|code| code.as_str() == finding.code) else { continue };
        let of_verdict = matches!(code, FindingCode::Impersonation | FindingCode::Revoked);
        let is_grave = (finding.severity == Severity::Critical && !of_verdict) || REFUSED.contains(code);
        if let Some(entry) = finding.entry.as_deref().filter(|_| is_grave) {
            grave.entry(entry).or_default().insert(code.as_str());
        }
    }
    let live = report.entries.iter().filter(|entry| entry.inert.is_none());
    live.map(|entry| {
        let grave = grave.get(entry.id.as_str()).cloned().unwrap_or_default();
        cache.get(entry, &site, || Variant::new(entry, &site, grave))
    })
    .collect()
}
