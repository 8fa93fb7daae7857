//! Scans of one home: the whole of it, or what changed since.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::{Core, Telling};
use crate::discover::HomeContext;
use crate::discover::changed::{Changed, Known, Project};
use crate::discover::variables;
use crate::enforce::last_allowed::Caps;
use crate::enforce::requests;
use crate::ground;
use crate::pipeline::{self, Bounds, Ground, Outcome, Plan};
use crate::worker::{Scanned, shed};

/// Most places that are told, and most bytes of their names; the daemon watches far fewer folders.
///
/// Attack: a clone with a hundred thousand work trees makes the answer longer than is taken, and nothing in the home is done.
const MAX_PLACES: usize = 20_000;
const MAX_BYTES_OF_PLACES: usize = 4 << 20;

fn bounded(places: BTreeSet<PathBuf>) -> BTreeSet<PathBuf> {
    let mut bytes = 0;
    let fits = |place: &PathBuf| {
        bytes += place.as_os_str().len();
        bytes <= MAX_BYTES_OF_PLACES
    };
    places.into_iter().take(MAX_PLACES).take_while(fits).collect()
}

/// What bounds a scan that was asked for.
pub(super) fn bounds<'a>(
    walk_budget: Duration,
    threads: usize,
    telling: &Telling<'a>,
    without: &'a BTreeSet<PathBuf>,
) -> Bounds<'a> {
    let (progress, reading) = (telling.walked, telling.reading);
    Bounds { walk_budget, threads, texts: Caps::default().text, progress, reading, without }
}

impl Core<'_> {
    /// Scans the whole home.
    pub(super) fn scan(&mut self, bounds: &Bounds<'_>) -> Scanned {
        let spec = self.spec.clone();
        let ground = ground::of_home(spec.machine, spec.home, spec.others);
        let outcome = pipeline::scan(&ground, bounds, self.redactor);
        if let Some(mut layout) = ground.homes.first().map(|home| home.layout.clone()) {
            // a switch holds only if it is set in every folder that the client may have for its own
            variables::join(&mut layout.variables, outcome.moved.clone());
            self.layout = OnceCell::from(layout);
        }
        self.known = Known::default();
        self.told(ground, outcome)
    }

    /// Looks at what changed since the last scan, and at what that leads to which was not known then. Where the home's
    /// clients keep their files is not asked again: what may change that is looked at by a scan of the whole. What nothing but
    /// the time calls for (`in_background`) takes no folder for one of which a watch tells: links and mounts have watches
    /// end that seem to be there.
    pub(super) fn scan_changed(
        &mut self,
        changed: Changed,
        in_background: bool,
        bounds: &Bounds<'_>,
    ) -> Scanned {
        let layout = self.layout.get_or_init(|| self.whole_layout()).clone();
        let spec = self.spec.clone();
        let paths = changed.paths.clone();
        self.known.forget_projects(&changed);
        if in_background {
            self.known.projects.clear();
        }
        let mut ground =
            ground::of_home_again(spec.machine, HomeContext { layout, ..spec.home }, spec.others);
        ground.plan = Plan::Changed(changed, std::mem::take(&mut self.known));
        let outcome = pipeline::scan(&ground, bounds, self.redactor);
        if let Plan::Changed(_, known) = std::mem::replace(&mut ground.plan, Plan::Homes) {
            self.known = known;
        }
        // Attack, and editors that make their folder anew: what is gone would count as read when it comes again, and be seen
        // by nobody where only its folder is told of.
        paths.iter().for_each(|path| drop(self.known.files.remove(path)));
        self.told(ground, outcome)
    }

    fn told(&mut self, mut ground: Ground, outcome: Outcome) -> Scanned {
        let read = outcome.sources.iter().map(|result| result.source.clone());
        self.known.files.extend(read.map(|source| (source.path.clone(), source)));
        let mut gaps = std::mem::take(&mut ground.gaps);
        gaps.extend(outcome.gaps);
        let mut scanned = Scanned {
            sources: outcome.sources,
            entries: outcome.entries,
            gaps,
            findings: ground
                .findings
                .drain(..)
                .chain(outcome.home_findings)
                .map(|(path, _, finding)| (path, finding))
                .collect(),
            moved: outcome.moved,
            places: bounded(outcome.places),
            purges: self.requests().map(|folder| requests::waiting(&folder)).unwrap_or_default(),
            directories: outcome.directories,
            files_read: outcome.files_read,
        };
        shed::not_ours(&mut scanned, &self.spec.home.layout.home, &self.spec.others);
        shed::by_number(&mut scanned);
        // what is not told is not watched either
        let home = &self.spec.home.layout.home;
        let is_told = |(_, folder): &Project| folder.starts_with(home) && scanned.places.contains(folder);
        self.known.projects.extend(outcome.projects.into_iter().filter(is_told));
        // attack: a client's state that names ever other projects
        if self.known.projects.len() > MAX_PLACES {
            self.known.projects.clear();
        }
        scanned
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use mcpolicy_clients::template::Layout;
    use mcpolicy_platform::machine::{Account, Machine};
    use mcpolicy_schema::redact::Redactor;

    use super::*;
    use crate::worker::core::HomeSpec;

    /// Clients that write their state every few seconds have their projects looked into once; a file that came without a
    /// word of it (a disk that was mounted there) is for the rescan.
    #[test]
    fn a_remembered_project_is_looked_into_once_and_by_every_rescan() {
        let temporary = tempfile::tempdir().unwrap();
        let home = temporary.path().canonicalize().unwrap();
        let (state, project) = (home.join(".claude.json"), home.join("p"));
        std::fs::create_dir(&project).unwrap();
        let text = serde_json::json!({"projects": {project.to_str().unwrap(): {}}});
        std::fs::write(&state, text.to_string()).unwrap();
        let redactor = Redactor::new(&[3; 32]);
        let layout = Layout { os: ground::host_os(), home, variables: BTreeMap::new() };
        let context = HomeContext { user: "ann".to_owned(), uid: None, layout };
        let spec = HomeSpec {
            machine: Machine::live(),
            home: context,
            others: Vec::new(),
            account: Account::default(),
        };
        let mut core = Core::new(spec, &redactor);
        let nothing = BTreeSet::new();
        let bounds = bounds(Duration::ZERO, 1, &Telling::NOTHING, &nothing);
        let changed = || Changed { paths: [state.clone()].into() };
        let mut look = |in_background| {
            let scanned = core.scan_changed(changed(), in_background, &bounds);
            scanned.sources.into_iter().any(|result| result.source.path.starts_with(&project))
        };
        assert!(!look(false));
        std::fs::write(project.join(".mcp.json"), r#"{"mcpServers": {"a": {"command": "a"}}}"#).unwrap();
        assert!(!look(false), "what is told by a watch is looked at when it tells");
        assert!(look(true));
    }

    #[test]
    fn no_more_places_are_told_than_an_answer_holds() {
        let named = |length: usize, count: usize| -> BTreeSet<PathBuf> {
            (0..count).map(|n| PathBuf::from(format!("/{n:06}{}", "x".repeat(length)))).collect()
        };
        assert_eq!(bounded(named(10, 100)).len(), 100);
        assert_eq!(bounded(named(10, 50_000)).len(), MAX_PLACES);
        let long = bounded(named(4000, 10_000));
        assert!(long.len() < 1100 && long.len() > 1000, "{}", long.len());
    }
}
