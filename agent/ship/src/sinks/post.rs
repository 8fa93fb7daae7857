//! What the receivers that speak HTTP have in common.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::header::{CONTENT_ENCODING, HeaderValue};

use crate::clock::Clock;
use crate::http::{Answer, Ask, Http, is_html};
use crate::retry::retry_after;
use crate::sink::SinkError;
use crate::trouble::Trouble;

impl From<Trouble> for SinkError {
    /// What ends on the way may get through later: laptops change networks.
    fn from(trouble: Trouble) -> Self {
        Self::retry(trouble.to_string())
    }
}

/// Adds the body's encoding to a request.
pub(super) fn gzipped(mut ask: Ask<'_>) -> Ask<'_> {
    // level 6: 3 % larger than the best at a third of its time, on records
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let written = encoder.write_all(&ask.body).and_then(|()| encoder.finish());
    if let Ok(smaller) = written {
        ask.body = smaller;
        ask.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    ask
}

/// Sends, and says by the status what is to be done. A sink with statuses of its own looks at them before.
pub(super) async fn answer_to(http: &Http, ask: Ask<'_>) -> Result<Answer, SinkError> {
    let place = ask.place.clone();
    let answer = http.ask(ask).await?;
    // a captive portal says 200 to everything
    if (200..300).contains(&answer.status) && is_html(answer.head.content_type.as_deref(), &answer.body) {
        return Err(SinkError::retry(format!("{place}: a web page answers in its place (captive portal?)")));
    }
    Ok(answer)
}

/// What a status means for most receivers; nothing where it is a success.
pub(super) fn refused(answer: &Answer, place: &crate::place::Place, clock: &Clock) -> Option<SinkError> {
    let status = answer.status;
    let reason = format!("{place}: {}", words(status));
    Some(match status {
        200..=299 => return None,
        // a captive portal sends elsewhere for now, a moved receiver for good
        301 | 308 => SinkError::config(format!("{reason} (to {})", redirected(answer))),
        300..=399 => SinkError::retry(format!("{reason} (to {})", redirected(answer))),
        401 | 403 => SinkError::Unauthorized { reason },
        400 | 422 => SinkError::poison(reason),
        413 => SinkError::TooLarge { reason },
        408 | 425 | 429 | 500..=599 => SinkError::Retry { after: asked_to_wait(answer, clock), reason },
        _ => SinkError::config(reason),
    })
}

/// How long an answer asks to wait.
pub(super) fn asked_to_wait(answer: &Answer, clock: &Clock) -> Option<Duration> {
    retry_after(answer.head.retry_after.as_deref()?, answer.head.date.as_deref(), clock.now_ms())
}

fn redirected(answer: &Answer) -> &str {
    answer.head.redirects_to.as_deref().unwrap_or("nowhere")
}

/// A status in words.
pub(crate) fn words(status: u16) -> String {
    let words = match status {
        300..=399 => "it redirects, which is not followed",
        400 | 422 => "it cannot read what was sent",
        401 | 403 => "it does not accept our credentials",
        404 | 405 | 410 => "nothing takes reports at this path",
        407 => "the proxy asks for credentials",
        413 => "it was too much at once",
        429 => "too many requests",
        500..=599 => "the server has a fault",
        _ => "an answer that makes no sense here",
    };
    format!("status {status}: {words}")
}

/// A text of a receiver, as far as it may be shown: one line of harmless characters.
///
/// Attack: a receiver (or who answers in its place) that writes terminal codes and forged lines into our log.
pub(super) fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(160).collect()
}
