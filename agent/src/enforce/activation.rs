//! Which verified policy acts. A newer one that would remove much at once, or under which the agent crashes, waits; the
//! one before it goes on acting, with the newest revocations.

use std::io;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use mcpolicy_platform::durable;
use mcpolicy_platform::machine::{Machine, ReadError};
use mcpolicy_schema::document::Settings as PolicySettings;
use mcpolicy_schema::limits::MAX_POLICY_BODY_BYTES;
use mcpolicy_schema::policy::Policy;
use serde::{Deserialize, Serialize};

use crate::disk_advice::{advice, of_read};
use crate::vault::digest_of;

/// Crashes within [`CRASH_WINDOW`] after which the policy before takes over.
const CRASHES: usize = 3;
const CRASH_WINDOW: SignedDuration = SignedDuration::from_mins(10);
const MAX_STATE_BYTES: u64 = 1024 * 1024;

/// Why activation cannot be told. Nothing is changed then.
#[derive(Debug, thiserror::Error)]
pub enum ActivationError {
    /// A step on the disk failed.
    #[error("cannot {step} {}: {cause}{}", path.display(), advice(cause))]
    Disk {
        /// What was to be done.
        step: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
}

/// A policy that acted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acted {
    /// Its number.
    pub sequence: u64,
    /// Digest of its body.
    pub sha256: String,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// A policy that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Which.
    pub policy: Acted,
    /// Why, in words.
    pub why: String,
    /// It made the agent crash: it never acts again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub crashed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct State {
    acting: Option<Acted>,
    before: Option<Acted>,
    held: Option<Held>,
    /// A pass began then and has not ended.
    running_since: Option<Timestamp>,
    crashes: Vec<Timestamp>,
}

/// What is known of policies that acted on this machine.
#[derive(Debug)]
pub struct Activation {
    folder: PathBuf,
    state: State,
    is_damaged: bool,
}

/// What a newer policy would newly remove, from a machine or from one of its users: many allowed entries of one user must
/// not make what befalls another look small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removals {
    /// The user; nobody for the whole machine.
    pub of: Option<String>,
    /// Entries that it would act on and the acting one does not.
    pub new: usize,
    /// Entries that the acting one leaves.
    pub left_now: usize,
}

impl Removals {
    /// Whether that is more than the policy may remove at once.
    fn exceed(&self, settings: &PolicySettings) -> bool {
        let limits = settings.max_new_removals;
        let too_many = self.new > limits.entries as usize;
        let too_large_a_share = self.new * 100 > self.left_now * usize::from(limits.percent);
        // one entry of two is half of them, and still no catastrophe: both must be exceeded
        settings.acknowledge_breaking.is_none() && too_many && too_large_a_share
    }
}

impl Activation {
    /// Opens what a folder holds, which is made if it is not there.
    ///
    /// # Errors
    /// The system refuses.
    pub fn open(folder: &Path) -> Result<Self, ActivationError> {
        durable::make_private_directory(folder).map_err(disk("make", folder))?;
        let path = folder.join("state.json");
        let mut is_damaged = false;
        let state = match Machine::live().read(&path, None, MAX_STATE_BYTES) {
            // one that cannot be read is as none: the newest verified policy acts
            Ok(snapshot) => serde_json::from_slice(&snapshot.bytes).unwrap_or_else(|_| {
                is_damaged = true;
                State::default()
            }),
            Err(ReadError::NotFound) => State::default(),
            Err(error) => return Err(disk("read", &path)(of_read(&error))),
        };
        Ok(Self { folder: folder.to_owned(), state, is_damaged })
    }

    /// Whether what was kept could not be read: which policy acted before is not known, so that the newest acts without
    /// having been compared with it.
    pub fn is_damaged(&self) -> bool {
        self.is_damaged
    }

    /// A pass begins. If the last ones never ended, the policy before may take over: it is then returned as held.
    ///
    /// # Errors
    /// The system refuses.
    pub fn begin(&mut self, now: Timestamp) -> Result<Option<Held>, ActivationError> {
        if let Some(began) = self.state.running_since.take() {
            self.state.crashes.push(began);
        }
        self.state.crashes.retain(|at| now.duration_since(*at) < CRASH_WINDOW);
        let mut fallen = None;
        if self.state.crashes.len() >= CRASHES
            && let (Some(acting), Some(before)) = (self.state.acting.clone(), self.state.before.take())
        {
            let why =
                format!("the agent crashed {} times within 10 minutes under it", self.state.crashes.len());
            let held = Held { policy: acting, why, crashed: true };
            self.state.acting = Some(before);
            self.state.held = Some(held.clone());
            self.state.crashes.clear();
            fallen = Some(held);
        }
        self.state.running_since = Some(now);
        self.save()?;
        Ok(fallen)
    }

