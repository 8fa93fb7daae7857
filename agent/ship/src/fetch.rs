//! A published policy: `head` is polled, what it names is fetched, and all of it is laid into the inbox, the head last.
//!
//! Nothing of it is trusted or understood here. The caller reads the head and says what is wanted; who reads the inbox verifies
//! signatures. Lengths and digests are compared only so that no rubbish is handed over.

mod schedule;

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue, IF_NONE_MATCH};
use sha2::{Digest as _, Sha256};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};

pub use schedule::{LONGEST_POLL, SHORTEST_POLL, polled, splayed};

use crate::clock::Clock;
use crate::http::{Ask, Head, Http, Least, SetupError, is_html, read_whole};
use crate::inbox::{DocumentName, Inbox};
use crate::place::Place;
use crate::retry::retry_after;
use crate::secret::Secret;
use crate::sinks::words;
use crate::trouble::{Hop, Trouble};

/// Documents that one head may name.
const MOST_DOCUMENTS: usize = 32;
/// Longest document, in bytes, whatever is asked for.
const MOST_BYTES: usize = 16 << 20;

/// What is set.
#[derive(Debug, Clone)]
pub struct FetchSettings {
    /// Folders that hold the same, tried in this order.
    pub mirrors: Vec<Place>,
    /// Name of the head in them.
    pub head: DocumentName,
    /// Longest head, in bytes.
    pub max_head_bytes: usize,
    /// A token, where the mirrors ask for one.
    pub bearer: Option<Secret>,
    /// Time between two polls, half of it more or less.
    pub poll: Duration,
    /// The first poll is at a random moment within this time.
    pub splay: Duration,
    /// Longest time of one document.
    pub document_timeout: Duration,
    /// Slowest document, in bytes a second on average.
    pub least_bytes_per_second: u64,
    /// How long a document may be slower.
    pub grace: Duration,
}

impl FetchSettings {
    /// The usual ones.
    pub fn new(mirrors: Vec<Place>, head: DocumentName) -> Self {
        let seconds = Duration::from_secs;
        Self {
            mirrors,
            head,
            max_head_bytes: 64 << 10,
            bearer: None,
            poll: seconds(120),
            splay: seconds(300),
            document_timeout: seconds(120),
            least_bytes_per_second: 1024,
            grace: seconds(10),
        }
    }
}

/// A document that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its name, in the mirror and in the inbox.
    pub name: DocumentName,
    /// Longest it may be, in bytes.
    pub max_bytes: usize,
    /// SHA-256 of it, where that is known.
    pub sha256: Option<[u8; 32]>,
    /// It may not be there (the next root); then those behind it that may be absent are not asked for.
    pub may_be_absent: bool,
}

/// What a head asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wants {
    /// Documents that are not there yet, in the order in which they are laid down.
    pub documents: Vec<Wanted>,
    /// Another time between polls.
    pub poll: Option<Duration>,
    /// The head itself is wanted. Else the documents are, and it is asked once more whether it is then.
    pub is_believed: bool,
}

/// What a poll came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// The head is the one of before.
    Unchanged,
    /// A head was laid into the inbox, after these documents.
    New(Vec<DocumentName>),
}

/// Why a poll came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// No mirror gave everything.
    #[error("{}", one_line(.0))]
    Mirrors(Vec<Failure>),
}

/// Why a mirror gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// On the way.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// By its answer.
    #[error("{place}: {what}")]
    Answer {
        /// Host and path.
        place: String,
        /// What was wrong with it.
        what: String,
        /// How long it asks to wait.
        after: Option<Duration>,
    },
    /// The head names too much.
    #[error("{place}: the head names more than {MOST_DOCUMENTS} documents")]
    TooMany {
        /// Host and path of the head.
        place: String,
    },
    /// The inbox.
    #[error("the inbox cannot be written: {0}")]
    Inbox(std::io::ErrorKind),
}

fn one_line(failures: &[Failure]) -> String {
    failures.iter().map(Failure::to_string).collect::<Vec<_>>().join("; ")
}

/// Fetches.
pub struct Fetcher {
    settings: FetchSettings,
    http: Http,
    inbox: Inbox,
    clock: Clock,
    authorization: Option<HeaderValue>,
    /// Of each mirror, the tag of the head that was handed over.
    tags: Vec<Option<String>>,
    /// The mirror that is asked first. Each is in turn: one that stands still, or says that nothing is new, hides nothing that
    /// another has for longer than a few polls.
    first: usize,
    poll: Duration,
}

