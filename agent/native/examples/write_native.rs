//! Writes what is compiled for Linux below a folder: `write_native CASE.json FOLDER`. For tests/native/real.sh, which holds it
//! against the real clients.
//!
//! The case has a policy (`policy`, as JSON) and entries (`entries`: name and words); each is judged, and belongs to every client.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use mcpolicy_native::{Allowed, Client, Denied, Input, Place, compile};
use mcpolicy_schema::document::Mode;
use mcpolicy_schema::entry::{Entry, Reader};
use mcpolicy_schema::evaluate::{Context, Subject, evaluate};
use mcpolicy_schema::policy::Policy;
use mcpolicy_schema::{fingerprint, identity};
use serde_json::Value;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [case, folder] = arguments.as_slice() else {
        return Err(io::Error::other("write_native CASE.json FOLDER"));
    };
    #[expect(clippy::disallowed_methods, reason = "a file of the test that calls this")]
    let case: Value = serde_json::from_slice(&std::fs::read(case)?)?;
    let policy = Policy::from_body(case["policy"].to_string().as_bytes())
        .map_err(|faults| io::Error::other(format!("{faults:#?}")))?;
    let now = "2026-11-21T00:00:00Z".parse().map_err(io::Error::other)?;
    let context = Context::bare(now);
    for client in Client::ALL {
        let (mut allowed, mut denied) = (Vec::new(), Vec::new());
        for entry in case["entries"].as_array().into_iter().flatten().map(|value| entry(client, value)) {
            let identity = identity::identify(&entry);
            let fingerprint = fingerprint::of(&entry, &identity, None);
            let subject = Subject { entry: &entry, identity: &identity, fingerprint: &fingerprint };
            let judgement = evaluate(&policy, &subject, &context);
            if judgement.is_allowed() {
                allowed.extend(Allowed::of_entry(&entry, judgement.rule.as_deref()));
            } else {
                denied.push(Denied::of_entry(&entry));
            }
        }
        let input = Input {
            policy: &policy,
            context: &context,
            mode: Mode::Enforce,
            homes: &[],
            allowed: &allowed,
            denied: &denied,
            present: &BTreeMap::new(),
            beside: &BTreeMap::new(),
            program: None,
        };
        for output in compile(client, &input).outputs {
            if let (Some(bytes), Place::File(path)) = (output.bytes, output.target.place) {
                let path = Path::new(folder).join(path.trim_start_matches('/'));
                path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
                std::fs::write(path, bytes)?;
            }
        }
    }
    Ok(())
}

fn entry(client: Client, value: &Value) -> Entry {
    let words: Vec<&str> =
        value["words"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut entry = match words.as_slice() {
        [url] if url.contains("://") => Entry::remote(*url),
        words => Entry::stdio(*words.first().unwrap_or(&""), words.iter().skip(1).copied()),
    };
    entry.name = value["name"].as_str().unwrap_or_default().to_owned();
    entry.client = client.id();
    entry.readers = vec![Reader { client: client.id(), setting: None }];
    entry
}
