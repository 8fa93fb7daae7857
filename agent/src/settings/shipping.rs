//! What leaves the machine and what comes to it: `[report]`, `[[sink]]` and `[network]` of `agent.toml`.
//!
//! Credentials are never in here: settings are read by every user, so they name files that only their owner reads.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `[report]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportSettings {
    /// A file with the fleet's key for fingerprints of secrets and for names, 32 bytes or more; without one a key of this
    /// machine is made, and fingerprints of two machines cannot be compared.
    pub key_file: Option<PathBuf>,
    /// Mebibytes of the spool.
    #[serde(default = "spool_mib")]
    pub spool_mib: u32,
    /// Minutes between two heartbeats.
    #[serde(default = "heartbeat")]
    pub heartbeat_minutes: u16,
}

fn spool_mib() -> u32 {
    50
}

fn heartbeat() -> u16 {
    15
}

impl Default for ReportSettings {
    fn default() -> Self {
        Self { key_file: None, spool_mib: spool_mib(), heartbeat_minutes: heartbeat() }
    }
}

/// Where records go: one `[[sink]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SinkSettings {
    /// Its name, of letters, digits and `-`; what was delivered is remembered under it.
    pub name: String,
    /// How it is spoken to.
    pub kind: SinkKind,
    /// Where it is: `https://…`, or `tls://host:port` for syslog. Not for `file`.
    pub url: Option<String>,
    /// The file of the kind `file`.
    pub path: Option<PathBuf>,
    /// A file with its token, key or password.
    pub credential_file: Option<PathBuf>,
    /// As whom the password of `elastic` is given; without one the credential is an API key.
    pub user: Option<String>,
    /// In what form records are sent.
    #[serde(default)]
    pub format: Format,
    /// What `elastic` and `splunk` put them into.
    pub index: Option<String>,
    /// How `https` proves who sends.
    #[serde(default)]
    pub auth: Auth,
}

/// How a sink is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SinkKind {
    /// OTLP/HTTP logs as protobuf.
    Otlp,
    /// OTLP/HTTP logs as JSON.
    OtlpJson,
    /// Splunk HTTP event collector.
    Splunk,
    /// Elasticsearch or OpenSearch bulk.
    Elastic,
    /// Lines of JSON over HTTPS.
    Https,
    /// Syslog RFC 5424 over TLS.
    Syslog,
    /// Lines of JSON in a file, for a forwarder that is there already.
    File,
}

/// In what form records are sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// As they are.
    #[default]
    Native,
    /// Elastic Common Schema.
    Ecs,
    /// Open Cybersecurity Schema Framework.
    Ocsf,
}

/// How `https` proves who sends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Auth {
    /// `Authorization: Bearer`.
    #[default]
    Bearer,
    /// HMAC-SHA256 over time and body.
    Hmac,
}

/// `[network]`: of the role that uses it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSettings {
    /// `system` (the default), `none`, or the URL of a proxy.
    pub proxy: Option<String>,
    /// Files with further roots in PEM, beside those of the system.
    #[serde(default)]
    pub ca_files: Vec<PathBuf>,
    /// A file with a client certificate and its key in PEM.
    pub client_identity_file: Option<PathBuf>,
}

/// What is wrong with what was said of sinks, with what to do.
pub(super) fn fault(sinks: &[SinkSettings], report: &ReportSettings) -> Option<String> {
    if report.spool_mib < 24 || report.heartbeat_minutes == 0 {
        return Some("[report] spool_mib must be at least 24, heartbeat_minutes at least 1".to_owned());
    }
    for (at, sink) in sinks.iter().enumerate() {
        let name = &sink.name;
        if name.is_empty() || name.len() > 64 || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        {
            return Some(format!("[[sink]] number {}: name must be 1 to 64 letters, digits and `-`", at + 1));
        }
        if sinks.iter().take(at).any(|other| other.name == *name) {
            return Some(format!("[[sink]] {name} is there twice: what was delivered is remembered by name"));
        }
        let (wanted, other) = match sink.kind {
            SinkKind::File => (sink.path.is_some(), sink.url.is_some()),
            _ => (sink.url.is_some(), sink.path.is_some()),
        };
        if !wanted || other {
            return Some(format!("[[sink]] {name}: kind \"file\" has a path, all others have a url"));
        }
        if let Some(fault) = sink.url.as_deref().and_then(|url| fault_of_url(url, sink.kind)) {
            return Some(format!("[[sink]] {name}: {fault}"));
        }
    }
    None
}

/// Attack, or a mistake: a token in a URL is read by every user of the machine, and is in every log on the way.
pub(super) fn fault_of_url(text: &str, kind: SinkKind) -> Option<String> {
    let Ok(url) = url::Url::parse(text) else { return Some("its url cannot be read".to_owned()) };
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Some("its url holds a credential or a query; credential_file names a file for it".to_owned());
    }
    let scheme = if kind == SinkKind::Syslog { "tls" } else { "https" };
    let is_loopback = cfg!(debug_assertions) && matches!(url.host_str(), Some("127.0.0.1" | "localhost"));
    (url.scheme() != scheme && !is_loopback).then(|| format!("its url must begin with {scheme}://"))
}