    /// A pass ended in good order.
    ///
    /// # Errors
    /// The system refuses.
    pub fn end(&mut self) -> Result<(), ActivationError> {
        self.state.running_since = None;
        self.save()
    }

    /// Whether no policy has ever acted here, as far as that is known for sure.
    pub fn is_first(&self) -> bool {
        self.state.acting.is_none() && !self.is_damaged
    }

    /// The policy that waits.
    pub fn held(&self) -> Option<&Held> {
        self.state.held.as_ref()
    }

    /// The policy that acts, if it is another than the newest and can still be read.
    pub fn acting_before(&self, newest: &str) -> Option<(Acted, Policy)> {
        let acting = self.state.acting.as_ref().filter(|acting| acting.sha256 != newest)?;
        let path = self.body_path(&acting.sha256);
        let body = Machine::live().read(&path, None, MAX_POLICY_BODY_BYTES as u64).ok()?.bytes;
        // it was verified before it acted; that it is still the same is all that has to be shown
        if digest_of(&body) != acting.sha256 {
            return None;
        }
        Policy::from_body(&body).ok().map(|policy| (acting.clone(), policy))
    }

    /// Whether the newest policy may take over from the acting one; if not it is held, and why.
    ///
    /// # Errors
    /// The system refuses.
    pub fn consider(
        &mut self,
        newest: &Acted,
        settings: &PolicySettings,
        removals: &[Removals],
    ) -> Result<Option<Held>, ActivationError> {
        if let Some(held) = &self.state.held
            && held.crashed
            && held.policy.sha256 == newest.sha256
        {
            return Ok(Some(held.clone()));
        }
        let Some(removals) = removals.iter().find(|removals| removals.exceed(settings)) else {
            return Ok(None);
        };
        let whose = removals.of.as_ref().map_or_else(String::new, |user| format!(" of {user}"));
        let why = format!(
            "it would newly remove {} of {} entries{whose}, and its `max_new_removals` allows {} or {} percent; \
             sign one with `acknowledge_breaking`, or roll it out by rings",
            removals.new,
            removals.left_now,
            settings.max_new_removals.entries,
            settings.max_new_removals.percent
        );
        let held = Held { policy: newest.clone(), why, crashed: false };
        self.state.held = Some(held.clone());
        self.save()?;
        Ok(Some(held))
    }

    /// The newest policy acts from now on. Whether it did not before.
    ///
    /// # Errors
    /// The system refuses.
    pub fn activate(&mut self, newest: &Acted, body: &[u8]) -> Result<bool, ActivationError> {
        if self.state.acting.as_ref() == Some(newest) {
            return Ok(false);
        }
        let path = self.body_path(&newest.sha256);
        durable::write(&path, body).map_err(disk("write", &path))?;
        durable::sync_file(&path).map_err(disk("sync", &path))?;
        durable::sync_directory(&self.folder).map_err(disk("sync", &self.folder))?;
        let gone = self.state.before.take();
        self.state.before = self.state.acting.replace(newest.clone());
        self.state.held = None;
        self.state.crashes.clear();
        self.save()?;
        let needed = [&self.state.acting, &self.state.before];
        if let Some(gone) =
            gone.filter(|gone| !needed.iter().any(|n| n.as_ref().is_some_and(|n| n.sha256 == gone.sha256)))
        {
            let _ = std::fs::remove_file(self.body_path(&gone.sha256));
        }
        Ok(true)
    }

    fn body_path(&self, sha256: &str) -> PathBuf {
        self.folder.join(format!("{sha256}.body"))
    }

    fn save(&self) -> Result<(), ActivationError> {
        let path = self.folder.join("state.json");
        let json =
            serde_json::to_vec_pretty(&self.state).map_err(|e| disk("write", &path)(io::Error::other(e)))?;
        durable::replace(&path, &json).map_err(disk("write", &path))
    }
}

