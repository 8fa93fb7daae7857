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
use mcpolicy_schema::limits::{
    LONGEST_POLL_S, MAX_ENVELOPE_BYTES, MAX_POLICY_BODY_BYTES, MAX_REVOCATIONS_BODY_BYTES, MAX_ROOT_UPDATES,
    SHORTEST_POLL_S,
};
use mcpolicy_schema::signed::{self, Current, Head};
use mcpolicy_schema::trust::{Documents, Time, Trust};
use mcpolicy_ship::Place;
use mcpolicy_ship::fetch::{FetchSettings, Fetcher, LONGEST_POLL, SHORTEST_POLL, Wanted, Wants};
use mcpolicy_ship::http::Http;
use mcpolicy_ship::inbox::{DocumentName, Inbox};
use sha2::{Digest as _, Sha256};

use super::Plan;
use crate::policy_store::published::{self, HEAD};

/// Roots behind the last known one that are asked for with each new head. The first that is absent ends it.
const ROOTS_AHEAD: u64 = 8;
/// Later than whatever is signed, 31 December 2999.
const FAR: Timestamp = Timestamp::constant(32_503_593_600, 0);
/// Documents of a kind that stay in the inbox behind the ones that the head names: whoever reads may just be at them.
const STAY: u64 = 1;

/// What `policy publish` lets a head say, and what the containment sheet promises, is what is kept here: the crate of the network
/// knows no policy, and has these of its own.
const _: () = assert!(
    SHORTEST_POLL.as_secs() == SHORTEST_POLL_S as u64 && LONGEST_POLL.as_secs() == LONGEST_POLL_S as u64
);

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
    let wanting = Wanting::new(policy.trust_root.as_deref(), &plan.exchange.inbox);
    Ok((Fetcher::new(settings, http.clone(), inbox, plan.clock.clone())?, wanting))
}

/// Says what of a head is wanted.
pub(super) struct Wanting {
    /// Bytes of the pinned root, where they can be read.
    root: Option<Vec<u8>>,
    inbox: PathBuf,
    /// Number of the root by which the next was found.
    by_root: u64,
    /// The highest number of a head that was verified.
    newest: u64,
    /// The head for which roots were asked: it is judged when they are there.
    asked: Option<[u8; 32]>,
}

impl Wanting {
    pub(super) fn new(trust_root: Option<&Path>, inbox: &Path) -> Self {
        let read = |path: &Path| published::read_file(path, MAX_ENVELOPE_BYTES).ok().flatten();
        let root = trust_root.and_then(read);
        let mut wanting = Self { root, inbox: inbox.to_owned(), by_root: 0, newest: 0, asked: None };
        wanting.follow_roots();
        wanting
    }

    /// After a new root the number counts that the head of the inbox has under it: attack, a stolen key has signed enormous numbers,
    /// and the new root begins anew below them (`policy rotate --reset`).
    fn follow_roots(&mut self) {
        let root = self.newest_root();
        if root != self.by_root {
            let head = published::read_file(&self.inbox.join(HEAD), MAX_ENVELOPE_BYTES).ok().flatten();
            self.newest = head.map_or(0, |head| self.verified(&head));
            self.by_root = root;
        }
    }

    /// What of a head is wanted; nothing where it is none, or older than the newest. Of one that nobody vouches for only the
    /// roots that may: attack, a mirror that makes up heads, for whose sake no other would be asked.
    pub(super) fn of(&mut self, bytes: &[u8]) -> Option<Wants> {
        let head: Head = signed::decode(Envelope::parse(bytes).ok()?.payload()).ok()?;
        self.follow_roots();
        let verified = self.verified(bytes);
        let is_doubtful = head.sequence < self.newest || self.root.is_some() && verified == 0;
        let mut documents = self.roots();
        if is_doubtful {
            // newer roots may say otherwise; asked for once
            let digest: [u8; 32] = Sha256::digest(bytes).into();
            if self.root.is_none() || self.asked.take() == Some(digest) {
                return None;
            }
            self.asked = Some(digest);
            return Some(Wants { documents, poll: None, is_believed: false });
        }
        self.asked = None;
        self.newest = self.newest.max(verified);
        for (kind, current, most) in [
            ("policy", Some(head.policy), MAX_POLICY_BODY_BYTES),
            ("policy", head.elsewhere, MAX_POLICY_BODY_BYTES),
            ("revocations", head.revocations, MAX_REVOCATIONS_BODY_BYTES),
        ] {
            documents.extend(current.into_iter().flat_map(|current| self.named(kind, current, most)));
        }
        let poll = head.poll_interval_s.map(|seconds| Duration::from_secs(u64::from(seconds)));
        Some(Wants { documents, poll, is_believed: true })
    }

