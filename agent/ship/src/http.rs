//! The HTTP client: one for all sinks and mirrors that share its settings.

mod body;
mod client;

use std::time::Duration;

pub(crate) use body::{Least, is_html, read_whole};
pub use client::Http;
pub(crate) use client::{Answer, Ask, Head, proxy_url};

use crate::place::PlaceError;
use crate::secret::Secret;

/// Certificates as a file held them.
#[derive(Debug, Clone)]
pub struct Pem {
    /// Path of the file, for messages.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Through which proxy.
#[derive(Debug, Clone, Default)]
pub enum ProxyChoice {
    /// What the system says: the environment everywhere, and the settings of Windows and macOS. A PAC script of the
    /// system is not run.
    #[default]
    System,
    /// None, whatever the system says.
    None,
    /// This one.
    Explicit {
        /// `http://host:port` or `https://host:port`.
        url: String,
        /// `name:password`, for a proxy that asks for it (Basic).
        credentials: Option<Secret>,
    },
    /// A PAC script, which is a program in JavaScript from the network: not run. The other choice is taken, and
    /// [`Http::notices`] says so.
    Pac {
        /// Where the script is.
        url: String,
        /// What is taken instead.
        otherwise: Box<ProxyChoice>,
    },
}

/// How connections are made.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Authorities that are trusted beside those of the system.
    pub extra_cas: Vec<Pem>,
    /// Client certificate, its chain and its private key, as PEM.
    pub client_identity: Option<Secret>,
    /// Through which proxy.
    pub proxy: ProxyChoice,
    /// Longest wait for a connection, its TLS handshake included.
    pub connect_timeout: Duration,
    /// Longest wait for the next bytes of an answer.
    pub read_timeout: Duration,
    /// Longest time of a request, its answer included.
    pub total_timeout: Duration,
    /// What the client calls itself.
    pub user_agent: String,
    /// Longest answer of a receiver that is read, in bytes.
    pub max_response_bytes: usize,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            extra_cas: Vec::new(),
            client_identity: None,
            proxy: ProxyChoice::System,
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(30),
            total_timeout: Duration::from_secs(120),
            user_agent: concat!("mcpolicy/", env!("CARGO_PKG_VERSION")).to_owned(),
            max_response_bytes: 1 << 20,
        }
    }
}

/// Settings that no client or sink can be made of. Never holds a credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// A URL.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// A file of certificates.
    #[error("{name}: holds no readable PEM certificate")]
    Pem {
        /// Path of the file.
        name: String,
    },
    /// The client certificate.
    #[error(
        "the client certificate and its key cannot be used: give both as PEM, the key without a passphrase"
    )]
    Identity,
    /// The proxy.
    #[error(
        "the proxy cannot be used: write http://host:port or https://host:port, and its credentials as name:password in their own file"
    )]
    Proxy,
    /// A credential with characters that no header may hold.
    #[error("the credential of {sink} holds characters that cannot be sent: is it the right file?")]
    Credential {
        /// Name of the sink.
        sink: String,
    },
    /// Another setting of a sink.
    #[error("{sink}: {what}")]
    Sink {
        /// Name of the sink.
        sink: String,
        /// What is wrong and what would be right.
        what: String,
    },
    /// TLS.
    #[error("TLS cannot be set up: the system's trust store cannot be read and no other authority is given")]
    Tls,
    /// The client.
    #[error("the HTTP client cannot be set up with this user agent and these timeouts")]
    Client,
}
