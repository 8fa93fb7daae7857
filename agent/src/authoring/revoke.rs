//! The emergency list: a new statement, body and head in one go. Needs nothing of the repository but the root, which lies
//! in the published folder too; an expired head or list does not stand in the way of an emergency.

pub mod by_id;
pub mod containment;
mod valid;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, bail, ensure};
use jiff::{SignedDuration, Timestamp};
use mcpolicy_schema::document::{
    ExecutableMatcher, GitMatcher, IdentityMatcher, ImageMatcher, PackageMatcher, PolicyDocument, UrlMatcher,
};
use mcpolicy_schema::limits::{MAX_ENVELOPE_BYTES, MAX_POLICY_BODY_BYTES, MAX_REVOCATIONS_BODY_BYTES};
use mcpolicy_schema::revocations::{self, Revocation, Revocations, RevocationsDocument, Revoked};
use mcpolicy_schema::signed::{Current, Digest, Head, Payload as _, RevocationsStatement, Root};

use super::before::{self, Before};
use super::elsewhere;
use super::folder::{self, Folder, HEAD};
use super::lock::Lock;
use super::number;
use super::publish::{self, HeadOptions, Make};
use super::signer::Signer;

/// What to change in the list.
#[derive(Debug, Clone)]
pub enum Change {
    /// Deny this now.
    Revoke {
        /// What.
        revoked: Revoked,
        /// Why; shown to developers.
        reason: String,
        /// Id in the list; absent: made from the number of the list.
        id: Option<String>,
    },
    /// Take a line of the list away.
    Lift(String),
    /// Sign the list as it is again, before it ends.
    Renew,
}

/// An emergency order.
pub struct Order<'a> {
    /// The published folder.
    pub to: &'a Folder,
    /// The newest root.
    pub root: &'a Root,
    /// The newest root of the published folder, whose keys have signed the list in force.
    pub published: &'a Root,
    /// Roots of the repository that the published folder may lack, by their numbers.
    pub roots: BTreeMap<u64, Vec<u8>>,
    /// Where the repository keeps the last head of each channel, if it is at hand.
    pub records: Option<&'a Folder>,
    /// What to change.
    pub change: Change,
    /// Change ticket.
    pub ticket: Option<String>,
    /// Who signs: emergency and online keys.
    pub signers: &'a [Box<dyn Signer>],
    /// The time.
    pub now: Timestamp,
    /// How long the list can be taken as new.
    pub lifetime: SignedDuration,
    /// How long the head is valid.
    pub head_lifetime: SignedDuration,
    /// Number of the head, where the last one is not known.
    pub head_sequence: Option<u64>,
    /// Which fleet the folder is for, where the last head does not say it.
    pub channel: Option<String>,
}

/// What was published.
#[derive(Debug, Clone)]
pub struct Revised {
    /// Number of the list.
    pub sequence: u64,
    /// Its lines.
    pub list: Vec<Revocation>,
    /// Id of the line that is new or gone.
    pub id: Option<String>,
    /// Number of the head.
    pub head: u64,
    /// What the author should look at.
    pub warning: Option<String>,
    /// Why the repository does not remember the head, and what to do.
    pub unrecorded: Option<String>,
    /// What else is to be done, where something is denied anew.
    pub containment: Option<String>,
}

