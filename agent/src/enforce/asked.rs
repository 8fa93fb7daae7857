//! Requests that developers have made: those that have their answer, and those that waited for too long, make room for others.
//!
//! The entry of a request is as redacted as in a report, so it is judged as one of a report is: what may hang on something
//! hidden counts as not answered.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mcpolicy_schema::report::v1::Request;

use super::pass::Setting;
use crate::answers::request::{self, Over};
use crate::authoring::stored::{Site, Stored};
use crate::in_force::InForce;
use crate::journal::{Event, Journal, What};
use crate::judge::system_of;
use crate::pipeline::Ground;

/// Lets go what waits no longer. Each is told before it goes.
pub(super) fn let_go(
    setting: &Setting<'_>,
    ground: &Ground,
    in_force: &InForce,
    journal: &mut Journal,
) -> anyhow::Result<()> {
    let is_allowed =
        |request: &Request| is_allowed(request, (ground, &setting.device), in_force, setting.now);
    for folder in request::all_folders(&setting.state) {
        // what cannot be read today is met again
        let Ok(over) = request::over(&folder, setting.now, &is_allowed) else { continue };
        for (request, why) in over {
            let (what, why) = match why {
                Over::Allowed => ("request-answered", "what it asks for is allowed now"),
                Over::Old => ("request-dropped", "it has waited for 90 days without an answer"),
            };
            let event = Event {
                user: request.user.clone(),
                server: setting.redactor.name(&request.name),
                ..Event::new(what, format!("the request {} waits no longer: {why}", request.id))
            };
            journal.append(setting.now, What::Event(event))?;
            request::forget(&folder, &request);
        }
    }
    Ok(())
}

/// Whether the policy, or a grant, certainly allows what is asked for.
fn is_allowed(
    request: &Request,
    (ground, device): (&Ground, &str),
    in_force: &InForce,
    now: Timestamp,
) -> bool {
    let is_granted = in_force.grants.iter().any(|grant| {
        grant.user == request.user && grant.device == device && grant.fingerprint == request.fingerprint
    });
    // a request is a claim: what counts of it is its entry
    let is_whole = request.fingerprint == request.entry.fingerprint;
    let homes = ground.homes.iter().filter_map(|home| Some((home.user.as_str(), home.layout.home.to_str()?)));
    let home = ground.homes.iter().find(|home| home.user == request.user);
    let system = system_of(home.map_or(ground.os, |home| home.layout.os));
    let homes: BTreeMap<&str, &str> = homes.collect();
    let site = Site { system, homes, device, revocations: in_force.revocations.as_ref(), now };
    is_whole && (is_granted || Stored::new(&request.entry).judge(&in_force.policy, &site).is_allowed())
}
