//! What every receiver is to us: it takes a batch of lines and says what became of them.

use std::fmt::Write as _;
use std::future::Future;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::sinks::{elastic, file, https, otlp, splunk, syslog};

/// One record, as it is to leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The same whenever it is sent: a receiver drops a second one.
    pub id: String,
    /// The word of its class.
    pub class: String,
    /// Its number in its class.
    pub seq: u64,
    /// When it was written, in milliseconds since 1970.
    pub time_ms: u64,
    /// The record: one JSON object without a line end.
    pub json: Vec<u8>,
}

/// Lines that are sent together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The same for the same lines, 64 hex digits.
    pub id: String,
    /// The lines, in order; at least one.
    pub lines: Vec<Line>,
    /// Something that nobody wants to wait for is among them.
    pub is_urgent: bool,
    device: String,
}

impl Batch {
    /// Makes a batch; nothing of no lines.
    pub fn new(device: &str, lines: Vec<Line>, is_urgent: bool) -> Option<Self> {
        let (first, last) = (lines.first()?, lines.last()?);
        let mut digest = Sha256::new();
        for part in [&first.id, &last.id, device] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        Some(Self { id: hex(&digest.finalize()), lines, is_urgent, device: device.to_owned() })
    }

    /// Its first lines, as a batch with an id of its own.
    pub fn first(&self, count: usize) -> Option<Self> {
        let lines = self.lines.get(..count.min(self.lines.len()))?;
        Self::new(&self.device, lines.to_vec(), self.is_urgent)
    }
}

/// What a receiver takes at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Lines.
    pub max_records: usize,
    /// Bytes of their JSON together, before they are wrapped or compressed.
    pub max_bytes: usize,
}

impl Default for Limits {
    /// 500 lines, 900 kB: what fits the least of the usual receivers.
    fn default() -> Self {
        Self { max_records: 500, max_bytes: 900_000 }
    }
}

/// What became of a batch that a receiver answered to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Receipt {
    /// So many lines from the front are settled: taken, there already, or refused for good. The rest is to be sent again.
    pub accepted: usize,
    /// Lines among them that are refused for good, by their place in the batch, and why.
    pub rejected: Vec<(usize, String)>,
    /// Lines among them of which the receiver says that they are refused but not which, and why.
    pub rejected_unnamed: Option<(usize, String)>,
    /// Lines that were cut to fit.
    pub cut: usize,
    /// What the receiver gave as its proof, or what was seen of it.
    pub receipt: String,
}

impl Receipt {
    /// Everything was taken.
    pub(crate) fn whole(batch: &Batch, receipt: impl Into<String>) -> Self {
        Self { accepted: batch.lines.len(), receipt: receipt.into(), ..Self::default() }
    }
}

/// Why a batch was not taken. The reasons hold no credential, query or body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// It may be taken later.
    #[error("{reason}")]
    Retry {
        /// What the receiver asked to wait.
        after: Option<Duration>,
        /// Why.
        reason: String,
    },
    /// It is too large: half of it may be taken.
    #[error("{reason}")]
    TooLarge {
        /// Why.
        reason: String,
    },
    /// The receiver cannot read it.
    #[error("{reason}")]
    Poison {
        /// Whether the same may be sent again at all.
        may_try_again: bool,
        /// Why.
        reason: String,
    },
    /// Our credentials are not accepted.
    #[error("{reason}")]
    Unauthorized {
        /// Why.
        reason: String,
    },
    /// The receiver is not what the settings say.
    #[error("{reason}")]
    Config {
        /// Why.
        reason: String,
    },
}

impl SinkError {
    pub(crate) fn retry(reason: impl Into<String>) -> Self {
        Self::Retry { after: None, reason: reason.into() }
    }

    pub(crate) fn config(reason: impl Into<String>) -> Self {
        Self::Config { reason: reason.into() }
    }

    /// A line of our own that is no JSON: no use in a second try.
    pub(crate) fn unreadable() -> Self {
        Self::Poison { may_try_again: false, reason: "a line that is no JSON".to_owned() }
    }

    pub(crate) fn poison(reason: impl Into<String>) -> Self {
        Self::Poison { may_try_again: true, reason: reason.into() }
    }
}

/// Where records go.
pub trait Sink: Send {
    /// Its name in the settings, in messages and of its cursor.
    fn name(&self) -> &str;

    /// What it takes at once.
    fn limits(&self) -> Limits;

    /// Sends a batch. Dropping the future gives up; the batch may have arrived all the same.
    ///
    /// # Errors
    /// It was not taken.
    fn send(&mut self, batch: &Batch) -> impl Future<Output = Result<Receipt, SinkError>> + Send;
}

/// Any of the sinks.
#[derive(Debug)]
pub enum AnySink {
    /// OTLP over HTTP.
    Otlp(Box<otlp::Otlp>),
    /// Splunk HTTP Event Collector.
    Splunk(Box<splunk::Splunk>),
    /// Elasticsearch or OpenSearch.
    Elastic(Box<elastic::Elastic>),
    /// JSON lines over HTTPS.
    Https(Box<https::Https>),
    /// Syslog over TLS.
    Syslog(Box<syslog::Syslog>),
    /// A file of lines.
    File(Box<file::Lines>),
}

impl Sink for AnySink {
    fn name(&self) -> &str {
        match self {
            Self::Otlp(sink) => sink.name(),
            Self::Splunk(sink) => sink.name(),
            Self::Elastic(sink) => sink.name(),
            Self::Https(sink) => sink.name(),
            Self::Syslog(sink) => sink.name(),
            Self::File(sink) => sink.name(),
        }
    }

    fn limits(&self) -> Limits {
        match self {
            Self::Otlp(sink) => sink.limits(),
            Self::Splunk(sink) => sink.limits(),
            Self::Elastic(sink) => sink.limits(),
            Self::Https(sink) => sink.limits(),
            Self::Syslog(sink) => sink.limits(),
            Self::File(sink) => sink.limits(),
        }
    }

    async fn send(&mut self, batch: &Batch) -> Result<Receipt, SinkError> {
        match self {
            Self::Otlp(sink) => sink.send(batch).await,
            Self::Splunk(sink) => sink.send(batch).await,
            Self::Elastic(sink) => sink.send(batch).await,
            Self::Https(sink) => sink.send(batch).await,
            Self::Syslog(sink) => sink.send(batch).await,
            Self::File(sink) => sink.send(batch).await,
        }
    }
}

/// Bytes as lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: &str) -> Line {
        Line { id: id.to_owned(), class: "event".to_owned(), seq: 1, time_ms: 0, json: b"{}".to_vec() }
    }

    #[test]
    fn the_id_of_a_batch_is_that_of_its_ends_and_its_device() {
        let batch = |device: &str, ids: &[&str]| {
            Batch::new(device, ids.iter().map(|id| line(id)).collect(), false).unwrap().id
        };
        assert_eq!(batch("d", &["a", "b", "c"]), batch("d", &["a", "x", "c"]));
        assert_ne!(batch("d", &["a", "b"]), batch("e", &["a", "b"]));
        assert_ne!(batch("d", &["a", "bc"]), batch("d", &["ab", "c"]));
        assert_eq!(batch("d", &["a"]).len(), 64);
        assert!(Batch::new("d", Vec::new(), false).is_none());
    }

    #[test]
    fn half_a_batch_has_an_id_of_its_own() {
        let whole = Batch::new("d", vec![line("a"), line("b")], true).unwrap();
        let half = whole.first(1).unwrap();
        assert!(half.id != whole.id && half.is_urgent && half.lines.len() == 1);
    }
}