/// Changes the list and publishes it.
///
/// # Errors
/// Keys are missing, the folder is not one of ours, or it cannot be written.
pub fn revise(order: &Order<'_>) -> anyhow::Result<Revised> {
    let _held = Lock::of_existing(order.to.path())?.with_context(|| before::nothing(order.to))?;
    let mut before = Before::read(order.to, order.root)?;
    if let Some(records) = order.records {
        let older = order.to.roots()?;
        before = before.recorded(records, order.channel.as_deref(), order.root, &older)?;
        // a folder out of a backup: machines that have seen more would take neither the list nor the head
        before.has_the_recorded_list(order.to)?;
    }
    before.next(order.to, order.root, order.head_sequence)?;
    let policy = before.policy(order.to, order.root)?;
    let (last, mut list) = current(order, before.revocations)?;
    let floor = order.root.reset.map_or(0, |reset| reset.revocations);
    let sequence = number::after(last, "the published list of revocations")?.max(floor);
    let id = apply(&order.change, order.ticket.as_ref(), sequence, &mut list)?;
    let warning = match &order.change {
        Change::Revoke { revoked: Revoked::Rule(id), .. } => warning_of(order, &before, policy, &list, id),
        _ => None,
    };
    let warning = match (before.forgotten(), warning) {
        (Some(first), Some(then)) => Some(format!("{first}; {then}")),
        (first, then) => first.or(then),
    };
    let document = RevocationsDocument { schema: revocations::SCHEMA.to_owned(), revocation: list };
    let body = body(&document)?;
    let statement = RevocationsStatement {
        schema: RevocationsStatement::SCHEMA.to_owned(),
        sequence,
        issued: order.now,
        expires: number::end(order.now, order.lifetime)?,
        ticket: order.ticket.clone(),
        body: Digest::of(&body),
        crit: Vec::new(),
    };
    let role = &order.root.roles.emergency;
    let names = ("the list", "emergency key", "emergency keys");
    let envelope = folder::signed_for(&statement, role, order.signers, names)?;
    let current = Current { sequence, len: statement.body.len, sha256: statement.body.sha256 };
    let options = HeadOptions {
        lifetime: order.head_lifetime,
        sequence: order.head_sequence,
        channel: order.channel.clone(),
        ..HeadOptions::default()
    };
    let make = Make {
        to: order.to,
        root: order.root,
        before: &before,
        records: order.records,
        signers: order.signers,
        now: order.now,
    };
    let (head, head_envelope) = make.head(&options, policy, Some(current))?;
    let of_others = elsewhere::files(&head, &make.places());
    // an emergency does not wait for it
    let warning = match (elsewhere::missing(&head, &of_others, order.to), warning) {
        (Some(first), Some(then)) => Some(format!("{first}; {then}")),
        (first, then) => first.or(then),
    };
    let roots = order.roots.iter().map(|(number, bytes)| (format!("root.{number}.json"), bytes.clone()));
    let mut files: Vec<(String, Vec<u8>)> = roots.collect();
    files.extend(elsewhere::to_write(&head, &of_others));
    files.extend([
        (format!("revocations.{sequence}.body"), body),
        (format!("revocations.{sequence}.json"), envelope.to_bytes()),
        (HEAD.to_owned(), head_envelope.to_bytes()),
    ]);
    order.to.write(&files)?;
    let unrecorded = match order.records {
        Some(records) => publish::record(records, &head, &head_envelope),
        None => before::record_of(&head.channel).map(|name| {
            format!("no repository is at hand (--repository DIR) to remember this head: copy {HEAD} to its signed/{name}")
        }),
    };
    let containment = containment_of(order, policy, &head, (&document.revocation, id.as_deref()));
    let list = document.revocation;
    Ok(Revised { sequence, list, id, head: head.sequence, warning, unrecorded, containment })
}

/// What else is to be done about a line that is new.
fn containment_of(
    order: &Order<'_>,
    policy: Current,
    head: &Head,
    (list, id): (&[Revocation], Option<&str>),
) -> Option<String> {
    if !matches!(order.change, Change::Revoke { .. }) {
        return None;
    }
    let line = list.iter().find(|line| Some(line.id.as_str()) == id)?;
    let policies = published_documents(order.to, policy.sequence);
    let known = containment::Known { policies: &policies, poll_s: head.poll_interval_s };
    Some(containment::sheet(line, known))
}

/// The list that is in force, as the emergency keys have signed it. What somebody else has put in its place must not
/// get a signature of ours.
fn current(order: &Order<'_>, named: Option<Current>) -> anyhow::Result<(u64, Vec<Revocation>)> {
    let newest = order.to.numbers("revocations")?.last().copied().unwrap_or(0);
    let Some(named) = named else { return Ok((newest, Vec::new())) };
    let n = named.sequence;
    let place = || format!("revocations.{n} in {}", order.to.path().display());
    let read = |name: String, most| {
        let bytes = order.to.read(&name, most)?;
        bytes.with_context(|| format!("{name} is not in {}; restore it", order.to.path().display()))
    };
    let envelope = read(format!("revocations.{n}.json"), MAX_ENVELOPE_BYTES)?;
    // a key that a newer root has taken away may have signed what is in force: it counts as that until it is signed anew
    let statement: RevocationsStatement = folder::verified(&envelope, &order.root.roles.emergency)
        .or_else(|_| folder::verified(&envelope, &order.published.roles.emergency))
        .with_context(place)?;
    let body = read(format!("revocations.{n}.body"), MAX_REVOCATIONS_BODY_BYTES)?;
    folder::is_body(&body, &statement.body).with_context(place)?;
    let document: RevocationsDocument = mcpolicy_schema::json::from_slice(&body).with_context(place)?;
    Ok((n.max(newest), document.revocation))
}

