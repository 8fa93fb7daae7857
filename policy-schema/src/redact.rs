//! Makes raw text fit for output: what is or may be a secret becomes `<secret:KIND:FINGERPRINT>`.
//!
//! The reader of a report must be able to tell what runs, and must learn no credential. A package name lost is an
//! annoyance, a credential shown is an incident, so doubtful text is hidden.

mod context;
mod references;
mod spans;
mod url;

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::fingerprint::hex;
use crate::secret;
use crate::sensitive::Sensitive;
pub use references::{is_plain_url, is_plain_word, references, told_member};
use spans::{Follow, LITERAL, Span};

/// Arguments are searched up to this many bytes together; a hostile file has thousands of long ones.
const MAX_ARGS_TEXT: usize = 128 * 1024;

/// Replaces secrets by their kind and a keyed fingerprint.
#[derive(Clone)]
pub struct Redactor {
    key: [u8; 32],
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor")
    }
}

impl Redactor {
    /// A redactor with this key; a key of another length than 32 bytes is hashed to 32.
    pub fn new(key: &[u8]) -> Self {
        use sha2::Digest as _;
        Self { key: key.try_into().unwrap_or_else(|_| Sha256::digest(key).into()) }
    }

    /// The first 16 hex digits of HMAC-SHA-256: tells whether two secrets are the same, and nothing else.
    pub fn fingerprint(&self, secret: &str) -> String {
        self.digest(secret.as_bytes())
    }

    /// The same of bytes, such as a whole file.
    pub fn digest(&self, bytes: &[u8]) -> String {
        // HMAC pads a short key with zeros to the block; done here, the length cannot be wrong.
        let mut block = [0; 64];
        block[..32].copy_from_slice(&self.key);
        let mut mac = Hmac::<Sha256>::new(&block.into());
        mac.update(bytes);
        hex(&mac.finalize().into_bytes()[..8])
    }

    /// Free text, a command line or a path: known secrets, values behind secret names and flags, URLs.
    pub fn text(&self, raw: &str) -> String {
        if secret::is_dense(raw) {
            return self.whole("long-text", raw);
        }
        self.apply(raw, &spans::of_text(raw))
    }

    /// A URL, also one that does not parse: user information, values of the query, the fragment and random-looking
    /// path segments are hidden.
    pub fn url(&self, raw: &str) -> String {
        if secret::is_dense(raw) {
            return self.whole("long-text", raw);
        }
        let mut all = url::spans(raw);
        all.extend(spans::of_text(raw));
        self.apply(raw, &spans::merged(all))
    }

    /// Arguments, each judged with the flag before it.
    pub fn args(&self, args: &[Sensitive]) -> Vec<String> {
        let mut follow = Follow::Plain;
        let mut context = context::Args::default();
        let mut budget = MAX_ARGS_TEXT;
        args.iter()
            .map(|arg| {
                let raw = arg.expose();
                budget = budget.saturating_sub(raw.len());
                if budget == 0 {
                    return self.whole("long-text", raw);
                }
                let before = std::mem::replace(&mut follow, Follow::Plain);
                if raw == "--" {
                    follow = before;
                    return raw.to_owned();
                }
                let is_value = before != Follow::Plain && !raw.starts_with("--");
                if !is_value {
                    follow = if raw.contains(['=', ' ']) { Follow::Plain } else { spans::follow(raw) };
                }
                let (here, next) = context.step(raw, if is_value { before } else { Follow::Plain });
                if let Some(next) = next {
                    follow = next;
                }
                self.arg(raw, here)
            })
            .collect()
    }

    /// One argument, with what the flag before it says.
    fn arg(&self, raw: &str, follow: Follow) -> String {
        if secret::is_dense(raw) {
            return self.whole("long-text", raw);
        }
        let mut all = spans::of_text(raw);
        if let Some(range) = spans::followed(follow, raw) {
            let kind = spans::kind_of(&raw[range.clone()], spans::by_place(follow, raw));
            all.push((range, kind));
        }
        if raw.starts_with('-') {
            all.extend(glued(raw));
        }
        self.apply(raw, &spans::merged(all))
    }

    /// A name, key path or path: only what is a secret by its own shape is hidden.
    pub fn name(&self, raw: &str) -> String {
        if secret::is_dense(raw) {
            return self.whole("long-text", raw);
        }
        let mut all: Vec<Span> =
            secret::find_all(raw).into_iter().map(|(range, kind)| (range, kind.code)).collect();
        all.extend(
            secret::random::find(raw, 32).into_iter().map(|range| (range, secret::high_entropy().code)),
        );
        self.apply(raw, &spans::merged(all))
    }

    /// Kind and fingerprint of a value that is always hidden. The fingerprint leaves out `Bearer ` and the like, so the
    /// same token in a header and in a variable shows as the same.
    pub fn value(&self, name: &str, raw: &str) -> (String, Option<String>) {
        if raw.trim().is_empty() {
            return ("empty".to_owned(), None);
        }
        if secret::is_reference(raw) {
            return ("reference".to_owned(), None);
        }
        let by_name = || secret::kind_by_name(name);
        let kind = match secret::classify(raw) {
            Some(kind) if kind.code == "high-entropy" => by_name().unwrap_or(kind).code,
            Some(kind) => kind.code,
            None => by_name().map_or(LITERAL, |kind| kind.code),
        };
        (kind.to_owned(), Some(self.fingerprint(secret::without_scheme(raw))))
    }

    fn whole(&self, kind: &str, secret: &str) -> String {
        format!("<secret:{kind}:{}>", self.fingerprint(secret))
    }

    fn apply(&self, raw: &str, spans: &[Span]) -> String {
        let mut shown = String::with_capacity(raw.len());
        let mut at = 0;
        for (range, kind) in spans {
            // A span inside a character would be a bug of ours; then all of it is hidden rather than nothing.
            let (Some(before), Some(secret)) = (raw.get(at..range.start), raw.get(range.clone())) else {
                return self.whole(LITERAL, raw);
            };
            shown.push_str(before);
            shown.push_str(&self.whole(kind, secret));
            at = range.end;
        }
        shown.push_str(raw.get(at..).unwrap_or_default());
        shown
    }
}

/// A value in the same argument as its flag: `--header=…`, `-eNAME=value`, `-HName: value`.
fn glued(raw: &str) -> Option<Span> {
    if let Some((flag, value)) = raw.split_once('=')
        && let Some(range) = spans::followed(spans::follow(flag), value)
    {
        let shift = flag.len() + 1;
        let kind = spans::kind_of(&value[range.clone()], spans::by_place(spans::follow(flag), value));
        return Some((range.start + shift..range.end + shift, kind));
    }
    let (flag, value) = raw.split_at_checked(2)?;
    if !matches!(flag, "-e" | "-H" | "-u" | "-p") {
        return None;
    }
    let range = spans::followed(spans::follow(flag), value)?;
    let kind = spans::kind_of(&value[range.clone()], spans::by_place(spans::follow(flag), value));
    Some((range.start + 2..range.end + 2, kind))
}
