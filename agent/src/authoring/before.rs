//! What a folder has published so far: its head, or, where that is lost, what the documents beside it still say. An
//! emergency list must not get lost with a head: whoever makes the next head takes the newest list that the emergency
//! keys have signed, and numbers the head above all that machines may have seen.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, bail, ensure};
use mcpolicy_schema::envelope::Envelope;
use mcpolicy_schema::limits::MAX_ENVELOPE_BYTES;
use mcpolicy_schema::signed::{Current, Digest, Head, Payload, RevocationsStatement, Role, Root, Statement};

use super::folder::{self, Folder, HEAD};
use super::number;

/// The channel of a fleet that needs no other.
pub(super) const CHANNEL: &str = "default";
/// How far a number given by hand may lie beyond what is known: a slip of the finger cannot be taken back.
const LONGEST_LEAP: u64 = 1_000_000_000;
/// The number that is proposed is the next multiple: more heads than any fleet has seen in a decade of days.
const ROUND: u64 = 1_000_000;

/// What is published.
#[derive(Debug, Clone)]
pub struct Before {
    /// The head, if it can be read.
    pub head: Option<Head>,
    /// The newest policy.
    policy: Option<Current>,
    /// The newest emergency list.
    pub revocations: Option<Current>,
    /// Why there is no head although there should be one.
    lost: Option<String>,
    /// The online keys of the newest root have signed the head; else only those of a root before.
    by_current_keys: bool,
    /// What the repository keeps of the last publication on this channel.
    record: Option<Head>,
    /// The same, also of before a root that has set new floors: its numbers count no more, whom it was for does.
    remembered: Option<Head>,
    /// The repository was asked.
    has_records: bool,
}

impl Before {
    /// Reads a folder. An expired head still says what comes next. A head of keys that were replaced is not believed in
    /// what it names, nor one that names an older list than there is: that is read from the documents beside it.
    ///
    /// # Errors
    /// The folder cannot be listed, or the head is lost and the newest emergency list is not good.
    pub fn read(to: &Folder, root: &Root) -> anyhow::Result<Self> {
        let emergency = &root.roles.emergency;
        let (head, lost) = match head_of(to, root) {
            Ok(Some(head)) => (Some(head), None),
            Ok(None) if to.numbers("policy")?.is_empty() && to.numbers("revocations")?.is_empty() => {
                (None, None)
            }
            Ok(None) => (None, Some(format!("{} has documents but no head any more", to.path().display()))),
            Err(error) => (None, Some(format!("the head in {} is lost: {error:#}", to.path().display()))),
        };
        if lost.is_some() {
            newest_is_good::<RevocationsStatement>(to, emergency)?;
        }
        let list = newest::<RevocationsStatement>(to, emergency)?;
        let policy = newest::<Statement>(to, &root.roles.policy.role)?;
        let by_current_keys = head.as_ref().is_some_and(|(_, by_current_keys)| *by_current_keys);
        let head = head.map(|(head, _)| head);
        let named = head.as_ref().and_then(|head| head.revocations);
        Ok(Self {
            policy: match &head {
                Some(head) if by_current_keys => Some(head.policy),
                Some(head) => policy.or(Some(head.policy)),
                None => policy,
            },
            revocations: match (list, named) {
                (Some(list), Some(named)) if by_current_keys && named.sequence >= list.sequence => {
                    Some(named)
                }
                (list, named) => list.or(named),
            },
            head,
            lost,
            by_current_keys,
            record: None,
            remembered: None,
            has_records: false,
        })
    }

    /// With the record that the repository keeps of a channel. `older` are roots before the newest.
    ///
    /// # Errors
    /// It cannot be read; or the head is lost, and the repository knows several channels that it may have been for.
    pub fn recorded(
        mut self,
        records: &Folder,
        channel: Option<&str>,
        root: &Root,
        older: &BTreeMap<u64, Vec<u8>>,
    ) -> anyhow::Result<Self> {
        self.has_records = true;
        let of_head = self.head.as_ref().map(|head| head.channel.clone());
        let channel = match channel.map(str::to_owned).or(of_head) {
            Some(channel) => channel,
            None => self.channel_of_records(records)?,
        };
        let Some(name) = record_of(&channel) else { return Ok(self) };
        let bytes = records.read(&name, MAX_ENVELOPE_BYTES)?.unwrap_or_default();
        // Without a signature anybody who edits the repository could send the numbers of the fleet anywhere. New floors
        // are how a fleet goes on when what was published before is gone for good.
        self.record =
            said(&bytes, root).ok().filter(|head| root.reset.is_none() || head.issued >= root.issued);
        let by_older =
            || older.values().rev().find_map(|older| said(&bytes, &folder::root(older).ok()?).ok());
        self.remembered = said(&bytes, root).ok().or_else(by_older);
        Ok(self)
    }

