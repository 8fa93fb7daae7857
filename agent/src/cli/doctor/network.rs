//! The way to every receiver and mirror, hop by hop. By the role that ships, or a user's own agent: root uses no network.

use mcpolicy_platform::environment::Environment;
use mcpolicy_platform::users;
use mcpolicy_ship::diagnose::{Diagnosis, diagnose};
use mcpolicy_ship::{Hop, Place, Secret};

use super::Check;
use crate::cli::agent::Agent;
use crate::cli::ship;
use crate::settings::shipping::{self, Auth, SinkKind, SinkSettings};
use crate::shipper::{self, Plan};

const NAME: &str = "network";

/// Every receiver and mirror of the settings.
pub(super) fn checks(agent: &Agent, environment: &Environment, is_asked: bool) -> Vec<Check> {
    let settings = &agent.settings;
    if settings.sinks.is_empty() && settings.policy.urls.is_empty() {
        return Vec::new();
    }
    let command = format!(
        "sudo -u {} mcpolicy doctor --network --settings {}",
        settings.ship.user,
        agent.settings_file.display()
    );
    if !is_asked {
        let how = if users::is_privileged() { command } else { "mcpolicy doctor --network".to_owned() };
        return vec![Check::ok(
            NAME,
            format!("not looked at; `{how}` goes the way to each receiver and mirror"),
        )];
    }
    if users::is_privileged() {
        return vec![Check::warning(NAME, "not looked at: root uses no network", format!("`{command}`"))];
    }
    let plan = ship::plan(agent, environment, true);
    let found = shipper::runtime().and_then(|runtime| {
        let _inside = runtime.enter();
        let http = shipper::http(&plan)?;
        let ways = ways(&plan);
        Ok(runtime.block_on(async {
            let mut found = Vec::new();
            for way in ways {
                found.push(match &way.place {
                    Ok(place) => {
                        let credential = way.credential.as_ref().map(|(name, secret)| (*name, secret));
                        told(&way, &diagnose(&http, place, credential).await)
                    }
                    Err(error) => Check::fault(NAME, format!("{}: {error}", way.name), "mend the settings"),
                });
            }
            found
        }))
    });
    found.unwrap_or_else(|error| vec![Check::fault(NAME, format!("{error:#}"), "mend the settings")])
}

/// One way out.
struct Way {
    name: String,
    place: Result<Place, String>,
    /// Name of a header and what is in it.
    credential: Option<(&'static str, Secret)>,
    /// Why it is asked without its credential.
    without: Option<String>,
    /// It is not HTTP: what answers there to a question says nothing.
    is_raw: bool,
}

fn ways(plan: &Plan) -> Vec<Way> {
    let sinks = plan.settings.sinks.iter().filter(|sink| sink.kind != SinkKind::File);
    let mut ways: Vec<Way> = sinks.map(|sink| of_sink(plan, sink)).collect();
    for url in &plan.settings.policy.urls {
        let read = plan.settings.policy.credential_file.as_ref().map(|path| plan.credentials.read(path));
        let (secret, without) = parted(read);
        ways.push(Way {
            name: "policy".to_owned(),
            place: Place::parse(&format!("{}/head.json", url.trim_end_matches('/')))
                .map_err(|error| error.to_string()),
            credential: secret.map(|secret| ("authorization", secret.after("Bearer "))),
            without,
            is_raw: false,
        });
    }
    ways
}

fn of_sink(plan: &Plan, sink: &SinkSettings) -> Way {
    let url = sink.url.as_deref().unwrap_or_default();
    let is_raw = sink.kind == SinkKind::Syslog;
    let place = match is_raw {
        true => shipping::of_syslog(url).and_then(|(host, port)| {
            let host = if host.contains(':') { format!("[{host}]") } else { host };
            Place::parse(&format!("https://{host}:{port}/")).map_err(|error| error.to_string())
        }),
        false => Place::parse(url).map_err(|error| error.to_string()),
    };
    let (secret, without) = parted(sink.credential_file.as_ref().map(|path| plan.credentials.read(path)));
    // a key that signs is never sent, and a name with a password would have to be packed
    let word = match (sink.kind, sink.auth) {
        (SinkKind::Splunk, _) => Some("Splunk "),
        (SinkKind::Elastic, Auth::Token) => Some("ApiKey "),
        (SinkKind::Https, Auth::Token) | (SinkKind::Otlp | SinkKind::OtlpJson, _) => Some("Bearer "),
        _ => None,
    };
    let credential = secret.zip(word).map(|(secret, word)| ("authorization", secret.after(word)));
    Way { name: format!("sink {}", sink.name), place, credential, without, is_raw }
}

fn parted(read: Option<anyhow::Result<Secret>>) -> (Option<Secret>, Option<String>) {
    match read {
        None => (None, None),
        Some(Ok(secret)) => (Some(secret), None),
        Some(Err(error)) => (None, Some(format!("{error:#}"))),
    }
}

fn told(way: &Way, diagnosis: &Diagnosis) -> Check {
    let steps: Vec<String> =
        diagnosis.steps.iter().map(|step| format!("{}: {}", step.hop, step.seen)).collect();
    let mut seen = format!("{} ({}): {}", way.name, diagnosis.place, steps.join("; "));
    for notice in diagnosis.notices.iter().chain(&way.without) {
        seen = format!("{seen}; {notice}");
    }
    match diagnosis.failed().filter(|step| !(way.is_raw && step.hop == Hop::Http)) {
        None if way.without.is_some() => {
            Check::warning(NAME, seen, "the way is open; give the credential to the account that ships")
        }
        None => Check::ok(NAME, seen),
        Some(step) => Check::fault(NAME, seen, remedy(step.hop)),
    }
}

fn remedy(hop: Hop) -> &'static str {
    match hop {
        Hop::Dns => {
            "look whether this machine has a network, and whether the name is right here (VPN, split DNS)"
        }
        Hop::Tcp => "a firewall, or nobody listens there: have the port opened, or mend the url",
        Hop::Proxy => "mend [network] proxy and its credentials, or have the proxy let this host through",
        Hop::Tls => {
            "an authority that is not trusted here: have MDM install the one of the proxy, or name it in [network] ca_files; or \
             the certificate has ended, or is for another host"
        }
        Hop::Http => {
            "look at the url and the credential; a web page in its place is a captive portal or a proxy's word"
        }
    }
}
