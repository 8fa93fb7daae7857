//! Tables of a client's state file that hold more servers than can be told apart: each counts as one entry, which no rule
//! allows.
//!
//! Attack: half a million servers in `~/.claude.json`. An entry of each takes more memory and time than a worker has, so
//! that the file would be left as it is, and every server in it would go on. The file never goes as a whole, since its
//! user's login is in it; its table of servers does.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use mcpolicy_clients::adapter::Found;
use mcpolicy_clients::node::{Node, Span, escape};

use super::Merged;

/// Most servers of a file that become entries. No client is of any use with a hundredth of them.
pub(super) const MOST: usize = 40_000;
/// Tables with more than so many go first; if that is not enough, those with more than the next.
const CROWDS: [usize; 4] = [1000, 100, 10, 0];

/// A server or table, and what it lies in, from the top of the file down.
struct Placed<'d> {
    merged: Merged<'d>,
    above: Vec<Step<'d>>,
}

/// A member or list item on the way.
#[derive(Clone)]
struct Step<'d> {
    name: Cow<'d, str>,
    node: &'d Node<'d>,
    span: Span,
}

/// The same servers, those of crowded tables as one each, until they are no more than can be told apart. What stands at
/// the top of the file itself stays as it is.
pub(super) fn thin<'d>(root: &'d Node<'d>, merged: Vec<Merged<'d>>, limit: usize) -> Vec<Merged<'d>> {
    if merged.len() <= limit {
        return merged;
    }
    let place = |merged: Merged<'d>| Placed { above: above(root, merged.found.span), merged };
    let mut placed: Vec<Placed<'d>> = merged.into_iter().map(place).collect();
    while placed.len() > limit && placed.iter().any(|one| !one.above.is_empty()) {
        for most in CROWDS {
            placed = joined(placed, most);
            if placed.len() <= limit {
                break;
            }
        }
    }
    placed.into_iter().map(|placed| placed.merged).collect()
}

/// Puts the table in the place of what lies in it, where that is more than `most`.
fn joined(placed: Vec<Placed<'_>>, most: usize) -> Vec<Placed<'_>> {
    let mut count: BTreeMap<Span2, usize> = BTreeMap::new();
    for one in &placed {
        if let Some(table) = one.above.last() {
            *count.entry(key(table.span)).or_default() += 1;
        }
    }
    let mut out: Vec<Placed<'_>> = Vec::new();
    let mut joined: BTreeMap<Span2, usize> = BTreeMap::new();
    for one in placed {
        let Some(table) = one.above.last().filter(|table| count[&key(table.span)] > most) else {
            out.push(one);
            continue;
        };
        match joined.get(&key(table.span)) {
            Some(at) => out[*at].merged.join(&one.merged),
            None => {
                joined.insert(key(table.span), out.len());
                out.push(one.into_table());
            }
        }
    }
    out
}

type Span2 = (u32, u32);

fn key(span: Span) -> Span2 {
    (span.start, span.end)
}

impl<'d> Placed<'d> {
    fn into_table(mut self) -> Self {
        let Some(table) = self.above.pop() else { return self };
        let steps = self.above.iter().chain([&table]);
        let key_path = steps.flat_map(|step| ["/".into(), escape(&step.name)]).collect();
        let Found { scope, project, .. } = self.merged.found;
        let name = table.name.into_owned();
        let found = Found { name, key_path, node: table.node, span: table.span, scope, project };
        self.merged = Merged { found, by: self.merged.by, crowd: Some(self.merged.crowd.unwrap_or(1)) };
        self
    }
}

impl Merged<'_> {
    /// Counts another in, which its table stands for as well.
    fn join(&mut self, other: &Merged<'_>) {
        self.crowd = Some(self.crowd.unwrap_or(1) + other.crowd.unwrap_or(1));
        let by: BTreeSet<usize> = self.by.iter().chain(&other.by).copied().collect();
        if by.len() > self.by.len() {
            self.by = by.into_iter().collect();
        }
    }
}

