//! Remote URLs as a client would contact them: parsed by the WHATWG rules, and refused unless written canonically,
//! because two programs that canonicalise differently may contact two different hosts.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use crate::evaluate::spelling::percent_decoded;

/// Where an address lies, the worse the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// Anywhere.
    Public,
    /// It cannot be told.
    Unknown,
    /// A private network.
    Private,
    /// This machine.
    Loopback,
    /// The link, or the metadata service of a cloud.
    LinkLocal,
}

/// A canonical remote URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remote {
    /// Origin and path.
    text: String,
    /// Length of the origin.
    origin: usize,
    /// Query parameters as written.
    pub(crate) query: Vec<(String, String)>,
    /// Where the host lies.
    pub(crate) reach: Reach,
}

/// Why a text is no URL that can be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// A variable decides where it leads.
    Unresolvable,
    /// Not an `http`, `https`, `ws` or `wss` URL.
    NotRemote,
    /// It has user information, a fragment, or is written otherwise than a client would contact it.
    NonCanonical,
}

impl Remote {
    /// Reads a URL.
    pub(crate) fn read(text: &str) -> Result<Self, Unfit> {
        Self::plain(text).map_or_else(|| Self::parsed(text), Ok)
    }

    /// Reads what nearly all URLs are without parsing them. Everything else is left to [`Remote::parsed`], which would
    /// say the same of these.
    fn plain(text: &str) -> Option<Self> {
        let (address, query) = Address::plain(text)?;
        let reach = reach_name(address.origin().split_once("://")?.1);
        let query = query.filter(|q| !q.is_empty()).map(pairs).unwrap_or_default();
        Some(Self { text: address.text.into_owned(), origin: address.origin, query, reach })
    }

    /// Reads a URL by the WHATWG rules.
    fn parsed(text: &str) -> Result<Self, Unfit> {
        let (before_query, query) = text.split_once('?').map_or((text, None), |(b, q)| (b, Some(q)));
        if has_variable(before_query) {
            return Err(Unfit::Unresolvable);
        }
        // WHATWG drops tabs and newlines and trims blanks; others do not.
        if !text.bytes().all(|b| b.is_ascii_graphic()) || text.contains(['#', '\\']) {
            return Err(Unfit::NonCanonical);
        }
        let parsed = Url::parse(text).map_err(|_| Unfit::NotRemote)?;
        if !matches!(parsed.scheme(), "http" | "https" | "ws" | "wss") {
            return Err(Unfit::NotRemote);
        }
        let (Some(host), "", None) = (parsed.host(), parsed.username(), parsed.password()) else {
            return Err(Unfit::NonCanonical);
        };
        let host_text = parsed.host_str().unwrap_or_default();
        let port = parsed.port().map(|p| format!(":{p}")).unwrap_or_default();
        let origin = format!("{}://{host_text}{port}", parsed.scheme());
        let path = trimmed(parsed.path());
        if host_text.ends_with('.') || written(before_query) != Some(format!("{origin}{path}")) {
            return Err(Unfit::NonCanonical);
        }
        let query = query.filter(|q| !q.is_empty()).map(pairs).unwrap_or_default();
        Ok(Self { text: format!("{origin}{path}"), origin: origin.len(), query, reach: reach(&host) })
    }

    /// Scheme, host and port: `https://mcp.example.com`, the default port left out.
    pub(crate) fn origin(&self) -> &str {
        &self.text[..self.origin]
    }

    /// Path without the last slash; empty for the root.
    pub(crate) fn path(&self) -> &str {
        &self.text[self.origin..]
    }

    /// Scheme, host, port and path.
    pub(crate) fn key(&self) -> &str {
        &self.text
    }
}

/// Where a URL leads, without its query: what denials are held against.
#[derive(Debug)]
pub(crate) struct Address<'t> {
    /// Origin and path.
    text: Cow<'t, str>,
    /// Length of the origin.
    origin: usize,
}

