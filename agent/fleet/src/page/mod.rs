//! One page and a few CSV files for a team that has no warehouse yet.

mod charts;
mod facts;
mod markup;
mod tables;

use std::io::{self, Write};

use crate::FleetError;
use crate::gates::{Gate, GateState};
use crate::store::Fleet;
use crate::text;
use facts::Facts;
use markup::Markup;

/// No script, nothing from elsewhere: whatever a name in a report says, the browser only shows it.
const HEAD: &str = concat!(
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n",
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n",
    "<meta name=\"viewport\" content=\"width=device-width\">\n<title>MCP servers of the fleet</title>\n<style>\n",
    include_str!("page.css"),
    "</style></head><body>\n<h1>MCP servers of the fleet</h1>\n"
);
/// Offenders that a gate shows on the page.
const SHOWN_OFFENDERS: usize = 20;

impl Fleet {
    /// Writes the page. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// A query fails, or it cannot be written.
    pub fn write_page(&self, gates: &[Gate], now: i64, out: &mut dyn Write) -> Result<(), FleetError> {
        let facts = Facts::of(self)?;
        let mut page = Markup::new(out);
        page.raw(HEAD)?;
        page.element(
            "<p class=\"soft\">As of ",
            &text::time(now),
            ". Whole lists are in the CSV files beside.</p>\n",
        )?;
        tiles(self, &facts, &mut page)?;
        charts::write(&facts, &mut page)?;
        page.raw("<h2>Gates</h2>\n")?;
        gates_table(gates, &mut page)?;
        for gate in gates.iter().filter(|gate| gate.state > GateState::Ok) {
            offenders(gate, &mut page)?;
        }
        page.raw("<h2>How far the policy would reach</h2>\n<p class=\"soft\">Live declarations that enforcing would ")?;
        page.raw("take away, by what the policy says of them.</p>\n")?;
        page.table(&["verdict", "reason", "rule", "declarations", "machines", "users"], &facts.reach)?;
        page.raw("<h2>Who runs what</h2>\n")?;
        page.table(
            &[
                "server",
                "versions",
                "clients",
                "machines",
                "users",
                "declarations",
                "allowed",
                "denied",
                "unknown",
                "first seen",
            ],
            &facts.servers,
        )?;
        page.raw("<h2>Machines</h2>\n<p class=\"soft\">Those that were heard longest ago first.</p>\n")?;
        page.table(
            &["machine", "host name", "system", "state", "mode", "policy", "open", "heard last"],
            &facts.machines,
        )?;
        problems(self, &mut page)?;
        page.raw("</body></html>\n")?;
        Ok(())
    }
}

fn tiles(fleet: &Fleet, facts: &Facts, page: &mut Markup<'_>) -> io::Result<()> {
    let judged = facts.allowed + facts.denied + facts.unknown;
    let share = |part: u64| {
        if judged == 0 {
            "-".to_owned()
        } else {
            format!("{} %", text::number(100.0 * part as f64 / judged as f64))
        }
    };
    let tiles: [(&'static str, String); 8] = [
        ("machines", facts.devices.to_string()),
        ("users with servers", facts.users.to_string()),
        ("different servers", facts.identities.to_string()),
        ("declarations", facts.declarations.to_string()),
        ("allowed", share(facts.allowed)),
        ("denied", share(facts.denied)),
        ("unknown", share(facts.unknown)),
        ("records and reports read", fleet.counts.documents.to_string()),
    ];
    page.raw("<div class=\"tiles\">\n")?;
    for (name, value) in &tiles {
        page.element("<div class=\"tile\"><b>", value, "</b>")?;
        page.element("<span class=\"soft\">", name, "</span></div>\n")?;
    }
    page.raw("</div>\n")
}

fn gates_table(gates: &[Gate], page: &mut Markup<'_>) -> io::Result<()> {
    page.raw("<table><thead><tr><th>state</th><th>gate</th><th>question</th><th>not as it should be</th>")?;
    page.raw("<th>of</th><th>target</th><th>pages at</th><th>owner</th></tr></thead><tbody>\n")?;
    for gate in gates {
        page.raw(match gate.state {
            GateState::NotAsked => "<tr><td class=\"soft\">not asked</td>",
            GateState::Ok => "<tr><td class=\"ok\">ok</td>",
            GateState::Look => "<tr><td class=\"look\">look</td>",
            GateState::Page => "<tr><td class=\"page\">page</td>",
        })?;
        let definition = &gate.definition;
        let paged = definition.page.map(String::from).unwrap_or_default();
        for cell in [
            &definition.id,
            &definition.question,
            &gate.offending.to_string(),
            &gate.rows.to_string(),
            &format!("{} {}", String::from(definition.target), definition.value),
            &paged,
            &definition.owner,
        ] {
            page.element("<td>", cell, "</td>")?;
        }
        page.raw("</tr>\n")?;
    }
    page.raw("</tbody></table>\n")
}

fn offenders(gate: &Gate, page: &mut Markup<'_>) -> io::Result<()> {
    page.element("<h2>", &gate.definition.question, "</h2>\n")?;
    let rows: Vec<Vec<String>> = gate
        .offenders
        .iter()
        .take(SHOWN_OFFENDERS)
        .map(|offender| {
            vec![
                offender.state.as_str().to_owned(),
                offender.subject.clone(),
                format!("{} {}", text::number(offender.value), gate.definition.value),
                offender.machines.to_string(),
                text::time(offender.since),
                offender.detail.clone(),
            ]
        })
        .collect();
    page.table(&["state", "subject", "value", "machines", "since", "example"], &rows)
}

fn problems(fleet: &Fleet, page: &mut Markup<'_>) -> io::Result<()> {
    let counts = fleet.counts;
    if counts.refused == 0 && counts.unknown_kinds == 0 {
        return Ok(());
    }
    page.raw("<h2>What was passed over</h2>\n")?;
    page.element(
        "<p class=\"soft\">Lines and files that are no report: ",
        &counts.refused.to_string(),
        ". ",
    )?;
    page.element("Records of an unknown kind: ", &counts.unknown_kinds.to_string(), ".</p>\n")?;
    let rows: Vec<Vec<String>> = fleet
        .problems
        .iter()
        .take(50)
        .map(|problem| vec![problem.place.clone(), problem.what.clone()])
        .collect();
    page.table(&["place", "what is wrong"], &rows)
}
