//! What an answer leaves out so that it is never longer than is read.
//!
//! Attack: one file of 60,000 servers somewhere in a home makes the answer about the whole home void, and what else is
//! in that home is never looked at. So it is the largest file that is left out, and told; the others are answered for.
//! A file that is left out of a scan is opened by itself afterwards, and only if it is too much then as well nothing in
//! it can be told apart: it goes as a whole.

use std::path::{Component, Path, PathBuf};

use mcpolicy_platform::paths;
use mcpolicy_schema::entry::Position;
use mcpolicy_schema::finding::{Finding, FindingCode};

use super::{Answer, Held, Scanned, wire};
use crate::assess::Assessed;
use crate::gap::Gap;
use crate::inventory::{FileFinding, State};

/// Most servers of one file that are told apart. No client is of any use with a hundredth of them.
pub const MAX_SERVERS_OF_FILE: usize = 20_000;
/// Most servers of a home.
const MAX_SERVERS: usize = 40_000;
/// Most files of a home.
const MAX_FILES: usize = 50_000;
/// Most findings, and most gaps, of a home.
const MAX_TOLD: usize = 50_000;
/// Longest names and places of one file's servers together, in bytes: vault and journal keep them.
pub(super) const MAX_NAMES: usize = 4 << 20;
/// Of the longest frame so much is left for what is no entry.
const FOR_THE_REST: usize = 3;

/// Whether a file was left out because there is too much in it.
pub fn is_too_much(state: &str, findings: &[FileFinding]) -> bool {
    let says_so = |found: &FileFinding| found.finding.code == FindingCode::ConfigTooLarge;
    state == State::Unparseable.as_str() && findings.iter().any(says_so)
}

/// What a text holds, or that it is too much.
pub(super) fn held(held: Held) -> Held {
    let names: usize = held.entries.iter().map(|entry| entry.name.len() + entry.key_path.len()).sum();
    if held.entries.len() > MAX_SERVERS_OF_FILE || names > MAX_NAMES {
        too_much(held.entries.len())
    } else {
        held
    }
}

fn too_much(servers: usize) -> Held {
    Held {
        state: State::Unparseable.as_str(),
        entries: Vec::new(),
        findings: vec![finding(servers)],
        rest: 0,
    }
}

fn finding(servers: usize) -> FileFinding {
    let message = format!(
        "it holds {servers} servers, or such long ones, that they cannot be told apart; at the most \
         {MAX_SERVERS_OF_FILE} servers of a file are"
    );
    FileFinding {
        finding: Finding::new(FindingCode::ConfigTooLarge, message),
        position: Position { line: 1, column: 1 },
    }
}

/// Leaves out what root would take for a lie and the whole answer with it: a file of another's home, or by a path that
/// leads up. Wherever a user's own file leads, the others are answered for.
pub(super) fn not_ours(scanned: &mut Scanned, home: &Path, others: &[PathBuf]) {
    let length = |place: &Path| place.as_os_str().len();
    let is_anothers = |path: &Path| {
        let around = others.iter().filter(|other| path.starts_with(other)).map(|other| length(other)).max();
        let own = if path.starts_with(home) { length(home) } else { 0 };
        around.is_some_and(|around| around > own)
    };
    let leads_up = |path: &Path| path.components().any(|part| matches!(part, Component::ParentDir));
    let is_path = |path: &Path| paths::is_one(path) && path.has_root() && !leads_up(path);
    let is_ours = |path: &Path| is_path(path) && !is_anothers(path);
    let kept: Vec<bool> = scanned.sources.iter().map(|file| is_ours(&file.source.path)).collect();
    scanned.findings.retain(|(path, _)| is_path(path));
    scanned.moved.values_mut().for_each(|places| places.retain(|place| is_path(place)));
    for gap in &mut scanned.gaps {
        gap.path = gap.path.take().filter(|path| paths::is_one(path));
    }
    if kept.iter().all(|kept| *kept) {
        return;
    }
    for file in scanned.sources.iter().filter(|file| !is_ours(&file.source.path)) {
        let reason = "a client looks here, which is another's home or a path that leads up";
        let path = Some(&*file.source.path).filter(|path| paths::is_one(path));
        scanned.gaps.push(Gap::beyond("outside-scope", reason, path));
    }
    keep(scanned, &kept);
}

/// Keeps the files that are marked, with their servers.
fn keep(scanned: &mut Scanned, kept: &[bool]) {
    let mut places = Vec::with_capacity(kept.len());
    let mut next = 0;
    for kept in kept {
        places.push(next);
        next += usize::from(*kept);
    }
    let mut at = 0;
    scanned.sources.retain(|_| {
        at += 1;
        kept[at - 1]
    });
    scanned.entries.retain(|item| kept[item.source]);
    for item in &mut scanned.entries {
        item.source = places[item.source];
    }
}