impl<'t> Address<'t> {
    /// A host of plain lower-case labels, no port, a path of plain segments; with its query.
    fn plain(text: &'t str) -> Option<(Self, Option<&'t str>)> {
        let (address, query) = text.split_once('?').map_or((text, None), |(a, q)| (a, Some(q)));
        let schemes = ["https://", "http://", "wss://", "ws://"];
        let scheme = schemes.iter().find(|scheme| address.starts_with(**scheme))?.len();
        let origin = address[scheme..].find('/').map_or(address.len(), |slash| scheme + slash);
        let plain = is_plain_host(&address[scheme..origin])
            && is_plain_path(&address[origin..])
            && query.is_none_or(|q| q.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'#' | b'\\')));
        plain.then(|| (Self { text: trimmed(address).into(), origin }, query))
    }

    /// What a text leads to, in canonical form however it is written. `None` if it is no URL of any host.
    pub(crate) fn meant(text: &'t str) -> Option<Result<Self, Unfit>> {
        if let Some((address, _)) = Self::plain(text) {
            return Some(Ok(address));
        }
        let read = Remote::read(&canonical(text)?);
        Some(read.map(|remote| Self { text: remote.text.into(), origin: remote.origin }))
    }

    /// Tells the same place under the other schemes of the web, and with nothing in its path escaped or repeated that
    /// need not be. For denials: many servers do not tell these apart.
    pub(crate) fn spellings(&self, tell: &mut dyn FnMut(&Address<'_>)) {
        let (scheme, rest) = self.origin().split_once("://").unwrap_or_default();
        let path = self.path();
        let decoded = percent_decoded(path);
        let plain = unrepeated(&decoded);
        let mut spelling =
            Address { text: Cow::Owned(String::with_capacity(self.text.len() + 8)), origin: 0 };
        for other in ["https", "http", "wss", "ws"] {
            let paths =
                [Some(path).filter(|_| other != scheme), Some(&*plain).filter(|plain| *plain != path)];
            for path in paths.into_iter().flatten() {
                let text = spelling.text.to_mut();
                text.clear();
                text.extend([other, "://", rest]);
                spelling.origin = text.len();
                text.push_str(path);
                tell(&spelling);
            }
        }
    }

    /// See [`Remote::origin`].
    pub(crate) fn origin(&self) -> &str {
        &self.text[..self.origin]
    }

    fn path(&self) -> &str {
        &self.text[self.origin..]
    }

    /// See [`Remote::key`].
    pub(crate) fn key(&self) -> &str {
        &self.text
    }
}

/// A path without empty segments, and without a slash at its end.
fn unrepeated(path: &str) -> Cow<'_, str> {
    let is_plain = !path.ends_with('/') && path.as_bytes().windows(2).all(|pair| pair != b"//");
    if is_plain && (path.is_empty() || path.starts_with('/')) {
        return Cow::Borrowed(path);
    }
    let mut plain = String::with_capacity(path.len() + 1);
    for part in path.split('/').filter(|part| !part.is_empty()) {
        plain.push('/');
        plain.push_str(part);
    }
    Cow::Owned(plain)
}

/// Where a text leads that may be a URL, however it is spelt: by its host as the WHATWG rules read it. `None` if no host
/// is named, or a variable decides it.
pub(crate) fn reach_of(text: &str) -> Option<Reach> {
    let parsed = Url::parse(text.trim()).ok()?;
    let host = parsed.host_str().filter(|host| !host.contains(['$', '{', '}', '%']))?;
    // The parser leaves hosts of other schemes than those of the web as they are.
    let host = Host::parse(host.trim_end_matches('.')).ok()?;
    Some(match host {
        Host::Ipv4(address) => reach_v4(address),
        Host::Ipv6(address) => reach_v6(address),
        Host::Domain(name) => reach_name(&name),
    })
}

/// Lower-case labels that neither IDNA nor the reading of numbers as addresses changes.
fn is_plain_host(host: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let last = host.rsplit('.').next().unwrap_or(host);
    host.split('.').all(label) && last.starts_with(|c: char| c.is_ascii_lowercase()) && !host.contains("--")
}

/// A path in which no segment begins with a dot or is empty, and nothing is escaped.
fn is_plain_path(path: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'_' | b'~' | b'-');
    path.bytes().all(plain) && path.as_bytes().windows(2).all(|pair| !matches!(pair, b"/." | b"//"))
}

