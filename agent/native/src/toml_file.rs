//! Our lines in a TOML file that others write too: one block before everything, for keys of the top, and one behind
//! everything, for tables. Between the marks of a block all is ours; outside of them not a byte is touched.

use serde_json::Value;

use crate::json_file::{MergeError, Merged};
use crate::output::{Before, Conflict, ConflictKind, Drift, OurKey, Ours, State};
use crate::target::Target;

const BEGIN: &str = "# mcpolicy begins here: written by the agent, and put back when changed\n";
/// The same where the line before it had no end, which the block then brought.
const BEGIN_ON: &str =
    "# mcpolicy begins on the line before: written by the agent, and put back when changed\n";
const END: &str = "# mcpolicy ends here\n";

/// Lines for a file.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    /// Keys of the top.
    pub(crate) head: Vec<Part>,
    /// Tables.
    pub(crate) tail: Vec<Part>,
}

/// Some lines that stand or fall together.
#[derive(Debug)]
pub(crate) struct Part {
    /// The key that they are about, as a JSON Pointer.
    pub(crate) key: String,
    /// The lines, each with its end.
    pub(crate) lines: String,
}

impl Part {
    pub(crate) fn new(key: impl Into<String>, lines: impl Into<String>) -> Self {
        Self { key: key.into(), lines: lines.into() }
    }
}

fn text(bytes: &[u8]) -> Result<&str, MergeError> {
    std::str::from_utf8(bytes).map_err(|_| MergeError::NotText)
}

/// The range of the first block from an offset on, and what is to stand in its place.
fn block(text: &str, from: usize) -> Result<Option<(std::ops::Range<usize>, usize)>, MergeError> {
    let plain = text[from..].find(BEGIN).map(|at| (from + at, BEGIN.len(), 0));
    let on = text[from..].find(BEGIN_ON).map(|at| (from + at, BEGIN_ON.len(), 1));
    let Some((at, length, back)) = [plain, on].into_iter().flatten().min() else { return Ok(None) };
    let end = text[at + length..].find(END).map(|end| at + length + end + END.len());
    let end =
        end.ok_or_else(|| MergeError::Refused("the end of what mcpolicy wrote is missing".to_owned()))?;
    Ok(Some((at.saturating_sub(back)..end, at)))
}

/// Takes our blocks out; `None`: nothing is left, and the file was not there before.
///
/// # Errors
/// It is no text, or a block has no end.
pub(crate) fn remove(bytes: &[u8], ours: &Ours) -> Result<Option<Vec<u8>>, MergeError> {
    let mut rest = text(bytes)?.to_owned();
    while let Some((range, _)) = block(&rest, 0)? {
        rest.replace_range(range, "");
    }
    if rest.is_empty() && ours.before == Some(Before::Absent) {
        return Ok(None);
    }
    Ok(Some(rest.into_bytes()))
}

/// Puts our lines into what stands at a target, in place of those that we put there before. Parts that cannot stand beside
/// what an administrator has are left out and told; `check` says whether the client takes the whole.
///
/// # Errors
/// The file cannot be read as its client reads it, and is to be left alone.
pub(crate) fn merge(
    target: &Target,
    state: &State,
    blocks: &Blocks,
    check: &dyn Fn(&[u8]) -> bool,
) -> Result<Merged, MergeError> {
    let base = base(state)?;
    let before = base.as_deref().map(text).transpose()?.unwrap_or_default();
    if base.is_some() && !check(before.as_bytes()) {
        return Err(MergeError::Refused("its client refuses the file as it is".to_owned()));
    }
    let mut conflicts = Vec::new();
    let (mut head, mut tail) = (String::new(), String::new());
    for (is_head, part) in
        blocks.head.iter().map(|part| (true, part)).chain(blocks.tail.iter().map(|part| (false, part)))
    {
        let longer = |text: &str| format!("{text}{}", part.lines);
        let (now_head, now_tail) =
            if is_head { (longer(&head), tail.clone()) } else { (head.clone(), longer(&tail)) };
        if check(whole(before, &now_head, &now_tail).as_bytes()) {
            (head, tail) = (now_head, now_tail);
        } else {
            conflicts.push(Conflict {
                place: target.id(),
                key: part.key.clone(),
                kind: ConflictKind::Unreadable,
                what: "an administrator set this in a form beside which ours cannot stand".to_owned(),
            });
        }
    }
    if head.is_empty() && tail.is_empty() {
        return Ok(Merged { bytes: base, ours: None, conflicts });
    }
    let key = |name: &str, text: &str| OurKey {
        path: vec![name.to_owned()],
        value: Value::from(text),
        item: false,
    };
    let keys = [key("head", &head), key("tail", &tail)];
    let ours = Ours {
        keys: keys.into_iter().filter(|key| key.value != "").collect(),
        made: Vec::new(),
        before: base.is_none().then_some(Before::Absent),
    };
    let bytes = whole(before, &head, &tail).into_bytes();
    Ok(Merged { bytes: Some(bytes), ours: Some(ours), conflicts })
}

/// Our lines alone, as a file of nothing else has them.
pub(crate) fn fresh(blocks: &Blocks) -> String {
    let lines = |parts: &[Part]| parts.iter().map(|part| part.lines.as_str()).collect::<String>();
    whole("", &lines(&blocks.head), &lines(&blocks.tail))
}

/// What others have at the target.
pub(crate) fn base(state: &State) -> Result<Option<Vec<u8>>, MergeError> {
    match (&state.bytes, &state.ours) {
        (Some(bytes), Some(ours)) => remove(bytes, ours),
        (Some(bytes), None) => Ok(Some(bytes.clone())),
        (None, _) => Ok(None),
    }
}

/// The text of others with our blocks around it.
fn whole(before: &str, head: &str, tail: &str) -> String {
    // what stands before a byte order mark is not read
    let (mark, rest) = before.strip_prefix('\u{feff}').map_or(("", before), |rest| ("\u{feff}", rest));
    let mut out = mark.to_owned();
    if !head.is_empty() {
        out.push_str(&format!("{BEGIN}{head}{END}"));
    }
    out.push_str(rest);
    if !tail.is_empty() {
        let is_open = !rest.is_empty() && !rest.ends_with('\n');
        out.push_str(if is_open { "\n" } else { "" });
        out.push_str(&format!("{}{tail}{END}", if is_open { BEGIN_ON } else { BEGIN }));
    }
    out
}

/// What of ours is no longer as it was.
pub(crate) fn verify(bytes: Option<&[u8]>, ours: &Ours) -> Result<Vec<Drift>, MergeError> {
    let text = text(bytes.unwrap_or_default())?;
    let drift = |key: &OurKey| {
        let is_there = key.value.as_str().is_some_and(|lines| {
            [BEGIN, BEGIN_ON].iter().any(|begin| text.contains(&format!("{begin}{lines}{END}")))
        });
        (!is_there).then(|| Drift { key: format!("/{}", key.path.join("/")), gone: !text.contains(BEGIN) })
    };
    Ok(ours.keys.iter().filter_map(drift).collect())
}

/// A text as a TOML string.
pub(crate) fn quoted(text: &str) -> String {
    // JSON's escapes are TOML's, but for DEL, which TOML wants escaped too
    Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// A name as a key of TOML.
pub(crate) fn bare(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !name.is_empty() && name.chars().all(is_bare) { name.to_owned() } else { quoted(name) }
}
