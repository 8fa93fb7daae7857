//! The published folder: static files that any web server can serve. What is written has been verified first as a
//! machine would verify it, and the head comes last, so that whoever fetches meanwhile sees the old state or the new.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, bail, ensure};
use jiff::{SignedDuration, Timestamp};
use mcpolicy_schema::document::PolicyDocument;
use mcpolicy_schema::envelope::Envelope;
use mcpolicy_schema::json;
use mcpolicy_schema::limits::MAX_ENVELOPE_BYTES;
use mcpolicy_schema::revocations::RevocationsDocument;
use mcpolicy_schema::signed::{Current, Head, Payload as _, RevocationsStatement, Root, Statement};
use mcpolicy_schema::trust::{Documents, Trust};

use super::before::{self, Before};
use super::elsewhere;
use super::folder::{self, Folder, HEAD};
use super::lock::Lock;
use super::number;
use super::revoke::{
    self,
    by_id::{Other, admitted_again},
};
use super::signer::Signer;
use super::statement;

/// What a new head says, where it is not what the one before said.
#[derive(Debug, Clone, Default)]
pub struct HeadOptions {
    /// Which fleet it is for.
    pub channel: Option<String>,
    /// Oldest agent that enforces the policy in full.
    pub min_agent: Option<String>,
    /// The ring that may take it up; empty: all.
    pub ring: Option<String>,
    /// With a ring: the number of the policy of all other machines, where the last head does not say it; 0: none.
    pub elsewhere: Option<u64>,
    /// How often to ask.
    pub poll: Poll,
    /// How long it is valid.
    pub lifetime: SignedDuration,
    /// Its number, where the last one is not known.
    pub sequence: Option<u64>,
}

/// How often machines are told to ask.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Poll {
    /// As the head before says.
    #[default]
    AsBefore,
    /// The head says nothing, and leaves it to the settings of machines.
    AsSettings,
    /// Every so many seconds.
    Every(u32),
}

impl Poll {
    fn after(self, before: Option<u32>) -> Option<u32> {
        match self {
            Self::AsBefore => before,
            Self::AsSettings => None,
            Self::Every(seconds) => Some(seconds),
        }
    }
}

/// What to publish.
pub struct Order<'a> {
    /// The chain of roots.
    pub trust: &'a Folder,
    /// The signed statements; `None` publishes no other policy, only a new head.
    pub signed: Option<&'a Folder>,
    /// Where to.
    pub to: &'a Folder,
    /// Where the repository keeps the last head of each channel.
    pub records: &'a Folder,
    /// Who signs the head.
    pub signers: &'a [Box<dyn Signer>],
    /// The head.
    pub head: HeadOptions,
    /// Lines of the emergency list, by their ids, whose servers this policy may allow again by other rules.
    pub allow_again: Vec<String>,
    /// Somebody says that nothing was ever revoked on this channel.
    pub without_revocations: bool,
    /// The time.
    pub now: Timestamp,
}

/// What was published.
#[derive(Debug, Clone)]
pub struct Published {
    /// Number of the policy.
    pub policy: u64,
    /// Number of the head.
    pub head: Head,
    /// Number of the emergency list.
    pub revocations: Option<u64>,
    /// What the author should look at.
    pub warnings: Vec<String>,
}