fn disk(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ActivationError {
    move |cause| ActivationError::Disk { step, path: path.to_owned(), cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"schema":"mcpolicy/policy/v1","policy":{"name":"a","contact":"c"}}"#;
    const OTHER: &[u8] = br#"{"schema":"mcpolicy/policy/v1","policy":{"name":"b","contact":"c"}}"#;

    fn of(sequence: u64, body: &[u8]) -> (Acted, PolicySettings) {
        let policy = Policy::from_body(body).unwrap();
        (Acted { sequence, sha256: digest_of(body), expires: None }, policy.document().policy.clone())
    }

    fn removals(new: usize, left_now: usize) -> Removals {
        Removals { of: None, new, left_now }
    }

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + minute * 60).unwrap()
    }

    #[test]
    fn a_policy_that_would_newly_remove_much_is_held_unless_that_was_signed_for() {
        let folder = tempfile::tempdir().unwrap();
        let mut activation = Activation::open(folder.path()).unwrap();
        let (first, _) = of(1, BODY);
        assert!(activation.activate(&first, BODY).unwrap());
        let (second, mut settings) = of(2, OTHER);
        let many = [removals(6, 10)];
        let held = activation.consider(&second, &settings, &many).unwrap().unwrap();
        assert!(held.why.contains("6 of 10"), "{}", held.why);
        let (acting, policy) = activation.acting_before(&second.sha256).unwrap();
        assert_eq!((acting, policy.document().policy.name.as_str()), (first, "a"));
        for few in [removals(5, 5), removals(6, 100)] {
            assert_eq!(
                activation.consider(&second, &settings, std::slice::from_ref(&few)).unwrap(),
                None,
                "{few:?}"
            );
        }
        settings.acknowledge_breaking = Some("SEC-1".into());
        assert_eq!(activation.consider(&second, &settings, &many).unwrap(), None);
    }

    #[test]
    fn what_befalls_one_user_is_not_made_small_by_the_entries_of_another() {
        let folder = tempfile::tempdir().unwrap();
        let mut activation = Activation::open(folder.path()).unwrap();
        let (second, settings) = of(2, OTHER);
        let ann = Removals { of: Some("ann".into()), ..removals(6, 6) };
        let bob = Removals { of: Some("bob".into()), ..removals(0, 1000) };
        assert_eq!(activation.consider(&second, &settings, &[removals(6, 1006)]).unwrap(), None);
        let held = activation.consider(&second, &settings, &[removals(6, 1006), bob, ann]).unwrap().unwrap();
        assert!(held.why.contains("6 of 6 entries of ann"), "{}", held.why);
    }

    #[test]
    fn three_crashes_within_ten_minutes_bring_the_policy_before_back_for_good() {
        let folder = tempfile::tempdir().unwrap();
        let (first, _) = of(1, BODY);
        let (second, settings) = of(2, OTHER);
        let open = || Activation::open(folder.path()).unwrap();
        open().activate(&first, BODY).unwrap();
        open().activate(&second, OTHER).unwrap();
        for minute in 0..3 {
            assert_eq!(open().begin(at(minute)).unwrap(), None, "minute {minute}");
        }
        let held = open().begin(at(3)).unwrap().unwrap();
        assert_eq!(held.policy, second);
        assert_eq!(open().acting_before(&second.sha256).unwrap().0, first);
        let nothing = [removals(0, 10)];
        assert!(open().consider(&second, &settings, &nothing).unwrap().is_some(), "it never acts again");
        let (third, settings) = (Acted { sequence: 3, sha256: "0".into(), expires: None }, settings);
        assert_eq!(open().consider(&third, &settings, &nothing).unwrap(), None, "the next one may");
    }

    #[test]
    fn crashes_that_lie_far_apart_or_passes_that_end_count_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (first, _) = of(1, BODY);
        let (second, _) = of(2, OTHER);
        let open = || Activation::open(folder.path()).unwrap();
        open().activate(&first, BODY).unwrap();
        open().activate(&second, OTHER).unwrap();
        for minute in [0, 11, 22, 33, 44] {
            assert_eq!(open().begin(at(minute)).unwrap(), None);
        }
        for minute in 60..70 {
            let mut activation = open();
            assert_eq!(activation.begin(at(minute)).unwrap(), None);
            activation.end().unwrap();
        }
    }

    #[test]
    fn a_body_that_was_changed_on_disk_never_acts() {
        let folder = tempfile::tempdir().unwrap();
        let (first, _) = of(1, BODY);
        let mut activation = Activation::open(folder.path()).unwrap();
        activation.activate(&first, BODY).unwrap();
        std::fs::write(activation.body_path(&first.sha256), OTHER).unwrap();
        assert!(activation.acting_before("another").is_none());
    }
}
