//! A record as it leaves: one line of JSON that is never too long.
//!
//! Attack: an entry with thousands of variables or unknown members makes a record that nobody takes. Left out, it would keep its
//! whole inventory from ever being complete, so that the machine is shown as it was before; so it is told short. What says which
//! entry it is and what the policy says of it (fingerprint, verdict, user, file) is the same as ever; lists end early, texts in `…`.

use std::collections::BTreeSet;

use mcpolicy_schema::report::privacy::Privacy;
use mcpolicy_schema::report::v1::{self, Body};
use serde_json::Value;

/// Longest JSON of a record, in bytes.
pub const MAX_RECORD: usize = 256 << 10;
/// Most items of a list and most bytes of a text, tried in this order. The last ones leave a tenth of what a record may have.
const CUTS: [(usize, usize); 4] = [(200, 4096), (200, 512), (50, 256), (10, 128)];
/// Members that stay as they are: by them records are told apart, joined and read.
const KEPT: [&str; 13] = [
    "schema",
    "id",
    "class",
    "device",
    "agent",
    "chain",
    "time",
    "privacy",
    "kind",
    "snapshot",
    "fingerprint",
    "chains",
    "waiting",
];
/// Kinds of values that are no credential: the first to go, or whoever plants an entry would choose what nobody changes.
const PLAIN: [&str; 2] = ["literal", "reference"];

/// A line, and what is not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// The record. Empty for what cannot be written, which the spool refuses.
    pub json: Vec<u8>,
    /// Names of members of which something was left out.
    pub left_out: Vec<String>,
    /// How long it would have been.
    pub bytes: usize,
}

/// Writes a record as its tier lets it out, shortened where it would be too long.
pub fn written(record: &v1::Record, privacy: &Privacy) -> Written {
    let Ok(mut value) = serde_json::to_value(record) else { return Written::default() };
    // before it is chained: see `privacy`
    privacy.apply(&mut value);
    let json = serde_json::to_vec(&value).unwrap_or_default();
    let bytes = json.len();
    if bytes <= MAX_RECORD {
        return Written { json, left_out: Vec::new(), bytes };
    }
    drop(json);
    // names are taken away before: the end of what is cut hides nothing that a whole one would not
    let mut left_out = BTreeSet::new();
    for (items, text) in CUTS {
        shorten(&mut value, "", (items, text), &mut left_out);
        if let Value::Object(members) = &mut value {
            members.insert("left_out".to_owned(), left_out.iter().cloned().collect());
        }
        let json = serde_json::to_vec(&value).unwrap_or_default();
        if json.len() <= MAX_RECORD {
            return Written { json, left_out: left_out.into_iter().collect(), bytes };
        }
    }
    // a machine's own settings may be as long; no entry is
    Written { json: Vec::new(), left_out: left_out.into_iter().collect(), bytes }
}

fn shorten(value: &mut Value, name: &str, most: (usize, usize), left_out: &mut BTreeSet<String>) {
    let is_cut = match value {
        Value::Array(items) => keep(items, most.0),
        Value::String(text) => cut(text, most.1),
        _ => false,
    };
    if is_cut {
        left_out.insert(name.to_owned());
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| shorten(item, name, most, left_out)),
        Value::Object(members) => {
            let others = members.iter_mut().filter(|(name, _)| !KEPT.contains(&name.as_str()));
            others.for_each(|(name, member)| shorten(member, name, most, left_out));
        }
        _ => {}
    }
}

/// Keeps so many items in their order, of values credentials before others.
fn keep(items: &mut Vec<Value>, most: usize) -> bool {
    if items.len() <= most {
        return false;
    }
    let is_plain = |item: &Value| item["kind"].as_str().is_some_and(|kind| PLAIN.contains(&kind));
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|at| is_plain(&items[*at]));
    let kept: BTreeSet<usize> = order.into_iter().take(most).collect();
    let mut at = 0;
    items.retain(|_| {
        at += 1;
        kept.contains(&(at - 1))
    });
    true
}

fn cut(text: &mut String, most: usize) -> bool {
    if text.len() <= most {
        return false;
    }
    text.truncate(text.floor_char_boundary(most.saturating_sub('…'.len_utf8())));
    text.push('…');
    true
}

/// The event that tells of a record that was shortened. Without its identity, which would count it a second time.
pub fn told(body: &Body, written: &Written) -> v1::Event {
    let about = About::of(body);
    let what = about.what;
    let of = written.left_out.join(", ");
    v1::Event {
        code: "record-too-long".to_owned(),
        user: about.user.to_owned(),
        server: about.server.to_owned(),
        client: about.client.to_owned(),
        fingerprint: about.fingerprint.to_owned(),
        detail: format!(
            "{what} of {} bytes is told without all of its {of}: {MAX_RECORD} are the most",
            written.bytes
        ),
        count: Some(1),
        ..v1::Event::default()
    }
}

/// What stands in the place of a record that is too long in its shortest form.
pub fn instead(body: &Body, bytes: usize) -> Body {
    let About { what, journal, .. } = About::of(body);
    let detail = format!("{what} of {bytes} bytes is not reported: {MAX_RECORD} are the most");
    Body::Event(v1::Event { code: "record-too-long".to_owned(), detail, journal, ..v1::Event::default() })
}

/// What a record is about.
#[derive(Default)]
struct About<'b> {
    what: &'static str,
    user: &'b str,
    server: &'b str,
    client: &'b str,
    fingerprint: &'b str,
    journal: Option<u64>,
}

impl<'b> About<'b> {
    fn of(body: &'b Body) -> Self {
        fn text(text: &Option<String>) -> &str {
            text.as_deref().unwrap_or_default()
        }
        match body {
            Body::Entry { entry, .. } => Self {
                what: "an entry of the inventory",
                user: text(&entry.user),
                server: &entry.name,
                client: &entry.client,
                fingerprint: &entry.fingerprint,
                journal: None,
            },
            Body::Finding { finding, .. } => Self {
                what: "a finding of the inventory",
                user: text(&finding.user),
                server: text(&finding.name),
                ..Self::default()
            },
            Body::Coverage { gap, .. } => {
                Self { what: "a gap of the inventory", user: text(&gap.user), ..Self::default() }
            }
            Body::Action(action) => Self {
                what: "an action",
                user: &action.user,
                server: &action.server,
                client: &action.client,
                fingerprint: &action.fingerprint,
                journal: action.journal,
            },
            Body::Event(event) => Self {
                what: "an event",
                user: &event.user,
                server: &event.server,
                client: &event.client,
                fingerprint: &event.fingerprint,
                journal: event.journal,
            },
            Body::ToolCall(call) => Self {
                what: "a call of a tool",
                user: &call.user,
                server: &call.server,
                client: &call.client,
                fingerprint: &call.fingerprint,
                journal: None,
            },
            Body::Request { request } => Self { what: "a request", user: &request.user, ..Self::default() },
            Body::Heartbeat(_) | Body::Inventory(_) | Body::Gap(_) => {
                Self { what: "a record", ..Self::default() }
            }
        }
    }
}