/// Publishes.
///
/// # Errors
/// A machine would refuse the folder, or it cannot be written.
pub fn publish(order: &Order<'_>) -> anyhow::Result<Published> {
    let held = Lock::of_existing(order.to.path())?;
    let roots = order.trust.roots()?;
    let root = order.trust.newest_root()?;
    check_roots(order.to, &roots)?;
    let channel = order.head.channel.as_deref();
    let before = Before::read(order.to, &root)?.recorded(order.records, channel, &root, &roots)?;
    before.next(order.to, &root, order.head.sequence)?;
    before.has_the_recorded_list(order.to)?;
    before.has_a_list_or_needs_none(order.to, order.without_revocations)?;
    let (policy, statement, body) = match order.signed {
        Some(signed) => newest(signed, &before)?,
        None => published_policy(order.to, &root, &before)?,
    };
    let revocations = before.revocations;
    let (signers, now, records) = (order.signers, order.now, Some(order.records));
    let make = Make { to: order.to, root: &root, before: &before, records, signers, now };
    let (head, envelope) = make.head(&order.head, policy, revocations)?;
    let mut offered =
        Documents { roots: roots.clone(), head: Some(envelope.to_bytes()), ..Documents::default() };
    offered.statement = Some(statement.clone());
    offered.body = Some(body.clone());
    let of_others = elsewhere::files(&head, &make.places());
    if let Some(missing) = elsewhere::missing(&head, &of_others, order.to) {
        bail!("{missing}. Nothing was published; `--ring \"\"` offers this policy to all instead");
    }
    (offered.elsewhere_statement, offered.elsewhere_body) = of_others.clone();
    if let Some(list) = revocations {
        let n = list.sequence;
        offered.revocations_statement =
            order.to.read(&format!("revocations.{n}.json"), MAX_ENVELOPE_BYTES)?;
        let most = mcpolicy_schema::limits::MAX_REVOCATIONS_BODY_BYTES;
        offered.revocations_body = order.to.read(&format!("revocations.{n}.body"), most)?;
    }
    ensure!(
        !is_signed_by_gone_keys(order.to, &root, revocations)?,
        "the emergency list in {} is signed by keys that the newest root no longer trusts: sign it again by those that it \
         does, `mcpolicy policy revoke --renew --to {} --repository REPOSITORY` with an emergency key and an online key, which publishes \
         the root as well",
        order.to.path().display(),
        order.to.path().display()
    );
    accepted(&offered, &head, order.now)?;
    // it was just accepted as a machine would
    let document = json::from_slice::<PolicyDocument>(offered.body.as_deref().unwrap_or_default())?;
    ensure_ring(&document, &head)?;
    loses_no_emergency(order, (&before, &head), (&document, &offered))?;
    let _held = match held {
        Some(held) => held,
        None => first_in(order.to)?,
    };
    let mut files: Vec<(String, Vec<u8>)> =
        roots.into_iter().map(|(n, bytes)| (format!("root.{n}.json"), bytes)).collect();
    files.push((format!("policy.{}.body", policy.sequence), body));
    files.push((format!("policy.{}.json", policy.sequence), statement));
    files.extend(elsewhere::to_write(&head, &of_others));
    files.push((HEAD.to_owned(), envelope.to_bytes()));
    order.to.write(&files)?;
    let mut warnings: Vec<String> = before.new_folder().into_iter().collect();
    warnings.extend(before.forgotten().filter(|_| order.head.ring.is_none() || order.head.channel.is_none()));
    warnings.extend(record(order.records, &head, &envelope));
    if let Some(ring) = head.ring.as_ref().filter(|_| order.head.ring.is_none()) {
        warnings.push(format!(
            "like the last one this head is for the ring {ring} only; on all other machines the policy before goes on acting; \
             `--ring \"\"` offers it to all"
        ));
    }
    Ok(Published { policy: policy.sequence, head, revocations: revocations.map(|r| r.sequence), warnings })
}

/// Whether the emergency list is one of an older root's keys only.
fn is_signed_by_gone_keys(to: &Folder, root: &Root, list: Option<Current>) -> anyhow::Result<bool> {
    let Some(list) = list else { return Ok(false) };
    let name = format!("revocations.{}.json", list.sequence);
    let Some(envelope) = to.read(&name, MAX_ENVELOPE_BYTES)? else { return Ok(false) };
    let by = |root: &Root| folder::verified::<RevocationsStatement>(&envelope, &root.roles.emergency).is_ok();
    Ok(!by(root) && by(&to.newest_root()?))
}

/// A head for a ring that the policy has not is for no machine at all.
fn ensure_ring(policy: &PolicyDocument, head: &Head) -> anyhow::Result<()> {
    let Some(ring) = head.ring.as_ref().filter(|ring| policy.ring.iter().all(|known| known.name != **ring))
    else {
        return Ok(());
    };
    let known: Vec<&str> = policy.ring.iter().map(|ring| ring.name.as_str()).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    bail!("the policy has no ring {ring}, so no machine would take it up; its rings: {known}")
}

