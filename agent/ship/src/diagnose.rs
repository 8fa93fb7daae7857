//! For `doctor`: goes the way to a receiver hop by hop, and names the one that fails.

use std::time::Duration;

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::header::{HeaderName, HeaderValue};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::http::{Answer, Ask, Http, ProxyChoice, is_html, proxy_url};
use crate::place::Place;
use crate::secret::Secret;
use crate::sinks::words;
use crate::trouble::Hop;

/// A hop that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which.
    pub hop: Hop,
    /// Whether it was passed.
    pub is_good: bool,
    /// What was seen.
    pub seen: String,
}

/// The way to a receiver, up to the first hop that fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// Host and path.
    pub place: String,
    /// The hops, in order.
    pub steps: Vec<Step>,
    /// What of the settings is not supported.
    pub notices: Vec<String>,
}

impl Diagnosis {
    /// The hop that failed.
    pub fn failed(&self) -> Option<&Step> {
        self.steps.iter().find(|step| !step.is_good)
    }
}

/// Goes the way to a place, and asks it for a page with the credential, if one is given: nothing is sent that would be kept.
///
/// `credential` is the name of a header and its value.
pub async fn diagnose(http: &Http, place: &Place, credential: Option<(&str, &Secret)>) -> Diagnosis {
    let mut steps = Vec::new();
    let proxy = proxy_for(http, place);
    steps.extend(proxy.as_ref().map(|(host, port)| passed(Hop::Proxy, format!("{host}:{port}"))));
    let (host, port) = proxy.clone().unwrap_or_else(|| (bare(place.host()).to_owned(), place.port()));
    if connects(&host, port, proxy.is_some(), http.connect_timeout(), &mut steps).await {
        asks(http, place, credential, &mut steps).await;
    }
    Diagnosis { place: place.to_string(), steps, notices: http.notices().to_vec() }
}

/// Host and port of the proxy that is used for a place.
fn proxy_for(http: &Http, place: &Place) -> Option<(String, u16)> {
    let url = match http.proxy() {
        ProxyChoice::None | ProxyChoice::Pac { .. } => return None,
        ProxyChoice::Explicit { url, .. } => proxy_url(url)?,
        ProxyChoice::System => {
            let target = place.url().as_str().parse().ok()?;
            let intercept = Matcher::from_system().intercept(&target)?;
            reqwest::Url::parse(&intercept.uri().to_string()).ok()?
        }
    };
    Some((bare(url.host_str()?).to_owned(), url.port_or_known_default()?))
}

/// A host without the brackets of an IPv6 address.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

async fn connects(host: &str, port: u16, is_proxy: bool, within: Duration, steps: &mut Vec<Step>) -> bool {
    let whose = if is_proxy { "the proxy's" } else { "the" };
    let found = timeout(within, lookup_host((host, port))).await;
    let addresses: Vec<_> = found.ok().and_then(Result::ok).map(Iterator::collect).unwrap_or_default();
    if addresses.is_empty() {
        steps.push(failed(
            Hop::Dns,
            format!("{whose} name {host} cannot be looked up: no network, or another one"),
        ));
        return false;
    }
    steps.push(passed(Hop::Dns, format!("{host} has {} address(es)", addresses.len())));
    let connected = timeout(within, TcpStream::connect(&*addresses)).await;
    let what = match connected {
        Ok(Ok(_)) => {
            steps.push(passed(Hop::Tcp, format!("{host}:{port} takes connections")));
            return true;
        }
        Ok(Err(error)) => error.kind().to_string(),
        Err(_) => "no answer in time, which a firewall may do".to_owned(),
    };
    let hop = if is_proxy { Hop::Proxy } else { Hop::Tcp };
    steps.push(failed(hop, format!("{whose} host {host}:{port}: {what}")));
    false
}

async fn asks(http: &Http, place: &Place, credential: Option<(&str, &Secret)>, steps: &mut Vec<Step>) {
    let mut ask = Ask::get(place);
    ask.headers.extend(credential.and_then(header));
    match http.ask(ask).await {
        Err(trouble) => {
            // through a proxy, TLS and the request are behind it
            if trouble.hop > Hop::Tls {
                steps.extend(tls(http, place));
            }
            // it has just taken a connection: who breaks off now speaks no TLS, or not with us
            let is_broken_off = trouble.hop == Hop::Tcp && place.is_encrypted();
            match is_broken_off {
                true => steps.push(failed(Hop::Tls, format!("the other side breaks off: {}", trouble.what))),
                false => steps.push(failed(trouble.hop, trouble.what)),
            }
        }
        Ok(answer) => {
            steps.extend(tls(http, place));
            steps.push(answered(&answer));
        }
    }
}

fn header((name, value): (&str, &Secret)) -> Option<(HeaderName, HeaderValue)> {
    HeaderName::from_bytes(name.as_bytes()).ok().zip(value.header(""))
}

fn tls(http: &Http, place: &Place) -> Option<Step> {
    let issuer = http.issuer_of(place.host()).filter(|_| place.is_encrypted())?;
    Some(passed(Hop::Tls, format!("the certificate is signed by {issuer}")))
}

fn answered(answer: &Answer) -> Step {
    let is_page = is_html(answer.head.content_type.as_deref(), &answer.body);
    match answer.status {
        407 => failed(Hop::Proxy, words(407)),
        300..=399 => {
            let to = answer.head.redirects_to.as_deref().unwrap_or("nowhere");
            failed(Hop::Http, format!("{} (to {to}; a captive portal does that)", words(answer.status)))
        }
        200..=299 if is_page => failed(
            Hop::Http,
            "a web page answers in its place: a captive portal, or not this server".to_owned(),
        ),
        200..=299 => passed(Hop::Http, format!("status {}", answer.status)),
        // paths that only take reports say so to whoever only asks
        400 | 404 | 405 | 411 | 415 => {
            passed(Hop::Http, format!("status {} to a question, which is usual", answer.status))
        }
        status => failed(Hop::Http, words(status)),
    }
}

fn passed(hop: Hop, seen: String) -> Step {
    Step { hop, is_good: true, seen }
}

fn failed(hop: Hop, seen: String) -> Step {
    Step { hop, is_good: false, seen }
}