/// Which files to keep if there may be so many: those with servers before those without, and of these the first (fixed
/// places come first, projects last).
///
/// Attack: 50,000 files that hold nothing, so that the one that does is left out.
fn first_with_servers(scanned: &Scanned, most: usize) -> Vec<bool> {
    let mut has_servers = vec![false; scanned.sources.len()];
    for item in &scanned.entries {
        has_servers[item.source] = true;
    }
    let mut order: Vec<usize> = (0..scanned.sources.len()).collect();
    order.sort_by_key(|at| !has_servers[*at]);
    let mut kept = vec![false; scanned.sources.len()];
    order.into_iter().take(most).for_each(|at| kept[at] = true);
    kept
}

/// Leaves out what is too much by number.
pub(super) fn by_number(scanned: &mut Scanned) {
    if scanned.sources.len() > MAX_FILES {
        let kept = first_with_servers(scanned, MAX_FILES);
        let gone = kept.iter().filter(|kept| !**kept).count();
        keep(scanned, &kept);
        let reason = format!("a home has more than {MAX_FILES} files of clients; these were left out");
        scanned.gaps.push(Gap::beyond("too-large", reason, None).times(gone as u64).partial());
    }
    let mut left = MAX_TOLD;
    for source in &mut scanned.sources {
        source.findings.truncate(left);
        left -= source.findings.len();
    }
    let mut left = MAX_TOLD;
    for source in &mut scanned.sources {
        if source.environment.len() > left {
            source.environment.truncate(left);
            let reason = "more variables are set for servers than are told; the servers were judged without the others";
            scanned.gaps.push(Gap::at("too-large", reason, &source.source.path));
        }
        left -= source.environment.len();
    }
    scanned.findings.truncate(MAX_TOLD);
    if scanned.gaps.len() > MAX_TOLD {
        let gone = scanned.gaps.split_off(MAX_TOLD).len();
        let reason = "a home has more gaps than are told; so many more are not";
        scanned.gaps.push(Gap::beyond("too-large", reason, None).times(gone as u64).partial());
    }
    let shed = heaviest(scanned, |_| 1, MAX_SERVERS);
    leave_out(scanned, &shed);
}

/// Makes an answer fit into a frame of `cap` bytes.
pub(super) fn to_frame(answer: Answer, cap: usize) -> Answer {
    match answer {
        Answer::Scanned(mut scanned) => {
            let shed = heaviest(&scanned, wire::weight, cap - cap / FOR_THE_REST);
            leave_out(&mut scanned, &shed);
            Answer::Scanned(scanned)
        }
        Answer::Opened(mut opened) => {
            opened.held = too_much(opened.held.entries.len());
            Answer::Opened(opened)
        }
        Answer::Drafted(_) => Answer::Refused("what the edit leaves is more than is looked at".to_owned()),
        _ => Answer::Refused("the answer is more than is read".to_owned()),
    }
}

/// The files to leave out, the heaviest first, so that what is left weighs no more than `most`. By file.
fn heaviest(scanned: &Scanned, weight: impl Fn(&Assessed) -> usize, most: usize) -> Vec<bool> {
    let mut weights: Vec<(usize, usize)> = (0..scanned.sources.len()).map(|at| (0, at)).collect();
    for item in &scanned.entries {
        weights[item.source].0 += weight(item);
    }
    let mut total: usize = weights.iter().map(|(weight, _)| weight).sum();
    // of equal ones the later: projects come last
    weights.sort_unstable_by(|one, other| other.cmp(one));
    let mut shed = vec![false; scanned.sources.len()];
    for (weight, at) in weights {
        if total <= most {
            break;
        }
        shed[at] = true;
        total -= weight;
    }
    shed
}

fn leave_out(scanned: &mut Scanned, shed: &[bool]) {
    let mut servers = vec![0; shed.len()];
    for item in &scanned.entries {
        servers[item.source] += 1;
    }
    scanned.entries.retain(|item| !shed[item.source]);
    for (at, source) in scanned.sources.iter_mut().enumerate().filter(|(at, _)| shed[*at]) {
        source.state = State::Unparseable.as_str();
        source.findings = vec![finding(servers[at])];
        let reason = "there is too much in the file: its servers were not told apart";
        scanned.gaps.push(Gap::at("too-large", reason, &source.source.path));
    }
}

#[cfg(test)]
mod tests {
    use mcpolicy_schema::redact::Redactor;

    use super::*;
    use crate::discover::source::Source;
    use crate::inventory;
    use crate::pipeline::{SourceResult, reading_for};

    fn text(servers: usize) -> String {
        let servers: Vec<String> = (0..servers).map(|n| format!("\"s{n}\":{{\"command\":\"x\"}}")).collect();
        format!("{{\"mcpServers\":{{{}}}}}", servers.join(","))
    }

