//! Which documents a head asks for, and which of the inbox no head asks for any more.
//!
//! Who enforces verifies them all. Here signatures are looked at for one thing only: that a mirror which lags behind, or one
//! that makes up a high number, keeps no newer head away.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use mcpolicy_platform::machine::Machine;
use mcpolicy_schema::envelope::Envelope;
use mcpolicy_schema::limits::{MAX_ENVELOPE_BYTES, MAX_POLICY_BODY_BYTES, MAX_REVOCATIONS_BODY_BYTES};
use mcpolicy_schema::signed::{self, Current, Head};
use mcpolicy_schema::trust::{Documents, Time, Trust};
use mcpolicy_ship::Place;
use mcpolicy_ship::clock::Clock;
use mcpolicy_ship::fetch::{FetchSettings, Fetcher, Wanted, Wants};
use mcpolicy_ship::http::Http;
use mcpolicy_ship::inbox::{DocumentName, Inbox};
use sha2::{Digest as _, Sha256};

use super::Plan;
use crate::policy_store::published::{self, HEAD};

/// Roots behind the last known one that are asked for with each new head. The first that is absent ends it.
const ROOTS_AHEAD: u64 = 8;
/// Documents of a kind that stay in the inbox behind the ones that the head names: whoever reads may just be at them.
const STAY: u64 = 1;

/// A fetcher, and what says what it is to fetch.
///
/// # Errors
/// A URL or the credential cannot be used.
pub(super) fn fetcher(plan: &Plan, http: &Http) -> anyhow::Result<(Fetcher, Wanting)> {
    let policy = &plan.settings.policy;
    let places: Result<Vec<Place>, _> = policy.urls.iter().map(|url| Place::parse(url)).collect();
    let head = DocumentName::new(HEAD).context("the head has no name")?;
    let mut settings = FetchSettings::new(places.context("[policy] urls")?, head);
    settings.max_head_bytes = MAX_ENVELOPE_BYTES;
    settings.poll = Duration::from_secs(u64::from(policy.poll_seconds));
    settings.splay = plan.splay;
    if let Some(path) = &policy.credential_file {
        settings.bearer = Some(plan.credentials.read(path)?);
    }
    let inbox = Inbox::new(plan.exchange.inbox.clone());
    let wanting = Wanting::new(policy.trust_root.as_deref(), &plan.exchange.inbox, plan.clock.clone());
    Ok((Fetcher::new(settings, http.clone(), inbox, plan.clock.clone())?, wanting))
}

/// Says what of a head is wanted.
pub(super) struct Wanting {
    /// Bytes of the pinned root, where they can be read.
    root: Option<Vec<u8>>,
    inbox: PathBuf,
    clock: Clock,
    /// The highest number of a head that was verified.
    newest: u64,
}

impl Wanting {
    pub(super) fn new(trust_root: Option<&Path>, inbox: &Path, clock: Clock) -> Self {
        let read = |path: &Path| published::read_file(path, MAX_ENVELOPE_BYTES).ok().flatten();
        let root = trust_root.and_then(read);
        let mut wanting = Self { root, inbox: inbox.to_owned(), clock, newest: 0 };
        if let Some(head) = read(&inbox.join(HEAD)) {
            wanting.newest = wanting.verified(&head);
        }
        wanting
    }

    /// What of a head is wanted; nothing where it is none, or older than the newest.
    pub(super) fn of(&mut self, bytes: &[u8]) -> Option<Wants> {
        let head: Head = signed::decode(Envelope::parse(bytes).ok()?.payload()).ok()?;
        if head.sequence < self.newest {
            return None;
        }
        self.newest = self.newest.max(self.verified(bytes));
        let mut documents = self.roots();
        for (kind, current, most) in [
            ("policy", Some(head.policy), MAX_POLICY_BODY_BYTES),
            ("policy", head.elsewhere, MAX_POLICY_BODY_BYTES),
            ("revocations", head.revocations, MAX_REVOCATIONS_BODY_BYTES),
        ] {
            documents.extend(current.into_iter().flat_map(|current| self.named(kind, current, most)));
        }
        let poll = head.poll_interval_s.map(|seconds| Duration::from_secs(u64::from(seconds)));
        Some(Wants { documents, poll })
    }