/// The canonical form of a URL, to offer in its place. Without user information, query and fragment.
pub(crate) fn canonical(text: &str) -> Option<String> {
    let parsed = Url::parse(text.trim()).ok()?;
    let host = parsed.host_str()?.trim_end_matches('.');
    let port = parsed.port().map(|p| format!(":{p}")).unwrap_or_default();
    Some(format!("{}://{host}{port}{}", parsed.scheme(), trimmed(parsed.path())))
}

/// The text as written but for host case, default port and one last slash, which every program takes alike.
fn written(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let authority = authority.to_ascii_lowercase();
    let default_port = if matches!(scheme, "https" | "wss") { ":443" } else { ":80" };
    let authority = authority.strip_suffix(default_port).unwrap_or(&authority);
    Some(format!("{scheme}://{authority}{}", trimmed(path)))
}

fn trimmed(path: &str) -> &str {
    path.strip_suffix('/').unwrap_or(path)
}

fn pairs(query: &str) -> Vec<(String, String)> {
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (name.to_owned(), value.to_owned())
    };
    query.split('&').map(pair).collect()
}

/// Whether some client would replace a part of the text.
pub(crate) fn has_variable(text: &str) -> bool {
    // None of the dialects is written without one of these.
    crate::reference::has_mark(text)
        && (!crate::reference::of(text).is_empty() || text.contains("${") || text.contains("{{"))
}

fn reach(host: &Host<&str>) -> Reach {
    match host {
        Host::Ipv4(address) => reach_v4(*address),
        Host::Ipv6(address) => reach_v6(*address),
        Host::Domain(name) => reach_name(name),
    }
}

fn reach_v4(address: Ipv4Addr) -> Reach {
    // Metadata services outside 169.254.0.0/16: Alibaba Cloud, Oracle Cloud, Azure's wire server.
    const METADATA: [[u8; 4]; 3] = [[100, 100, 100, 200], [192, 0, 0, 192], [168, 63, 129, 16]];
    let octets = address.octets();
    let shared = octets[0] == 100 && (64..128).contains(&octets[1]);
    match () {
        // 0.0.0.0 reaches the machine itself.
        () if address.is_loopback() || octets[0] == 0 => Reach::Loopback,
        () if address.is_link_local() || METADATA.contains(&octets) => Reach::LinkLocal,
        () if address.is_private() || shared || address.is_multicast() || address.is_broadcast() => {
            Reach::Private
        }
        () => Reach::Public,
    }
}

fn reach_v6(address: Ipv6Addr) -> Reach {
    let segments = address.segments();
    // AWS's metadata service has a unique-local address.
    if segments == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] {
        return Reach::LinkLocal;
    }
    if address.is_loopback() || address.is_unspecified() {
        return Reach::Loopback;
    }
    // IPv4 in IPv6: mapped, compatible, NAT64 (RFC 6052), 6to4 (RFC 3056).
    let low = |at: usize| {
        let [a, b] = segments[at].to_be_bytes();
        let [c, d] = segments[at + 1].to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    };
    match segments {
        // also SIIT (RFC 2765), whose zero stands behind the mark
        [0, 0, 0, 0, 0, 0xffff | 0, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
            reach_v4(low(6))
        }
        // NAT64 of a site (RFC 8215): the address stands last, or around the ninth byte (RFC 6052).
        [0x64, 0xff9b, 1, first, second, third, ..] => {
            let [a, b] = first.to_be_bytes();
            let around = Ipv4Addr::new(a, b, second.to_be_bytes()[1], third.to_be_bytes()[0]);
            let around = if first == 0 { Reach::Private } else { reach_v4(around) };
            reach_v4(low(6)).max(around).max(Reach::Private)
        }
        [0x2002, ..] => reach_v4(low(1)),
        [first, ..] if first & 0xffc0 == 0xfe80 => Reach::LinkLocal,
        [first, ..] if first & 0xfe00 == 0xfc00 || first & 0xff00 == 0xff00 => Reach::Private,
        [first, ..] if first & 0xffc0 == 0xfec0 => Reach::Private,
        _ => Reach::Public,
    }
}

