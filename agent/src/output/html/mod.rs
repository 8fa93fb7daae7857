//! One self-contained page: no remote asset, no inline handler, and a content security policy that allows exactly our
//! own style and script by their hashes. All data stands in table rows; the script only sorts and filters them, so
//! the page says the same without it.

mod charts;
mod markup;
mod tables;

use std::io::{self, Write};

use mcpolicy_schema::finding::Severity;
use mcpolicy_schema::report::v1::Report;
use sha2::{Digest, Sha256};

use self::markup::Markup;
use super::view::{self, Findings, Titles};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

pub(super) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let page = Page { report, findings: Findings::new(report), titles: Titles::new() };
    let mut markup = Markup::new(out);
    head(&mut markup)?;
    page.header(&mut markup)?;
    page.tiles(&mut markup)?;
    charts::write(report, &mut markup)?;
    tables::write(&page, &mut markup)?;
    foot(report, &mut markup)
}

/// What all parts of the page need.
struct Page<'a> {
    report: &'a Report,
    findings: Findings<'a>,
    titles: Titles,
}

fn head(out: &mut Markup<'_>) -> io::Result<()> {
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        base64(&Sha256::digest(STYLE.as_bytes())),
        base64(&Sha256::digest(SCRIPT.as_bytes()))
    );
    out.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")?;
    out.raw("<meta http-equiv=\"Content-Security-Policy\"")?;
    out.attribute("content", &policy)?;
    out.raw(">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")?;
    out.raw("<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n")?;
    out.raw("<title>MCP servers · mcpolicy</title>\n<style>")?;
    out.raw(STYLE)?;
    out.raw("</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#servers\">Skip to the servers</a>\n")
}

/// What must not be overlooked: above everything and at the end.
fn notices(report: &Report, out: &mut Markup<'_>) -> io::Result<()> {
    for notice in report.policy.iter().flat_map(|policy| &policy.notices) {
        out.element("<p class=\"notice\" role=\"note\">", notice, "</p>\n")?;
    }
    Ok(())
}

fn foot(report: &Report, out: &mut Markup<'_>) -> io::Result<()> {
    out.raw("<footer>\n")?;
    notices(report, out)?;
    out.raw("<p>Secrets are shown as kind and fingerprint only. Made by ")?;
    out.text(&report.agent.name)?;
    out.raw(" ")?;
    out.text(&report.agent.version)?;
    out.raw(" as ")?;
    out.text(&report.schema)?;
    out.raw(".</p>\n</footer>\n<script>")?;
    out.raw(SCRIPT)?;
    out.raw("</script>\n</body>\n</html>\n")
}

impl Page<'_> {
    fn header(&self, out: &mut Markup<'_>) -> io::Result<()> {
        let (host, scan) = (&self.report.host, &self.report.scan);
        out.raw("<header>\n<div><p class=\"product\">mcpolicy</p>\n<h1>MCP servers")?;
        if let Some(name) = &host.hostname {
            out.element(" on <span class=\"host\">", name, "</span>")?;
        }
        out.raw("</h1></div>\n<dl class=\"facts\">\n")?;
        let system = [Some(host.os.as_str()), host.os_version.as_deref(), host.arch.as_deref()];
        let system: Vec<&str> = system.into_iter().flatten().collect();
        let users = if scan.users.is_empty() { "-".to_owned() } else { scan.users.join(", ") };
        let walked = format!(
            "{} files, {} directories, {} ms",
            scan.files_read, scan.directories_walked, scan.duration_ms
        );
        let facts: [(&'static str, &str); 5] = [
            ("Scanned", &scan.started_at),
            ("Mode", &scan.mode),
            ("System", &system.join(" · ")),
            ("Users", &users),
            ("Read", &walked),
        ];
        for (name, value) in facts {
            out.element("<div><dt>", name, "</dt>")?;
            out.element("<dd>", value, "</dd></div>\n")?;
        }
        if let Some(policy) = &self.report.policy {
            out.element("<div><dt>Policy</dt><dd>", &view::policy_line(policy), "</dd></div>\n")?;
        }
        out.raw("</dl>\n</header>\n<main>\n")?;
        notices(self.report, out)
    }

    fn tiles(&self, out: &mut Markup<'_>) -> io::Result<()> {
        let summary = &self.report.summary;
        out.raw(match summary.verdicts {
            Some(_) => "<section class=\"tiles judged\" aria-label=\"Summary\">\n",
            None => "<section class=\"tiles\" aria-label=\"Summary\">\n",
        })?;
        if let Some(counts) = &summary.verdicts {
            let about = format!("{} allowed, {} not judged", counts.allow, counts.unknown);
            tile(out, "<div class=\"tile s-high\">", "Denied", counts.deny, &about)?;
        }
        let live = format!("{} live, {} not loaded", summary.live, summary.inert);
        tile(out, "<div class=\"tile\">", "Servers", summary.entries, &live)?;
        let running = format!("of {} different", summary.distinct);
        tile(out, "<div class=\"tile\">", "Running now", summary.running, &running)?;
        for (open, severity, name, about) in [
            ("<div class=\"tile s-critical\">", Severity::Critical, "Critical", "runs foreign code"),
            ("<div class=\"tile s-high\">", Severity::High, "High", "exposed or hijackable"),
            ("<div class=\"tile s-medium\">", Severity::Medium, "Medium", "weak control"),
        ] {
            tile(out, open, name, view::count(&summary.findings, severity), about)?;
        }
        let partial = self.report.coverage.iter().filter(|gap| gap.partial).count();
        let about =
            if partial > 0 { format!("{partial} may hide servers") } else { "nothing was missed".to_owned() };
        tile(out, "<div class=\"tile\">", "Coverage gaps", summary.gaps, &about)?;
        out.raw("</section>\n")
    }
}