fn apply(
    change: &Change,
    ticket: Option<&String>,
    sequence: u64,
    list: &mut Vec<Revocation>,
) -> anyhow::Result<Option<String>> {
    match change {
        Change::Renew => Ok(None),
        Change::Lift(id) => {
            let before = list.len();
            list.retain(|line| line.id != *id);
            ensure!(list.len() < before, "the list has no line {id}; `mcpolicy policy show` lists them");
            Ok(Some(id.clone()))
        }
        Change::Revoke { revoked, reason, id } => {
            ensure!(
                !reason.trim().is_empty() && !reason.contains(char::is_control),
                "--reason says nothing, or more than one line; developers are shown it, so say why in a few words"
            );
            let revoked = valid::spelled(revoked.clone())?;
            let id = id.clone().unwrap_or_else(|| unused(list, sequence));
            if let Some(there) = list.iter().find(|line| line.revoked == revoked) {
                bail!("the list denies this already, as {}; nothing was changed", there.id);
            }
            ensure!(
                list.iter().all(|line| line.id != id),
                "the list has a line {id} already; choose another --id"
            );
            let line = Revocation {
                id: id.clone(),
                revoked,
                reason: reason.trim().to_owned(),
                ticket: ticket.cloned(),
            };
            list.push(line);
            Ok(Some(id))
        }
    }
}

/// An id that no line of the list has. One that was given by hand may look like the next of ours.
fn unused(list: &[Revocation], sequence: u64) -> String {
    let plain = format!("revocation-{sequence}");
    let more = (2..).map(|n| format!("{plain}-{n}"));
    let taken = |id: &String| list.iter().any(|line| line.id == *id);
    std::iter::once(plain.clone()).chain(more).find(|id| !taken(id)).unwrap_or(plain)
}

/// What whoever revokes a rule by its id has to look at. A grant is in no policy; where the policy cannot be read, nothing
/// is said. While the newest policy is offered to one ring, older ones act on the other machines.
fn warning_of(
    order: &Order<'_>,
    before: &Before,
    policy: Current,
    list: &[Revocation],
    id: &str,
) -> Option<String> {
    let known = published_documents(order.to, policy.sequence);
    if known.is_empty() || id.starts_with("grant-") {
        return None;
    }
    let has = |policy: &PolicyDocument| {
        let rules = policy.rule.iter().map(|rule| &rule.id);
        rules.chain(policy.exception.iter().map(|exception| &exception.id)).any(|known| known == id)
    };
    let is_pilot = before.model().is_some_and(|head| head.ring.is_some());
    let acting = if is_pilot { &known[..] } else { &known[..1] };
    if !acting.iter().any(has) {
        let earlier = if known.iter().any(has) { " any more" } else { "" };
        return Some(format!(
            "the published policy has no rule or exception {id}{earlier}, so this denies nothing at present; was another id \
             meant?"
        ));
    }
    let mut warnings = Vec::new();
    if !acting.iter().all(has) {
        warnings.push(format!(
            "the newest policy is offered to one ring only, and not each of those that act elsewhere has {id}; revoke what is \
             meant by --identity"
        ));
    }
    let others = acting.iter().flat_map(|policy| by_id::admitted_still(&known, policy, list, id));
    let others: BTreeSet<String> = others.collect();
    if !others.is_empty() {
        let others = others.into_iter().collect::<Vec<_>>().join(", ");
        warnings.push(format!(
            "{others} of the published policy admits the same server or another version of it, which {id} does not deny; revoke \
             that too, or what is meant by --identity"
        ));
    }
    (!warnings.is_empty()).then(|| warnings.join("; "))
}

/// Most policies that are looked through for a rule that is revoked by its id.
const MAX_BEFORE: usize = 50;

/// The bodies of published policies up to a number that are there and well, the newest first.
pub(super) fn published_documents(to: &Folder, newest: u64) -> Vec<PolicyDocument> {
    let numbers = to.numbers("policy").unwrap_or_default();
    let numbers = numbers.into_iter().rev().filter(|number| *number <= newest).take(MAX_BEFORE);
    let body = |number: u64| to.read(&format!("policy.{number}.body"), MAX_POLICY_BODY_BYTES).ok().flatten();
    numbers.filter_map(|n| mcpolicy_schema::json::from_slice::<PolicyDocument>(&body(n)?).ok()).collect()
}

