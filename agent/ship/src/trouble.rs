//! What went wrong on the way, and at which hop.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use rustls::{AlertDescription, CertificateError};

use crate::place::Place;

/// A step between this machine and a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hop {
    /// The name of the host was looked up.
    Dns,
    /// A proxy was asked to let us through.
    Proxy,
    /// A connection was made.
    Tcp,
    /// Both sides showed who they are.
    Tls,
    /// A request was sent and answered.
    Http,
}

impl Hop {
    /// The word of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Proxy => "proxy",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Http => "http",
        }
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A request that got no usable answer. Never holds a query, a header or a body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {hop}: {what}")]
pub struct Trouble {
    /// Where it ended.
    pub hop: Hop,
    /// Host and path.
    pub place: String,
    /// What happened, in words.
    pub what: String,
}

impl Trouble {
    pub(crate) fn new(hop: Hop, place: &Place, what: impl Into<String>) -> Self {
        Self { hop, place: place.to_string(), what: what.into() }
    }

    /// Reads what the HTTP client says. Its own texts are not used: they hold URLs.
    ///
    /// `issuer` is who signed the certificate that this host last showed.
    pub(crate) fn of(error: &reqwest::Error, place: &Place, issuer: Option<String>) -> Self {
        let (hop, what) = read(error);
        let what = match (hop, issuer) {
            (Hop::Tls, Some(issuer)) => format!("{what} (its certificate was signed by {issuer})"),
            _ => what,
        };
        Self::new(hop, place, what)
    }
}

/// A name that could not be looked up. Our own type, so that it is found again among the client's errors.
#[derive(Debug, thiserror::Error)]
#[error("the name of the host could not be looked up")]
pub(crate) struct NoSuchHost;

fn read(error: &reqwest::Error) -> (Hop, String) {
    for cause in causes(error) {
        if let Some(told) = told_by(cause) {
            return told;
        }
    }
    if error.is_timeout() {
        let hop = if error.is_connect() { Hop::Tcp } else { Hop::Http };
        return (hop, "no answer in time".to_owned());
    }
    if error.is_connect() {
        let through_proxy = causes(error).any(|cause| cause.to_string().starts_with("tunnel error"));
        let (hop, what) = if through_proxy {
            (Hop::Proxy, "the proxy does not let this host through")
        } else {
            (Hop::Tcp, "no connection")
        };
        return (hop, what.to_owned());
    }
    (Hop::Http, "the connection ended before the answer did".to_owned())
}

fn told_by(cause: &(dyn StdError + 'static)) -> Option<(Hop, String)> {
    if cause.is::<NoSuchHost>() {
        return Some((Hop::Dns, NoSuchHost.to_string()));
    }
    if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
        return Some((Hop::Tls, words_of(tls)));
    }
    let io = cause.downcast_ref::<io::Error>()?;
    // what an `io::Error` wraps is not among its causes
    if let Some(told) = io.get_ref().and_then(|inner| told_by(inner)) {
        return Some(told);
    }
    let what = match io.kind() {
        io::ErrorKind::ConnectionRefused => "the connection was refused",
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => "there is no way to this host",
        io::ErrorKind::ConnectionReset => return Some((Hop::Http, "the connection was reset".to_owned())),
        _ => return None,
    };
    Some((Hop::Tcp, what.to_owned()))
}

fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

/// What TLS says, for somebody who has to put it right.
pub(crate) fn words_of(error: &rustls::Error) -> String {
    let words = match error {
        rustls::Error::InvalidCertificate(why) => return of_certificate(why),
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::CertificateUnknown,
        ) => "the server does not accept our client certificate",
        rustls::Error::AlertReceived(_) => "the server broke off the handshake",
        rustls::Error::InvalidMessage(_) => "what answers there does not speak TLS",
        _ => "the handshake failed",
    };
    words.to_owned()
}

fn of_certificate(why: &CertificateError) -> String {
    let words = match why {
        CertificateError::UnknownIssuer => "the certificate is signed by nobody that this machine trusts",
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the certificate has expired (or this machine's clock is wrong)"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the certificate is not valid yet (or this machine's clock is wrong)"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the certificate is for another host"
        }
        CertificateError::Revoked => "the certificate was revoked",
        _ => "the certificate is not acceptable",
    };
    words.to_owned()
}
