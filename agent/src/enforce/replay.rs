//! What a crash left half done: each intent without outcome is looked at, and told what became of it.

use std::path::Path;

use jiff::Timestamp;
use mcpolicy_platform::secure_fs::TempName;
use mcpolicy_schema::redact::Redactor;

use super::act::ActError;
use super::leftovers;
use super::swap::intent;
use crate::journal::{End, Intent, Journal, Outcome as Ended, What};
use crate::kept_path::KeptPath;
use crate::vault::{Item, Leftover, State, Taken, Vault, VaultError, digest_of, other_names};
use crate::worker::Standing;
use crate::worker::homes::Homes;

/// What became of an edit that was broken off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// The file.
    pub path: String,
    /// How it ended.
    pub end: End,
    /// What that means.
    pub detail: String,
}

/// Finishes or undoes one intent: afterwards the file is the old or the new one, the journal says which, and no
/// temporary file is left. How it ended.
///
/// # Errors
/// Vault or journal cannot be written.
pub fn replay(
    homes: &Homes<'_>,
    vault: &Vault,
    journal: &mut Journal,
    intent: (u64, &Intent),
    (redactor, now): (&Redactor, Timestamp),
) -> Result<Replayed, ActError> {
    let (number, intent) = intent;
    let (end, mut detail) = told(standing(homes, intent), intent);
    match vault.item(&intent.vault) {
        // the original is needed as long as the file may be the new one
        Ok(item) if item.state == State::Pending && end == End::Failed => vault.forget(&item)?,
        Ok(item) if item.state == State::Pending => {
            let others = other_names(item.names).filter(|_| end == End::Applied);
            detail.extend(others.map(|others| format!("; {others}")));
            vault.update(&Item { state: State::Quarantined, ..item })?;
        }
        // a restore: what is back is not put back once more
        Ok(item) if end == End::Applied => restored(vault, item, intent, redactor)?,
        Ok(_) | Err(VaultError::NoItem(_) | VaultError::Damaged { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    journal.append(now, What::Outcome(Ended { intent: number, outcome: end, detail: detail.clone() }))?;
    Ok(Replayed { path: intent.path.clone(), end, detail })
}

/// Ends what was kept for a change whose intent never came to the journal: a crash lies between the two.
///
/// # Errors
/// The vault cannot be read or written.
pub fn end_unannounced(homes: &Homes<'_>, vault: &Vault) -> Result<(), ActError> {
    for item in vault.items()?.0.into_iter().filter(|item| item.state == State::Pending) {
        let Ok(temporary) = TempName::random() else { continue };
        let unannounced = intent(&item, (&item.original, &item.edited), &temporary, Vec::new());
        match standing(homes, &unannounced) {
            Standing::Before => vault.forget(&item)?,
            // should its intent have been lost with a part of the journal, this is the only original
            Standing::After | Standing::Other | Standing::Kept | Standing::Gone => {
                vault.update(&Item { state: State::Quarantined, ..item })?;
            }
            Standing::Unknown => {}
        }
    }
    Ok(())
}

/// Marks the entries that a broken-off restore had put back: for each word of the intent one, of those with the same
/// fingerprint that of its name.
fn restored(vault: &Vault, mut item: Item, intent: &Intent, redactor: &Redactor) -> Result<(), VaultError> {
    let names: Vec<String> = item.entries.iter().map(|taken| redactor.name(&taken.name)).collect();
    for action in intent.actions.iter().filter(|action| action.action == "restore") {
        let is_it = |(taken, name): (&Taken, &String)| {
            !taken.restored && taken.fingerprint == action.fingerprint && *name == action.server
        };
        let found = item.entries.iter().zip(&names).position(is_it);
        if let Some(at) = found {
            item.entries[at].restored = true;
        }
    }
    if item.entries.iter().all(|taken| taken.restored) {
        item.state = State::Restored;
    }
    vault.update(&item)
}

/// What became of the file; a leftover is removed, or put back if it holds what the user wrote.
fn standing(homes: &Homes<'_>, intent: &Intent) -> Standing {
    let path = KeptPath::with_bytes(&intent.path, intent.path_base64.as_deref());
    let left = Leftover {
        temporary: intent.temporary.clone(),
        before: intent.before.clone(),
        after: intent.after.clone(),
    };
    leftovers::broken(homes, (&intent.home, path.path()), &left)
        .map_or(Standing::Unknown, |(at, broken)| homes.replay(at, &broken))
}

/// How it ended, and what that means.
fn told(standing: Standing, intent: &Intent) -> (End, String) {
    let nothing = digest_of(&[]);
    let original = format!("its original is in the vault as {}", intent.vault);
    let (end, what) = match standing {
        Standing::After => (End::Applied, "after the change, which is in place".to_owned()),
        Standing::Before => (End::Failed, "before the change: nothing was changed".to_owned()),
        Standing::Other => (
            End::Conflict,
            format!("and the file has been written since: what stands there is judged; {original}"),
        ),
        Standing::Kept => {
            let kept = leftovers::beside(Path::new(&intent.path));
            let what = format!(
                "between two writes of its user: the newest is in place, and the other {kept}; take from it what is \
                 missing, and remove it"
            );
            (End::Conflict, what)
        }
        // what was to be taken away, or to be made
        Standing::Gone if intent.after == nothing => {
            (End::Applied, "after the change: the file is away".to_owned())
        }
        Standing::Gone if intent.before == nothing => {
            (End::Failed, "before the change: nothing was changed".to_owned())
        }
        Standing::Gone => (End::Conflict, format!("and the file is gone since: {original}")),
        Standing::Unknown => (
            End::Conflict,
            format!("and the file cannot be looked at now: a pass that can judges it; {original}"),
        ),
    };
    (end, format!("broken off {what}"))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use mcpolicy_platform::environment::Environment;

    use super::*;
    use crate::ground;
    use crate::journal::Action;
    use crate::vault::Original;
    use crate::worker::homes::Answering;

    const BEFORE: &str = r#"{"mcpServers":{"a":{"command":"a"}}}"#;
    const AFTER: &str = r#"{"mcpServers":{}}"#;

    struct Broken {
        root: tempfile::TempDir,
        vault: Vault,
        item: Item,
    }

    fn now() -> Timestamp {
        "2026-11-21T10:00:00Z".parse().unwrap()
    }

    impl Broken {
        /// A machine whose only file was changed from `BEFORE` to `after`.
        fn new(after: &str, state: State) -> Self {
            let root = tempfile::tempdir().unwrap();
            std::fs::create_dir_all(root.path().join("home/ann")).unwrap();
            let vault = Vault::open(&root.path().join("vault")).unwrap();
            let taken = Taken {
                name: "a".to_owned(),
                key_path: "/mcpServers/a".to_owned(),
                fingerprint: "print".to_owned(),
                identity: "a".to_owned(),
                action: "quarantine".to_owned(),
                code: "not-allowed".to_owned(),
                detail: String::new(),
                told: None,
                pieces: Vec::new(),
                left: None,
                restored: false,
            };
            let original = Original {
                user: "ann",
                uid: None,
                home: "/home/ann",
                path: Path::new("/home/ann/mcp.json"),
                found_as: Path::new("/home/ann/mcp.json"),
                client: "cursor",
                names: 1,
                rights: None,
                bytes: BEFORE.as_bytes(),
                edited: after.as_bytes(),
                entries: vec![taken],
                beside: None,
                approvals_due: false,
            };
            let item = vault.keep(original, now()).unwrap();
            vault.update(&Item { state, ..item.clone() }).unwrap();
            Self { root, vault, item }
        }

        fn file(&self) -> PathBuf {
            self.root.path().join("home/ann/mcp.json")
        }

        /// How an intent from one text to another ends, and what the vault has of it then.
        fn replayed(&self, action: &str, (before, after): (&str, &str)) -> (End, Option<Item>) {
            let environment = Environment::empty();
            let ground = ground::lay_bare(Some(self.root.path()), &environment).unwrap();
            let redactor = Redactor::new(&[5; 32]);
            let homes = Homes::new(&ground, &redactor, Answering::InProcess, 1);
            let (mut journal, _) = Journal::open(&self.root.path().join("journal"), now()).unwrap();
            let action = Action {
                action: action.to_owned(),
                server: "a".to_owned(),
                client: "cursor".to_owned(),
                fingerprint: "print".to_owned(),
                code: String::new(),
                detail: String::new(),
                rule: None,
                identity: None,
            };
            let intent = Intent {
                user: "ann".to_owned(),
                path: self.item.path.to_string(),
                path_base64: self.item.path.base64(),
                before: digest_of(before.as_bytes()),
                after: digest_of(after.as_bytes()),
                vault: self.item.id.clone(),
                home: self.item.home.clone(),
                temporary: "none".to_owned(),
                layer: String::new(),
                actions: vec![action],
            };
            let replayed =
                replay(&homes, &self.vault, &mut journal, (1, &intent), (&redactor, now())).unwrap();
            (replayed.end, self.vault.item(&self.item.id).ok())
        }
    }

    #[test]
    fn a_restore_that_was_broken_off_loses_no_original() {
        let broken = Broken::new(AFTER, State::Quarantined);
        std::fs::write(broken.file(), AFTER).unwrap();
        let (end, item) = broken.replayed("restore", (AFTER, BEFORE));
        assert_eq!((end, item.unwrap().is_open()), (End::Failed, true));
        std::fs::write(broken.file(), BEFORE).unwrap();
        let (end, item) = broken.replayed("restore", (AFTER, BEFORE));
        assert_eq!((end, item.unwrap().state), (End::Applied, State::Restored));
    }

    #[test]
    fn of_two_entries_that_are_the_same_but_for_their_name_only_the_one_that_is_back_is_marked() {
        let mut broken = Broken::new(AFTER, State::Quarantined);
        let twin = Taken {
            name: "z".to_owned(),
            key_path: "/mcpServers/z".to_owned(),
            ..broken.item.entries[0].clone()
        };
        broken.item.entries.insert(0, twin);
        broken.vault.update(&Item { state: State::Quarantined, ..broken.item.clone() }).unwrap();
        std::fs::write(broken.file(), BEFORE).unwrap();
        let (end, item) = broken.replayed("restore", (AFTER, BEFORE));
        let item = item.unwrap();
        let marked: Vec<bool> = item.entries.iter().map(|taken| taken.restored).collect();
        assert_eq!((end, marked, item.is_open()), (End::Applied, vec![false, true], true));
    }

    #[test]
    fn a_file_that_is_away_was_taken_away_or_not_made_yet() {
        let taken = Broken::new("", State::Pending);
        let (end, item) = taken.replayed("quarantine-file", (BEFORE, ""));
        assert_eq!((end, item.unwrap().state), (End::Applied, State::Quarantined));
        let made = Broken::new(AFTER, State::Pending);
        assert_eq!(made.replayed("switch-off", ("", AFTER)), (End::Failed, None));
        let other = Broken::new(AFTER, State::Pending);
        let (end, item) = other.replayed("quarantine", (BEFORE, AFTER));
        assert_eq!((end, item.unwrap().state), (End::Conflict, State::Quarantined));
    }

    #[test]
    fn each_end_says_what_happened_and_a_conflict_what_comes_next() {
        let intent = |before: &str, after: &str| Intent {
            user: "ann".to_owned(),
            path: "/home/ann/mcp.json".to_owned(),
            path_base64: None,
            before: digest_of(before.as_bytes()),
            after: digest_of(after.as_bytes()),
            vault: "q-0123456789".to_owned(),
            home: "/home/ann".to_owned(),
            temporary: ".mcpolicy.0".to_owned(),
            layer: String::new(),
            actions: Vec::new(),
        };
        let of = |standing| told(standing, &intent(BEFORE, AFTER));
        for (standing, next) in [
            (Standing::Other, "judged; its original is in the vault as q-0123456789"),
            (
                Standing::Kept,
                "the other in /home/ann, under a name that begins with `.mcpolicy.`; take from it what is missing, and remove it",
            ),
            (Standing::Gone, "its original is in the vault as q-0123456789"),
            (Standing::Unknown, "a pass that can judges it"),
        ] {
            let (end, detail) = of(standing);
            assert_eq!(end, End::Conflict, "{standing:?}");
            assert!(detail.starts_with("broken off ") && detail.contains(next), "{standing:?}: {detail}");
        }
        assert_eq!(of(Standing::After).0, End::Applied);
        assert!(of(Standing::Before).1.contains("nothing was changed"));
    }
}
