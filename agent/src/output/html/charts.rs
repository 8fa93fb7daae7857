//! Bars as inline SVG: what kinds of server, how they talk, how grave the findings are, who would load them.

use std::collections::BTreeMap;
use std::io;

use mcpolicy_schema::finding::Severity;
use mcpolicy_schema::report::v1::Report;

use super::super::text::{cut, visible};
use super::super::view;
use super::markup::Markup;

/// Bars of a chart; what is left is summed up in one more.
const MAX_BARS: usize = 7;
const ROW: u64 = 26;
const LABEL: u64 = 100;
const TRACK: u64 = 136;

struct Bar {
    label: String,
    value: u64,
    class: &'static str,
}

pub(super) fn write(report: &Report, out: &mut Markup<'_>) -> io::Result<()> {
    out.raw("<section class=\"charts\" aria-label=\"Charts\">\n")?;
    let severities = Severity::ALL.map(|severity| Bar {
        label: severity.as_str().to_owned(),
        value: view::count(&report.summary.findings, severity),
        class: class(severity),
    });
    chart("Findings by severity", &severities, out)?;
    chart("What they are", &bars(report.entries.iter().map(|e| e.identity.kind.as_str())), out)?;
    chart("How they are reached", &bars(report.entries.iter().map(|e| e.transport.as_str())), out)?;
    let readers = report.entries.iter().flat_map(|e| e.readers.iter().map(|r| r.client.as_str()));
    chart("Who would load them", &bars(readers), out)?;
    out.raw("</section>\n")
}

/// The class attribute's value for a severity.
pub(super) fn class(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "s-critical",
        Severity::High => "s-high",
        Severity::Medium => "s-medium",
        Severity::Low => "s-low",
        Severity::Info => "s-info",
    }
}

fn bars<'a>(words: impl Iterator<Item = &'a str>) -> Vec<Bar> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for word in words {
        *counts.entry(word).or_default() += 1;
    }
    let mut counts: Vec<(&str, u64)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let others: u64 = counts.iter().skip(MAX_BARS).map(|(_, count)| count).sum();
    let bar =
        |(label, value): &(&str, u64)| Bar { label: (*label).to_owned(), value: *value, class: "plain" };
    let mut bars: Vec<Bar> = counts.iter().take(MAX_BARS).map(bar).collect();
    if others > 0 {
        bars.push(Bar { label: "others".to_owned(), value: others, class: "plain" });
    }
    bars
}

fn chart(title: &'static str, bars: &[Bar], out: &mut Markup<'_>) -> io::Result<()> {
    out.element("<figure>\n<figcaption>", title, "</figcaption>\n")?;
    if bars.is_empty() {
        return out.raw("<p class=\"none\">none</p>\n</figure>\n");
    }
    let spoken: Vec<String> = bars.iter().map(|bar| format!("{} {}", bar.label, bar.value)).collect();
    out.raw("<svg role=\"img\"")?;
    out.attribute("viewBox", &format!("0 0 {} {}", LABEL + TRACK + 44, ROW * bars.len() as u64))?;
    out.attribute("aria-label", &format!("{title}: {}", spoken.join(", ")))?;
    out.raw(">\n")?;
    let greatest = bars.iter().map(|bar| bar.value).max().unwrap_or(0).max(1);
    for (at, bar) in bars.iter().enumerate() {
        row(bar, at as u64 * ROW, greatest, out)?;
    }
    out.raw("</svg>\n</figure>\n")
}

fn row(bar: &Bar, top: u64, greatest: u64, out: &mut Markup<'_>) -> io::Result<()> {
    // A bar that stands for something is never invisible.
    let length = if bar.value == 0 { 0 } else { (bar.value * TRACK / greatest).max(3) };
    let rectangle = |out: &mut Markup<'_>, class: &str, width: u64| {
        out.raw("<rect rx=\"3\" height=\"12\"")?;
        out.attribute("class", class)?;
        out.attribute("x", &LABEL.to_string())?;
        out.attribute("y", &(top + 7).to_string())?;
        out.attribute("width", &width.to_string())?;
        out.raw("/>")
    };
    let label = |out: &mut Markup<'_>, class: &str, x: u64, text: &str| {
        out.raw("<text")?;
        out.attribute("class", class)?;
        out.attribute("x", &x.to_string())?;
        out.attribute("y", &(top + 17).to_string())?;
        out.element(">", text, "</text>")
    };
    label(out, "label", 0, &cut(&visible(&bar.label), 14))?;
    rectangle(out, "track", TRACK)?;
    rectangle(out, bar.class, length)?;
    label(out, "number", LABEL + TRACK + 8, &bar.value.to_string())?;
    out.raw("\n")
}
