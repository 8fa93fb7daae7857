//! A grant: one entry allowed to one user on one device for a time, as one line that can be pasted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use mcpolicy_schema::envelope::Envelope;
use mcpolicy_schema::evaluate::is_tied;
use mcpolicy_schema::fingerprint;
use mcpolicy_schema::json;
use mcpolicy_schema::report::v1;
use mcpolicy_schema::signed::{Grant, Payload as _, Request, Root};
use serde::Deserialize;

use super::folder;
use super::number;
use super::reports;
use super::signer::Signer;
use super::stored::proof::{self, Proof};
use super::stored::{self, Site, Stored};

/// Begins a pasted grant.
const GRANT: &str = "mcpolicy-grant-1:";
/// Begins a pasted request.
const REQUEST: &str = "mcpolicy-request-1:";
/// Longest that a grant may last.
pub const LONGEST: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The members of a request that a grant needs; what a developer says besides plays no part.
#[derive(Debug, Clone, Deserialize)]
struct Wanted {
    fingerprint: String,
    #[serde(default)]
    identity: Claimed,
    #[serde(default)]
    device: String,
    #[serde(default)]
    user: String,
}

/// What a request says that its fingerprint stands for: in words, or as a report has it.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Claimed {
    Words(String),
    Parts { kind: String, name: String },
}

impl Default for Claimed {
    fn default() -> Self {
        Self::Words(String::new())
    }
}

impl Claimed {
    fn text(&self) -> String {
        match self {
            Self::Words(words) => words.clone(),
            Self::Parts { kind, name } => format!("{kind}:{name}"),
        }
    }
}

/// What to grant.
pub struct Order<'a> {
    /// The request.
    pub request: &'a [u8],
    /// Reports, one of which has the entry that the fingerprint is of.
    pub reports: &'a [PathBuf],
    /// Values of variables and headers that the reports hide, as the developer tells them.
    pub values: &'a BTreeMap<String, String>,
    /// Device, where the request names none.
    pub device: Option<String>,
    /// User, where the request names none.
    pub user: Option<String>,
    /// Change ticket.
    pub ticket: Option<String>,
    /// How long.
    pub lifetime: SignedDuration,
    /// Whose signatures count.
    pub root: &'a Root,
    /// Who signs.
    pub signers: &'a [Box<dyn Signer>],
    /// The time.
    pub now: Timestamp,
}

/// Signs a grant.
///
/// # Errors
/// The request is none, or too few policy keys sign.
pub fn grant(order: &Order<'_>) -> anyhow::Result<(Grant, Envelope)> {
    ensure!(
        order.lifetime > SignedDuration::ZERO && order.lifetime <= LONGEST,
        "a grant lasts at most 30 days; write an [[exception]] for longer"
    );
    let wanted = read(order.request)?;
    let is_fingerprint = wanted.fingerprint.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    });
    ensure!(
        is_fingerprint,
        "the request names no fingerprint (`sha256:` and 64 hex digits); copy it from a report"
    );
    let identity = identity_of(order, &wanted)?;
    let named = |given: &Option<String>, asked: &str, what: &str| -> anyhow::Result<String> {
        if let Some(given) = given.as_ref().filter(|given| !asked.is_empty() && *given != asked) {
            bail!("the request is for the {what} {asked}, not {given}");
        }
        let name = given.clone().unwrap_or_else(|| asked.to_owned());
        ensure!(!name.is_empty(), "the request names no {what}; give it with --{what}");
        Ok(name)
    };
    let device = named(&order.device, &wanted.device, "device")?;
    let user = named(&order.user, &wanted.user, "user")?;
    let grant = Grant {
        schema: Grant::SCHEMA.to_owned(),
        id: random_id("grant")?,
        fingerprint: wanted.fingerprint,
        identity,
        device,
        user,
        ticket: order.ticket.clone(),
        issued: order.now,
        expires: number::end(order.now, order.lifetime)?,
        crit: Vec::new(),
    };
    let role = &order.root.roles.policy.role;
    let names = ("a grant", "policy key", "policy keys");
    let envelope = folder::signed_for(&grant, role, order.signers, names)?;
    Ok((grant, envelope))
}

