//! The same policy as files that MDM distributes: registry values for Windows, preferences for macOS.

use serde_json::{Map, Value};

use crate::clients::compiler;
use crate::compile::{Input, at_target};
use crate::output::State;
use crate::plan::Plan;
use crate::refused::Refused;
use crate::target::{Client, Place, Target};

/// A file for MDM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MdmFile {
    /// A name for it.
    pub name: String,
    /// Where its content ends up.
    pub place: Place,
    /// The file.
    pub bytes: Vec<u8>,
}

/// What MDM may distribute for a client on the system of the input: every target as it is on a machine on which nobody has
/// written anything. For a whole fleet the input has no entries and no homes: what is in it goes to every machine.
/// Registry values come as a `.reg` file, preferences as a property list of the domain.
///
/// # Errors
/// What is compiled would be refused by the client; nothing is handed out then.
pub fn mdm(client: Client, input: &Input<'_>) -> Result<Vec<MdmFile>, Refused> {
    let compiler = compiler(client);
    let mut plan = Plan::new(input, client, compiler.abilities());
    let mut out = Vec::new();
    for target in compiler.targets(input.context.system) {
        let content = compiler.content(&target, &mut plan);
        let Some(bytes) = at_target(compiler, &target, &State::default(), &content)?.bytes else { continue };
        let values = || serde_json::from_slice(&bytes).unwrap_or_default();
        let bytes = match &target.place {
            Place::Registry(key) => registry_file(key, &values()),
            Place::Preferences(_) => property_list(&values()),
            Place::File(_) => bytes,
        };
        out.push(MdmFile { name: file_name(client, &target), place: target.place, bytes });
    }
    Ok(out)
}

fn file_name(client: Client, target: &Target) -> String {
    match &target.place {
        Place::Registry(_) => format!("{}.reg", client.id()),
        Place::Preferences(domain) => format!("{domain}.plist"),
        Place::File(path) => {
            let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
            format!("{}-{name}", client.id())
        }
    }
}

/// A file for `reg import` and Group Policy: UTF-16 with a byte order mark, as the editor writes it.
pub(crate) fn registry_file(key: &str, values: &Map<String, Value>) -> Vec<u8> {
    let key = key
        .strip_prefix("HKLM\\")
        .map_or_else(|| key.to_owned(), |rest| format!("HKEY_LOCAL_MACHINE\\{rest}"));
    let mut text = format!("Windows Registry Editor Version 5.00\r\n\r\n[{key}]\r\n");
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    for (name, value) in values {
        let data = match value {
            Value::Bool(on) => format!("dword:{:08x}", u8::from(*on)),
            Value::Number(number) => format!("dword:{:08x}", number.as_u64().unwrap_or_default()),
            Value::String(text) => format!("\"{}\"", escaped(text)),
            other => format!("\"{}\"", escaped(&other.to_string())),
        };
        text.push_str(&format!("\"{}\"={data}\r\n", escaped(name)));
    }
    [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

/// A property list with these values: the content of a payload for the domain.
pub(crate) fn property_list(values: &Map<String, Value>) -> Vec<u8> {
    let mut out = String::from(concat!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
        "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \
            \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n",
        "<plist version=\"1.0\">\n"
    ));
    element(&mut out, &Value::Object(values.clone()), 0);
    out.push_str("</plist>\n");
    out.into_bytes()
}

fn element(out: &mut String, value: &Value, depth: usize) {
    let indent = "\t".repeat(depth);
    match value {
        // a property list has no null; none of ours is one
        Value::Null => {}
        Value::Bool(on) => out.push_str(&format!("{indent}<{on}/>\n")),
        Value::Number(number) if number.is_f64() => out.push_str(&format!("{indent}<real>{number}</real>\n")),
        Value::Number(number) => out.push_str(&format!("{indent}<integer>{number}</integer>\n")),
        Value::String(text) => out.push_str(&format!("{indent}<string>{}</string>\n", xml(text))),
        Value::Array(items) => {
            out.push_str(&format!("{indent}<array>\n"));
            items.iter().for_each(|item| element(out, item, depth + 1));
            out.push_str(&format!("{indent}</array>\n"));
        }
        Value::Object(members) => {
            out.push_str(&format!("{indent}<dict>\n"));
            for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
                out.push_str(&format!("{indent}\t<key>{}</key>\n", xml(name)));
                element(out, value, depth + 1);
            }
            out.push_str(&format!("{indent}</dict>\n"));
        }
    }
}

/// A text as XML 1.0 takes it; characters that it cannot hold at all are left out.
fn xml(text: &str) -> String {
    let is_allowed =
        |c: &char| matches!(c, '\t' | '\n' | '\r') || (*c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}'));
    text.chars()
        .filter(is_allowed)
        .map(|c| match c {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '\r' => "&#13;".to_owned(),
            other => other.to_string(),
        })
        .collect()
}