    /// Number of a head, if the pinned root or one that follows it in the inbox vouches for it; else 0.
    fn verified(&self, head: &[u8]) -> u64 {
        let trust = self.trust(Some(head));
        trust.and_then(|trust| trust.head().map(|head| head.sequence)).unwrap_or(0)
    }

    /// What the pinned root comes to with the roots of the inbox, and a head. By the time that the head itself says: who enforces
    /// judges by a clock that it trusts, and this machine's may be wrong.
    fn trust(&self, head: Option<&[u8]>) -> Option<Trust> {
        let mut trust = Trust::pinned(self.root.as_ref()?, Timestamp::UNIX_EPOCH).ok()?;
        let mut numbers = published::numbers(&self.inbox, "root").unwrap_or_default();
        numbers.retain(|number| *number > trust.root().sequence);
        numbers.truncate(MAX_ROOT_UPDATES);
        let roots = published::roots(&self.inbox, numbers).unwrap_or_default();
        // one root leads to the next whatever the time is; whether the last has ended is for who enforces
        trust.update(&Documents { roots, ..Documents::default() }, Time::certain(FAR));
        if let Some(head) = head {
            let parsed = Envelope::parse(head).ok();
            let issued = parsed
                .and_then(|parsed| signed::decode::<Head>(parsed.payload()).ok())
                .map(|head| head.issued);
            let documents = Documents { head: Some(head.to_vec()), ..Documents::default() };
            trust.update(&documents, Time::certain(issued.unwrap_or_default()));
        }
        Some(trust)
    }

    /// Number of the newest root that the pinned one vouches for. Without a pinned one, of the newest file.
    ///
    /// Attack, or a web server that answers everything with a page: what lies there under a number and is no root would keep
    /// the real one of that number away for ever.
    fn newest_root(&self) -> u64 {
        let known = || published::numbers(&self.inbox, "root").unwrap_or_default().last().copied();
        self.trust(None).map_or_else(|| known().unwrap_or(0), |trust| trust.root().sequence)
    }

