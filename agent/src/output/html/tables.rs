//! The tables of the page. Order and width of the columns are known to page.css, which names them on narrow screens.

use std::collections::BTreeMap;
use std::io;

use mcpolicy_schema::finding::Severity;
use mcpolicy_schema::report::v1::{Entry, Finding, Gap, Judged, RedactedValue, Report, Source};

use super::super::view;
use super::Page;
use super::charts::class;
use super::markup::Markup;

pub(super) fn write(page: &Page<'_>, out: &mut Markup<'_>) -> io::Result<()> {
    let codes = Codes::of(page.report);
    entries(page, out)?;
    findings(page, &codes, out)?;
    coverage(&page.report.coverage, out)?;
    sources(&page.report.sources, out)?;
    codes.write(page, out)?;
    out.raw("</main>\n")
}

/// A section with one table; the script finds it by its class and adds what sorts and filters.
fn open(
    out: &mut Markup<'_>,
    start: &'static str,
    title: &'static str,
    count: usize,
    heads: &[&'static str],
) -> io::Result<bool> {
    out.raw(start)?;
    out.element("<h2>", title, " <span class=\"count\">")?;
    out.number(count as u64)?;
    out.raw("</span></h2>\n")?;
    if count == 0 {
        out.raw("<p class=\"none\">none</p>\n</section>\n")?;
        return Ok(false);
    }
    out.raw("<table class=\"data\">\n<thead><tr>")?;
    for head in heads {
        out.element("<th scope=\"col\">", head, "</th>")?;
    }
    out.raw("</tr></thead>\n<tbody>\n")?;
    Ok(true)
}

fn close(out: &mut Markup<'_>) -> io::Result<()> {
    out.raw("</tbody>\n</table>\n</section>\n")
}

fn entries(page: &Page<'_>, out: &mut Markup<'_>) -> io::Result<()> {
    let heads = ["Server", "What it is", "Clients", "Scope", "User", "File", "Findings", "Verdict"];
    let (start, heads): (&'static str, &[&'static str]) = match page.report.policy {
        Some(_) => ("<section id=\"servers\" class=\"judged\">\n", &heads),
        None => ("<section id=\"servers\">\n", &heads[..7]),
    };
    if !open(out, start, "Servers", page.report.entries.len(), heads)? {
        return Ok(());
    }
    for (number, entry) in page.report.entries.iter().enumerate() {
        let found = page.findings.of(entry);
        let worst = found.first().map(|f| f.severity);
        out.raw("<tr")?;
        out.attribute("id", &anchor(number))?;
        if let Some(severity) = worst {
            out.attribute("data-s", severity.as_str())?;
        }
        out.element("><td><details><summary><span>", &entry.name, "</span></summary>")?;
        details(entry, out)?;
        out.element("</details></td><td>", &view::identity(entry), "<small>")?;
        out.text(entry.transport.as_str())?;
        out.raw(if entry.identity.pinned { " · pinned</small></td><td>" } else { "</small></td><td>" })?;
        out.text(&view::readers(entry))?;
        out.element("</td><td>", entry.scope.as_str(), "")?;
        if let Some(state) = view::state(entry) {
            out.element("<small>", state, "</small>")?;
        }
        out.element("</td><td>", entry.user.as_deref().unwrap_or("-"), "</td><td>")?;
        path(&entry.source.path, entry.source.line, entry.user.as_deref(), out)?;
        out.raw("</td><td")?;
        out.attribute("data-v", &weight(worst, found.len()))?;
        out.raw(">")?;
        for (severity, title, count) in view::titles(found, &page.titles) {
            badge(severity, title, count, out)?;
        }
        if let Some(judged) = &entry.judged {
            verdict(judged, out)?;
        }
        out.raw("</td></tr>\n")?;
    }
    close(out)
}

/// The verdict and who decided; denied ones sort before others.
fn verdict(judged: &Judged, out: &mut Markup<'_>) -> io::Result<()> {
    let (word, weight) = view::verdict(judged);
    out.raw("</td><td")?;
    out.attribute("data-v", &self::weight(weight, 0))?;
    out.raw("><span")?;
    out.attribute("class", weight.map_or("s-allow", class))?;
    out.element(">", word, "</span>")?;
    out.element("<small>", view::decider(judged), "</small>")
}

