//! Values of a `.env` file that a client puts into the text of its configuration before it parses it.
//!
//! What stands in the file is what is inventoried. Where a value changes more than the text in whose place it stands, the
//! client reads another file, and that is told: keys of providers are filled in on every honest machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mcpolicy_clients::codec::{self, Format, decode};
use mcpolicy_clients::location::Location;
use mcpolicy_clients::node::{LineIndex, Node, Value};
use mcpolicy_clients::template::{self, Layout};
use mcpolicy_schema::finding::{Finding, FindingCode, Severity};

use super::{FileFinding, FileInventory, State, format_of};
use crate::discover::source::Source;

/// Values by name.
type Values = BTreeMap<String, String>;

/// Takes note of values that make another file of a source; `read` gives the text of a file of values.
pub fn note(
    taken: &mut FileInventory,
    (source, bytes): (&Source, &[u8]),
    layout: Option<&Layout>,
    read: impl Fn(&Path) -> Option<String>,
) {
    // what costs least is asked first: the text is searched of a few files only
    if taken.state != State::Read
        || !matches!(format_of(source), Format::Yaml | Format::YamlOrJson)
        || memchr::memmem::find(bytes, b"${{").is_none()
    {
        return;
    }
    let Ok(decoded) = decode::decode(bytes) else { return };
    let files: Vec<Values> =
        places(source, layout).iter().filter_map(|path| read(path)).map(|t| values(&t)).collect();
    // which of them wins depends on the folder that the client is started in
    let changing = (0..files.len()).find_map(|first| {
        let rest = files.iter().enumerate().filter(|(at, _)| *at != first).map(|(_, values)| values);
        let order: Vec<&Values> = std::iter::once(&files[first]).chain(rest).collect();
        changes(source, &decoded.text, &order)
    });
    let Some(offset) = changing else { return };
    let message =
        "values of a .env file are put in before the file is parsed, and here that makes another file of it";
    let finding = Finding::new(FindingCode::DamagedConfig, message).weighing(Severity::High);
    let position = LineIndex::new(&decoded.text).position(offset);
    taken.findings.push(FileFinding { finding, position });
    taken.state = State::Unparseable;
}

/// Where the readers of a file look for values.
fn places(source: &Source, layout: Option<&Layout>) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for reading in &source.readings {
        for template in reading.adapter.fills_from() {
            let of_home = layout.map(|layout| template::expand(reading.adapter.about(), template, layout));
            let project = project_of(&source.path, reading.location);
            let of_project = project.and_then(|project| template::below(template, "<project>", project));
            out.extend(of_home.into_iter().flatten().chain(of_project).map(|pattern| pattern.base));
        }
    }
    out.dedup();
    out
}

/// The folder that `<project>` stood for when a file was found.
fn project_of<'p>(path: &'p Path, location: &Location) -> Option<&'p Path> {
    let below = location.path.strip_prefix("<project>/")?;
    path.ancestors().nth(below.split('/').count())
}

/// The first reference of which the values make another tree of the text.
fn changes(source: &Source, text: &str, order: &[&Values]) -> Option<usize> {
    let (filled, first) = fill(text, order)?;
    let path = source.path.to_string_lossy();
    let (before, after) =
        (codec::parse(format_of(source), &path, text), codec::parse(format_of(source), &path, &filled));
    let is_same = match (&before, &after) {
        (Ok(before), Ok(after)) => same_shape(&before.root, &after.root),
        _ => false,
    };
    (!is_same).then_some(first)
}

/// The text with its references filled in, and where the first one was; nothing if there is none with a value.
fn fill(text: &str, order: &[&Values]) -> Option<(String, usize)> {
    let (mut out, mut rest, mut first) = (String::new(), 0, None);
    for (start, mark) in text.match_indices("${{") {
        let Some(length) = text[start..].find("}}") else { break };
        let name = text[start + mark.len()..start + length].trim();
        let secret = name.strip_prefix("secrets.").or_else(|| name.strip_prefix("inputs."));
        let secret = secret.map(|secret| secret.rsplit('/').next().unwrap_or(secret));
        let value = secret.and_then(|secret| order.iter().find_map(|values| values.get(secret)));
        if let Some(value) = value.filter(|_| start >= rest) {
            out.push_str(&text[rest..start]);
            out.push_str(value);
            rest = start + length + 2;
            first = first.or(Some(start));
        }
    }
    out.push_str(&text[rest..]);
    first.map(|first| (out, first))
}