/// An emergency denial by the id of a rule holds for that rule alone: a change that renames it, or brings another for the
/// same server, would allow again what an emergency has denied.
fn loses_no_emergency(
    order: &Order<'_>,
    (before, head): (&Before, &Head),
    (new, offered): (&PolicyDocument, &Documents),
) -> anyhow::Result<()> {
    // where a pilot ends, another policy was the last of all machines outside of it
    let ends = before.model().filter(|model| model.ring.is_some() && head.ring.is_none());
    let of_others = ends.and_then(|model| model.elsewhere).map(|policy| policy.sequence);
    let of = |number: Option<u64>| {
        number.map(|number| revoke::published_documents(order.to, number)).unwrap_or_default()
    };
    // those of the pilot know rules that the others never had
    let mut old = of(of_others.or(before.policy_number()));
    old.extend(of(before.policy_number().filter(|_| of_others.is_some())));
    let list = offered
        .revocations_body
        .as_deref()
        .and_then(|body| json::from_slice::<RevocationsDocument>(body).ok());
    let again = list.map(|list| admitted_again(&old, new, &list.revocation)).unwrap_or_default();
    if let Some(Other { line, revoked, by }) =
        again.iter().find(|other| !order.allow_again.contains(&other.line))
    {
        bail!(
            "the emergency list denies {revoked} by its id (line {line}), and this policy has {by} for the same server, \
             which that line does not deny. If {by} admits nothing of what is denied there, or the list or a [[deny]] names \
             that by its version, digest or address, say `--allow-again {line}`; else deny it first, `mcpolicy policy revoke \
             --identity`"
        );
    }
    Ok(())
}

/// Keeps the head in the repository. The folder is published by now, so that a repository which cannot be written is no
/// failure.
pub(super) fn record(records: &Folder, head: &Head, envelope: &Envelope) -> Option<String> {
    let name = before::record_of(&head.channel)?;
    let written = records.write(&[(name, envelope.to_bytes())]);
    written.err().map(|error| format!("the repository does not remember this head: {error:#}"))
}

/// Makes and takes a folder that was not there. Whoever published in it meanwhile keeps what they published.
fn first_in(to: &Folder) -> anyhow::Result<Lock> {
    std::fs::create_dir_all(to.path())
        .with_context(|| format!("cannot make the folder {}", to.path().display()))?;
    let held = Lock::take(to.path())?;
    ensure!(
        to.read(HEAD, MAX_ENVELOPE_BYTES)?.is_none(),
        "{} was published to meanwhile; run this again",
        to.path().display()
    );
    Ok(held)
}

/// The roots of a repository, for a published folder that has none but these.
///
/// # Errors
/// It has others, or they cannot be read.
pub fn roots_for(to: &Folder, trust: &Folder) -> anyhow::Result<BTreeMap<u64, Vec<u8>>> {
    let roots = trust.roots()?;
    check_roots(to, &roots)?;
    Ok(roots)
}