    /// Number of a head, if the pinned root or one that follows it in the inbox vouches for it now; else 0.
    fn verified(&self, head: &[u8]) -> u64 {
        let trust = self.root.as_ref().map(|root| Trust::pinned(root, Timestamp::UNIX_EPOCH));
        let Some(Ok(mut trust)) = trust else { return 0 };
        let numbers = published::numbers(&self.inbox, "root").unwrap_or_default();
        let roots = published::roots(&self.inbox, numbers).unwrap_or_default();
        let ms = i64::try_from(self.clock.now_ms()).unwrap_or(0);
        let now = Timestamp::from_millisecond(ms).unwrap_or_default();
        let documents = Documents { roots, head: Some(head.to_vec()), ..Documents::default() };
        trust.update(&documents, Time::certain(now));
        trust.head().map_or(0, |head| head.sequence)
    }

    fn roots(&self) -> Vec<Wanted> {
        let pinned = self.root.as_ref().and_then(|root| Trust::pinned(root, Timestamp::UNIX_EPOCH).ok());
        let pinned = pinned.map_or(0, |trust| trust.root().sequence);
        let known = published::numbers(&self.inbox, "root").unwrap_or_default();
        let last = known.last().copied().unwrap_or(0).max(pinned);
        (1..=ROOTS_AHEAD)
            .filter_map(|ahead| {
                wanted(&format!("root.{}.json", last.checked_add(ahead)?), MAX_ENVELOPE_BYTES)
            })
            .map(|root| Wanted { may_be_absent: true, ..root })
            .collect()
    }

    fn named(&self, kind: &str, current: Current, most: usize) -> Vec<Wanted> {
        let body = format!("{kind}.{}.body", current.sequence);
        let digest = *current.sha256.as_bytes();
        let there = published::read_file(&self.inbox.join(&body), most).ok().flatten();
        let is_there = there.is_some_and(|bytes| Sha256::digest(&bytes)[..] == digest);
        let most = most.min(usize::try_from(current.len).unwrap_or(most));
        let body = wanted(&body, most).filter(|_| !is_there);
        let body = body.map(|body| Wanted { sha256: Some(digest), ..body });
        // the body first: a statement is never without it
        let statement = wanted(&format!("{kind}.{}.json", current.sequence), MAX_ENVELOPE_BYTES);
        body.into_iter().chain(statement).collect()
    }
}

fn wanted(name: &str, max_bytes: usize) -> Option<Wanted> {
    let name = DocumentName::new(name).ok()?;
    Some(Wanted { name, max_bytes, sha256: None, may_be_absent: false })
}

/// Removes documents of the inbox that no head names any more. What cannot be removed stays: it harms nobody.
pub(super) fn clear(inbox: &Path) {
    let Ok(Some(head)) = published::read_file(&inbox.join(HEAD), MAX_ENVELOPE_BYTES) else { return };
    let head = Envelope::parse(&head).ok().and_then(|parsed| signed::decode::<Head>(parsed.payload()).ok());
    let Some(head) = head else { return };
    let least_policy =
        head.elsewhere.map_or(head.policy.sequence, |other| other.sequence.min(head.policy.sequence));
    let least_list = head.revocations.map_or(0, |list| list.sequence);
    let Ok(entries) = Machine::live().list(inbox) else { return };
    for entry in entries {
        let is_old = entry.name.to_str().is_some_and(|name| {
            let below = |kind: &str, least: u64| {
                let number = name.strip_prefix(kind).and_then(|rest| rest.strip_prefix('.'));
                let number = number.and_then(|rest| rest.split('.').next()?.parse::<u64>().ok());
                number.is_some_and(|number| number.saturating_add(STAY) < least)
            };
            below("policy", least_policy) || below("revocations", least_list)
        });
        if is_old {
            let _ = std::fs::remove_file(inbox.join(&entry.name));
        }
    }
}
