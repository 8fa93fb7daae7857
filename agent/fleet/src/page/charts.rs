//! Bars as inline SVG.

use std::io;

use super::facts::Facts;
use super::markup::Markup;

const ROW: u64 = 24;
const LABEL: u64 = 130;
const TRACK: u64 = 150;

pub(super) fn write(facts: &Facts, page: &mut Markup<'_>) -> io::Result<()> {
    page.raw("<div class=\"charts\">\n")?;
    let verdicts = [("allowed", facts.allowed), ("denied", facts.denied), ("unknown", facts.unknown)];
    chart("What the policy says", &verdicts.map(|(word, count)| (word.to_owned(), count)), page)?;
    chart("Clients", &facts.by_client, page)?;
    chart("What they are", &facts.by_kind, page)?;
    chart("Teams", &facts.by_team, page)?;
    let mut days = facts.by_age.clone();
    days.sort();
    chart("First seen on", &days, page)?;
    page.raw("</div>\n")
}

fn chart(title: &'static str, bars: &[(String, u64)], page: &mut Markup<'_>) -> io::Result<()> {
    page.element("<figure><figcaption>", title, "</figcaption>\n")?;
    page.raw("<svg role=\"img\"")?;
    page.attribute("aria-label", title)?;
    page.attribute("viewBox", &format!("0 0 {} {}", LABEL + TRACK + 70, ROW * bars.len().max(1) as u64))?;
    page.raw(">\n")?;
    let greatest = bars.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    for (at, (label, count)) in bars.iter().enumerate() {
        let top = at as u64 * ROW;
        let label = if label.is_empty() { "(none)" } else { label };
        let short: String = label.chars().take(18).collect();
        // a bar that stands for something is never invisible
        let length =
            if *count == 0 { 0 } else { (TRACK as u128 * u128::from(*count) / u128::from(greatest)).max(3) };
        words(page, 0, top, &short)?;
        bar(page, "track", top, u128::from(TRACK))?;
        bar(page, "bar", top, length)?;
        words(page, LABEL + TRACK + 8, top, &count.to_string())?;
    }
    page.raw("</svg></figure>\n")
}

fn words(page: &mut Markup<'_>, x: u64, top: u64, text: &str) -> io::Result<()> {
    page.raw("<text")?;
    page.attribute("x", &x.to_string())?;
    page.attribute("y", &(top + 16).to_string())?;
    page.element(">", text, "</text>")
}

fn bar(page: &mut Markup<'_>, class: &str, top: u64, width: u128) -> io::Result<()> {
    page.raw("<rect rx=\"3\" height=\"12\"")?;
    page.attribute("class", class)?;
    page.attribute("x", &LABEL.to_string())?;
    page.attribute("y", &(top + 6).to_string())?;
    page.attribute("width", &width.to_string())?;
    page.raw("/>")
}
