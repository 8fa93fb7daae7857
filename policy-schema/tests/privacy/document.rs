//! docs/privacy.md is made from the table.

use std::fmt::Write as _;

use mcpolicy_schema::report::privacy::{BODIES, Holds, Row, rows};
use mcpolicy_schema::report::v1::Tier;

const INTRODUCTION: &str = "\
# Privacy

<!-- Generated from policy-schema/src/report/privacy: MCPOLICY_REGENERATE=1 cargo test -p mcpolicy-schema --all-features --test privacy -->

This is for whoever owns a laptop that `mcpolicy` runs on, for a works council, and for a data protection officer: what leaves the
machine, what for, and how long it should be kept. It is made from the table by which the agent itself decides
(`policy-schema/src/report/privacy/table.rs`); a test fails when a record has a member of which nothing is decided.

## What is never collected

- Values of secrets: of environment variables, headers, passwords and queries in URLs, and arguments that look like a secret. In their
  place stands what kind of secret it is and a keyed hash ([report-format.md](report-format.md)).
- Contents of prompts, of answers of a model, and of conversations.
- Arguments and results of tools that a server offers. Which tool was called when is recorded where clients are told to ask before each
  call ([hook.md](hook.md)): of arguments a keyed hash leaves, of results whether the call went well.
- Other files. What is looked at is the configuration of AI clients, the programs that it names (for a digest) and what runs; what is
  told of that are the members below.
- Screens, keystrokes, web pages. A heartbeat tells that the machine is on, not whether anybody is at it; a change of a configuration
  does tell when it was made, and by whose account.

## Three tiers

The policy says which one holds, with `privacy` under `[policy]` ([policy.md](policy.md)). It is signed like the rest of it, and
`policy diff` tells a change.

| tier | what leaves |
|---|---|
| `full` | everything below |
| `pseudonymous` | the same, but names of users, homes and machines are keyed hashes, also inside of any text |
| `outcomes` | what was decided and done: codes, verdicts, counts, clients, versions, rules, times, fingerprints. Any other text is a keyed hash or is not there |

In the tables below:

- *kept*: as it is. *kept\\**: as it is, as long as it has the form of a word, id or version of ours and no user's name in it; else it
  is treated as a text. *dropped*: it is empty or not there.
- *names hashed*: the text, in which users are `<user:…>`, homes `<home:…>` and the machine `<host:…>`. Known are the users of the
  machine, with their homes, and whoever a path below `/home`, `/Users` or `C:\\Users` names. A name of three letters or more is
  replaced also inside of a longer word, one of two as a word of its own. Not known is what else may tell who somebody is: a full name
  in a sentence or the name of a project.
- *keyed hash*: 16 hex digits of an HMAC-SHA-256. The same user is the same hash on all machines of a fleet, and so work can be told
  apart without names. Who has the key can find out whether a hash is that of a name they think of: it belongs with somebody else than
  the reports.
- The id of the device stays in each tier, or machines could not be counted. An MDM that names machines for people should give an id
  that does not.
- Fingerprints of servers have no key, so that they are equal everywhere and a policy can name them. Who guesses a whole declaration,
  command and arguments, can check the guess.
- The last column is advice, in days, for whoever runs the receiver: the agent cannot delete there.
";

/// Parts that more than one kind has, or that are long: told once.
const SHARED: &[(&str, &str)] = &[
    ("policy", "A policy"),
    ("entry", "Records of kind entry"),
    ("identity", "What a server is"),
    ("judged", "What the policy says"),
    ("source", "A place"),
];

/// Whether a row is the part itself, and what it is called.
fn shared(row: &Row) -> Option<&'static str> {
    // A `source` record is about a file, with more to it than a place in one.
    if !matches!(row.field.holds, Holds::Part(_)) || (row.kind == "source" && row.path == "source") {
        return None;
    }
    // The record of an entry is where a server is told.
    if row.kind == "entry" && row.path == "entry" {
        return None;
    }
    let name = row.path.rsplit('.').next()?;
    SHARED.iter().find(|(part, _)| *part == name).map(|(_, title)| *title)
}

