//! Answers for people: lines that say one thing each, folded to the terminal.

use std::fmt::Write as _;
use std::io;

use mcpolicy_schema::entry::{Scope, Transport};
use mcpolicy_schema::report::v1;
use mcpolicy_schema::verdict::Verdict;

use super::super::text::{folded, visible};
use super::table::{Cell, Column, Row, Table};
use crate::answers::Offer;
use crate::answers::add::Added;
use crate::answers::catalog::{Approved, Catalog};
use crate::answers::check::{Checked, CheckedServer, WouldRun};
use crate::answers::explain::{Explained, Found, TakenAway};
use crate::answers::request::Listed;

/// Text of an answer while it is put together.
struct Page {
    text: String,
    columns: usize,
}

impl Page {
    fn new(columns: usize) -> Self {
        Self { text: String::new(), columns }
    }

    fn line(&mut self, text: &str) {
        self.text.push_str(&visible(text));
        self.text.push('\n');
    }

    /// A word in front, the rest behind it.
    fn about(&mut self, what: &str, text: &str) {
        if !text.is_empty() {
            self.line(&format!("  {what:<9} {text}"));
        }
    }

    fn list(&mut self, what: &str, items: &[String]) {
        self.about(what, &items.join(", "));
    }

    fn end(self) -> String {
        let columns = self.columns;
        if columns == usize::MAX { self.text } else { folded(&self.text, columns) }
    }

    fn notices(&mut self, policy: &v1::PolicyInForce) {
        for notice in &policy.notices {
            self.line(&format!("! {notice}"));
        }
    }

    fn offers(&mut self, offers: &[Offer]) {
        for offer in offers {
            let description = offer.description.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
            self.about(
                "approved",
                &format!("{} ({}){description}; ask {}", offer.name, offer.what, offer.contact),
            );
        }
    }

    fn next(&mut self, steps: &[String]) {
        for step in steps {
            self.line(&format!("  > {step}"));
        }
    }

    fn judged(&mut self, judged: &v1::Judged, verbose: bool) {
        let rule = judged.rule.as_ref().map(|rule| format!(", rule {rule}")).unwrap_or_default();
        self.about(
            "verdict",
            &format!("{} (by the {}{rule})", says(judged.verdict), judged.decided_by.as_str()),
        );
        if let (Some(reason), Some(detail)) = (&judged.reason, &judged.detail) {
            self.about("reason", &format!("{reason}: {detail}"));
        }
        for tried in judged.trace.iter().filter(|_| verbose) {
            self.about("tried", &format!("rule {}: {}: {}", tried.rule, tried.reason, tried.detail));
        }
    }

    fn findings(&mut self, findings: &[v1::Finding]) {
        for finding in findings {
            self.about(finding.severity.as_str(), &finding.message);
        }
    }

    fn would_run(&mut self, run: &WouldRun) {
        self.about("runs", &run.identity);
        self.about("version", &run.version);
        self.about("by", run.runner.as_deref().unwrap_or_default());
        self.about("from", run.file.as_deref().unwrap_or_default());
        self.list("through", &run.wrappers);
        self.about("leads to", run.target.as_deref().unwrap_or_default());
        self.list("registry", &run.registries);
        self.list("beside", &run.beside);
        self.about("args", &run.args.join(" "));
        self.list("env", &run.variables);
        self.list("headers", &run.headers);
    }
}

/// A verdict as people say it.
fn says(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "allowed",
        Verdict::Unknown => "not to be judged here, which counts as denied",
        Verdict::Deny => "denied",
    }
}

/// `check`.
pub(crate) fn check(checked: &Checked, verbose: bool, columns: usize) -> String {
    let mut page = Page::new(columns);
    page.notices(&checked.policy);
    for CheckedServer { entry, would_run, findings, remedy, offers, next, .. } in &checked.servers {
        let name = if entry.name.is_empty() { &would_run.identity } else { &entry.name };
        let verdict = entry.judged.as_ref().map_or(Verdict::Unknown, |judged| judged.verdict);
        page.line(&format!("{name}: {}", says(verdict).to_uppercase()));
        if let Some(judged) = &entry.judged {
            page.judged(judged, verbose);
        }
        page.about("remedy", remedy.as_deref().unwrap_or_default());
        page.would_run(would_run);
        page.findings(findings);
        page.offers(offers);
        page.next(next);
        page.text.push('\n');
    }
    for what in &checked.not_known {
        page.line(&format!("Not known: {what}."));
    }
    page.end()
}