/// Whether two trees differ in texts and numbers only.
fn same_shape(one: &Node<'_>, other: &Node<'_>) -> bool {
    let mut pairs = vec![(one, other)];
    while let Some((one, other)) = pairs.pop() {
        match (&one.value, &other.value) {
            (Value::Object(a), Value::Object(b)) if a.len() == b.len() => {
                if a.iter().zip(b).any(|(a, b)| a.key != b.key) {
                    return false;
                }
                pairs.extend(a.iter().zip(b).map(|(a, b)| (&a.value, &b.value)));
            }
            (Value::Array(a), Value::Array(b)) if a.len() == b.len() => pairs.extend(a.iter().zip(b)),
            (Value::Object(_) | Value::Array(_), _) | (_, Value::Object(_) | Value::Array(_)) => {
                return false;
            }
            _ => {}
        }
    }
    true
}

/// The values of a `.env` file as the package `dotenv` reads them: three kinds of quotes, over lines; `\n` and `\r` in
/// double ones; the last of equal names counts.
fn values(text: &str) -> Values {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let (mut out, mut rest) = (Values::new(), text.as_str());
    while !rest.is_empty() {
        rest = rest.trim_start();
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        match assigned(line, rest) {
            Some((name, value, used)) => {
                out.insert(name.to_owned(), value);
                rest = rest[used..].split_once('\n').map_or("", |(_, after)| after);
            }
            None => rest = after,
        }
    }
    out
}

/// The name and value of an assignment that begins on this line, and how far it reaches.
fn assigned<'t>(line: &'t str, text: &str) -> Option<(&'t str, String, usize)> {
    let exported = line.strip_prefix("export").filter(|rest| rest.starts_with(char::is_whitespace));
    let start = line.len() - exported.map_or(line, str::trim_start).len();
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let end = line[start..].find(|c| !is_of_name(c)).map(|at| start + at).filter(|end| *end > start)?;
    let after = line[end..].trim_start();
    let sign = line.len() - after.len();
    let is_sign =
        after.starts_with('=') || (sign == end && (after.starts_with(": ") || after.starts_with(":\t")));
    if !is_sign {
        return None;
    }
    let value = text[sign + 1..].trim_start_matches([' ', '\t']);
    let at = text.len() - value.len();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'));
    if let Some(quote) = quote
        && let Some(length) = closing(&value[1..], quote)
    {
        let inner = &value[1..=length];
        let value =
            if quote == '"' { inner.replace("\\n", "\n").replace("\\r", "\r") } else { inner.to_owned() };
        return Some((&line[start..end], value, at + length + 2));
    }
    let bare = text[at..].split('\n').next().unwrap_or_default().split('#').next().unwrap_or_default();
    Some((&line[start..end], bare.trim().to_owned(), at + bare.len()))
}

/// Where a quoted text ends.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let ends = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        ends.then_some(at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_the_client_reads_them() {
        let read =
            values("# x\nA=1 # y\nexport B = \"x\\ny\"\nC='l1\nl2'\nD: z\nnot one\nE=\"open\nF=`q`\nA=2\nG=");
        let flat: Vec<String> = read.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(flat, ["A=2", "B=x\ny", "C=l1\nl2", "D=z", "E=\"open", "F=q", "G="]);
    }

    #[test]
    fn only_known_names_are_filled_in_and_the_first_file_wins() {
        let (one, other) = (values("A=1"), values("A=2\nB=3"));
        let text = "a: ${{ secrets.A }} ${{secrets.o/p/B}} ${{ inputs.A }} ${{ secrets.C }}";
        let (filled, first) = fill(text, &[&one, &other]).unwrap();
        assert_eq!((filled.as_str(), first), ("a: 1 3 1 ${{ secrets.C }}", 3));
        assert!(fill("a: ${{ secrets.C }}", &[&one]).is_none());
    }
}