    fn source(at: usize) -> Source {
        let path = PathBuf::from(format!("/home/ann/{at}/.cursor/mcp.json"));
        Source::new(path.clone(), Some(0), reading_for("cursor", Path::new(&path)).unwrap())
    }

    fn scanned(files: &[usize]) -> Scanned {
        let redactor = Redactor::new(&[1; 32]);
        let mut scanned = Scanned::default();
        for (at, servers) in files.iter().enumerate() {
            let taken = inventory::take(&source(at), text(*servers).as_bytes());
            let entries = taken.entries.into_iter().map(|e| crate::assess::assess(e, at, None, &redactor));
            scanned.entries.extend(entries);
            scanned.sources.push(SourceResult {
                source: source(at),
                state: taken.state.as_str(),
                bytes: None,
                digest: None,
                findings: Vec::new(),
                environment: Vec::new(),
            });
        }
        scanned
    }

    fn told(scanned: &Scanned) -> Vec<bool> {
        scanned.sources.iter().map(|s| is_too_much(s.state, &s.findings)).collect()
    }

    #[test]
    fn the_largest_files_of_a_home_are_left_out_and_no_other() {
        let mut many = scanned(&[1, 30_000, 2, 11_000]);
        by_number(&mut many);
        assert_eq!(told(&many), [false, true, false, false]);
        assert_eq!(many.entries.len(), 11_003);
        assert_eq!(many.gaps.len(), 1);
        let mut few = scanned(&[1, 20_000, 2, 11_000]);
        by_number(&mut few);
        assert_eq!((told(&few), few.entries.len()), (vec![false; 4], 31_003));
    }

    #[test]
    fn files_of_others_are_left_out_and_the_rest_keeps_its_place() {
        let mut scanned = scanned(&[1, 2, 3, 4]);
        scanned.sources[0].source.path = "/home/ann/../bob/.cursor/mcp.json".into();
        scanned.sources[2].source.path = "/home/ann/deploy/.cursor/mcp.json".into();
        not_ours(&mut scanned, Path::new("/home/ann"), &["/home/ann/deploy".into(), "/home".into()]);
        assert_eq!((scanned.sources.len(), scanned.entries.len(), scanned.gaps.len()), (2, 6, 2));
        let of = |at: usize| scanned.entries.iter().filter(|item| item.source == at).count();
        assert_eq!((of(0), of(1)), (2, 4));
    }

    #[test]
    fn what_is_no_path_is_left_out_and_its_gap_is_told_without_it() {
        let mut scanned = scanned(&[1, 2]);
        scanned.sources[0].source.path = "/home/ann/\0/.cursor/mcp.json".into();
        scanned.gaps.push(Gap::at("unreadable", "x", Path::new("/home/ann/\0")));
        let places = ["/home/ann/x", "/home/ann/\0", "x", "/home/../x"].map(PathBuf::from);
        scanned.moved.insert("CODEX_HOME".to_owned(), places.into());
        not_ours(&mut scanned, Path::new("/home/ann"), &[]);
        assert_eq!((scanned.sources.len(), scanned.entries.len(), scanned.gaps.len()), (1, 2, 2));
        assert!(scanned.gaps.iter().all(|gap| gap.path.is_none()));
        assert_eq!(scanned.moved["CODEX_HOME"].iter().collect::<Vec<_>>(), [Path::new("/home/ann/x")]);
    }

    #[test]
    fn an_answer_is_made_to_fit_into_its_frame() {
        let answer = Answer::Scanned(Box::new(scanned(&[3, 500, 2])));
        let whole = wire::encode_answer(&answer).len();
        let cap = whole / 2;
        let fitting = to_frame(answer, cap);
        assert!(wire::encode_answer(&fitting).len() <= cap);
        let Answer::Scanned(fitting) = fitting else { panic!("a scan") };
        assert_eq!((told(&fitting), fitting.entries.len()), (vec![false, true, false], 5));
    }

    #[test]
    fn a_file_of_too_many_or_too_long_servers_is_too_much() {
        let held_of = |text: &str| {
            let taken = inventory::take(&source(0), text.as_bytes());
            held(Held {
                state: taken.state.as_str(),
                entries: taken.entries,
                findings: taken.findings,
                rest: 0,
            })
        };
        let is_too_much_of = |text: &str| {
            let held = held_of(text);
            is_too_much(held.state, &held.findings) && held.entries.is_empty()
        };
        assert!(!is_too_much_of(&text(MAX_SERVERS_OF_FILE)));
        assert!(is_too_much_of(&text(MAX_SERVERS_OF_FILE + 1)));
        let name = "~".repeat(MAX_NAMES / 2);
        assert!(is_too_much_of(&format!("{{\"mcpServers\":{{\"{name}\":{{\"command\":\"x\"}}}}}}")));
    }
}