/// `catalog`: a table, or all that is known of one server.
///
/// # Errors
/// Writing into memory does not fail.
pub(crate) fn catalog(catalog: &Catalog, detailed: bool, columns: usize) -> io::Result<String> {
    let mut page = Page::new(columns);
    page.notices(&catalog.policy);
    if detailed {
        catalog.servers.iter().for_each(|server| details(&mut page, server));
    } else if !catalog.servers.is_empty() {
        let columns = vec![
            Column::new("NAME", 8, 28),
            Column::new("WHAT", 16, 60),
            Column::new("VERSION", 7, 20),
            Column::new("SIGN-IN", 7, 8),
            Column::new("DATA", 4, 10),
            Column::new("OWNER", 5, 20),
        ];
        let rows = catalog.servers.iter().map(row).collect();
        let width = page.columns.min(400);
        let mut out = Vec::new();
        Table { columns, rows, color: false, width }.write(&mut out)?;
        page.text.push_str(&String::from_utf8_lossy(&out));
        page.text.push('\n');
    }
    let servers = catalog.servers.len();
    let of_word = catalog.word.as_ref().map(|word| format!(" with {word:?}")).unwrap_or_default();
    let others = match catalog.others {
        0 => String::new(),
        others => format!("; {others} more are for others, or not in force"),
    };
    page.line(&format!(
        "{servers} approved for {}{of_word}, by the policy {}{others}.",
        if catalog.asker.user.is_empty() { "this user" } else { &catalog.asker.user },
        catalog.policy.name
    ));
    if catalog.anything_else {
        page.line("The policy also allows what no rule names.");
    }
    if !detailed && servers > 0 {
        page.line("`mcpolicy catalog NAME` tells all of one; `mcpolicy add NAME --client CLIENT` writes it.");
    }
    Ok(page.end())
}

fn row(server: &Approved) -> Row {
    let text = |text: &Option<String>| Cell::plain(text.as_deref().unwrap_or("-"));
    let below = server.description.as_deref().map(Cell::plain).into_iter().collect();
    Row {
        cells: vec![
            Cell::plain(&server.name),
            Cell::plain(&format!("{}:{}", server.kind, server.identity)),
            text(&server.version),
            text(&server.credentials.kind),
            text(&server.data_access),
            text(&server.owner),
        ],
        below,
    }
}

fn details(page: &mut Page, server: &Approved) {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    page.line(&server.name);
    page.about("for", &text(&server.description));
    page.about("rule", &server.rule);
    page.list("names", &server.names);
    page.about("runs", &format!("{}:{}", server.kind, server.identity));
    page.about("version", &text(&server.version));
    page.about("made by", &text(&server.class));
    page.about("owner", &text(&server.owner));
    page.list("clients", &server.clients);
    page.list(
        "scopes",
        &server.scopes.iter().copied().map(Scope::as_str).map(str::to_owned).collect::<Vec<_>>(),
    );
    let transports = server.transports.iter().copied().map(Transport::as_str).map(str::to_owned);
    page.list("over", &transports.collect::<Vec<_>>());
    page.about("sign-in", &server.credentials.how);
    page.list("may", &server.credentials.may);
    if let Some(hours) = server.credentials.lifetime_hours {
        page.about("lives", &format!("{hours} hours"));
    }
    if let Some(days) = server.credentials.rotation_days {
        page.about("replaced", &format!("every {days} days"));
    }
    page.about("data", &text(&server.data_access));
    page.about("review", &text(&server.review_by));
    page.about("if", &text(&server.condition));
    page.about("ticket", &text(&server.ticket));
    page.about("ask", &server.contact);
    page.next(std::slice::from_ref(&server.add));
    page.text.push('\n');
}

