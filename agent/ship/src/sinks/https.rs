//! Lines of JSON over HTTPS, for a receiver of one's own.
//!
//! `POST`, body: one record a line, gzip. Headers: `X-Mcpolicy-Batch`, the batch's id, the same at each try; with a key
//! `X-Mcpolicy-Timestamp` (seconds since 1970) and `X-Mcpolicy-Signature: v1=HEX`, the HMAC-SHA256 over the timestamp, a
//! dot and the body as it was sent. The receiver answers 2xx and, if it likes, `{"accepted_through": SEQ or ID,
//! "receipt": TEXT}`: what comes after is sent again.

use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use serde::Deserialize;
use sha2::Sha256;

use super::post::{answer_to, gzipped, refused, shown};
use crate::clock::Clock;
use crate::formats::Format;
use crate::http::{Answer, Ask, Http, SetupError};
use crate::place::Place;
use crate::secret::Secret;
use crate::sink::{Batch, Limits, Receipt, Sink, SinkError, hex};

const BATCH: HeaderName = HeaderName::from_static("x-mcpolicy-batch");
const TIMESTAMP: HeaderName = HeaderName::from_static("x-mcpolicy-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("x-mcpolicy-signature");

/// How a receiver knows that it is us.
#[derive(Debug, Clone)]
pub enum Proof {
    /// By the client certificate only.
    Certificate,
    /// By a signature over time and body.
    Hmac(Secret),
    /// By a token.
    Bearer(Secret),
}

/// What is set.
#[derive(Debug, Clone)]
pub struct HttpsSettings {
    /// Its name.
    pub name: String,
    /// Where to.
    pub place: Place,
    /// How we are known.
    pub proof: Proof,
    /// How records are written.
    pub format: Format,
    /// What it takes at once.
    pub limits: Limits,
}

/// The sink.
#[derive(Debug)]
pub struct Https {
    settings: HttpsSettings,
    http: Http,
    clock: Clock,
}

impl Https {
    /// Makes it.
    ///
    /// # Errors
    /// The credential cannot be sent.
    pub fn new(settings: HttpsSettings, http: Http, clock: Clock) -> Result<Self, SetupError> {
        let sink = || settings.name.clone();
        match &settings.proof {
            Proof::Bearer(token) if token.header("Bearer ").is_none() => {
                return Err(SetupError::Credential { sink: sink() });
            }
            Proof::Hmac(key) if key.expose().len() < LEAST_OF_A_KEY => {
                let what = format!("the key has fewer than {LEAST_OF_A_KEY} characters");
                return Err(SetupError::Sink { sink: sink(), what });
            }
            Proof::Certificate | Proof::Bearer(_) | Proof::Hmac(_) => {}
        }
        Ok(Self { settings, http, clock })
    }

    fn proven<'a>(&self, mut ask: Ask<'a>) -> Ask<'a> {
        match &self.settings.proof {
            Proof::Certificate => {}
            Proof::Bearer(token) => {
                ask.headers.extend(token.header("Bearer ").map(|value| (AUTHORIZATION, value)));
            }
            Proof::Hmac(key) => {
                let timestamp = (self.clock.now_ms() / 1000).to_string();
                let signature = format!("v1={}", signature(key, &timestamp, &ask.body));
                let value = |text: &str| HeaderValue::from_str(text).ok();
                ask.headers.extend(value(&signature).map(|value| (SIGNATURE, value)));
                ask.headers.extend(value(&timestamp).map(|value| (TIMESTAMP, value)));
            }
        }
        ask
    }
}

/// Shortest key, in characters: 128 bits as hex digits.
const LEAST_OF_A_KEY: usize = 32;

/// The signature of a body, 64 hex digits.
fn signature(key: &Secret, timestamp: &str, body: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()) else {
        // a key of any length is taken
        return String::new();
    };
    for part in [timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    hex(&mac.finalize().into_bytes())
}

#[derive(Deserialize, Default)]
struct Ack {
    accepted_through: Option<Through>,
    receipt: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Through {
    Seq(u64),
    Id(String),
}

impl Sink for Https {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn limits(&self) -> Limits {
        self.settings.limits
    }

    async fn send(&mut self, batch: &Batch) -> Result<Receipt, SinkError> {
        let mut body = Vec::new();
        for line in &batch.lines {
            body.extend_from_slice(&self.settings.format.of(line));
            body.push(b'\n');
        }
        let ask = gzipped(Ask::post(&self.settings.place, "application/x-ndjson", body));
        let id = HeaderValue::from_str(&batch.id).map_err(|_| SinkError::poison("a batch without an id"))?;
        let ask = self.proven(ask).with(BATCH, id);
        let answer = answer_to(&self.http, ask).await?;
        match refused(&answer, &self.settings.place, &self.clock) {
            Some(error) => Err(error),
            None => self.receipt(batch, &answer),
        }
    }
}

impl Https {
    fn receipt(&self, batch: &Batch, answer: &Answer) -> Result<Receipt, SinkError> {
        let ack: Ack = serde_json::from_slice(&answer.body).unwrap_or_default();
        let receipt =
            ack.receipt.as_deref().map(shown).unwrap_or_else(|| format!("status {}", answer.status));
        let mut whole = Receipt::whole(batch, receipt);
        if let Some(through) = ack.accepted_through {
            whole.accepted = settled(batch, &through);
        }
        if whole.accepted == 0 {
            let reason = format!("{}: it accepted nothing of the batch", self.settings.place);
            return Err(SinkError::retry(reason));
        }
        Ok(whole)
    }
}

/// How many lines from the front are settled by what the receiver says.
fn settled(batch: &Batch, through: &Through) -> usize {
    let last = match through {
        Through::Id(id) => batch.lines.iter().rposition(|line| line.id == *id),
        Through::Seq(seq) => batch.lines.iter().take_while(|line| line.seq <= *seq).count().checked_sub(1),
    };
    last.map_or(0, |last| last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_one_that_openssl_makes() {
        // printf '1700000000.{}' | openssl dgst -sha256 -hmac 00112233445566778899aabbccddeeff
        let key = Secret::new("00112233445566778899aabbccddeeff".to_owned());
        assert_eq!(signature(&key, "1700000000", b"{}"), OF_OPENSSL);
    }

    const OF_OPENSSL: &str = "373f09ccd03ddbe0f193e2a980fc897da14e322e646ef46e1186f407d71cd8d6";
}
