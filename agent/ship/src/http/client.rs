//! Requests and answers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, DATE, ETAG, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Method, Response, Url};

use super::{HttpSettings, ProxyChoice, SetupError, body};
use crate::place::Place;
use crate::tls::{self, Issuers};
use crate::trouble::{NoSuchHost, Trouble};

/// A client. Cloning it is cheap and shares its connections.
#[derive(Clone)]
pub struct Http {
    client: reqwest::Client,
    tls: Arc<rustls::ClientConfig>,
    issuers: Issuers,
    notices: Vec<String>,
    proxy: ProxyChoice,
    connect_timeout: Duration,
    max_response_bytes: usize,
}

/// A request.
pub(crate) struct Ask<'a> {
    pub(crate) method: Method,
    pub(crate) place: &'a Place,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl<'a> Ask<'a> {
    pub(crate) fn get(place: &'a Place) -> Self {
        Self { method: Method::GET, place, headers: HeaderMap::new(), body: Vec::new() }
    }

    pub(crate) fn post(place: &'a Place, content_type: &'static str, body: Vec<u8>) -> Self {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        Self { method: Method::POST, place, headers, body }
    }

    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }
}

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
}

/// What the headers of an answer say.
#[derive(Debug, Clone, Default)]
pub(crate) struct Head {
    pub(crate) content_type: Option<String>,
    pub(crate) encoding: Option<String>,
    pub(crate) etag: Option<String>,
    pub(crate) retry_after: Option<String>,
    pub(crate) date: Option<String>,
    /// Only the host of where a redirect leads.
    pub(crate) redirects_to: Option<String>,
}

impl Head {
    pub(crate) fn of(response: &Response) -> Self {
        let text = |name: HeaderName| {
            let value = response.headers().get(name)?.to_str().ok()?;
            Some(value.chars().take(MOST_OF_A_HEADER).collect())
        };
        let host = |location: String| {
            let url = Url::options().base_url(Some(response.url())).parse(&location).ok()?;
            url.host_str().map(str::to_owned)
        };
        Self {
            content_type: text(CONTENT_TYPE).map(|value: String| value.to_ascii_lowercase()),
            encoding: text(reqwest::header::CONTENT_ENCODING),
            etag: text(ETAG),
            retry_after: text(RETRY_AFTER),
            date: text(DATE),
            redirects_to: text(LOCATION).and_then(host),
        }
    }
}

/// Longest header that is looked at, in characters.
const MOST_OF_A_HEADER: usize = 1024;

impl Http {
    /// Makes a client.
    ///
    /// # Errors
    /// The settings cannot be used.
    pub fn new(settings: &HttpSettings) -> Result<Self, SetupError> {
        let issuers = Issuers::default();
        let tls = tls::config(&settings.extra_cas, settings.client_identity.as_ref(), &issuers)?;
        let mut notices = Vec::new();
        let proxy = chosen(&settings.proxy, &mut notices).clone();
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.clone())
            // a receiver that moved is told of, not followed: credentials would follow too
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .dns_resolver(Lookup)
            .connect_timeout(settings.connect_timeout)
            .read_timeout(settings.read_timeout)
            .timeout(settings.total_timeout)
            .user_agent(&settings.user_agent)
            // a laptop sleeps and changes networks: a kept connection is usually a dead one
            .pool_idle_timeout(Duration::from_secs(20))
            .pool_max_idle_per_host(1);
        let client = through(builder, &proxy)?.build().map_err(|_| SetupError::Client)?;
        Ok(Self {
            client,
            tls: Arc::new(tls),
            issuers,
            notices,
            proxy,
            connect_timeout: settings.connect_timeout,
            max_response_bytes: settings.max_response_bytes,
        })
    }

    /// What an administrator should know of the settings: what of them is not supported.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Sends a request and reads the answer to its end.
    pub(crate) async fn ask(&self, ask: Ask<'_>) -> Result<Answer, Trouble> {
        let place = ask.place;
        let response = self.open(ask).await?;
        let (status, head) = (response.status().as_u16(), Head::of(&response));
        let body = body::read_whole(self, response, place, self.max_response_bytes, None).await?;
        Ok(Answer { status, head, body })
    }

    /// Sends a request; the body of the answer is still to be read.
    pub(crate) async fn open(&self, ask: Ask<'_>) -> Result<Response, Trouble> {
        let place = ask.place;
        let mut request = self.client.request(ask.method, place.url().clone()).headers(ask.headers);
        if !ask.body.is_empty() {
            request = request.body(ask.body);
        }
        request.send().await.map_err(|error| self.trouble(&error, place))
    }

    pub(crate) fn trouble(&self, error: &reqwest::Error, place: &Place) -> Trouble {
        Trouble::of(error, place, self.issuers.of(place.host()))
    }

    /// Who signed the certificate that a host last showed.
    pub(crate) fn issuer_of(&self, host: &str) -> Option<String> {
        self.issuers.of(host)
    }

    /// The same TLS, for what is not HTTP.
    pub(crate) fn tls(&self) -> Arc<rustls::ClientConfig> {
        Arc::clone(&self.tls)
    }

    pub(crate) fn proxy(&self) -> &ProxyChoice {
        &self.proxy
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http")
    }
}

fn chosen<'a>(proxy: &'a ProxyChoice, notices: &mut Vec<String>) -> &'a ProxyChoice {
    let ProxyChoice::Pac { otherwise, .. } = proxy else { return proxy };
    let instead = match **otherwise {
        ProxyChoice::System => "what the system says",
        ProxyChoice::None => "no proxy",
        ProxyChoice::Explicit { .. } => "the proxy that is named beside it",
        ProxyChoice::Pac { .. } => "the next choice",
    };
    notices.push(format!("PAC scripts are not run: {instead} is taken instead"));
    chosen(otherwise, notices)
}

fn through(
    builder: reqwest::ClientBuilder,
    proxy: &ProxyChoice,
) -> Result<reqwest::ClientBuilder, SetupError> {
    match proxy {
        ProxyChoice::System => Ok(builder),
        ProxyChoice::None | ProxyChoice::Pac { .. } => Ok(builder.no_proxy()),
        ProxyChoice::Explicit { url, credentials } => {
            let place = proxy_url(url).ok_or(SetupError::Proxy)?;
            let mut proxy = reqwest::Proxy::all(place).map_err(|_| SetupError::Proxy)?;
            if let Some(credentials) = credentials {
                let (name, password) = credentials.expose().split_once(':').ok_or(SetupError::Proxy)?;
                proxy = proxy.basic_auth(name, password);
            }
            Ok(builder.no_proxy().proxy(proxy))
        }
    }
}

/// The URL of a proxy: no path, and no credentials, which have their own place.
pub(crate) fn proxy_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.path() == "/";
    (is_plain && ["http", "https"].contains(&url.scheme()) && url.host_str().is_some()).then_some(url)
}

/// Looks names up as the system does, and says so in a way that is recognised when it fails.
struct Lookup;

impl Resolve for Lookup {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await;
            let addresses: Vec<_> = found.map_err(|_| NoSuchHost)?.collect();
            if addresses.is_empty() {
                return Err(NoSuchHost.into());
            }
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}