fn reach_name(name: &str) -> Reach {
    const METADATA: [&str; 5] = [
        "metadata.google.internal",
        "metadata.goog",
        "metadata",
        "instance-data",
        "instance-data.ec2.internal",
    ];
    // Names by which a container or virtual machine calls the machine it runs on.
    const HOST: [&str; 6] = [
        "localhost.localdomain",
        "ip6-localhost",
        "ip6-loopback",
        "host.docker.internal",
        "gateway.docker.internal",
        "host.containers.internal",
    ];
    let last = name.rsplit('.').next().unwrap_or(name);
    match () {
        () if last == "localhost" || HOST.contains(&name) => Reach::Loopback,
        () if METADATA.contains(&name) => Reach::LinkLocal,
        // A name without a dot, or of a domain that only local resolvers know.
        () if last == name || matches!(last, "local" | "internal" | "lan" | "home" | "intranet" | "corp") => {
            Reach::Private
        }
        () if name.ends_with(".home.arpa") => Reach::Private,
        () => Reach::Public,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<String, Unfit> {
        Remote::read(text).map(|r| r.key().to_owned())
    }

    #[test]
    fn default_port_host_case_and_one_slash_make_no_difference() {
        for text in [
            "https://mcp.example/mcp",
            "https://MCP.Example/mcp",
            "https://mcp.example:443/mcp/",
            "https://mcp.example/mcp?",
        ] {
            assert_eq!(read(text).as_deref(), Ok("https://mcp.example/mcp"), "{text}");
        }
        assert_eq!(read("https://mcp.example").as_deref(), Ok("https://mcp.example"));
    }

    #[test]
    fn whatever_two_programs_may_read_differently_is_not_canonical() {
        for text in [
            "https://user@mcp.example/mcp",
            "https://mcp.example@evil.example/mcp",
            "https://mcp.example/mcp#x",
            "https://mcp.example./mcp",
            "https://mcp\u{3002}example/mcp",
            "https://mcp.example\t.evil.example/mcp",
            " https://mcp.example/mcp",
            "https://mcp.example/a/../mcp",
            "https://mcp.example\\@evil.example/mcp",
            "HTTPS://mcp.example/mcp",
            "https:/mcp.example/mcp",
            "https:mcp.example/mcp",
            "https://0x7f.1/mcp",
            "https://2130706433/mcp",
            "https://mcp.example:0443/mcp",
        ] {
            assert_eq!(read(text), Err(Unfit::NonCanonical), "{text}");
        }
        assert_eq!(read("//mcp.example/mcp"), Err(Unfit::NotRemote));
        assert_eq!(read("file:///etc/passwd"), Err(Unfit::NotRemote));
        assert_eq!(read("https://${HOST}/mcp"), Err(Unfit::Unresolvable));
    }

    #[test]
    fn an_address_is_spelt_with_every_scheme_and_without_what_need_not_stand_in_its_path() {
        let spelt = |text: &str| {
            let mut all = Vec::new();
            let address = Address::meant(text).expect("a URL").expect("a canonical one");
            address.spellings(&mut |other| {
                assert!(
                    other.key().starts_with(other.origin()) && other.origin().ends_with("://mcp.example")
                );
                all.push(other.key().replace("mcp.example", "h"));
            });
            all
        };
        for text in ["https://mcp.example/mcp?a=b", "HTTPS://mcp.example/mcp/"] {
            assert_eq!(spelt(text), ["http://h/mcp", "wss://h/mcp", "ws://h/mcp"]);
        }
        assert_eq!(
            spelt("http://mcp.example//%6dcp"),
            [
                "https://h//%6dcp",
                "https://h/mcp",
                "http://h/mcp",
                "wss://h//%6dcp",
                "wss://h/mcp",
                "ws://h//%6dcp",
                "ws://h/mcp"
            ]
        );
        assert_eq!(spelt("ws://mcp.example"), ["https://h", "http://h", "wss://h"]);
    }

    proptest! {
        #[test]
        fn a_plain_url_is_read_as_the_parser_reads_it(
            text in "(https|http|wss|ws|HTTP|ftp)://([a-z0-9.-]{0,8}|(xn--|0x|[a-z]{1,3}\\.)[a-z0-9.]{0,4}|[A-Z1.]{1,5})\
                (:443|:8080|)(/[a-z./~_%-]{0,6})?(/[A-Za-z./-]{0,4})?(\\?[a-z=&#\\\\ $]{0,5})?"
        ) {
            if let Some(plain) = Remote::plain(&text) {
                prop_assert_eq!(Ok(plain), Remote::parsed(&text), "{}", text);
            }
        }
    }

    #[test]
    fn most_urls_need_no_parser() {
        for text in ["https://mcp.example.com/mcp", "https://mcp-1.example.com", "http://localhost/a.b/?x=1"]
        {
            assert!(Remote::plain(text).is_some(), "{text}");
        }
        for text in ["https://1.2.3.4/", "https://xn--a.example/", "https://a.0x1/", "https://a/.well-known"]
        {
            assert!(Remote::plain(text).is_none(), "{text}");
        }
    }

    #[test]
    fn addresses_of_this_machine_the_link_and_private_networks_are_told_apart() {
        let reach = |text: &str| Remote::read(text).map(|r| r.reach);
        for text in [
            "http://127.0.0.1:3000/mcp",
            "http://127.8.8.8/",
            "http://localhost:1/",
            "http://mcp.localhost/",
            "http://[::1]:8080/mcp",
            "http://[::ffff:7f00:1]/mcp",
            "http://0.0.0.0:3000/mcp",
            "http://[::]/mcp",
            "http://host.docker.internal:3000/sse",
            "ws://127.0.0.1/ws",
        ] {
            assert_eq!(reach(text), Ok(Reach::Loopback), "{text}");
        }
        for text in [
            "http://169.254.169.254/latest",
            "http://[fe80::1]/",
            "http://[fd00:ec2::254]/",
            "http://metadata.google.internal/",
            "http://100.100.100.200/",
            "http://[::ffff:a9fe:a9fe]/",
            "http://[::ffff:0:a9fe:a9fe]/",
            "http://[64:ff9b::a9fe:a9fe]/",
            "http://[64:ff9b:1::a9fe:a9fe]/",
            "http://[64:ff9b:1:a9fe:a9:fe00::]/",
        ] {
            assert_eq!(reach(text), Ok(Reach::LinkLocal), "{text}");
        }
        for text in [
            "http://10.1.2.3/",
            "http://192.168.0.1/",
            "http://[fd12::1]/",
            "http://wiki/",
            "http://x.local/",
        ] {
            assert_eq!(reach(text), Ok(Reach::Private), "{text}");
        }
        assert_eq!(reach("https://8.8.8.8/"), Ok(Reach::Public));
        assert_eq!(reach("http://[64:ff9b:1::808:808]/"), Ok(Reach::Private));
    }

    #[test]
    fn no_spelling_hides_where_a_url_leads() {
        for text in [
            "http://2852039166/latest",
            "http://0xa9fea9fe/x",
            "http://x@169.254.169.254/",
            "http://169.254.169.254./",
            "http://169.254.169.254/#x",
            "HTTP://169.254.169.254/",
            "http:169.254.169.254/",
            "http:\\\\169.254.169.254\\",
            " http://169.254\t.169.254/",
            "http://%31%36%39.254.169.254/",
            "http://\u{ff11}\u{ff16}\u{ff19}.254.169.254/",
            "http://0251.0376.0251.0376/",
            "tcp://169.254.169.254:80",
            "http://[::ffff:169.254.169.254]/",
            "http://metadata.google.internal./",
            "http://METADATA.google.internal/%41%",
        ] {
            assert_eq!(reach_of(text), Some(Reach::LinkLocal), "{text}");
        }
        assert_eq!(reach_of("http://127.1:8080/"), Some(Reach::Loopback));
        assert_eq!(reach_of("http://10.1/"), Some(Reach::Private));
        assert_eq!(reach_of("https://mcp.example/${X}"), Some(Reach::Public));
        for text in
            ["http://${X:-169.254.169.254}/", "http://${X}/", "http://a${X}/", "//h/x", "x", "file:///x"]
        {
            assert_eq!(reach_of(text), None, "{text}");
        }
    }
}