    /// The channel that a lost head was for, as far as the repository knows of one alone.
    fn channel_of_records(&self, records: &Folder) -> anyhow::Result<String> {
        if self.lost.is_none() {
            return Ok(CHANNEL.to_owned());
        }
        let names = names_of_records(records).into_iter();
        let channels: BTreeSet<String> = names
            .filter_map(|name| Some(name.strip_prefix("head.")?.strip_suffix(".json")?.to_owned()))
            .collect();
        ensure!(
            channels.len() < 2,
            "the head is lost, and this repository publishes on several channels ({}): say by --channel which of them the folder \
             is for",
            channels.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
        );
        Ok(channels.into_iter().next().unwrap_or_else(|| CHANNEL.to_owned()))
    }

    /// The head that the next one goes on from in channel, ring and the like. One of keys that were replaced may be a
    /// thief's: the repository's word comes first, and it counts only where no repository is at hand.
    pub fn model(&self) -> Option<&Head> {
        let current = self.head.as_ref().filter(|_| self.by_current_keys);
        // a thief's head may bring an older policy back to all machines outside of a ring; they would refuse it
        let goes_back = |head: &Head| {
            let floor = self.record.as_ref().and_then(for_all);
            head.elsewhere.zip(floor).is_some_and(|(named, floor)| named.sequence < floor.sequence)
        };
        let current = current.filter(|head| !goes_back(head));
        // a folder out of a backup has a head of before
        let newest = [current, self.record.as_ref()].into_iter().flatten().max_by_key(|head| head.sequence);
        let of_old_keys = self.head.as_ref().filter(|_| !self.has_records);
        newest.or(self.remembered.as_ref()).or(of_old_keys)
    }

    /// Whether there should be a head that counts and is none.
    pub fn is_lost(&self) -> bool {
        self.lost.is_some() || (self.head.is_some() && self.model().is_none())
    }

    /// Number of the newest policy that is published.
    pub fn policy_number(&self) -> Option<u64> {
        self.policy.map(|policy| policy.sequence)
    }

    /// The policy that a new head names which publishes no other.
    ///
    /// # Errors
    /// There is none, or the newest is damaged: machines that have it take no older one.
    pub fn policy(&self, to: &Folder, root: &Root) -> anyhow::Result<Current> {
        if self.lost.is_some() {
            newest_is_good::<Statement>(to, &root.roles.policy.role)?;
        }
        let policy = self.policy.with_context(|| nothing(to))?;
        if let Some(record) = self.record.as_ref().filter(|record| record.policy.sequence > policy.sequence) {
            let n = record.policy.sequence;
            // the folder's head is one of before, what it ought to name is there
            if good::<Statement>(to, n, &root.roles.policy.role).is_ok_and(|there| there == record.policy) {
                return Ok(record.policy);
            }
            bail!(
                "{} lacks policy {n}, which was published before as part of head {}: machines that have it take no head that \
                 names an older one; copy policy.{n}.json and policy.{n}.body into it from signed/ of the repository, and run this \
                 again",
                to.path().display(),
                record.sequence
            );
        }
        Ok(policy)
    }

    /// The number of the next head: one more than the last, or the one given by hand.
    ///
    /// # Errors
    /// The last is not known and none was given, or what was given does not fit.
    pub fn next(&self, to: &Folder, root: &Root, given: Option<u64>) -> anyhow::Result<u64> {
        let floor = root.reset.map_or(1, |reset| reset.head.max(1));
        let mut least = match &self.head {
            // The keys that said the enormous number say nothing any more: machines go on from the new floor.
            Some(_) if !self.by_current_keys && root.reset.is_some() => floor,
            Some(head) => number::after(head.sequence, "the published head")?.max(floor),
            None => floor,
        };
        if let Some(record) = &self.record {
            least = least.max(number::after(record.sequence, "the head recorded in signed/")?);
        }
        match (given, &self.lost) {
            (None, None) => Ok(least),
            (None, Some(lost)) => bail!(self.remedy(lost, least, to)),
            (Some(given), _) => {
                ensure!(
                    given >= least,
                    "--head-sequence {given}: machines may have seen {}, and take only a higher one; give {least} or more",
                    least - 1
                );
                ensure!(
                    given - least <= LONGEST_LEAP && given <= mcpolicy_schema::limits::MAX_SEQUENCE,
                    "--head-sequence {given} leaps too far beyond {least}: machines would never take a lower one again; \
                     take a nearer number"
                );
                Ok(given)
            }
        }
    }

