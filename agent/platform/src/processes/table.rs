//! The process table, looked at again and again: most processes are those of the look before, and are not asked anew for
//! their words, files and folders.

use std::collections::{BTreeMap, BTreeSet};

use sysinfo::{Pid, ProcessesToUpdate, RefreshKind, System};

use super::listed::{Listed, listed};
use super::{Instance, Process, everything, from_sysinfo};
use crate::users;

/// Looks after which all are asked anew: a process may run another program under the same short name.
const ANEW: u32 = 6;

/// What was seen at the last look.
#[derive(Debug, Default)]
pub struct Table {
    last: BTreeMap<u32, (Listed, Process)>,
    looks: u32,
    /// Only what descends from this one, and is the own user's, is seen.
    below: Option<Instance>,
}

impl Table {
    /// A table of what descends from one process and is the own user's; empty once that has ended. Of all others no more is
    /// read than their short names and whose children they are.
    pub fn below(root: Instance) -> Self {
        Self { below: Some(root), ..Self::default() }
    }

    /// As [`processes`](super::processes). Of a process that was there at the last look, under the same short name, what
    /// was seen then is taken for what is now, but for those that are `watched` and all that is below them.
    ///
    /// What is to be ended on the strength of this is looked at once more by [`Exact::hold`](super::Exact::hold).
    pub fn look(&mut self, watched: &dyn Fn(&Process) -> bool) -> Vec<Process> {
        let all = self.within(listed());
        let is_anew = self.looks.is_multiple_of(ANEW);
        self.looks = self.looks.wrapping_add(1);
        let mut asked: BTreeSet<u32> =
            all.iter().filter(|now| is_anew || !self.knows(now)).map(|now| now.pid).collect();
        let roots = self.last.values().filter(|(_, process)| watched(process)).map(|(one, _)| one.pid);
        asked.extend(with_all_below(roots.collect(), &all));
        let Ok(mut system) = System::new_with_specifics(RefreshKind::nothing()) else { return Vec::new() };
        let pids: Vec<Pid> = asked.iter().map(|pid| Pid::from_u32(*pid)).collect();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&pids), false, everything());
        let now = |one: Listed| {
            let known = self.last.remove(&one.pid).filter(|_| !asked.contains(&one.pid));
            let process = match known {
                Some((_, known)) => Some(Process { parent: one.parent, ..known }),
                None => system.process(Pid::from_u32(one.pid)).map(from_sysinfo),
            };
            process.map(|process| (one.pid, (one, process)))
        };
        self.last = all.into_iter().filter_map(now).collect();
        let seen = self.last.values().map(|(_, process)| process);
        let is_own = |process: &&Process| self.below.is_none() || process.uid == users::own_uid();
        seen.filter(is_own).cloned().collect()
    }

    fn within(&self, all: Vec<Listed>) -> Vec<Listed> {
        let Some(root) = self.below else { return all };
        // after its end its number is another's
        if !root.is_running() {
            return Vec::new();
        }
        let below = with_all_below(BTreeSet::from([root.pid]), &all);
        all.into_iter().filter(|one| one.pid != root.pid && below.contains(&one.pid)).collect()
    }

    fn knows(&self, now: &Listed) -> bool {
        self.last.get(&now.pid).is_some_and(|(known, _)| known.is_same(now))
    }
}

