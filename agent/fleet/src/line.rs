//! What is taken of one JSON document: a record of a stream, or the whole report of a scan.
//!
//! Everything is optional and every word is a text: readers of `report/v1` ignore what they do not know, and one machine
//! with a newer agent must not be missing from the fleet.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

type Text<'a> = Option<Cow<'a, str>>;

/// Entries, values and the like of one document that are kept, all together; one more shows that there are too many.
pub(crate) const MOST_ROWS: usize = 100_000;
/// Readers of an entry, groups of a machine and the like.
const MOST_FEW: usize = 64;
/// Requests that a heartbeat may name, users of a scan; the agent names 200 requests.
const MOST_NAMES: usize = 1000;

thread_local! {
    /// How many members of lists the document that is being read may still keep. Attack: 10,000 entries with a thousand
    /// values each, which no bound of a single list stops. Here, as a derived reader has no place for a parameter.
    static LEFT: Cell<usize> = const { Cell::new(0) };
}

/// Reads a document. None where its lists have more members, all together, than are kept.
///
/// # Errors
/// It is no JSON, or has another shape.
pub(crate) fn read(document: &[u8]) -> serde_json::Result<Option<Line<'_>>> {
    LEFT.set(MOST_ROWS + 1);
    let line = serde_json::from_slice(document)?;
    Ok((LEFT.get() > 0).then_some(line))
}

/// Attack: `[{},{},…]` of 64 MiB is millions of entries of half a kilobyte each.
fn rows<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_seq(Few { most: MOST_ROWS + 1, of: std::marker::PhantomData })
}

fn few<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_seq(Few { most: MOST_FEW, of: std::marker::PhantomData })
}

fn names<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_seq(Few { most: MOST_NAMES, of: std::marker::PhantomData })
}

/// The first of a list; the others are passed over.
struct Few<T> {
    most: usize,
    of: std::marker::PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Few<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
        let mut few = Vec::new();
        while few.len() < self.most && LEFT.get() > 0 {
            match list.next_element()? {
                Some(one) => few.push(one),
                None => return Ok(few),
            }
            LEFT.set(LEFT.get().saturating_sub(1));
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(few)
    }
}

/// A record or a report; members that both have mean the same in both.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Line<'a> {
    #[serde(borrow)]
    pub(crate) schema: Text<'a>,
    #[serde(borrow)]
    pub(crate) id: Text<'a>,
    #[serde(borrow)]
    pub(crate) kind: Text<'a>,
    #[serde(borrow)]
    pub(crate) class: Text<'a>,
    #[serde(borrow)]
    pub(crate) device: Option<Device<'a>>,
    #[serde(borrow)]
    pub(crate) agent: Agent<'a>,
    #[serde(borrow)]
    pub(crate) chain: Option<Chain<'a>>,
    #[serde(borrow)]
    pub(crate) time: Text<'a>,
    #[serde(borrow)]
    pub(crate) privacy: Text<'a>,
    #[serde(borrow)]
    pub(crate) snapshot: Text<'a>,
    #[serde(borrow)]
    pub(crate) cause: Text<'a>,
    #[serde(borrow)]
    pub(crate) policy: Option<Policy<'a>>,
    pub(crate) summary: Summary,
    pub(crate) records: u64,
    #[serde(borrow)]
    pub(crate) entry: Option<Box<Entry<'a>>>,
    #[serde(borrow)]
    pub(crate) finding: Option<Box<Finding<'a>>>,
    #[serde(borrow)]
    pub(crate) gap: Option<Gap<'a>>,
    #[serde(borrow)]
    pub(crate) request: Option<Box<Request<'a>>>,
    // a heartbeat
    #[serde(borrow)]
    pub(crate) state: Text<'a>,
    #[serde(borrow)]
    pub(crate) mode: Text<'a>,
    #[serde(borrow)]
    pub(crate) ceiling: Text<'a>,
    #[serde(borrow, deserialize_with = "few")]
    pub(crate) layers: Vec<Layer<'a>>,
    pub(crate) verdicts: Verdicts,
    pub(crate) open: u64,
    pub(crate) running: u64,
    pub(crate) restart_needed: u64,
    pub(crate) watches: u64,
    pub(crate) problems: Vec<IgnoredAny>,
    #[serde(borrow)]
    pub(crate) last_rescan: Text<'a>,
    #[serde(borrow)]
    pub(crate) requests: Requests<'a>,
    #[serde(borrow, deserialize_with = "names")]
    pub(crate) waiting: Vec<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "few")]
    pub(crate) chains: Vec<End<'a>>,
    // an action or event
    #[serde(borrow)]
    pub(crate) action: Text<'a>,
    #[serde(borrow)]
    pub(crate) outcome: Text<'a>,
    #[serde(borrow)]
    pub(crate) server: Text<'a>,
    #[serde(borrow)]
    pub(crate) client: Text<'a>,
    #[serde(borrow)]
    pub(crate) user: Text<'a>,
    #[serde(borrow)]
    pub(crate) path: Text<'a>,
    #[serde(borrow)]
    pub(crate) fingerprint: Text<'a>,
    #[serde(borrow)]
    pub(crate) code: Text<'a>,
    #[serde(borrow)]
    pub(crate) rule: Text<'a>,
    #[serde(borrow)]
    pub(crate) block: Text<'a>,
    #[serde(borrow)]
    pub(crate) layer: Text<'a>,
    #[serde(borrow)]
    pub(crate) identity: Option<Identity<'a>>,
    pub(crate) count: Option<u64>,
    #[serde(borrow)]
    pub(crate) from: Text<'a>,
    #[serde(borrow)]
    pub(crate) to: Text<'a>,
    // records that were lost
    #[serde(borrow)]
    pub(crate) of: Text<'a>,
    #[serde(borrow)]
    pub(crate) epoch: Text<'a>,
    pub(crate) first: u64,
    pub(crate) last: u64,
    #[serde(borrow)]
    pub(crate) reason: Text<'a>,
    // the report of a scan
    #[serde(borrow)]
    pub(crate) host: Option<Host<'a>>,
    #[serde(borrow)]
    pub(crate) scan: Option<Scan<'a>>,
    #[serde(borrow, deserialize_with = "rows")]
    pub(crate) entries: Vec<Entry<'a>>,
    #[serde(borrow, deserialize_with = "rows")]
    pub(crate) findings: Vec<Finding<'a>>,
    #[serde(borrow, deserialize_with = "rows")]
    pub(crate) coverage: Vec<Gap<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Device<'a> {
    #[serde(borrow)]
    pub(crate) id: Text<'a>,
    #[serde(borrow)]
    pub(crate) hostname: Text<'a>,
    #[serde(borrow)]
    pub(crate) os: Text<'a>,
    #[serde(borrow)]
    pub(crate) os_version: Text<'a>,
    #[serde(borrow, deserialize_with = "few")]
    pub(crate) groups: Vec<Cow<'a, str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Agent<'a> {
    #[serde(borrow)]
    pub(crate) version: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Chain<'a> {
    #[serde(borrow)]
    pub(crate) epoch: Text<'a>,
    pub(crate) seq: u64,
    #[serde(borrow)]
    pub(crate) prev: Text<'a>,
}

