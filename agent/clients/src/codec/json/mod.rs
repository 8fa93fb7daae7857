//! JSON to the common tree, in one pass over the bytes.
//!
//! Why not a crate: the clients' readers differ in comments, trailing commas, duplicates, surrogates, depth and error
//! recovery, and each difference decides whether an entry is live. `serde_json` drops duplicates and stops at 128
//! levels, `jsonc-parser` reads 20 MB/s and refuses surrogates; both hide what must be judged here.

mod inherit;
mod recover;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use mcpolicy_schema::limits::MAX_DEPTH;

use super::breaks::{self, Of};
use super::{Duplicate, Leniencies, ParseError, Parsed};
use crate::node::{Member, Node, Span, Value};

/// Parses JSON with comments and trailing commas. With `recovers`, a text with syntax errors is read as Microsoft's
/// jsonc-parser reads it and the first error is reported as damage.
///
/// # Errors
/// The first syntax error, if not recovered from.
pub fn parse(text: &str, recovers: bool) -> Result<Parsed<'_>, ParseError> {
    let mut reader = Reader::new(text);
    let mut parsed = match reader.document() {
        Ok(root) => reader.finish(root),
        Err(error) if recovers => recover::parse(text, error)?,
        Err(error) => return Err(error),
    };
    if recovers && inherit::is_possible(text) {
        inherit::apply(&mut parsed.root);
    }
    Ok(parsed)
}