fn line(out: &mut String, row: &Row, path: &str) {
    let field = row.field;
    if let Some(title) = shared(row) {
        let anchor = title.to_lowercase().replace(' ', "-");
        let _ = writeln!(out, "| `{path}` | {} | [{title}](#{anchor}) | | | |", field.purpose);
        return;
    }
    let [full, pseudonymous, outcomes] = [Tier::Full, Tier::Pseudonymous, Tier::Outcomes]
        .map(|tier| field.holds.in_tier(tier).replace('*', "\\*"));
    let _ = writeln!(
        out,
        "| `{path}` | {} | {full} | {pseudonymous} | {outcomes} | {} |",
        field.purpose,
        row.retention.days()
    );
}

/// The rows below a place, those of shared parts left out, and of parts only what is in them.
fn table(out: &mut String, rows: &[&Row], place: &str) {
    out.push_str(
        "\n| member | what for | full | pseudonymous | outcomes | days |\n|---|---|---|---|---|---|\n",
    );
    let mut within: Option<String> = None;
    for row in rows {
        let Some(path) = row.path.strip_prefix(place) else { continue };
        if within.as_ref().is_some_and(|part| row.path.starts_with(part.as_str())) {
            continue;
        }
        let is_shared = shared(row).is_some();
        if is_shared {
            within = Some(format!("{}.", row.path));
        }
        if is_shared || !matches!(row.field.holds, Holds::Part(_)) {
            line(out, row, path);
        }
    }
}

fn markdown() -> String {
    let rows = rows();
    let of = |kind: &str| rows.iter().filter(|row| row.kind == kind).collect::<Vec<_>>();
    let mut out = INTRODUCTION.to_owned();
    out.push_str("\n## Every record\n");
    table(&mut out, &of(""), "");
    for (kind, _) in BODIES {
        let _ = write!(out, "\n## Records of kind `{kind}`\n");
        table(&mut out, &of(kind), "");
    }
    out.push_str("\n## Parts\n\nEach stands in several records.\n");
    for (kind, place, title) in [
        ("inventory", "policy.", "A policy"),
        ("entry", "entry.identity.", "What a server is"),
        ("entry", "entry.judged.", "What the policy says"),
        ("entry", "entry.source.", "A place"),
    ] {
        let _ = write!(out, "\n### {title}\n");
        table(&mut out, &of(kind), place);
    }
    out
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test's own switch and the repository's own file")]
fn the_document_in_the_repository_is_the_generated_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/privacy.md");
    if std::env::var_os("MCPOLICY_REGENERATE").is_some() {
        std::fs::write(path, markdown()).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default().replace("\r\n", "\n");
    assert!(
        written == markdown(),
        "docs/privacy.md is not current: MCPOLICY_REGENERATE=1 cargo test -p mcpolicy-schema --all-features --test privacy"
    );
}

#[test]
fn every_row_of_the_table_stands_in_the_document() {
    let text = markdown();
    for row in rows() {
        let name = row.path.rsplit('.').next().unwrap();
        let is_part = matches!(row.field.holds, Holds::Part(_));
        assert!(is_part || text.contains(&format!("{name}` | {} |", row.field.purpose)), "{}", row.path);
    }
}

#[test]
fn every_link_of_the_document_has_its_section() {
    let text = markdown();
    for (_, after) in text.match_indices("](#").map(|(at, _)| ((), &text[at + 3..])) {
        let anchor = after.split(')').next().unwrap();
        let has = text.lines().filter(|line| line.starts_with('#')).any(|line| {
            line.trim_start_matches(['#', ' ']).to_lowercase().replace(' ', "-").replace('`', "") == anchor
        });
        assert!(has, "{anchor}");
    }
}
