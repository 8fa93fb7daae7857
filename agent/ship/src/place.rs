//! Where something is sent to or fetched from.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;

/// A URL that may be talked to: `https`, and never with credentials in it.
///
/// It is shown without its query, which may hold a token.
#[derive(Clone, PartialEq, Eq)]
pub struct Place(Url);

/// Why a text is no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// It does not parse. The text is not shown: a token may be in it.
    #[error("not a URL: write it as https://host/path")]
    NotAUrl,
    /// Anything but `https`.
    #[error("{host}: only https is spoken, not {scheme}")]
    NotHttps {
        /// Its host.
        host: String,
        /// Its scheme.
        scheme: String,
    },
    /// A user name or password stands in it.
    #[error("{host}: credentials may not stand in a URL, put them into their own file")]
    Credentials {
        /// Its host.
        host: String,
    },
    /// A part after `#`, which no server sees.
    #[error("{host}: a URL with a part after # cannot be asked for")]
    Fragment {
        /// Its host.
        host: String,
    },
}

impl Place {
    /// Reads a URL. Debug builds admit `http` to this machine itself, for tests; release builds have no such switch.
    ///
    /// # Errors
    /// It may not be talked to.
    pub fn parse(text: &str) -> Result<Self, PlaceError> {
        Self::parse_for(text, cfg!(debug_assertions))
    }

    fn parse_for(text: &str, is_debug: bool) -> Result<Self, PlaceError> {
        let url = Url::parse(text.trim()).map_err(|_| PlaceError::NotAUrl)?;
        let host = url.host_str().ok_or(PlaceError::NotAUrl)?.to_owned();
        if !url.username().is_empty() || url.password().is_some() {
            return Err(PlaceError::Credentials { host });
        }
        if url.fragment().is_some() {
            return Err(PlaceError::Fragment { host });
        }
        let admitted = match url.scheme() {
            "https" => true,
            "http" => is_debug && is_loopback(&host),
            _ => false,
        };
        if !admitted {
            return Err(PlaceError::NotHttps { host, scheme: url.scheme().to_owned() });
        }
        Ok(Self(url))
    }

    /// The same place with more at the end of its path: plain segments, given by us.
    pub(crate) fn below(&self, path: &str) -> Self {
        let mut url = self.0.clone();
        let whole = format!("{}/{path}", url.path().trim_end_matches('/'));
        url.set_path(&whole);
        Self(url)
    }

    /// The same place with another query.
    pub(crate) fn with_query(&self, query: &str) -> Self {
        let mut url = self.0.clone();
        url.set_query(Some(query));
        Self(url)
    }

    /// The URL itself, for the client.
    pub(crate) fn url(&self) -> &Url {
        &self.0
    }

    /// Its host.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Its port, written or not.
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(443)
    }

    /// Whether it has a query, which may hold a token.
    pub fn has_query(&self) -> bool {
        self.0.query().is_some()
    }

    /// Whether it is spoken to through TLS.
    pub fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.0.scheme(), self.host())?;
        if let Some(port) = self.0.port() {
            write!(f, ":{port}")?;
        }
        f.write_str(self.0.path())
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_build_speaks_nothing_but_https() {
        for text in ["http://127.0.0.1:8088/x", "http://localhost/", "http://[::1]/"] {
            assert!(Place::parse_for(text, true).is_ok(), "{text}");
            assert!(matches!(Place::parse_for(text, false), Err(PlaceError::NotHttps { .. })), "{text}");
        }
        for text in ["http://siem.example.com/", "ftp://siem.example.com/", "http://localhost.example.com/"] {
            assert!(matches!(Place::parse_for(text, true), Err(PlaceError::NotHttps { .. })), "{text}");
        }
        assert!(Place::parse_for("https://siem.example.com/", false).is_ok());
    }

    #[test]
    fn credentials_in_a_url_are_refused_and_not_repeated() {
        let error = Place::parse("https://user:hunter2@siem.example.com/").unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
        let error = Place::parse("https://siem.example.com:hunter2/").unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
    }

    #[test]
    fn a_place_is_shown_without_its_query() {
        let place = Place::parse("https://siem.example.com:8088/in?token=hunter2").unwrap();
        assert_eq!(place.to_string(), "https://siem.example.com:8088/in");
        assert_eq!(format!("{place:?}"), "https://siem.example.com:8088/in");
        assert_eq!(
            place.below("v1/logs").url().as_str(),
            "https://siem.example.com:8088/in/v1/logs?token=hunter2"
        );
    }
}