    /// Says that the head is lost, and the command that mends it.
    ///
    /// # Errors
    /// It is lost.
    pub fn must_not_be_lost(&self, to: &Folder) -> anyhow::Result<()> {
        match &self.lost {
            Some(lost) => bail!(self.remedy(lost, 1, to)),
            None => Ok(()),
        }
    }

    fn remedy(&self, lost: &str, least: u64, to: &Folder) -> String {
        let of =
            |current: Option<Current>| current.map_or_else(|| "none".to_owned(), |c| c.sequence.to_string());
        let proposed = (least / ROUND + 1) * ROUND;
        // Without a policy there is nothing to refresh.
        let refresh = if self.policy.is_some() { " --refresh" } else { "" };
        format!(
            "{lost}; in the repository run `mcpolicy policy publish{refresh} --to {} --head-sequence {proposed}` with the \
             online key (in an emergency `revoke` takes --head-sequence as well). The new head will name policy {} and revocations {}, the newest there that your keys have signed. Its \
             number must be higher than that of every head before; numbers may be skipped (docs/runbooks.md, \"The head \
             is lost or damaged\")",
            to.path().display(),
            of(self.policy),
            of(self.revocations)
        )
    }

    /// Refuses to publish without the emergency list that this repository has published before.
    ///
    /// # Errors
    /// The folder has only an older one, or none.
    pub fn has_the_recorded_list(&self, to: &Folder) -> anyhow::Result<()> {
        let Some((record, list)) =
            self.record.as_ref().and_then(|record| Some((record, record.revocations?)))
        else {
            return Ok(());
        };
        let n = list.sequence;
        ensure!(
            self.revocations.is_some_and(|there| there.sequence >= n),
            "{to} lacks the emergency list {n}, which was published before as part of head {head}, so its denials would \
             end; copy revocations.{n}.json and revocations.{n}.body into it from the folder of before or a backup. If \
             {to} is for other machines, give it a name of its own with --channel. If nobody has the list any more, see \
             \"The head is lost or damaged\" in docs/runbooks.md",
            to = to.path().display(),
            head = record.sequence
        );
        Ok(())
    }

    /// Refuses a folder whose head is older than one that this repository has published: machines refuse it.
    ///
    /// # Errors
    /// It is.
    pub fn is_not_older(&self, to: &Folder) -> anyhow::Result<()> {
        let (Some(head), Some(record)) = (&self.head, &self.record) else { return Ok(()) };
        ensure!(
            head.sequence >= record.sequence,
            "{} has head {}, but head {} was published before, so machines refuse it; is it out of a backup? Publish anew \
             with `mcpolicy policy publish --refresh`",
            to.path().display(),
            head.sequence,
            record.sequence
        );
        Ok(())
    }

    /// Refuses to begin anew without any emergency list on a channel that was published before, unless somebody says that
    /// there is none: `revoke` works on the folder alone, so that the repository does not know of the last denials.
    ///
    /// # Errors
    /// There is no list, and nobody said so.
    pub fn has_a_list_or_needs_none(&self, to: &Folder, needs_none: bool) -> anyhow::Result<()> {
        let Some(record) = self.record.as_ref().filter(|_| self.head.is_none() && self.revocations.is_none())
        else {
            return Ok(());
        };
        ensure!(
            needs_none,
            "channel {} was published before (head {} is the last known here), and {} has neither head nor emergency list: \
             all that was revoked since would be allowed again; copy the newest revocations.N.json and revocations.N.body \
             into it from the folder of before or a backup, or, if nothing was ever revoked, say --without-revocations",
            record.channel,
            record.sequence,
            to.path().display()
        );
        Ok(())
    }

    /// What to say where nothing tells any more whom the lost head was for.
    pub fn forgotten(&self) -> Option<String> {
        (self.is_lost() && self.model().is_none()).then(|| {
            format!(
                "channel and ring of the head, which is lost or of keys that count no more, are not known: this one is for all machines of channel {CHANNEL}. If the \
                 last was for another channel or for a ring only, publish at once with --refresh --channel, or --ring and --elsewhere; \
                 --repository DIR names a repository that remembers"
            )
        })
    }