fn tile(
    out: &mut Markup<'_>,
    open: &'static str,
    name: &'static str,
    value: u64,
    about: &str,
) -> io::Result<()> {
    out.raw(open)?;
    out.element("<p class=\"name\">", name, "</p>")?;
    out.raw(if value == 0 { "<p class=\"value zero\">" } else { "<p class=\"value\">" })?;
    out.number(value)?;
    out.element("</p><p class=\"about\">", about, "</p></div>\n")
}

/// RFC 4648, for the two hashes of the policy; not worth a crate.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let mut three = [0_u8; 3];
        three[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        for at in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * at) & 63) as usize];
            out.push(if at <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::sample::{HOSTILE, judged_report, many, sample_report};
    use super::*;

    fn page(report: &Report) -> String {
        let mut out = Vec::new();
        write(report, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn base64_is_that_of_the_standard() {
        for (plain, coded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    /// Every tag of the page is one of ours, whatever the names are.
    #[test]
    fn a_hostile_name_adds_no_tag_and_no_attribute() {
        let mut report = judged_report();
        let tags = |html: &str| -> Vec<String> {
            let text = html.replace(SCRIPT, "").replace(STYLE, "");
            text.split('<')
                .skip(1)
                .map(|t| t.split(['>', ' ']).next().unwrap_or_default().to_owned())
                .collect()
        };
        let hostile = tags(&page(&report));
        for entry in &mut report.entries {
            if HOSTILE.contains(&entry.name.as_str()) {
                entry.name = "x".to_owned();
                entry.key_path = "/x".to_owned();
            }
        }
        for finding in &mut report.findings {
            finding.name = finding.name.as_ref().map(|_| "x".to_owned());
            finding.message = "x".to_owned();
        }
        assert_eq!(hostile, tags(&page(&report)));
        assert_eq!(hostile.iter().filter(|t| *t == "script").count(), 1);
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere_and_runs_no_inline_handler() {
        let html = page(&many(50));
        for sign in
            ["src=", "url(", "@import", "<link", "style=\"", "javascript:", "http-equiv=\"refresh", "data:"]
        {
            assert!(!html.contains(sign), "{sign}");
        }
        let own = html.replace(SCRIPT, "");
        for tag in own.split('<').map(|t| t.split('>').next().unwrap_or_default()) {
            let outside = tag.split('"').step_by(2).collect::<String>();
            assert!(!outside.contains(" on"), "{tag}");
        }
        // The script makes no markup from text, and neither file can end its own element.
        for sign in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "</"] {
            assert!(!SCRIPT.contains(sign), "{sign}");
        }
        assert!(!STYLE.contains("</"));
    }

    #[test]
    fn the_policy_names_the_hashes_of_what_is_in_the_page() {
        let html = page(&sample_report());
        let between =
            |from: &str, to: &str| html.split_once(from).unwrap().1.split_once(to).unwrap().0.to_owned();
        for body in [between("<style>", "</style>"), between("<script>", "</script>")] {
            let hash = base64(&Sha256::digest(body.as_bytes()));
            assert!(html.contains(&format!("&#39;sha256-{hash}&#39;")));
        }
    }
}