/// The state of one pass.
struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    leniencies: Leniencies,
    duplicates: Vec<Duplicate>,
    deep: Option<usize>,
    /// See [`Parsed::breaks`].
    breaks: Vec<usize>,
    /// Members and items of what is open, so that each object and list is allocated once and at its size.
    members: Vec<Member<'a>>,
    items: Vec<Node<'a>>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            at: 0,
            leniencies: Leniencies::default(),
            duplicates: Vec::new(),
            deep: None,
            breaks: Vec::new(),
            members: Vec::new(),
            items: Vec::new(),
        }
    }

    fn finish(self, root: Node<'a>) -> Parsed<'a> {
        Parsed {
            root,
            leniencies: self.leniencies,
            duplicates: self.duplicates,
            deep: self.deep,
            damage: None,
            breaks: breaks::with_returns(self.breaks, self.text, self.leniencies.comments),
        }
    }

    fn document(&mut self) -> Result<Node<'a>, ParseError> {
        let root = self.value(0)?;
        self.blank()?;
        if self.at < self.bytes.len() {
            return Err(self.error("unexpected text after the end of the document"));
        }
        Ok(root)
    }

    fn error(&self, message: &str) -> ParseError {
        ParseError::new(message, self.at)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Skips white space and comments.
    fn blank(&mut self) -> Result<(), ParseError> {
        loop {
            while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
                self.at += 1;
            }
            if self.peek() != Some(b'/') {
                return Ok(());
            }
            let rest = &self.bytes[self.at + 1..];
            let length = match rest.first() {
                Some(b'/') => memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len()),
                Some(b'*') => match memchr::memmem::find(&rest[1..], b"*/") {
                    Some(end) => end + 3,
                    None => return Err(self.error("a comment is not closed")),
                },
                _ => return Err(self.error("unexpected '/'")),
            };
            self.leniencies.comments = true;
            let end = self.at + 1 + length;
            if rest.first() == Some(&b'/') {
                self.breaks.extend(breaks::within(self.text, self.at..end, Of::Json));
            }
            self.at = end;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node<'a>, ParseError> {
        self.blank()?;
        let start = self.at;
        let value = match self.peek() {
            Some(b'{' | b'[') if depth >= MAX_DEPTH => {
                self.deep.get_or_insert(start);
                self.skip_deep()?;
                Value::Deep
            }
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => Value::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => Value::Number(Cow::Borrowed(self.number()?)),
            Some(b't') => self.word("true", Value::Bool(true))?,
            Some(b'f') => self.word("false", Value::Bool(false))?,
            Some(b'n') => self.word("null", Value::Null)?,
            Some(_) => return Err(self.error("a value is expected here")),
            None => return Err(self.error("the file ends where a value is expected")),
        };
        Ok(Node { value, span: Span::new(start, self.at) })
    }

    fn word(&mut self, word: &str, value: Value<'a>) -> Result<Value<'a>, ParseError> {
        if self.bytes[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(self.error("a value is expected here"))
        }
    }

    fn number(&mut self) -> Result<&'a str, ParseError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let leading_zero = self.peek() == Some(b'0');
        let whole = self.digits();
        if whole == 0 || (leading_zero && whole > 1) {
            self.at = start;
            return Err(self.error("not a JSON number"));
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(self.error("a number needs a digit after the point"));
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(self.error("a number needs a digit in its exponent"));
            }
        }
        Ok(&self.text[start..self.at])
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn string(&mut self) -> Result<Cow<'a, str>, ParseError> {
        let open = self.at;
        let content = open + 1;
        let mut end = content;
        let mut escaped = false;
        loop {
            end = special(self.bytes, end);
            match self.bytes.get(end) {
                Some(b'"') => break,
                Some(b'\\') if end + 1 < self.bytes.len() => {
                    escaped = true;
                    end += 2;
                }
                None | Some(b'\\' | b'\n' | b'\r') => {
                    return Err(ParseError::new("a string is not closed", open));
                }
                Some(_) => return Err(ParseError::new("a control character in a string", end)),
            }
        }
        let raw = &self.text[content..end];
        self.at = end + 1;
        if !escaped {
            return Ok(Cow::Borrowed(raw));
        }
        let (text, lone) = unescape(raw).map_err(|at| ParseError::new("not a JSON escape", content + at))?;
        self.leniencies.lone_surrogates |= lone;
        Ok(Cow::Owned(text))
    }

    fn array(&mut self, depth: usize) -> Result<Value<'a>, ParseError> {
        self.at += 1;
        let first = self.items.len();
        self.blank()?;
        while self.peek() != Some(b']') {
            let item = self.value(depth + 1)?;
            self.items.push(item);
            self.separator(b']', "a comma or ']' is expected here")?;
        }
        self.at += 1;
        Ok(Value::Array(self.items.drain(first..).collect()))
    }

    fn object(&mut self, depth: usize) -> Result<Value<'a>, ParseError> {
        self.at += 1;
        let first = self.members.len();
        self.blank()?;
        while self.peek() != Some(b'}') {
            let start = self.at;
            match self.peek() {
                Some(b'"') => {}
                Some(_) => return Err(self.error("a quoted key is expected here")),
                None => return Err(self.error("the file ends inside an object")),
            }
            let key = self.string()?;
            let key_span = Span::new(start, self.at);
            self.blank()?;
            if self.peek() != Some(b':') {
                return Err(self.error("a ':' is expected here"));
            }
            self.at += 1;
            let value = self.value(depth + 1)?;
            self.members.push(Member { key, key_span, value });
            self.separator(b'}', "a comma or '}' is expected here")?;
        }
        self.at += 1;
        note_duplicates(&self.members[first..], &mut self.duplicates);
        Ok(Value::Object(self.members.drain(first..).collect()))
    }

    /// After an item: a comma and perhaps, leniently, the closing bracket; or the closing bracket.
    fn separator(&mut self, close: u8, expected: &str) -> Result<(), ParseError> {
        self.blank()?;
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                self.blank()?;
                self.leniencies.trailing_commas |= self.peek() == Some(close);
                Ok(())
            }
            Some(byte) if byte == close => Ok(()),
            Some(_) => Err(self.error(expected)),
            None => Err(self.error("the file ends inside a list or object")),
        }
    }

    /// Checks a value that is nested too deep to be kept, without recursion.
    fn skip_deep(&mut self) -> Result<(), ParseError> {
        let mut open: Vec<u8> = Vec::new();
        loop {
            self.blank()?;
            match self.peek() {
                Some(bracket @ (b'{' | b'[')) => {
                    self.at += 1;
                    self.blank()?;
                    let close = bracket + 2;
                    if self.peek() != Some(close) {
                        open.push(close);
                        self.deep_key(close)?;
                        continue;
                    }
                    self.at += 1;
                }
                Some(b'"') => drop(self.string()?),
                Some(b'-' | b'0'..=b'9') => drop(self.number()?),
                Some(b't') => drop(self.word("true", Value::Null)?),
                Some(b'f') => drop(self.word("false", Value::Null)?),
                Some(b'n') => drop(self.word("null", Value::Null)?),
                _ => return Err(self.error("a value is expected here")),
            }
            loop {
                let Some(close) = open.last().copied() else { return Ok(()) };
                self.separator(close, "a comma or a closing bracket is expected here")?;
                if self.peek() != Some(close) {
                    self.deep_key(close)?;
                    break;
                }
                self.at += 1;
                open.pop();
            }
        }
    }

    /// The key of a member below the depth limit.
    fn deep_key(&mut self, close: u8) -> Result<(), ParseError> {
        if close != b'}' {
            return Ok(());
        }
        if self.peek() != Some(b'"') {
            return Err(self.error("a quoted key is expected here"));
        }
        self.string()?;
        self.blank()?;
        if self.peek() != Some(b':') {
            return Err(self.error("a ':' is expected here"));
        }
        self.at += 1;
        Ok(())
    }
}

