//! What a pass did not look at. Nothing of it is passed over in silence: a file that was not read, or that nobody could
//! parse, may hold any server (a user who fills a file up to more than is read, or takes a folder's right to be listed
//! away, has an off switch otherwise).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use mcpolicy_schema::finding::Severity;

use super::act::Acted;
use super::pass::On;
use crate::gap::Gap;
use crate::inventory::FileFinding;
use crate::journal::{End, Event};
use crate::pipeline::{Outcome, SourceResult};

/// Most places of a kind and home that are told by name; the rest is counted.
const BY_NAME: usize = 10;

/// Kinds that say what lies elsewhere: told, but the pass has done what is its own.
const ELSEWHERE: &[&str] = &[
    "other-file-system",
    "network-file-system",
    "linked-directory",
    "protected-folder",
    "outside-scope",
    NOT_COVERED,
];

/// An account that no pass looks into: a scan is whole without it, a pass says so all the same.
const NOT_COVERED: &str = "system-account";

/// What stands in for whole homes, which have their own words.
const OF_HOMES: &str = "worker-failed";

/// What was not looked at, of one kind in one home.
pub struct Unseen {
    /// The kind of the gap.
    pub kind: &'static str,
    /// Index of the home concerned.
    pub home: Option<usize>,
    /// How many things.
    pub count: u64,
    /// In words, with places.
    pub said: String,
    /// Servers that this pass ought to have judged may be there.
    pub is_incomplete: bool,
}

/// What a pass did not look at, by home and kind. What it acted on all the same (a file that went as a whole) is no gap.
pub fn unseen(outcome: &Outcome, acted: &[Acted]) -> Vec<Unseen> {
    let place = |acted: &'_ Acted| match acted.path.as_os_str().is_empty() {
        true => outcome.sources[acted.source].source.path.clone(),
        false => acted.path.clone(),
    };
    let done: BTreeSet<PathBuf> = acted.iter().filter(|acted| acted.end == End::Applied).map(place).collect();
    let harmless = harmless(outcome);
    let mut groups: BTreeMap<(Option<usize>, &'static str, bool), Vec<&Gap>> = BTreeMap::new();
    for gap in outcome.gaps.iter().filter(|gap| gap.kind != OF_HOMES) {
        let path = gap.path.as_deref();
        if (gap.partial || gap.kind == NOT_COVERED)
            && !path.is_some_and(|path| done.contains(path) || harmless.contains(path))
        {
            groups.entry((gap.home, gap.kind, !ELSEWHERE.contains(&gap.kind))).or_default().push(gap);
        }
    }
    groups
        .into_iter()
        .map(|((home, kind, is_incomplete), gaps)| Unseen {
            kind,
            home,
            count: gaps.iter().map(|gap| gap.count).sum(),
            said: said(&gaps),
            is_incomplete,
        })
        .collect()
}

/// A link that leads nowhere is common in dotfiles and hides nothing, nor does a file of blanks.
fn harmless(outcome: &Outcome) -> BTreeSet<&Path> {
    let files = outcome.sources.iter().filter(|file| ["unreadable", "unparseable"].contains(&file.state));
    files.filter(|file| file.findings.iter().all(is_low)).map(|file| &*file.source.path).collect()
}

/// Whether a file that cannot be parsed was found to have nothing in it.
pub(super) fn holds_nothing(file: &SourceResult) -> bool {
    !file.findings.is_empty() && file.findings.iter().all(is_low)
}

fn is_low(found: &FileFinding) -> bool {
    found.finding.severity <= Severity::Low
}

fn said(gaps: &[&Gap]) -> String {
    let one = |gap: &&Gap| match (&gap.path, gap.count) {
        (Some(path), 1) => format!("{} ({})", path.display(), gap.reason),
        (Some(path), count) => format!("{} ({}: {count})", path.display(), gap.reason),
        (None, count) => format!("{} ({count})", gap.reason),
    };
    let mut text: Vec<String> = gaps.iter().take(BY_NAME).map(one).collect();
    if gaps.len() > BY_NAME {
        text.push(format!("and {} more", gaps.len() - BY_NAME));
    }
    format!("not looked at, so that nothing is known of servers there: {}", text.join(", "))
}

impl Unseen {
    /// As the journal keeps it.
    pub fn event(&self, on: On<'_, '_>) -> Event {
        let user = self.home.map(|at| on.ground.homes[at].user.clone()).unwrap_or_default();
        Event { user, count: Some(self.count), ..Event::new("not-looked-at", &self.said) }
    }
}
