//! Bodies of answers, read with bounds.

use std::time::Duration;

use reqwest::Response;
use tokio::time::{Instant, timeout_at};

use super::Http;
use crate::place::Place;
use crate::trouble::{Hop, Trouble};

/// How slowly a body may come.
///
/// Attack: a server (or a captive portal) that sends a byte now and then holds a connection for days.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Least {
    /// Bytes a second, on average since the first.
    pub(crate) bytes_per_second: u64,
    /// How long that is not asked for.
    pub(crate) grace: Duration,
}

impl Least {
    /// When the next bytes have to be there, after so many.
    fn due(self, started: Instant, bytes: usize) -> Instant {
        let rate = self.bytes_per_second.max(1);
        started + self.grace + Duration::from_millis((bytes as u64).saturating_mul(1000) / rate)
    }
}

/// Reads a body to its end, which the client knows from its length or its framing.
///
/// # Errors
/// It is longer than `most` bytes, comes too slowly, or ends early.
pub(crate) async fn read_whole(
    http: &Http,
    mut response: Response,
    place: &Place,
    most: usize,
    least: Option<Least>,
) -> Result<Vec<u8>, Trouble> {
    let too_long = || Trouble::new(Hop::Http, place, format!("the answer is longer than {most} bytes"));
    if response.content_length().is_some_and(|length| length > most as u64) {
        return Err(too_long());
    }
    let started = Instant::now();
    let mut body = Vec::new();
    loop {
        let next = match least {
            None => response.chunk().await,
            Some(least) => {
                timeout_at(least.due(started, body.len()), response.chunk()).await.map_err(|_| {
                    let rate = least.bytes_per_second;
                    Trouble::new(
                        Hop::Http,
                        place,
                        format!("the answer comes with less than {rate} bytes a second"),
                    )
                })?
            }
        };
        let Some(chunk) = next.map_err(|error| http.trouble(&error, place))? else { return Ok(body) };
        if body.len() + chunk.len() > most {
            return Err(too_long());
        }
        body.extend_from_slice(&chunk);
    }
}

/// Whether an answer is a page for people. Nobody whom we ask sends one; captive portals and proxies do.
pub(crate) fn is_html(content_type: Option<&str>, body: &[u8]) -> bool {
    let said = content_type.is_some_and(|kind| kind.contains("html"));
    let after_mark = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    said || after_mark.trim_ascii_start().first() == Some(&b'<')
}