/// The first byte from `at` on that ends a run of plain text in a string: a quote, a backslash or a control character;
/// the end of the bytes if there is none. Eight bytes at a time: strings are nearly all of a file.
fn special(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    // The lowest bit set is right; a borrow can only set wrong ones above it.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word;
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*chunk);
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let quote = zeros(word ^ (ONES * u64::from(b'"')));
        let backslash = zeros(word ^ (ONES * u64::from(b'\\')));
        let found = (control | quote | backslash) & HIGH;
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..0x20)).unwrap_or(rest.len())
}

/// Adds the later ones of equal keys. Keys are compared decoded: `\u0061` is `a` to every client.
pub(in crate::codec) fn note_duplicates(members: &[Member<'_>], out: &mut Vec<Duplicate>) {
    const FEW: usize = 12;
    let push = |member: &Member<'_>, out: &mut Vec<Duplicate>| {
        out.push(Duplicate { key: member.key.clone().into_owned(), span: member.key_span });
    };
    if members.len() <= FEW {
        for (at, member) in members.iter().enumerate() {
            if members[..at].iter().any(|earlier| earlier.key == member.key) {
                push(member, out);
            }
        }
    } else {
        let mut order: Vec<&Member<'_>> = members.iter().collect();
        order.sort_by(|a, b| a.key.cmp(&b.key).then(a.key_span.start.cmp(&b.key_span.start)));
        for pair in order.windows(2) {
            if pair[0].key == pair[1].key {
                push(pair[1], out);
            }
        }
    }
}

/// Decodes the escapes of a string. An escaped surrogate without its other half becomes U+FFFD and is reported.
/// The error is the byte offset of a bad escape.
fn unescape(raw: &str) -> Result<(String, bool), usize> {
    let mut out = String::with_capacity(raw.len());
    let mut lone = false;
    let mut rest = raw;
    while let Some(found) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..found]);
        let at = raw.len() - rest.len() + found;
        let escape = &rest.as_bytes()[found..];
        let simple = match escape.get(1) {
            Some(b'"') => Some('"'),
            Some(b'\\') => Some('\\'),
            Some(b'/') => Some('/'),
            Some(b'b') => Some('\u{8}'),
            Some(b'f') => Some('\u{c}'),
            Some(b'n') => Some('\n'),
            Some(b'r') => Some('\r'),
            Some(b't') => Some('\t'),
            Some(b'u') => None,
            _ => return Err(at),
        };
        if let Some(ch) = simple {
            out.push(ch);
            rest = &rest[found + 2..];
            continue;
        }
        let high = hex4(escape.get(2..6)).ok_or(at)?;
        let low = if (0xD800..0xDC00).contains(&high) && escape.get(6..8) == Some(b"\\u") {
            hex4(escape.get(8..12)).filter(|low| (0xDC00..0xE000).contains(low))
        } else {
            None
        };
        let (ch, used) = match low {
            Some(low) => (char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)), 12),
            None => (char::from_u32(high), 6),
        };
        lone |= ch.is_none();
        out.push(ch.unwrap_or(char::REPLACEMENT_CHARACTER));
        rest = &rest[found + used..];
    }
    out.push_str(rest);
    Ok((out, lone))
}

fn hex4(digits: Option<&[u8]>) -> Option<u32> {
    let digits = digits.filter(|d| d.iter().all(u8::is_ascii_hexdigit))?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