/// `explain`.
pub(crate) fn explain(explained: &Explained, verbose: bool, columns: usize) -> String {
    let mut page = Page::new(columns);
    explained.policy.iter().for_each(|policy| page.notices(policy));
    for found in &explained.found {
        one_found(&mut page, found, verbose);
    }
    for taken in &explained.taken {
        one_taken(&mut page, taken);
    }
    for event in &explained.ran {
        page.line(&format!("{}  {}: {}", event.time, event.code, event.detail));
    }
    let looked = &explained.looked_at;
    if explained.found.is_empty() && explained.taken.is_empty() && explained.ran.is_empty() {
        page.line(&format!("Nothing is known of {}.", explained.asked));
        let users =
            if looked.users.is_empty() { String::new() } else { format!(" of {}", looked.users.join(", ")) };
        page.line(&format!(
            "Looked at: {} files with {} servers{users}, and {} originals that were taken; {} things could not be read \
             (`mcpolicy scan` tells which).",
            looked.files, looked.servers, looked.taken, looked.gaps
        ));
        page.line("A name, a file, a package, or a block id (q-…) can be asked for; `mcpolicy scan` lists all servers.");
    }
    if let Some(elsewhere) = &looked.elsewhere {
        page.line(&format!("! {elsewhere}"));
    }
    page.end()
}

fn one_found(page: &mut Page, found: &Found, verbose: bool) {
    let entry = &found.entry;
    let verdict = entry.judged.as_ref().map(|judged| says(judged.verdict).to_uppercase());
    page.line(&format!("{}: {}", entry.name, verdict.as_deref().unwrap_or("no policy to judge it by")));
    for place in &found.places {
        let line = place.line.map(|line| format!(":{line}")).unwrap_or_default();
        page.about("in", &format!("{}{line} ({})", place.path, place.client));
    }
    let version = entry.identity.version.as_ref().map(|version| format!("@{version}")).unwrap_or_default();
    page.about("runs", &format!("{}:{}{version}", entry.identity.kind, entry.identity.name));
    if let Some(judged) = &entry.judged {
        page.judged(judged, verbose);
    }
    page.about("means", found.meaning.as_deref().unwrap_or_default());
    page.about("remedy", found.remedy.as_deref().unwrap_or_default());
    page.findings(&found.findings);
    page.offers(&found.offers);
    page.next(&found.next);
    page.text.push('\n');
}

fn one_taken(page: &mut Page, taken: &TakenAway) {
    let back = match (taken.restored, taken.pending) {
        (true, _) => ", and put back since",
        (_, true) => ", if the change was made: it was broken off",
        _ => "",
    };
    page.line(&format!("{}: {}{back}", taken.server, taken.done.to_uppercase()));
    page.about("block", &format!("{}, {}", taken.block, taken.time));
    page.about("from", &format!("{} ({})", taken.path, taken.client));
    page.about("ran", &taken.identity);
    page.about("reason", &format!("{}: {}", taken.code, taken.detail));
    page.about("rule", taken.rule.as_deref().unwrap_or_default());
    page.about("means", taken.meaning.as_deref().unwrap_or_default());
    page.about("remedy", taken.remedy.as_deref().unwrap_or_default());
    page.about("ask", &taken.contact);
    page.offers(&taken.offers);
    page.next(&taken.next);
    page.text.push('\n');
}

/// `add`.
pub(crate) fn add(added: &Added, columns: usize) -> String {
    let mut page = Page::new(columns);
    page.notices(&added.policy);
    let line = added.entry.source.line.map(|line| format!(":{line}")).unwrap_or_default();
    let what = match (added.was_there, added.written) {
        (true, _) => "is there already",
        (_, true) => "added",
        _ => "would be added",
    };
    page.line(&format!(
        "{} {what}: {}{line}, allowed by the rule {}",
        added.entry.name, added.path, added.rule
    ));
    let mut out = page.end();
    for line in &added.diff {
        // never folded: it is what stands in the file, a tab in front of it as wide as in most editors
        let rest = line.trim_start_matches([' ', '\t']);
        let indent = line[..line.len() - rest.len()].replace('\t', "    ");
        let _ = writeln!(out, "  + {indent}{}", visible(rest));
    }
    let mut page = Page::new(columns);
    page.next(&added.left_to_do);
    if added.written {
        page.line("Restart the client, or let it load its configuration anew.");
    }
    out + &page.end()
}

/// `request --list`.
pub(crate) fn requests(listed: &Listed, columns: usize) -> String {
    let mut page = Page::new(columns);
    if listed.requests.is_empty() {
        page.line("no request waits");
    }
    for request in &listed.requests {
        page.line(&format!(
            "{}  {}  {}  {} ({}:{}): {}",
            request.id,
            request.time,
            request.user,
            request.name,
            request.identity.kind,
            request.identity.name,
            request.reason
        ));
    }
    for path in &listed.damaged {
        page.line(&format!("damaged: {path}"));
    }
    page.end()
}
