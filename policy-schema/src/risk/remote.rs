//! Where a remote server or a bridge connects to.

use url::{Host, Url};

use super::Context;
use crate::entry::Entry;
use crate::finding::{Finding, FindingCode, Severity};
use crate::identity::Identity;
use crate::secret;

/// Hosts that hand out credentials of the machine to whoever asks.
const METADATA_HOSTS: &[&str] =
    &["metadata.google.internal", "metadata", "metadata.goog", "instance-data", "instance-data.ec2.internal"];

pub(super) fn assess(entry: &Entry, identity: &Identity, context: &Context<'_>, findings: &mut Vec<Finding>) {
    let url = entry.url.as_ref().map(crate::sensitive::Sensitive::expose);
    for raw in url.into_iter().chain(identity.target.as_deref().filter(|t| t.contains("://"))) {
        address(raw, context, findings);
    }
    if let Some(url) = url {
        credentials(url, "the URL", context, findings);
    }
    if let Some(target) = identity.target.as_deref().filter(|t| url != Some(t) && t.contains("://")) {
        credentials(target, "the URL of the bridge", context, findings);
    }
}

fn address(raw: &str, context: &Context<'_>, findings: &mut Vec<Finding>) {
    // The `url` crate reads 0xA9FEA9FE, 2852039166 and 0251.0376… as the clients do: as 169.254.169.254.
    let Ok(url) = Url::parse(raw) else { return };
    let shown = context.redactor.url(raw);
    match url.host() {
        Some(host) if is_link_local(&host) => {
            findings.push(Finding::new(
                FindingCode::LinkLocalUrl,
                format!("{shown} is a link-local or metadata address"),
            ));
        }
        Some(_) if is_clear(&url) => {
            let finding =
                Finding::new(FindingCode::PlainHttp, format!("{shown} is contacted without encryption"));
            // `http://${HOST}/mcp` may mean this machine.
            let expands = raw.split('/').nth(2).is_some_and(|host| host.contains(['$', '{', '<', '%']));
            findings.push(if expands { finding.weighing(Severity::Low) } else { finding });
        }
        _ => {}
    }
}

/// Whether what is sent to this URL can be read on the way: no TLS, and not this machine.
pub fn is_clear_text(raw: &str) -> bool {
    Url::parse(raw).is_ok_and(|url| is_clear(&url))
}

fn is_clear(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "ws") && url.host().is_some_and(|host| !is_loopback(&host))
}

/// The port of a URL that leads to this machine: loopback, or the unspecified address, which systems take for it.
pub fn loopback_port(raw: &str) -> Option<u16> {
    let url = Url::parse(raw).ok()?;
    let here = match &url.host()? {
        Host::Ipv4(address) if address.is_unspecified() => true,
        Host::Ipv6(address) if address.is_unspecified() => true,
        host => is_loopback(host),
    };
    url.port_or_known_default().filter(|_| here)
}

/// Whether a host is this machine: a literal address, or a name that is defined to be one (RFC 6761).
fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => {
            address.is_loopback() || address.to_ipv4_mapped().is_some_and(|address| address.is_loopback())
        }
        Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
    }
}

fn is_link_local(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(address) => address.is_link_local() || address.octets() == [100, 100, 100, 200],
        Host::Ipv6(address) => {
            address.is_unicast_link_local()
                || address.to_ipv4_mapped().is_some_and(|address| address.is_link_local())
                || address.segments() == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254]
        }
        Host::Domain(name) => METADATA_HOSTS.contains(&name.trim_end_matches('.')),
    }
}

/// User information, and values in query or path that are secrets by name or shape.
fn credentials(raw: &str, place: &str, context: &Context<'_>, findings: &mut Vec<Finding>) {
    let authority = raw.find("://").map_or(0, |mark| mark + 3);
    let userinfo = secret::userinfo_len(&raw[authority..]).map(|length| &raw[authority..authority + length]);
    if userinfo.is_some_and(|info| !info.is_empty() && info != "git" && !secret::is_reference(info)) {
        findings.push(Finding::new(
            FindingCode::UrlCredentials,
            format!("{place} carries a user name or password"),
        ));
        return;
    }
    let query = raw.split_once('?').map_or("", |(_, query)| query);
    let named = query.split(['&', ';', '#']).filter_map(|pair| pair.split_once('=')).find(|(name, value)| {
        !value.is_empty()
            && !secret::is_reference(value)
            && !secret::is_placeholder(value)
            && (secret::is_secret_name(name) || !secret::find_all(value).is_empty())
    });
    if let Some((name, _)) = named {
        let name = context.redactor.name(name);
        findings.push(Finding::new(
            FindingCode::UrlCredentials,
            format!("{place} carries a credential in its query ({name})"),
        ));
    } else if let Some((_, kind)) = secret::find_all(raw).first() {
        findings.push(Finding::new(
            FindingCode::UrlCredentials,
            format!("{place} carries a credential ({})", kind.title),
        ));
    } else if context.redactor.url(raw).contains("<secret:url-path:") {
        let finding = Finding::new(
            FindingCode::UrlCredentials,
            format!("{place} has a random-looking path, which may be a credential"),
        );
        findings.push(finding.weighing(Severity::Medium));
    }
}
