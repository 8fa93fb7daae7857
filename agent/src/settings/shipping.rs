//! What leaves the machine and how documents come to it: `[[sink]]`, `[network]` and `[ship]` of `agent.toml`, for the role
//! that uses the network.
//!
//! Credentials are never in here: settings are read by every user, so they name files that only their owner reads.

use std::path::PathBuf;

use mcpolicy_ship::Place;
use serde::{Deserialize, Serialize};

/// Longest name of a sink, in bytes.
const LONGEST_NAME: usize = 64;
/// Most sinks: each has a cursor of its own.
const MOST_SINKS: usize = 16;

/// `[ship]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShipSettings {
    /// The account that sends and fetches on a managed machine: it may read the spool, and the inbox is its own.
    #[serde(default = "ship_user")]
    pub user: String,
    /// The folder with spool and inbox; without one it stands beside the machine's state, or in a user's.
    pub dir: Option<PathBuf>,
}

fn ship_user() -> String {
    "mcpolicy-ship".to_owned()
}

impl Default for ShipSettings {
    fn default() -> Self {
        Self { user: ship_user(), dir: None }
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
    /// A file with its token, key or password; `name:password` for `elastic` with `auth = "basic"`.
    pub credential_file: Option<PathBuf>,
    /// How it is proved who sends.
    #[serde(default)]
    pub auth: Auth,
    /// In what form records are sent.
    #[serde(default)]
    pub format: Format,
    /// What `elastic` and `splunk` put them into.
    pub index: Option<String>,
    /// Mebibytes of a file of the kind `file`, beyond which a new one begins.
    #[serde(default = "file_mib")]
    pub max_mib: u32,
    /// Files of the kind `file` that are kept besides the newest.
    #[serde(default = "file_keep")]
    pub keep: u32,
}

fn file_mib() -> u32 {
    16
}

fn file_keep() -> u32 {
    4
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

/// How it is proved who sends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Auth {
    /// By the credential in the way that the kind has; without one by nothing, or by the client certificate.
    #[default]
    Token,
    /// `https`: HMAC-SHA256 over time and body.
    Hmac,
    /// `elastic`: name and password.
    Basic,
}

/// `[network]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSettings {
    /// `system` (the default), `none`, or the URL of a proxy.
    pub proxy: Option<String>,
    /// A file with `name:password` for that proxy.
    pub proxy_credential_file: Option<PathBuf>,
    /// A PAC script of the fleet. It is not run: `proxy` is taken, and that is told.
    pub pac_url: Option<String>,
    /// Files with further authorities in PEM, beside those of the system.
    #[serde(default)]
    pub ca_files: Vec<PathBuf>,
    /// A file with a client certificate and its key in PEM.
    pub client_identity_file: Option<PathBuf>,
}

impl NetworkSettings {
    /// Every path, for checks that all have to pass.
    pub(super) fn paths(&self) -> impl Iterator<Item = (&'static str, &PathBuf)> {
        let files = self.ca_files.iter().map(|path| ("[network] ca_files", path));
        let identity = self.client_identity_file.iter();
        let proxy = self.proxy_credential_file.iter();
        files
            .chain(identity.map(|path| ("[network] client_identity_file", path)))
            .chain(proxy.map(|path| ("[network] proxy_credential_file", path)))
    }
}

impl SinkSettings {
    /// Every path, for checks that all have to pass.
    pub(super) fn paths(&self) -> impl Iterator<Item = (&'static str, &PathBuf)> {
        let path = self.path.iter().map(|path| ("[[sink]] path", path));
        path.chain(self.credential_file.iter().map(|path| ("[[sink]] credential_file", path)))
    }

    fn fault(&self) -> Option<String> {
        let is_file = self.kind == SinkKind::File;
        if is_file != self.path.is_some() || is_file == self.url.is_some() {
            return Some("kind \"file\" has a path, all others have a url".to_owned());
        }
        if self.max_mib == 0 {
            return Some("max_mib must be at least 1".to_owned());
        }
        let fits = match self.auth {
            Auth::Token => true,
            Auth::Hmac => self.kind == SinkKind::Https && self.credential_file.is_some(),
            Auth::Basic => self.kind == SinkKind::Elastic && self.credential_file.is_some(),
        };
        if !fits {
            return Some(
                "auth \"hmac\" is for kind \"https\", \"basic\" for \"elastic\", both with credential_file"
                    .to_owned(),
            );
        }
        if self.kind == SinkKind::Splunk && self.credential_file.is_none() {
            return Some("kind \"splunk\" needs credential_file, with the collector's token".to_owned());
        }
        match (&self.url, self.kind) {
            (Some(url), SinkKind::Syslog) => of_syslog(url).err(),
            (Some(url), _) => fault_of_url(url),
            (None, _) => None,
        }
    }
}