fn body(document: &RevocationsDocument) -> anyhow::Result<Vec<u8>> {
    if let Err(faults) = Revocations::compile(document.clone()) {
        let faults: Vec<String> = faults.into_iter().map(|f| format!("{}: {}", f.place, f.message)).collect();
        bail!("nothing was revoked: {}", faults.join("; "));
    }
    let mut body = serde_json::to_vec_pretty(document)?;
    body.push(b'\n');
    ensure!(
        body.len() <= MAX_REVOCATIONS_BODY_BYTES,
        "the list has {} bytes, more than the {MAX_REVOCATIONS_BODY_BYTES} that machines read; move older lines to [[deny]]",
        body.len()
    );
    Ok(body)
}

/// An identity as people write it on a command line: `npm:NAME@1.2.3`, `oci:IMAGE@sha256:…`, `https://…`.
///
/// # Errors
/// It is none.
pub fn identity(text: &str) -> anyhow::Result<IdentityMatcher> {
    if text.starts_with("https://") || text.starts_with("http://") {
        return Ok(IdentityMatcher::Url(url(text)));
    }
    let known = "npm:, pypi:, dotnet:, go:, deno:, oci:, git:, url:, executable: or an https:// address";
    let Some((kind, rest)) = text.split_once(':').filter(|(_, rest)| !rest.is_empty()) else {
        bail!("an identity begins with {known}");
    };
    Ok(match kind {
        "npm" => IdentityMatcher::Npm(package(rest)),
        "pypi" => IdentityMatcher::Pypi(package(rest)),
        "dotnet" => IdentityMatcher::Dotnet(package(rest)),
        "go" => IdentityMatcher::Go(package(rest)),
        "deno" => IdentityMatcher::Deno(package(rest)),
        "oci" => IdentityMatcher::Oci(image(rest)),
        "git" => {
            let (repository, commit) = rest.split_once('#').unwrap_or((rest, "*"));
            IdentityMatcher::Git(GitMatcher {
                repository: repository.to_owned(),
                commits: vec![commit.to_owned()],
            })
        }
        "url" => IdentityMatcher::Url(url(rest)),
        "executable" => {
            IdentityMatcher::Executable(ExecutableMatcher { path: rest.to_owned(), sha256: Vec::new() })
        }
        other => bail!("{other} is no kind of identity; it begins with {known}"),
    })
}

/// `@scope/name@^1.2`: the scope's own sign is no separator.
fn package(text: &str) -> PackageMatcher {
    let at = text.char_indices().skip(1).find(|(_, c)| *c == '@').map(|(at, _)| at);
    let (name, versions) = at.map_or((text, "*"), |at| (&text[..at], &text[at + 1..]));
    PackageMatcher { package: name.to_owned(), versions: versions.to_owned() }
}

fn image(text: &str) -> ImageMatcher {
    if let Some((name, digest)) = text.split_once('@') {
        return ImageMatcher { image: name.to_owned(), digests: vec![digest.to_owned()], tags: Vec::new() };
    }
    // The colon of a port stands before a slash.
    match text.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')) {
        Some((name, tag)) => {
            ImageMatcher { image: name.to_owned(), digests: Vec::new(), tags: vec![tag.to_owned()] }
        }
        None => ImageMatcher { image: text.to_owned(), digests: Vec::new(), tags: Vec::new() },
    }
}

fn url(text: &str) -> UrlMatcher {
    UrlMatcher {
        url: text.to_owned(),
        query: std::collections::BTreeMap::new(),
        required: Vec::new(),
        subpaths: Vec::new(),
        listener: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_on_the_command_line_is_the_one_that_is_meant() {
        let package = |text: &str| match identity(text).unwrap() {
            IdentityMatcher::Npm(p) => (p.package, p.versions),
            other => panic!("{other:?}"),
        };
        assert_eq!(package("npm:@scope/name@^1.2"), ("@scope/name".to_owned(), "^1.2".to_owned()));
        assert_eq!(package("npm:@scope/name"), ("@scope/name".to_owned(), "*".to_owned()));
        assert_eq!(package("npm:name@1.0.0"), ("name".to_owned(), "1.0.0".to_owned()));
        let image = |text: &str| match identity(text).unwrap() {
            IdentityMatcher::Oci(i) => (i.image, i.tags, i.digests.len()),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            image("oci:registry.example.com:5000/a/b"),
            ("registry.example.com:5000/a/b".to_owned(), vec![], 0)
        );
        assert_eq!(image("oci:mcp/fetch:1"), ("mcp/fetch".to_owned(), vec!["1".to_owned()], 0));
        assert!(matches!(identity("https://mcp.example.com/x").unwrap(), IdentityMatcher::Url(_)));
        for wrong in ["name", "npm:", "nmp:x", ""] {
            assert!(identity(wrong).is_err(), "{wrong}");
        }
    }
}