/// What the fingerprint stands for, read again from the entry that has it: the words of a request are its writer's, and
/// whoever signs must see what is signed.
fn identity_of(order: &Order<'_>, wanted: &Wanted) -> anyhow::Result<String> {
    ensure!(
        !order.reports.is_empty(),
        "name the stored reports with --reports: only the entry in a report says what the fingerprint of a request is of"
    );
    // The signers stay in this thread.
    let (now, values) = (order.now, order.values);
    let read = reports::each(order.reports, &|_, _| {}, |_, report| {
        let site = Site::of(&report.host, &report.scan.homes, now);
        // what was taken out of its file is in no scan any more, and in the request for it
        let asked = report.requests.iter().map(|request| &*request.entry);
        let found =
            report.entries.iter().chain(asked).filter(|entry| entry.fingerprint == wanted.fingerprint);
        found.map(|entry| told(entry, &site, values)).collect::<Vec<_>>()
    });
    let found: Vec<Told> = read.items.into_iter().flatten().collect();
    believable(&found, &wanted.fingerprint)?;
    let counts = found.iter().any(|told| !told.tied);
    let all: BTreeSet<String> = found.into_iter().map(|told| told.identity).collect();
    let mut all = all.into_iter();
    let identity = match (all.next(), all.next()) {
        (Some(one), None) => one,
        (Some(_), Some(_)) => bail!(
            "the reports say different things of {}; find out who wrote them before you sign",
            wanted.fingerprint
        ),
        (None, _) => bail!(
            "no entry of the reports has the fingerprint {}; ask for a new scan of the machine{}",
            wanted.fingerprint,
            super::draft::first(&read.problems)
        ),
    };
    ensure!(
        counts,
        "{identity:?} runs what lies in its project, so that its fingerprint is that of another server in the next, and no grant counts for it; \
         write an [[exception]] with the `directory`, or a rule with path and digest"
    );
    let claimed = wanted.identity.text();
    let name = identity.split_once(':').map_or(identity.as_str(), |(_, name)| name);
    let name = name.rsplit_once(' ').map_or(name, |(name, _)| name);
    ensure!(
        claimed.is_empty() || claimed.contains(name.strip_prefix('~').unwrap_or(name)),
        "the request says {claimed:?}, but its fingerprint is that of {identity:?}; nothing was signed"
    );
    Ok(identity)
}

/// What an entry of a report is.
struct Told {
    /// Kind, name and version of what it would run, computed anew: what the report says of it may be forged.
    identity: String,
    /// It is another server in each project.
    tied: bool,
    /// Whether the fingerprint is its own.
    proof: Proof,
    /// Names of variables and headers whose values the report hides.
    hidden: Vec<String>,
}

fn told(stored: &v1::Entry, site: &Site<'_>, values: &BTreeMap<String, String>) -> Told {
    let proof = proof::with(stored, &site.homes, values);
    let hidden = proof::hidden_names(stored)
        .into_iter()
        .map(|name| crate::output::text::visible(name).to_string())
        .collect();
    let home = proof::home_of(stored, &site.homes);
    let Stored { entry, identity, .. } = Stored::new(stored);
    let tied = is_tied(&entry, &identity);
    let version = identity.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
    // A fingerprint leaves the home out, so a report could name any folder as the home: `~` shows what counts.
    let name = fingerprint::below_home(&identity.name, home);
    Told {
        identity: stored::shown(&format!("{}:{name}{version}", identity.kind.as_str())),
        tied,
        proof,
        hidden,
    }
}

/// Refuses a fingerprint of which it is not proven what it is of.
fn believable(found: &[Told], fingerprint: &str) -> anyhow::Result<()> {
    if let Some(other) = found.iter().find(|told| told.proof == Proof::Other) {
        bail!(
            "{fingerprint} is not the fingerprint of the entry {:?} beside which a report has it; nothing was signed: have the machine \
             scanned again by this version of mcpolicy, and if it stays so, find out who wrote the report",
            other.identity
        );
    }
    if let Some(hidden) = found.iter().find(|told| told.proof == Proof::Hidden) {
        bail!(
            "it cannot be proven that {fingerprint} is the fingerprint of {:?}: a value that took part in it is hidden in the report; \
             nothing was signed: ask the developer for the values that are no secrets and give them with --value NAME=VALUE{}, or write a \
             rule instead (`mcpolicy policy approve`)",
            hidden.identity,
            match hidden.hidden.is_empty() {
                true => String::new(),
                false => format!(" (hidden: {})", hidden.hidden.join(", ")),
            }
        );
    }
    Ok(())
}

/// A name that no other has, so that a revocation can name it.
pub(super) fn random_id(what: &str) -> anyhow::Result<String> {
    let mut random = [0u8; 8];
    getrandom::fill(&mut random).map_err(|_| anyhow::anyhow!("the system gives no random bytes"))?;
    Ok(format!("{what}-{}", random.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
}

/// A grant as one line that goes through chats and shells unharmed.
pub fn line(envelope: &Envelope) -> String {
    format!("{GRANT}{}", URL_SAFE_NO_PAD.encode(envelope.to_bytes()))
}

/// The envelope in a pasted line, or the bytes as they are.
///
/// # Errors
/// The line is damaged.
pub fn of_line(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    unpack(bytes, GRANT)
}

fn read(bytes: &[u8]) -> anyhow::Result<Wanted> {
    let bytes = unpack(bytes, REQUEST)?;
    let wanted: Wanted = json::from_slice(&bytes)
        .context("this is no request; it is a JSON file or a line that begins with mcpolicy-request-1:")?;
    // A whole request is checked as such; fewer members are what people write by hand.
    if let Ok(request) = json::from_slice::<Request>(&bytes) {
        request.check().map_err(|why| anyhow::anyhow!("the request makes no sense: {why}"))?;
    }
    Ok(wanted)
}

pub(super) fn unpack(bytes: &[u8], prefix: &str) -> anyhow::Result<Vec<u8>> {
    let text = std::str::from_utf8(bytes).unwrap_or_default().trim();
    let Some(packed) = text.strip_prefix(prefix) else { return Ok(bytes.to_vec()) };
    // Chats break long lines.
    let packed: String = packed.chars().filter(|c| !c.is_whitespace()).collect();
    URL_SAFE_NO_PAD.decode(packed).ok().context("the pasted line is damaged; copy it again, whole")
}