/// Why an entry is not allowed, a line each.
fn refusal(judged: &Judged, out: &mut Markup<'_>) -> io::Result<()> {
    let reason = judged.reason.as_deref().unwrap_or_default();
    let detail = judged.detail.as_deref().unwrap_or_default();
    out.element("not allowed: ", reason, "")?;
    out.element(" (", detail, ")\n")?;
    for tried in &judged.trace {
        out.element("rule ", &tried.rule, ": ")?;
        out.element("", &tried.reason, " (")?;
        out.element("", &tried.detail, ")\n")?;
    }
    if !judged.alternatives.is_empty() {
        out.element("allowed instead: ", &judged.alternatives.join(", "), "\n")?;
    }
    if let Some(contact) = &judged.contact {
        out.element("ask: ", contact, "\n")?;
    }
    Ok(())
}

/// What somebody wants to see who looks into one server: lines of one element, since a page of ten thousand servers
/// must load.
fn details(entry: &Entry, out: &mut Markup<'_>) -> io::Result<()> {
    let mut command: Vec<&str> = entry.command.iter().map(String::as_str).collect();
    command.extend(entry.args.iter().map(String::as_str));
    let value = |value: &RedactedValue| {
        let print = value.fingerprint.as_ref().map(|f| format!(":{f}")).unwrap_or_default();
        format!("{} = <{}{print}>", value.name, value.kind)
    };
    let values: Vec<String> = entry.values.iter().map(value).collect();
    let rows: [(&'static str, &str); 9] = [
        ("command: ", &command.join(" ")),
        ("url: ", entry.url.as_deref().unwrap_or_default()),
        ("environment: ", &entry.env_keys.join(", ")),
        ("headers: ", &entry.header_keys.join(", ")),
        ("values: ", &values.join(", ")),
        ("directory: ", entry.cwd.as_deref().unwrap_or_default()),
        ("project: ", entry.project.as_deref().unwrap_or_default()),
        ("key: ", &entry.key_path),
        ("fingerprint: ", &entry.fingerprint),
    ];
    out.raw("<pre>")?;
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        out.element(name, value, "\n")?;
    }
    if let Some(judged) = view::refused(entry.judged.as_ref()) {
        refusal(judged, out)?;
    }
    out.raw("</pre>")
}

fn findings(page: &Page<'_>, codes: &Codes<'_>, out: &mut Markup<'_>) -> io::Result<()> {
    let heads = ["Severity", "Finding", "Server", "User", "Where", "What was seen"];
    if !open(out, "<section id=\"findings\">\n", "Findings", page.report.findings.len(), &heads)? {
        return Ok(());
    }
    let numbers: BTreeMap<&str, usize> =
        page.report.entries.iter().enumerate().map(|(n, e)| (e.id.as_str(), n)).collect();
    for finding in &page.report.findings {
        out.raw("<tr")?;
        out.attribute("data-s", finding.severity.as_str())?;
        out.raw("><td")?;
        out.attribute("data-v", &weight(Some(finding.severity), 0))?;
        out.raw(">")?;
        badge(finding.severity, finding.severity.as_str(), 1, out)?;
        out.raw("</td><td><a")?;
        out.attribute("href", &format!("#{}", codes.anchor(&finding.code)))?;
        out.element(">", page.titles.of(&finding.code), "</a></td><td>")?;
        let name = finding.name.as_deref().unwrap_or("-");
        match finding.entry.as_deref().and_then(|id| numbers.get(id)) {
            Some(number) => {
                out.raw("<a")?;
                out.attribute("href", &format!("#{}", anchor(*number)))?;
                out.element(">", name, "</a>")?;
            }
            None => out.text(name)?,
        }
        out.element("</td><td>", finding.user.as_deref().unwrap_or("-"), "</td><td>")?;
        match &finding.source {
            Some(place) => path(&place.path, place.line, finding.user.as_deref(), out)?,
            None => out.raw("-")?,
        }
        out.element("</td><td>", &finding.message, "</td></tr>\n")?;
    }
    close(out)
}