/// Host and port of a `tls://host:port`; without a port 6514 (RFC 5425).
///
/// # Errors
/// It is none; the message says what would be one, and nothing of the text.
pub fn of_syslog(text: &str) -> Result<(String, u16), String> {
    let wrong = || "its url must be tls://host:port, without a credential".to_owned();
    let rest = text.trim().strip_prefix("tls://").ok_or_else(wrong)?;
    // read as the other schemes are: hosts, ports and brackets have many wrong forms
    let place = Place::parse(&format!("https://{}", rest.trim_end_matches('/'))).map_err(|_| wrong())?;
    let shown = place.to_string();
    if !shown.ends_with('/') || shown.matches('/').count() != 3 || place.has_query() {
        return Err(wrong());
    }
    let port = if has_port(rest) { place.port() } else { 6514 };
    Ok((place.host().trim_matches(['[', ']']).to_owned(), port))
}

fn has_port(authority: &str) -> bool {
    authority.trim_end_matches('/').rsplit(']').next().is_some_and(|after| after.contains(':'))
}

/// What is wrong with a URL of the settings.
///
/// Attack, or a mistake: a token in a URL is read by every user of the machine, and is in every log on the way.
pub(super) fn fault_of_url(text: &str) -> Option<String> {
    match Place::parse(text) {
        Err(error) => Some(error.to_string()),
        Ok(place) if place.has_query() => {
            Some(format!("{}: a query may not stand in a url; credential_file names a file", place.host()))
        }
        Ok(_) => None,
    }
}

/// What is wrong with what was said of sinks and network, with what to do.
pub(super) fn fault(sinks: &[SinkSettings], network: &NetworkSettings) -> Option<String> {
    if sinks.len() > MOST_SINKS {
        return Some(format!(
            "there are more than {MOST_SINKS} of [[sink]]; let one receiver pass records on"
        ));
    }
    for (at, sink) in sinks.iter().enumerate() {
        let name = &sink.name;
        let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if name.is_empty() || name.len() > LONGEST_NAME || !is_plain {
            return Some(format!(
                "[[sink]] number {}: name must be 1 to {LONGEST_NAME} letters, digits and `-`",
                at + 1
            ));
        }
        if sinks.iter().take(at).any(|other| other.name == *name) {
            return Some(format!("[[sink]] {name} is there twice: what was delivered is remembered by name"));
        }
        if let Some(fault) = sink.fault() {
            return Some(format!("[[sink]] {name}: {fault}"));
        }
    }
    let is_url = |proxy: &String| !["system", "none"].contains(&proxy.as_str());
    let is_wrong = network.proxy.as_ref().filter(|proxy| is_url(proxy)).is_some_and(|proxy| {
        let is_http = proxy.starts_with("http://") || proxy.starts_with("https://");
        !is_http || proxy.contains('@') || proxy.contains('?')
    });
    is_wrong.then(|| {
        "[network] proxy must be \"system\", \"none\" or http://host:port, its credentials in proxy_credential_file"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_syslog_receiver_has_a_host_and_a_port_and_nothing_else() {
        assert_eq!(of_syslog("tls://logs.example.com:7000"), Ok(("logs.example.com".to_owned(), 7000)));
        assert_eq!(of_syslog("tls://logs.example.com"), Ok(("logs.example.com".to_owned(), 6514)));
        assert_eq!(of_syslog("tls://[::1]:443/"), Ok(("::1".to_owned(), 443)));
        for wrong in
            ["logs.example.com", "tcp://a:1", "tls://u:hunter2@a:1", "tls://a:1/x", "tls://a:1?t=hunter2"]
        {
            let error = of_syslog(wrong).unwrap_err();
            assert!(!error.contains("hunter2"), "{wrong}");
        }
    }
}