    /// What to say where a folder is new though the channel is not.
    pub fn new_folder(&self) -> Option<String> {
        let record = self.record.as_ref().filter(|_| self.head.is_none() && self.lost.is_none())?;
        Some(format!(
            "channel {} was published before, with head {} as the last that is known here, and this folder goes on from \
             there; if machines have seen a higher one, publish again with --refresh --head-sequence and a number above \
             that, and if anything was revoked since, copy the newest revocations.N.json and .body into the folder first",
            record.channel, record.sequence
        ))
    }
}

/// Said where nothing is published.
pub(super) fn nothing(to: &Folder) -> String {
    format!("{} has no head; publish a policy first", to.path().display())
}

/// The policy that a head offers to all machines, or to all outside of its ring.
pub(super) fn for_all(head: &Head) -> Option<Current> {
    if head.ring.is_none() { Some(head.policy) } else { head.elsewhere }
}

/// Names of the files in the repository that keep heads.
pub(super) fn names_of_records(records: &Folder) -> BTreeSet<String> {
    let names = std::fs::read_dir(records.path()).into_iter().flatten().flatten();
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.starts_with("head.") && name.ends_with(".json")).collect()
}

/// The file in the repository that keeps the last head of a channel; a name that is no plain word has none.
pub(super) fn record_of(channel: &str) -> Option<String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (!channel.is_empty() && channel.len() <= 64 && channel.bytes().all(plain))
        .then(|| format!("head.{channel}.json"))
}

/// The head of a folder, and whether the keys of the newest root have signed it. After the online key was replaced, only
/// the root before knows the old one.
fn head_of(to: &Folder, root: &Root) -> anyhow::Result<Option<(Head, bool)>> {
    let Some(bytes) = to.read(HEAD, MAX_ENVELOPE_BYTES)? else { return Ok(None) };
    let error = match said(&bytes, root) {
        Ok(head) => return Ok(Some((head, true))),
        Err(error) => error,
    };
    let roots = to.roots()?;
    let by_older = roots.values().rev().find_map(|older| said(&bytes, &folder::root(older).ok()?).ok());
    by_older.map(|head| Some((head, false))).ok_or(error)
}

/// What a head says that the online keys of a root have signed. Not all that a machine asks is asked: an author has to
/// get past a head with an enormous number.
fn said(bytes: &[u8], root: &Root) -> anyhow::Result<Head> {
    let envelope = Envelope::parse(bytes)?;
    let role = &root.roles.online;
    envelope.verify(Head::PAYLOAD_TYPE, &role.key_set(), role.threshold)?;
    Ok(mcpolicy_schema::json::from_slice(envelope.payload())?)
}

/// A statement about a body.
trait Named: Payload {
    /// `policy` of `policy.N.json`.
    const KIND: &str;
    /// Whose keys sign it.
    const KEYS: &str;
    /// Its number and body.
    fn named(&self) -> (u64, Digest);
}

impl Named for Statement {
    const KIND: &str = "policy";
    const KEYS: &str = "policy keys";
    fn named(&self) -> (u64, Digest) {
        (self.sequence, self.body)
    }
}

impl Named for RevocationsStatement {
    const KIND: &str = "revocations";
    const KEYS: &str = "emergency keys";
    fn named(&self) -> (u64, Digest) {
        (self.sequence, self.body)
    }
}

/// One statement of a folder, as the keys of its role have signed it.
fn good<T: Named>(to: &Folder, n: u64, role: &Role) -> anyhow::Result<Current> {
    let name = format!("{}.{n}.json", T::KIND);
    let bytes = to.read(&name, MAX_ENVELOPE_BYTES)?.with_context(|| format!("{name} is gone"))?;
    let (sequence, body) = folder::verified::<T>(&bytes, role)?.named();
    ensure!(sequence == n, "it says sequence {sequence}");
    Ok(Current { sequence, len: body.len, sha256: body.sha256 })
}

/// The newest statement of a kind that the keys of its role have signed.
fn newest<T: Named>(to: &Folder, role: &Role) -> anyhow::Result<Option<Current>> {
    Ok(to.numbers(T::KIND)?.into_iter().rev().find_map(|n| good::<T>(to, n, role).ok()))
}

/// Where no head says which is in force, an older one must not slip in for a newest that is damaged.
fn newest_is_good<T: Named>(to: &Folder, role: &Role) -> anyhow::Result<()> {
    let Some(n) = to.numbers(T::KIND)?.last().copied() else { return Ok(()) };
    good::<T>(to, n, role).map(drop).with_context(|| {
        format!(
            "there is no head that says which is in force, and {}.{n}.json in {} is not what your {} have signed; \
             restore it, or remove it if nobody of yours made it",
            T::KIND,
            to.path().display(),
            T::KEYS
        )
    })
}