    fn roots(&self) -> Vec<Wanted> {
        let last = self.newest_root();
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

/// Removes documents of the inbox that no head names any more, and roots that nobody vouches for. What cannot be removed stays:
/// it harms nobody.
pub(super) fn clear(trust_root: Option<&Path>, inbox: &Path) {
    let wanting = Wanting::new(trust_root, inbox);
    if let Some(trust) = wanting.trust(None) {
        let numbers = published::numbers(inbox, "root").unwrap_or_default();
        for number in numbers.into_iter().filter(|number| *number > trust.root().sequence) {
            let _ = std::fs::remove_file(inbox.join(format!("root.{number}.json")));
        }
    }
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

#[cfg(test)]
mod tests {
    use mcpolicy_schema::signed::{Roles, Root};
    use mcpolicy_tests::signing::{self, at, publish, role, signed};
    use serde_json::json;

    use super::*;

    fn site() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let (published, inbox) = (folder.path().join("published"), folder.path().join("inbox"));
        std::fs::create_dir(&inbox).unwrap();
        let body =
            json!({"schema": "mcpolicy/policy/v1", "policy": {"name": "fleet", "contact": "#mcp-help"}});
        publish(&published, 1, at(1), &body, None);
        (folder, published, inbox)
    }

    fn head(published: &Path) -> Vec<u8> {
        published::read_file(&published.join(HEAD), MAX_ENVELOPE_BYTES).unwrap().unwrap()
    }

    fn roots_of(wants: &Wants) -> Vec<String> {
        let roots = wants.documents.iter().filter(|wanted| wanted.may_be_absent);
        roots.map(|wanted| wanted.name.as_str().to_owned()).collect()
    }

    #[test]
    fn a_head_of_the_pinned_root_is_believed_and_a_forged_one_asks_for_roots_alone() {
        let (_folder, published, inbox) = site();
        let root = published.join("root.1.json");
        let mut wanting = Wanting::new(Some(&root), &inbox);
        let head = head(&published);
        let wants = wanting.of(&head).unwrap();
        assert!(wants.is_believed && wants.documents.iter().any(|one| one.name.as_str() == "policy.1.body"));
        // attack: another number under the same signature
        let text = String::from_utf8(head).unwrap();
        let mut envelope: serde_json::Value = serde_json::from_str(&text).unwrap();
        envelope["signatures"][0]["sig"] = json!("AAAA");
        let forged = wanting.of(envelope.to_string().as_bytes());
        assert!(forged.is_none_or(|wants| !wants.is_believed && wants.poll.is_none()));
        assert!(wanting.of(b"{}").is_none() && wanting.newest == 1);
    }

    /// A web server that answers everything with 200, or a mirror of somebody else.
    #[test]
    fn what_lies_under_the_name_of_a_root_and_is_none_keeps_the_real_one_away_for_one_poll_at_most() {
        let (_folder, published, inbox) = site();
        let root = published.join("root.1.json");
        for number in 2..=9 {
            std::fs::write(inbox.join(format!("root.{number}.json")), "{\"error\":\"not found\"}").unwrap();
        }
        let head = head(&published);
        let wants = Wanting::new(Some(&root), &inbox).of(&head).unwrap();
        assert!(wants.is_believed, "rubbish beside it takes no belief away");
        assert_eq!(roots_of(&wants)[0], "root.2.json", "the real one is asked for again");
        std::fs::write(inbox.join(HEAD), &head).unwrap();
        clear(Some(&root), &inbox);
        assert_eq!(published::numbers(&inbox, "root").unwrap(), Vec::<u64>::new());
    }

    /// A rotation or a renewal comes months after the root that is pinned.
    #[test]
    fn a_root_of_months_later_is_followed_and_stays_in_the_inbox() {
        let (_folder, published, inbox) = site();
        let root = published.join("root.1.json");
        let later = at(24 * 150);
        let new = Root {
            roles: Roles { online: role(&[41], 1), ..signing::root(2, later).roles },
            ..signing::root(2, later)
        };
        let under_new = signed(&signing::head(5, later, signing::current(1, b"{}")), &[41]);
        let mut wanting = Wanting::new(Some(&root), &inbox);
        let first = wanting.of(&under_new).unwrap();
        assert!(!first.is_believed && roots_of(&first)[0] == "root.2.json");
        std::fs::write(inbox.join("root.2.json"), signed(&new, &signing::ROOT[..2])).unwrap();
        assert!(wanting.of(&under_new).unwrap().is_believed);
        std::fs::write(inbox.join(HEAD), &under_new).unwrap();
        clear(Some(&root), &inbox);
        assert_eq!(published::numbers(&inbox, "root").unwrap(), [2]);
        assert_eq!(Wanting::new(Some(&root), &inbox).newest, 5, "after a start, too");
    }

    /// Attack: a stolen online key has signed an enormous number; the fleet's owner begins anew below it with a new root.
    #[test]
    fn a_head_of_a_stolen_key_with_an_enormous_number_is_forgotten_with_the_root_that_replaces_the_key() {
        let (_folder, published, inbox) = site();
        let root = published.join("root.1.json");
        let thiefs =
            signed(&signing::head(1 << 50, at(2), signing::current(1, b"{}")), &signing::ONLINE[..1]);
        std::fs::write(inbox.join(HEAD), &thiefs).unwrap();
        let mut wanting = Wanting::new(Some(&root), &inbox);
        assert_eq!(wanting.newest, 1 << 50);
        let new = Root {
            roles: Roles { online: role(&[41], 1), ..signing::root(2, at(5)).roles },
            ..signing::root(2, at(5))
        };
        let real = signed(&signing::head(41, at(6), signing::current(1, b"{}")), &[41]);
        let asks = wanting.of(&real).unwrap();
        assert!(
            !asks.is_believed && roots_of(&asks)[0] == "root.2.json",
            "roots are asked for before numbers count"
        );
        std::fs::write(inbox.join("root.2.json"), signed(&new, &signing::ROOT[..2])).unwrap();
        assert!(wanting.of(&real).unwrap().is_believed);
        assert_eq!(wanting.newest, 41);
    }

    #[test]
    fn an_older_head_is_passed_over_after_newer_roots_were_asked_for_once() {
        let (_folder, published, inbox) = site();
        let root = published.join("root.1.json");
        let mut wanting = Wanting::new(Some(&root), &inbox);
        let newer = signed(&signing::head(9, at(3), signing::current(1, b"{}")), &signing::ONLINE[..1]);
        assert!(wanting.of(&newer).unwrap().is_believed);
        let older = head(&published);
        assert!(wanting.of(&older).is_some_and(|wants| !wants.is_believed && wants.documents.len() == 8));
        assert!(wanting.of(&older).is_none());
    }
}