impl Fetcher {
    /// Makes it.
    ///
    /// # Errors
    /// The token cannot be sent.
    pub fn new(settings: FetchSettings, http: Http, inbox: Inbox, clock: Clock) -> Result<Self, SetupError> {
        let sink = || "the policy location".to_owned();
        let authorization = match &settings.bearer {
            None => None,
            Some(token) => {
                Some(token.header("Bearer ").ok_or_else(|| SetupError::Credential { sink: sink() })?)
            }
        };
        if settings.mirrors.is_empty() {
            return Err(SetupError::Sink { sink: sink(), what: "no URL is given".to_owned() });
        }
        let tags = vec![None; settings.mirrors.len()];
        let poll = settings.poll.clamp(SHORTEST_POLL, LONGEST_POLL);
        Ok(Self { settings, http, inbox, clock, authorization, tags, first: 0, poll })
    }

    /// Time between two polls now.
    pub fn poll(&self) -> Duration {
        self.poll
    }

    /// Polls once. `wants` is given the head's bytes, as they came, and says what of it is needed; nothing where it is older
    /// than the one that is here: a mirror that lags is no attack, and is passed over.
    ///
    /// # Errors
    /// No mirror gave everything; each says why. What is in the inbox is as it was, but perhaps for documents that no head
    /// names yet.
    pub async fn once(
        &mut self,
        wants: &mut (dyn FnMut(&[u8]) -> Option<Wants> + Send),
    ) -> Result<Fetched, FetchError> {
        let mut failures = Vec::new();
        let count = self.settings.mirrors.len();
        let first = self.first;
        self.first = (first + 1) % count;
        for at in (0..count).map(|at| (first + at) % count) {
            match self.try_mirror(at, wants).await {
                Ok(fetched) => return Ok(fetched),
                Err(failure) => failures.push(failure),
            }
        }
        Err(FetchError::Mirrors(failures))
    }