/// What lies around a span. Members and items stand in the order of the text, so each step is a binary search.
fn above<'d>(root: &'d Node<'d>, span: Span) -> Vec<Step<'d>> {
    let mut out = Vec::new();
    let mut node = root;
    loop {
        let (members, items) = (node.members(), node.items());
        let before = members.partition_point(|member| member.key_span.start <= span.start)
            + items.partition_point(|item| item.span.start <= span.start);
        let Some(at) = before.checked_sub(1) else { return out };
        let step = match members.get(at) {
            Some(member) => {
                Step { name: Cow::Borrowed(&member.key), node: &member.value, span: member.span() }
            }
            None => Step { name: Cow::Owned(at.to_string()), node: &items[at], span: items[at].span },
        };
        if step.span == span || step.span.end < span.end {
            return out;
        }
        node = step.node;
        out.push(step);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use mcpolicy_schema::contradiction;
    use mcpolicy_schema::entry::Entry;

    use super::*;
    use crate::discover::source::Source;
    use crate::inventory::{State, take};
    use crate::pipeline::reading_for;

    fn source(client: &str, path: &str) -> Source {
        let path = Path::new(path);
        Source::new(path.to_owned(), Some(0), reading_for(client, path).unwrap())
    }

    fn members(count: usize, member: impl Fn(usize) -> String) -> String {
        (0..count).map(member).collect::<Vec<_>>().join(",")
    }

    fn server(at: usize) -> String {
        format!("\"s{at}\":{{\"command\":\"x\"}}")
    }

    fn entries(text: &str) -> Vec<Entry> {
        take(&source("claude-code", "/home/ann/.claude.json"), text.as_bytes()).entries
    }

    #[test]
    fn a_table_of_too_many_servers_is_one_entry_and_others_are_told_one_by_one() {
        let project =
            "\"projects\":{\"/p\":{\"mcpServers\":{\"a\":{\"command\":\"x\"},\"b\":{\"command\":\"x\"}}}}";
        let text = |count| format!("{{\"mcpServers\":{{{}}},{project}}}", members(count, server));
        assert_eq!(entries(&text(MOST - 2)).len(), MOST);
        let text = text(MOST);
        let told = entries(&text);
        let paths: Vec<&str> = told.iter().map(|entry| &*entry.key_path).collect();
        assert_eq!(paths, ["/mcpServers", "/projects/~1p/mcpServers/a", "/projects/~1p/mcpServers/b"]);
        let crowd = &told[0];
        assert_eq!(crowd.malformed, Some(contradiction::CROWDED));
        assert!(crowd.contradicts() && crowd.inert.is_none() && !crowd.readers.is_empty());
        assert!(
            text[crowd.span.clone()].starts_with("\"mcpServers\":{")
                && text[crowd.span.clone()].ends_with("}}")
        );
        // an exception for this very text is none for another
        let other = entries(&text.replacen("\"x\"", "\"y\"", 1));
        assert_ne!(crowd.declared_type, other[0].declared_type);
    }

    #[test]
    fn tables_of_one_server_each_are_told_by_what_they_all_lie_in() {
        let project = |at| format!("\"/p{at}\":{{\"mcpServers\":{{{}}}}}", server(0));
        let told =
            entries(&format!("{{\"oauthAccount\":{{}},\"projects\":{{{}}}}}", members(MOST + 1, project)));
        assert_eq!(told.len(), 1);
        assert_eq!((&*told[0].key_path, &*told[0].name), ("/projects", "projects"));
    }

    #[test]
    fn both_of_two_crowded_tables_of_one_name_are_told() {
        let table = format!("\"mcpServers\":{{{}}}", members(MOST / 2 + 1, server));
        let told = entries(&format!("{{{table},{table}}}"));
        assert_eq!(told.iter().map(|entry| &*entry.key_path).collect::<Vec<_>>(), ["/mcpServers"; 2]);
        assert!(told[0].span.end <= told[1].span.start);
    }

    #[test]
    fn of_a_file_without_state_it_is_told_that_there_are_too_many() {
        let text = format!("{{\"mcpServers\":{{{}}}}}", members(MOST + 1, server));
        let taken = take(&source("cursor", "/home/ann/.cursor/mcp.json"), text.as_bytes());
        assert_eq!((taken.state, taken.entries.len()), (State::Unparseable, 0));
        assert!(crate::worker::is_too_much(taken.state.as_str(), &taken.findings));
    }
}
