//! Sinks and the HTTP client, as the settings say.

use mcpolicy_platform::machine::Machine;
use mcpolicy_ship::clock::Clock;
use mcpolicy_ship::formats::Format;
use mcpolicy_ship::http::{Http, HttpSettings, Pem, ProxyChoice};
use mcpolicy_ship::sink::AnySink;
use mcpolicy_ship::sinks::elastic::{Elastic, ElasticAuth, ElasticSettings};
use mcpolicy_ship::sinks::file::{Lines, LinesSettings};
use mcpolicy_ship::sinks::https::{Https, HttpsSettings, Proof};
use mcpolicy_ship::sinks::otlp::{Encoding, Otlp, OtlpSettings};
use mcpolicy_ship::sinks::splunk::{Splunk, SplunkSettings};
use mcpolicy_ship::sinks::syslog::{Syslog, SyslogSettings};
use mcpolicy_ship::{Limits, Place, Secret};

use anyhow::Context as _;

use super::{Credentials, Plan};
use crate::settings::shipping::{self, Auth, NetworkSettings, SinkKind, SinkSettings};

/// Largest file of authorities, in bytes.
const MAX_CAS: u64 = 4 << 20;
/// Index where none is set.
const INDEX: &str = "mcpolicy-report";
/// Facility of syslog: local0 (RFC 5424, table 1).
const FACILITY: u8 = 16;
/// Id of structured data, with the number that RFC 5612 keeps for examples: no number is ours.
const DATA_ID: &str = "mcpolicy@32473";

/// The client of a plan.
///
/// # Errors
/// A file of the settings cannot be used.
pub fn http(plan: &Plan) -> anyhow::Result<Http> {
    let network = &plan.settings.network;
    let mut settings = HttpSettings { proxy: proxy(network, &plan.credentials)?, ..HttpSettings::default() };
    for path in &network.ca_files {
        let read = Machine::live().read(path, None, MAX_CAS);
        let bytes = read.with_context(|| format!("cannot read [network] ca_files {}", path.display()))?.bytes;
        settings.extra_cas.push(Pem { name: path.display().to_string(), bytes });
    }
    if let Some(path) = &network.client_identity_file {
        settings.client_identity = Some(plan.credentials.read(path)?);
    }
    Ok(Http::new(&settings)?)
}

fn proxy(network: &NetworkSettings, credentials: &Credentials) -> anyhow::Result<ProxyChoice> {
    let choice = match network.proxy.as_deref() {
        None | Some("system") => ProxyChoice::System,
        Some("none") => ProxyChoice::None,
        Some(url) => {
            let file = network.proxy_credential_file.as_ref();
            let credentials = file.map(|path| credentials.read(path)).transpose()?;
            ProxyChoice::Explicit { url: url.to_owned(), credentials }
        }
    };
    Ok(match &network.pac_url {
        None => choice,
        Some(url) => ProxyChoice::Pac { url: url.clone(), otherwise: Box::new(choice) },
    })
}

/// A sink.
///
/// # Errors
/// Its credential cannot be read, or it cannot be set up.
pub fn sink(
    settings: &SinkSettings,
    credentials: &Credentials,
    http: &Http,
    clock: &Clock,
) -> anyhow::Result<AnySink> {
    let about = || format!("[[sink]] {}", settings.name);
    let credential = settings.credential_file.as_ref().map(|path| credentials.read(path));
    let credential = credential.transpose().with_context(about)?;
    let (name, clock, format) = (settings.name.clone(), clock.clone(), format(settings.format));
    let (http, limits) = (http.clone(), Limits::default());
    let place = || -> anyhow::Result<Place> {
        let url = settings.url.as_deref().unwrap_or_default();
        Place::parse(url).with_context(about)
    };
    Ok(match settings.kind {
        SinkKind::File => {
            let path = settings.path.clone().with_context(about)?;
            let (max_bytes, keep) = (u64::from(settings.max_mib) << 20, settings.keep);
            AnySink::File(Box::new(Lines::new(LinesSettings { name, path, max_bytes, keep, format, limits })))
        }
        SinkKind::Syslog => {
            let url = settings.url.as_deref().unwrap_or_default();
            let (host, port) = shipping::of_syslog(url).map_err(anyhow::Error::msg).with_context(about)?;
            let (facility, data_id) = (FACILITY, DATA_ID.to_owned());
            let settings = SyslogSettings { name, host, port, facility, data_id, format, limits };
            AnySink::Syslog(Box::new(Syslog::new(settings, http)?))
        }
        SinkKind::Otlp | SinkKind::OtlpJson => {
            let encoding = if settings.kind == SinkKind::Otlp { Encoding::Protobuf } else { Encoding::Json };
            let headers = credential.map(|token| ("authorization".to_owned(), token.after("Bearer ")));
            let headers = headers.into_iter().collect();
            let settings = OtlpSettings { name, place: place()?, headers, encoding, format, limits };
            AnySink::Otlp(Box::new(Otlp::new(settings, http, clock)?))
        }
        SinkKind::Splunk => {
            let token = credential.context("no credential_file").with_context(about)?;
            let (index, sourcetype) = (settings.index.clone(), "mcpolicy:report".to_owned());
            let settings = SplunkSettings { name, place: place()?, token, index, sourcetype, format, limits };
            AnySink::Splunk(Box::new(Splunk::new(settings, http, clock)?))
        }
        SinkKind::Elastic => {
            let index = settings.index.clone().unwrap_or_else(|| INDEX.to_owned());
            let auth = elastic_auth(settings.auth, credential);
            let settings = ElasticSettings { name, place: place()?, index, auth, format, limits };
            AnySink::Elastic(Box::new(Elastic::new(settings, http, clock)?))
        }
        SinkKind::Https => {
            let proof = proof(settings.auth, credential);
            let settings = HttpsSettings { name, place: place()?, proof, format, limits };
            AnySink::Https(Box::new(Https::new(settings, http, clock)?))
        }
    })
}

fn elastic_auth(auth: Auth, credential: Option<Secret>) -> ElasticAuth {
    match credential {
        None => ElasticAuth::Certificate,
        Some(secret) if auth == Auth::Basic => ElasticAuth::Basic(secret),
        Some(secret) => ElasticAuth::ApiKey(secret),
    }
}

fn proof(auth: Auth, credential: Option<Secret>) -> Proof {
    match credential {
        None => Proof::Certificate,
        Some(secret) if auth == Auth::Hmac => Proof::Hmac(secret),
        Some(secret) => Proof::Bearer(secret),
    }
}

fn format(format: shipping::Format) -> Format {
    match format {
        shipping::Format::Native => Format::Native,
        shipping::Format::Ecs => Format::Ecs,
        shipping::Format::Ocsf => Format::Ocsf,
    }
}