fn with_all_below(roots: BTreeSet<u32>, all: &[Listed]) -> BTreeSet<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for process in all {
        children.entry(process.parent.unwrap_or_default()).or_default().push(process.pid);
    }
    let mut next: Vec<u32> = roots.iter().copied().collect();
    let mut found = roots;
    while let Some(pid) = next.pop() {
        let below = children.get(&pid).into_iter().flatten();
        next.extend(below.filter(|child| found.insert(**child)));
    }
    found
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::process::CommandExt as _;
    use std::process::{Child, Command, Stdio};
    use std::time::{Duration, Instant};

    use super::*;

    /// A child that is ended with the test.
    struct Own(Child);

    impl Own {
        fn start(line: &str) -> Self {
            let mut command = Command::new("sh");
            command.args(["-c", line]).stdin(Stdio::piped()).stdout(Stdio::null()).process_group(0);
            Self(command.spawn().expect("sh starts"))
        }

        /// Waits until the words of the child begin so, by looks of its own.
        fn wait(&self, words: &str) {
            let end = Instant::now() + Duration::from_secs(10);
            let is_it = |one: &Process| one.pid == self.0.id() && one.args.join(" ").starts_with(words);
            while !super::super::processes().iter().any(is_it) {
                assert!(Instant::now() < end, "the child does not run {words}");
            }
        }

        fn go_on(&mut self) {
            drop(self.0.stdin.take());
        }

        fn words(&self, table: &[Process]) -> Option<String> {
            table.iter().find(|one| one.pid == self.0.id()).map(|one| one.args.join(" "))
        }
    }

    impl Drop for Own {
        fn drop(&mut self) {
            // with what it has started
            let group = rustix::process::Pid::from_child(&self.0);
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            let _ = self.0.wait();
        }
    }

    #[test]
    fn later_looks_see_what_comes_what_goes_and_what_runs_another_program() {
        let mut table = Table::default();
        let mut own = Own::start("read x; exec sleep 611");
        own.wait("sh -c read x");
        assert_eq!(own.words(&table.look(&|_| false)).as_deref(), Some("sh -c read x; exec sleep 611"));
        own.go_on();
        own.wait("sleep 611");
        let seen = table.look(&|_| false);
        assert_eq!(own.words(&seen).as_deref(), Some("sleep 611"), "its short name is another");
        let later = Own::start("read x; :");
        later.wait("sh -c read x");
        let pid = own.0.id();
        drop(own);
        let seen = table.look(&|_| false);
        assert!(later.words(&seen).is_some() && seen.iter().all(|one| one.pid != pid));
        let whole = super::super::processes();
        let found = whole.iter().find(|one| one.pid == later.0.id());
        assert_eq!(seen.iter().find(|one| one.pid == later.0.id()), found);
    }

    #[test]
    fn a_table_below_one_process_has_what_that_has_started_and_nothing_else() {
        let mut own = Own::start("sleep 613 & read x; wait");
        let other = Own::start("read y; :");
        own.wait("sh -c sleep 613");
        other.wait("sh -c read y");
        let root = Instance::of(own.0.id()).unwrap();
        let mut table = Table::below(root);
        let end = Instant::now() + Duration::from_secs(10);
        let words = loop {
            let seen = table.look(&|_| false);
            let words: Vec<String> = seen.iter().map(|one| one.args.join(" ")).collect();
            // between fork and exec the child has the words of its parent
            if words == ["sleep 613"] || Instant::now() > end {
                break words;
            }
        };
        assert_eq!(words, ["sleep 613"]);
        let mut ours = Table::below(Instance::of(std::process::id()).unwrap());
        let seen = ours.look(&|_| false);
        assert!(own.words(&seen).is_some() && other.words(&seen).is_some());
        assert!(seen.iter().all(|one| one.pid != 1 && one.pid != std::process::id()));
        own.go_on();
        own.0.kill().unwrap();
        own.0.wait().unwrap();
        assert_eq!(table.look(&|_| false), [], "what it has left behind is nobody's child any more");
    }

    #[test]
    fn a_program_under_the_same_short_name_is_seen_where_it_is_watched_and_else_a_little_later() {
        for is_watched in [true, false] {
            let mut table = Table::default();
            let mut own = Own::start("read x; exec sh -c 'sleep 612; :'");
            own.wait("sh -c read x");
            let pid = own.0.id();
            let watched = |one: &Process| is_watched && one.pid == pid;
            table.look(&watched);
            own.go_on();
            own.wait("sh -c sleep 612");
            let mut looks = 1;
            while own.words(&table.look(&watched)).is_some_and(|words| words.contains("read x")) {
                looks += 1;
            }
            assert_eq!(looks, if is_watched { 1 } else { ANEW });
        }
    }
}