/// Whether the newest published policy, and that of all machines outside of a ring, are signed by keys of this root.
///
/// # Errors
/// The folder cannot be read.
pub fn vouches_for_published(to: &Folder, records: Option<&Folder>, root: &Root) -> anyhow::Result<bool> {
    let Some(number) = to.numbers("policy")?.last().copied() else { return Ok(true) };
    // that of all machines outside of a ring, too; whoever wrote these heads, this only looks
    let said = |folder: &Folder, name: &str| -> anyhow::Result<Option<Head>> {
        let bytes = folder.read(name, MAX_ENVELOPE_BYTES)?;
        Ok(bytes.and_then(|bytes| json::from_slice(Envelope::parse(&bytes).ok()?.payload()).ok()))
    };
    let mut heads = vec![said(to, HEAD)?];
    if let Some(records) = records {
        for name in before::names_of_records(records) {
            heads.push(said(records, &name)?);
        }
    }
    let elsewhere = heads.into_iter().flatten().filter_map(|head| head.elsewhere);
    let elsewhere: BTreeSet<u64> = elsewhere.map(|policy| policy.sequence).collect();
    for number in std::iter::once(number).chain(elsewhere) {
        let envelope = to.read(&format!("policy.{number}.json"), MAX_ENVELOPE_BYTES)?;
        let is_signed =
            |bytes: &Vec<u8>| folder::verified::<Statement>(bytes, &root.roles.policy.role).is_ok();
        if !envelope.as_ref().is_none_or(is_signed) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A published root is never another than the repository's. Roots of a chain that was broken on purpose may lie there
/// still.
fn check_roots(to: &Folder, ours: &BTreeMap<u64, Vec<u8>>) -> anyhow::Result<()> {
    let first = ours.keys().next().copied().unwrap_or_default();
    for (number, theirs) in to.roots()?.split_off(&first) {
        let payload = |bytes: &[u8]| Envelope::parse(bytes).map(|e| e.payload().to_vec()).ok();
        let same = ours.get(&number).is_some_and(|bytes| payload(bytes) == payload(&theirs));
        ensure!(
            same,
            "{} has a root.{number}.json that is not the one in trust/; find out who wrote it before you publish",
            to.path().display()
        );
    }
    Ok(())
}

type Policy = (Current, Vec<u8>, Vec<u8>);

/// The newest signed policy, which must be newer than the published one.
fn newest(signed: &Folder, before: &Before) -> anyhow::Result<Policy> {
    let Some(number) = signed.numbers("policy")?.last().copied() else {
        bail!("nothing is signed yet; sign the policy with `mcpolicy policy sign`");
    };
    if let Some(published) = before.policy_number() {
        ensure!(
            number > published,
            "policy {number} is not newer than {published}, which is published; sign with `mcpolicy policy sign --new`, or \
             renew the head alone with --refresh"
        );
    }
    let (envelope, statement, body) = statement::load(signed, number)?;
    let current = Current { sequence: number, len: statement.body.len, sha256: statement.body.sha256 };
    Ok((current, envelope.to_bytes(), body))
}

/// The policy that is published already.
fn published_policy(to: &Folder, root: &Root, before: &Before) -> anyhow::Result<Policy> {
    let nothing = || format!("{} has no head to renew; publish without --refresh", to.path().display());
    ensure!(before.policy_number().is_some(), nothing());
    let policy = before.policy(to, root)?;
    let (envelope, _, body) = statement::load(to, policy.sequence)?;
    Ok((policy, envelope.to_bytes(), body))
}

/// What a head is made from.
pub struct Make<'a> {
    /// Where it goes.
    pub to: &'a Folder,
    /// Whose signatures count.
    pub root: &'a Root,
    /// What is published so far.
    pub before: &'a Before,
    /// Where the repository keeps what it signed, if it is at hand.
    pub records: Option<&'a Folder>,
    /// Who signs.
    pub signers: &'a [Box<dyn Signer>],
    /// The time.
    pub now: Timestamp,
}

impl Make<'_> {
    /// Makes and signs a head.
    ///
    /// # Errors
    /// Too few online keys are among the signers, or its number is not known.
    pub fn head(
        &self,
        options: &HeadOptions,
        policy: Current,
        revocations: Option<Current>,
    ) -> anyhow::Result<(Head, Envelope)> {
        let kept = |given: &Option<String>, old: Option<String>| {
            given.clone().or(old).filter(|text| !text.is_empty())
        };
        let model = self.before.model();
        let ring = kept(&options.ring, model.and_then(|h| h.ring.clone()));
        let elsewhere = match &ring {
            Some(_) => elsewhere::of(self.before, options.elsewhere, policy, &self.places())?,
            None => None,
        };
        let head = Head {
            schema: Head::SCHEMA.to_owned(),
            sequence: self.before.next(self.to, self.root, options.sequence)?,
            issued: self.now,
            expires: number::end(self.now, options.lifetime)?,
            channel: kept(&options.channel, model.map(|h| h.channel.clone()))
                .unwrap_or_else(|| before::CHANNEL.to_owned()),
            policy,
            revocations,
            min_agent: kept(&options.min_agent, model.and_then(|h| h.min_agent.clone())),
            elsewhere,
            ring,
            poll_interval_s: options.poll.after(model.and_then(|h| h.poll_interval_s)),
            crit: Vec::new(),
        };
        let names = ("the head", "online key", "online keys");
        let envelope = folder::signed_for(&head, &self.root.roles.online, self.signers, names)?;
        Ok((head, envelope))
    }
}

impl Make<'_> {
    /// Where older policies lie.
    pub(super) fn places(&self) -> Vec<&Folder> {
        std::iter::once(self.to).chain(self.records).collect()
    }
}

/// What a machine that is pinned to the oldest root of the chain says: it must take everything.
///
/// # Errors
/// It refuses something.
pub fn accepted(offered: &Documents, head: &Head, now: Timestamp) -> anyhow::Result<()> {
    let pinned = offered.roots.values().next().context("nothing was published: there is no root")?;
    let refused =
        |refusal| anyhow::anyhow!("nothing was published, since machines would refuse it: {refusal}");
    let mut trust = Trust::pinned(pinned, Timestamp::UNIX_EPOCH).map_err(refused)?;
    match trust.update(offered, now).refusals.into_iter().next() {
        None => Ok(()),
        Some(refusal) => Err(match elsewhere::way_on(head, &refusal) {
            Some(way_on) => anyhow::anyhow!("{}\n{way_on}", refused(refusal)),
            None => refused(refusal),
        }),
    }
}