fn coverage(gaps: &[Gap], out: &mut Markup<'_>) -> io::Result<()> {
    let heads = ["Kind", "Count", "User", "Where", "Why", "Servers missed?"];
    if !open(out, "<section id=\"coverage\">\n", "Not covered", gaps.len(), &heads)? {
        return Ok(());
    }
    for gap in gaps {
        out.element("<tr><td>", &gap.kind, "</td><td>")?;
        out.number(gap.count)?;
        out.element("</td><td>", gap.user.as_deref().unwrap_or("-"), "</td><td>")?;
        match &gap.path {
            Some(at) => path(at, None, gap.user.as_deref(), out)?,
            None => out.raw("-")?,
        }
        out.element("</td><td>", &gap.reason, "</td><td>")?;
        out.raw(if gap.partial { "perhaps</td></tr>\n" } else { "no</td></tr>\n" })?;
    }
    close(out)
}

fn sources(sources: &[Source], out: &mut Markup<'_>) -> io::Result<()> {
    let heads = ["File", "Client", "Read by", "Scope", "User", "State", "Servers", "Bytes"];
    if !open(out, "<section id=\"sources\">\n", "Files", sources.len(), &heads)? {
        return Ok(());
    }
    for source in sources {
        let readers: Vec<&str> = source.readers.iter().map(|r| r.client.as_str()).collect();
        out.raw("<tr><td>")?;
        path(&source.path, None, source.user.as_deref(), out)?;
        out.element("</td><td>", &source.client, "</td>")?;
        out.element("<td>", &readers.join(", "), "</td>")?;
        out.element("<td>", source.scope.as_str(), "</td>")?;
        out.element("<td>", source.user.as_deref().unwrap_or("-"), "</td>")?;
        out.element("<td>", &source.state, "</td><td>")?;
        out.number(source.entries)?;
        let bytes = source.bytes.map_or_else(|| "-".to_owned(), |bytes| bytes.to_string());
        out.element("</td><td>", &bytes, "</td></tr>\n")?;
    }
    close(out)
}

/// The codes of a report: explained once, not at every finding. Anchors are numbers, since a code is only text here.
struct Codes<'a>(BTreeMap<&'a str, (usize, &'a Finding)>);

impl<'a> Codes<'a> {
    fn of(report: &'a Report) -> Self {
        let mut codes = BTreeMap::new();
        for finding in &report.findings {
            let number = codes.len();
            codes.entry(finding.code.as_str()).or_insert((number, finding));
        }
        Self(codes)
    }

    fn anchor(&self, code: &str) -> String {
        format!("code-{}", self.0.get(code).map_or(0, |(number, _)| *number))
    }

    fn write(&self, page: &Page<'_>, out: &mut Markup<'_>) -> io::Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let mut codes: Vec<(&&str, &(usize, &Finding))> = self.0.iter().collect();
        codes.sort_by_key(|(_, (_, finding))| std::cmp::Reverse(finding.severity));
        out.raw("<section id=\"meaning\">\n<h2>What the findings mean</h2>\n<div class=\"meaning\">\n")?;
        for (code, (number, finding)) in codes {
            out.raw("<article")?;
            out.attribute("id", &format!("code-{number}"))?;
            out.raw("><h3>")?;
            badge(finding.severity, finding.severity.as_str(), 1, out)?;
            out.element(" ", page.titles.of(code), "")?;
            out.element(" <code>", code, "</code></h3>")?;
            if let Some(description) = page.titles.description(code) {
                out.element("<p>", description, "</p>")?;
            }
            let remedy = page.titles.remedy(code).unwrap_or(&finding.remedy);
            out.element("<p><strong>What to do:</strong> ", remedy, "</p></article>\n")?;
        }
        out.raw("</div>\n</section>\n")
    }
}

fn anchor(number: usize) -> String {
    format!("server-{number}")
}

/// Sorts a cell of findings: the gravest first, then the most.
fn weight(worst: Option<Severity>, count: usize) -> String {
    let rank = worst.map_or(0, |severity| severity as u64 + 1);
    format!("{}", rank * 1000 + (count as u64).min(999))
}

fn badge(severity: Severity, text: &str, count: usize, out: &mut Markup<'_>) -> io::Result<()> {
    out.raw("<span")?;
    out.attribute("class", class(severity))?;
    out.element(">", text, "")?;
    if count > 1 {
        out.raw(" ×")?;
        out.number(count as u64)?;
    }
    out.raw("</span> ")
}

fn path(path: &str, line: Option<u32>, user: Option<&str>, out: &mut Markup<'_>) -> io::Result<()> {
    out.text(&view::short_path(path, user))?;
    if let Some(line) = line {
        out.raw(":")?;
        out.number(line.into())?;
    }
    Ok(())
}