/// The last record of another chain of the machine.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct End<'a> {
    #[serde(borrow)]
    pub(crate) class: Text<'a>,
    #[serde(borrow)]
    pub(crate) epoch: Text<'a>,
    pub(crate) seq: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Policy<'a> {
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
    pub(crate) sequence: Option<u64>,
    pub(crate) signed: bool,
    #[serde(borrow)]
    pub(crate) sha256: Text<'a>,
    #[serde(borrow)]
    pub(crate) mode: Text<'a>,
    #[serde(borrow)]
    pub(crate) ring: Text<'a>,
    pub(crate) revocations: Option<u64>,
    #[serde(borrow)]
    pub(crate) staleness: Text<'a>,
    #[serde(borrow)]
    pub(crate) ticket: Text<'a>,
    #[serde(borrow)]
    pub(crate) expires: Text<'a>,
    #[serde(borrow)]
    pub(crate) stale_at: Text<'a>,
    #[serde(borrow)]
    pub(crate) root_expires: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Summary {
    pub(crate) entries: u64,
    pub(crate) live: u64,
    pub(crate) gaps: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Verdicts {
    pub(crate) allow: u64,
    pub(crate) deny: u64,
    pub(crate) unknown: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Layer<'a> {
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
    #[serde(borrow)]
    pub(crate) state: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Entry<'a> {
    #[serde(borrow)]
    pub(crate) id: Text<'a>,
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
    #[serde(borrow)]
    pub(crate) client: Text<'a>,
    #[serde(borrow, deserialize_with = "few")]
    pub(crate) readers: Vec<Reader<'a>>,
    #[serde(borrow)]
    pub(crate) scope: Text<'a>,
    #[serde(borrow)]
    pub(crate) user: Text<'a>,
    #[serde(borrow)]
    pub(crate) source: Place<'a>,
    #[serde(borrow)]
    pub(crate) transport: Text<'a>,
    #[serde(borrow)]
    pub(crate) identity: Identity<'a>,
    // attack: whoever plants an entry chooses which of its values come behind the last that is kept
    #[serde(borrow, deserialize_with = "rows")]
    pub(crate) values: Vec<Value<'a>>,
    pub(crate) disabled: bool,
    pub(crate) running: Option<bool>,
    #[serde(borrow)]
    pub(crate) inert: Text<'a>,
    #[serde(borrow)]
    pub(crate) fingerprint: Text<'a>,
    #[serde(borrow)]
    pub(crate) judged: Option<Judged<'a>>,
    #[serde(borrow)]
    pub(crate) project: Text<'a>,
    #[serde(borrow)]
    pub(crate) facts: Option<Facts<'a>>,
    pub(crate) args: Contacts,
}

/// The arguments that have an address in them, with blanks between: what a bridge leads to stands nowhere else. All of
/// them, as whoever plants an entry chooses what stands before.
#[derive(Debug, Default)]
pub(crate) struct Contacts(pub(crate) String);

impl<'de> Deserialize<'de> for Contacts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;
        impl<'de> Visitor<'de> for Words {
            type Value = Contacts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of words")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut words: A) -> Result<Self::Value, A::Error> {
                let mut text = String::new();
                while let Some(word) = words.next_element::<Cow<'de, str>>()? {
                    if word.contains("://") {
                        text.push_str(if text.is_empty() { "" } else { " " });
                        text.push_str(&word);
                    }
                }
                Ok(Contacts(text))
            }
        }
        deserializer.deserialize_seq(Words)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Reader<'a> {
    #[serde(borrow)]
    pub(crate) client: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Place<'a> {
    #[serde(borrow)]
    pub(crate) path: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Identity<'a> {
    #[serde(borrow)]
    pub(crate) kind: Text<'a>,
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
    #[serde(borrow)]
    pub(crate) version: Text<'a>,
    pub(crate) pinned: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Value<'a> {
    #[serde(borrow, rename = "in")]
    pub(crate) place: Text<'a>,
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
    #[serde(borrow)]
    pub(crate) kind: Text<'a>,
    #[serde(borrow)]
    pub(crate) fingerprint: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Judged<'a> {
    #[serde(borrow)]
    pub(crate) verdict: Text<'a>,
    #[serde(borrow)]
    pub(crate) decided_by: Text<'a>,
    #[serde(borrow)]
    pub(crate) rule: Text<'a>,
    #[serde(borrow)]
    pub(crate) reason: Text<'a>,
    #[serde(borrow)]
    pub(crate) pin: Text<'a>,
    #[serde(borrow)]
    pub(crate) until: Text<'a>,
    #[serde(borrow)]
    pub(crate) ticket: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Facts<'a> {
    #[serde(borrow)]
    pub(crate) program: FileFacts<'a>,
    #[serde(borrow)]
    pub(crate) script: FileFacts<'a>,
    #[serde(borrow)]
    pub(crate) listener: FileFacts<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct FileFacts<'a> {
    #[serde(borrow)]
    pub(crate) sha256: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Finding<'a> {
    #[serde(borrow)]
    pub(crate) code: Text<'a>,
    #[serde(borrow)]
    pub(crate) severity: Text<'a>,
    #[serde(borrow)]
    pub(crate) entry: Text<'a>,
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
    #[serde(borrow)]
    pub(crate) user: Text<'a>,
    #[serde(borrow)]
    pub(crate) source: Option<Place<'a>>,
    #[serde(borrow)]
    pub(crate) verdict: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Gap<'a> {
    #[serde(borrow)]
    pub(crate) kind: Text<'a>,
    #[serde(borrow)]
    pub(crate) path: Text<'a>,
    pub(crate) count: u64,
    #[serde(borrow)]
    pub(crate) user: Text<'a>,
    pub(crate) partial: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Request<'a> {
    #[serde(borrow)]
    pub(crate) id: Text<'a>,
    #[serde(borrow)]
    pub(crate) time: Text<'a>,
    #[serde(borrow)]
    pub(crate) user: Text<'a>,
    #[serde(borrow)]
    pub(crate) fingerprint: Text<'a>,
    #[serde(borrow)]
    pub(crate) identity: Identity<'a>,
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
    #[serde(borrow)]
    pub(crate) client: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Host<'a> {
    #[serde(borrow)]
    pub(crate) hostname: Text<'a>,
    #[serde(borrow)]
    pub(crate) device_id: Text<'a>,
    #[serde(borrow)]
    pub(crate) os: Text<'a>,
    #[serde(borrow)]
    pub(crate) os_version: Text<'a>,
    #[serde(borrow, deserialize_with = "few")]
    pub(crate) groups: Vec<Cow<'a, str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Scan<'a> {
    #[serde(borrow)]
    pub(crate) mode: Text<'a>,
    #[serde(borrow)]
    pub(crate) started_at: Text<'a>,
    #[serde(borrow, deserialize_with = "names")]
    pub(crate) users: Vec<Cow<'a, str>>,
}

/// How many requests wait, in a heartbeat; or the requests themselves, in the report of a scan.
#[derive(Debug)]
pub(crate) enum Requests<'a> {
    Count(u64),
    List(Vec<Request<'a>>),
}

impl Default for Requests<'_> {
    fn default() -> Self {
        Self::Count(0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Requests<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Requests<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or a list of requests")
            }

            fn visit_u64<E>(self, count: u64) -> Result<Self::Value, E> {
                Ok(Requests::Count(count))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                let few = Few { most: MOST_ROWS + 1, of: std::marker::PhantomData };
                few.visit_seq(seq).map(Requests::List)
            }
        }
        deserializer.deserialize_any(Either)
    }
}