    /// Polls until it is told to stop. `hint` makes the next poll at once; `tell` takes what each came to.
    pub async fn run(
        mut self,
        mut wants: impl FnMut(&[u8]) -> Option<Wants> + Send,
        mut draw: impl FnMut() -> u64 + Send,
        mut tell: impl FnMut(Result<Fetched, FetchError>) + Send,
        hint: Arc<Notify>,
        mut stop: watch::Receiver<bool>,
    ) {
        let polling = async {
            let mut due = Instant::now() + splayed(self.settings.splay, draw());
            loop {
                tokio::select! {
                    () = sleep_until(due) => {}
                    () = hint.notified() => {}
                }
                let result = self.once(&mut wants).await;
                let asked = result.as_ref().err().and_then(asked_to_wait).unwrap_or_default();
                due = Instant::now() + polled(self.poll, draw()).max(asked);
                tell(result);
            }
        };
        tokio::select! {
            () = polling => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    async fn try_mirror(
        &mut self,
        at: usize,
        wants: &mut (dyn FnMut(&[u8]) -> Option<Wants> + Send),
    ) -> Result<Fetched, Failure> {
        let place = self.settings.mirrors[at].below(self.settings.head.as_str());
        let tag = self.tags[at].clone();
        let Some((head, said)) = self.document(&place, self.settings.max_head_bytes, tag.as_deref()).await?
        else {
            return Ok(Fetched::Unchanged);
        };
        // a head has no digest: that it is whole is seen by its end
        if serde_json::from_slice::<serde::de::IgnoredAny>(&head).is_err() {
            return Err(answered(&place, "it is no JSON, or not all of it", None));
        }
        let old = || answered(&place, "its head is none, or older than the one that is here", None);
        let first = wants(&head).ok_or_else(old)?;
        let Wants { documents, poll, is_believed } = match first.is_believed {
            true => first,
            false => {
                // a head of keys that came with a newer root
                self.lay_down(at, first.documents).await?;
                wants(&head).ok_or_else(old)?
            }
        };
        if !is_believed {
            return Err(answered(
                &place,
                "its head is signed by nobody whom the trust root vouches for",
                None,
            ));
        }
        let names = self.lay_down(at, documents).await?;
        self.inbox.put(&self.settings.head, &head).map_err(|error| Failure::Inbox(error.kind()))?;
        // kept only now: a head whose documents failed is asked for again
        self.tags[at] = said.etag;
        // Attack: a head that asks for a poll in ten years would be the last. One that asks for none ends what an earlier one asked
        self.poll = poll.unwrap_or(self.settings.poll).clamp(SHORTEST_POLL, LONGEST_POLL);
        Ok(Fetched::New(names))
    }

    /// Fetches documents from a mirror and lays them into the inbox. Their names.
    async fn lay_down(&self, at: usize, documents: Vec<Wanted>) -> Result<Vec<DocumentName>, Failure> {
        if documents.len() > MOST_DOCUMENTS {
            let place = self.settings.mirrors[at].below(self.settings.head.as_str());
            return Err(Failure::TooMany { place: place.to_string() });
        }
        let mut names = Vec::new();
        let mut is_end = false;
        for wanted in documents.into_iter() {
            if is_end && wanted.may_be_absent {
                continue;
            }
            match self.wanted(at, &wanted).await? {
                Some(bytes) => {
                    self.inbox.put(&wanted.name, &bytes).map_err(|error| Failure::Inbox(error.kind()))?;
                    names.push(wanted.name);
                }
                None => is_end = true,
            }
        }
        Ok(names)
    }

    async fn wanted(&self, at: usize, wanted: &Wanted) -> Result<Option<Vec<u8>>, Failure> {
        let place = self.settings.mirrors[at].below(wanted.name.as_str());
        let most = wanted.max_bytes.min(MOST_BYTES);
        let bytes = match self.document(&place, most, None).await {
            // stores that list nothing to strangers say 403 of what is not there; the head came, so it is not us
            Err(Failure::Answer { what, .. })
                if wanted.may_be_absent && [403, 404, 410].iter().any(|status| what == words(*status)) =>
            {
                return Ok(None);
            }
            Err(failure) => return Err(failure),
            Ok(None) => {
                return Err(answered(&place, "it says unchanged of what was never asked before", None));
            }
            Ok(Some((bytes, _))) => bytes,
        };
        let is_other = wanted.sha256.is_some_and(|digest| Sha256::digest(&bytes)[..] != digest);
        if is_other {
            return Err(answered(&place, "its digest is not the one that the head names", None));
        }
        Ok(Some(bytes))
    }

    /// Fetches a document; nothing where it is the one of the tag.
    async fn document(
        &self,
        place: &Place,
        most: usize,
        tag: Option<&str>,
    ) -> Result<Option<(Vec<u8>, Head)>, Failure> {
        let within = self.settings.document_timeout;
        let fetching = timeout(within, self.document_in_time(place, most, tag)).await;
        fetching.unwrap_or_else(|_| {
            let what = format!("not there within {} s", within.as_secs());
            Err(Trouble::new(Hop::Http, place, what).into())
        })
    }

    async fn document_in_time(
        &self,
        place: &Place,
        most: usize,
        tag: Option<&str>,
    ) -> Result<Option<(Vec<u8>, Head)>, Failure> {
        let mut ask = Ask::get(place);
        ask.headers.extend(self.authorization.clone().map(|value| (AUTHORIZATION, value)));
        let tag = tag.and_then(|tag| HeaderValue::from_str(tag).ok());
        let has_tag = tag.is_some();
        ask.headers.extend(tag.map(|value| (IF_NONE_MATCH, value)));
        let response = self.http.open(ask).await?;
        let (status, head) = (response.status().as_u16(), Head::of(&response));
        if status == 304 && has_tag {
            return Ok(None);
        }
        if status != 200 {
            let after = head.retry_after.as_deref();
            let after = after.and_then(|value| retry_after(value, head.date.as_deref(), self.clock.now_ms()));
            return Err(answered(place, &words(status), after));
        }
        // none was asked for: what comes packed all the same has another length and digest
        if head.encoding.as_deref().is_some_and(|encoding| encoding != "identity") {
            return Err(answered(place, "it comes compressed, which was not asked for", None));
        }
        let least =
            Least { bytes_per_second: self.settings.least_bytes_per_second, grace: self.settings.grace };
        let body = read_whole(&self.http, response, place, most, Some(least)).await?;
        if is_html(head.content_type.as_deref(), &body) {
            return Err(answered(place, "a web page answers in its place (captive portal?)", None));
        }
        Ok(Some((body, head)))
    }
}

fn answered(place: &Place, what: &str, after: Option<Duration>) -> Failure {
    Failure::Answer { place: place.to_string(), what: what.to_owned(), after }
}

/// The longest wait that a mirror asked for.
fn asked_to_wait(error: &FetchError) -> Option<Duration> {
    let FetchError::Mirrors(failures) = error;
    let asked = |failure: &Failure| match failure {
        Failure::Answer { after, .. } => *after,
        _ => None,
    };
    failures.iter().filter_map(asked).max()
}
