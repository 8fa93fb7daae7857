//! Reading damaged JSON as Microsoft's `jsonc-parser` does (VS Code, Cursor): errors are noted, tokens are skipped up
//! to the next place that makes sense, and whatever was built is used.
//!
//! Modelled on the behaviour of jsonc-parser 3.x `parse()`: a servers file that strict tools call broken still starts
//! servers in those editors, so a planted syntax error must not hide them from us.

use std::borrow::Cow;

use mcpolicy_schema::limits::MAX_DEPTH;

use super::{note_duplicates, unescape};
use crate::codec::breaks::{self, Of};
use crate::codec::{Duplicate, Leniencies, ParseError, Parsed};
use crate::node::{Member, Node, Span, Value};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    OpenBrace,
    CloseBrace,
    OpenBracket,
    CloseBracket,
    Comma,
    Colon,
    Literal,
    String,
    Unknown,
    End,
}

/// Reads a text whose strict reading failed with `damage`.
///
/// # Errors
/// `damage`, if no value can be recovered: the editors take such a file for empty.
pub(super) fn parse(text: &str, damage: ParseError) -> Result<Parsed<'_>, ParseError> {
    let mut reader = Recovery {
        text,
        bytes: text.as_bytes(),
        at: 0,
        token: Token::End,
        start: 0,
        closed: false,
        deep: None,
        duplicates: Vec::new(),
        leniencies: Leniencies { recovered: true, ..Leniencies::default() },
        breaks: Vec::new(),
    };
    reader.next();
    match reader.value(0) {
        Some(root) => Ok(Parsed {
            root,
            leniencies: reader.leniencies,
            duplicates: reader.duplicates,
            deep: reader.deep,
            damage: Some(damage),
            breaks: breaks::with_returns(reader.breaks, reader.text, reader.leniencies.comments),
        }),
        None => Err(damage),
    }
}

struct Recovery<'a> {
    text: &'a str,
    bytes: &'a [u8],
    /// The byte after the current token.
    at: usize,
    token: Token,
    /// First byte of the current token.
    start: usize,
    /// Whether the current string ends with its quote.
    closed: bool,
    deep: Option<usize>,
    duplicates: Vec<Duplicate>,
    leniencies: Leniencies,
    /// See [`Parsed::breaks`].
    breaks: Vec<usize>,
}

impl<'a> Recovery<'a> {
    /// Advances to the next token. Words that are no tokens are passed over as white space is, so that text before a
    /// value (merge markers, a stray word) hides nothing.
    fn next(&mut self) {
        self.scan();
        while self.token == Token::Unknown {
            self.scan();
        }
    }

    fn scan(&mut self) {
        self.skip_trivia();
        self.start = self.at;
        let Some(byte) = self.bytes.get(self.at).copied() else {
            self.token = Token::End;
            return;
        };
        self.at += 1;
        self.token = match byte {
            b'{' => Token::OpenBrace,
            b'}' => Token::CloseBrace,
            b'[' => Token::OpenBracket,
            b']' => Token::CloseBracket,
            b',' => Token::Comma,
            b':' => Token::Colon,
            b'"' => self.scan_string(),
            b'-' if !self.digit_at(self.at) => Token::Unknown,
            b'-' | b'0'..=b'9' => self.scan_number(byte),
            _ => self.scan_word(byte),
        };
    }

    fn skip_trivia(&mut self) {
        loop {
            match self.bytes.get(self.at) {
                Some(b' ' | b'\t' | b'\r' | b'\n') => self.at += 1,
                Some(b'/') if self.bytes.get(self.at + 1) == Some(&b'/') => {
                    self.leniencies.comments = true;
                    let rest = &self.bytes[self.at..];
                    let end = self.at + memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
                    self.breaks.extend(breaks::within(self.text, self.at..end, Of::Json));
                    self.at = end;
                }
                Some(b'/') if self.bytes.get(self.at + 1) == Some(&b'*') => {
                    self.leniencies.comments = true;
                    let rest = &self.bytes[self.at + 2..];
                    self.at += 2 + memchr::memmem::find(rest, b"*/").map_or(rest.len(), |end| end + 2);
                }
                _ => return,
            }
        }
    }

    /// A string ends at its quote, or with an error at the end of the line.
    fn scan_string(&mut self) -> Token {
        self.closed = false;
        while let Some(byte) = self.bytes.get(self.at).copied() {
            match byte {
                b'"' => {
                    self.at += 1;
                    self.closed = true;
                    break;
                }
                b'\r' | b'\n' => break,
                b'\\' => self.at = (self.at + 2).min(self.bytes.len()),
                _ => self.at += 1,
            }
        }
        // The byte after a backslash may be the first of several.
        while !self.text.is_char_boundary(self.at) {
            self.at += 1;
        }
        Token::String
    }

    fn digit_at(&self, at: usize) -> bool {
        self.bytes.get(at).is_some_and(u8::is_ascii_digit)
    }

    fn digits(&mut self) {
        while self.digit_at(self.at) {
            self.at += 1;
        }
    }

    /// A number ends where it can no longer be one: `01` is two numbers, `1x` a number and a word.
    fn scan_number(&mut self, first: u8) -> Token {
        let zero = if first == b'-' {
            self.at += 1;
            self.bytes[self.at - 1] == b'0'
        } else {
            first == b'0'
        };
        if !zero {
            self.digits();
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            if !self.digit_at(self.at) {
                return Token::Literal;
            }
            self.digits();
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.bytes.get(self.at), Some(b'-' | b'+')) {
                self.at += 1;
            }
            self.digits();
        }
        Token::Literal
    }

    /// `true`, `false`, `null`, or anything else up to white space or punctuation.
    fn scan_word(&mut self, first: u8) -> Token {
        let ends = |b: &u8| {
            matches!(b, b' ' | b'\t' | b'\r' | b'\n' | b'}' | b']' | b'{' | b'[' | b'"' | b':' | b',' | b'/')
        };
        if first != b'/' {
            let rest = &self.bytes[self.at..];
            self.at += rest.iter().position(ends).unwrap_or(rest.len());
        }
        match &self.text[self.start..self.at] {
            "true" | "false" | "null" => Token::Literal,
            _ => Token::Unknown,
        }
    }

    /// Skips to a token of `until`.
    fn skip(&mut self, until: &[Token]) {
        while self.token != Token::End && !until.contains(&self.token) {
            self.next();
        }
    }

    fn string_text(&mut self) -> Cow<'a, str> {
        let raw = &self.text[self.start + 1..self.at - usize::from(self.closed)];
        if !raw.contains('\\') {
            return Cow::Borrowed(raw);
        }
        let (text, lone) = unescape(raw).unwrap_or_else(|_| unescape_loosely(raw));
        self.leniencies.lone_surrogates |= lone;
        Cow::Owned(text)
    }

    /// `None`: no value stands here.
    fn value(&mut self, depth: usize) -> Option<Node<'a>> {
        let start = self.start;
        let value = match self.token {
            Token::OpenBracket | Token::OpenBrace if depth >= MAX_DEPTH => {
                self.deep.get_or_insert(start);
                let end = self.skip_deep();
                return Some(Node { value: Value::Deep, span: Span::new(start, end) });
            }
            Token::OpenBracket => return Some(self.array(depth)),
            Token::OpenBrace => return Some(self.object(depth)),
            Token::String => Value::String(self.string_text()),
            Token::Literal => match &self.text[start..self.at] {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                "null" => Value::Null,
                number => Value::Number(Cow::Borrowed(number)),
            },
            _ => return None,
        };
        let end = self.at;
        self.next();
        Some(Node { value, span: Span::new(start, end) })
    }

    fn array(&mut self, depth: usize) -> Node<'a> {
        let start = self.start;
        self.next();
        let mut items = Vec::new();
        while self.in_list() {
            match self.value(depth + 1) {
                Some(item) => items.push(item),
                None => self.skip(IN_LIST),
            }
        }
        let end = self.close();
        Node { value: Value::Array(items), span: Span::new(start, end) }
    }

    fn object(&mut self, depth: usize) -> Node<'a> {
        let start = self.start;
        self.next();
        let mut members = Vec::new();
        while self.in_object() {
            let Some((key, key_span)) = self.key() else { continue };
            match self.value(depth + 1) {
                Some(value) => members.push(Member { key, key_span, value }),
                None => self.skip(IN_OBJECT),
            }
        }
        let end = self.close();
        note_duplicates(&members, &mut self.duplicates);
        Node { value: Value::Object(members), span: Span::new(start, end) }
    }

    /// Whether a list goes on, past the comma before its next item.
    fn in_list(&mut self) -> bool {
        if self.token == Token::Comma {
            self.next();
        }
        !matches!(self.token, Token::CloseBracket | Token::End)
    }

    /// Whether an object goes on, past the comma before its next member.
    fn in_object(&mut self) -> bool {
        if self.token == Token::Comma {
            self.next();
        }
        !matches!(self.token, Token::CloseBrace | Token::End)
    }

    /// A key and its colon; `None` if what stands here is no member, and was skipped.
    fn key(&mut self) -> Option<(Cow<'a, str>, Span)> {
        if self.token == Token::String {
            let key_span = Span::new(self.start, self.at);
            let key = self.string_text();
            self.next();
            if self.token == Token::Colon {
                self.next();
                return Some((key, key_span));
            }
        }
        self.skip(IN_OBJECT);
        None
    }

    /// Ends a list or object; the file may end before it does.
    fn close(&mut self) -> usize {
        let end = self.at;
        self.next();
        end
    }

    /// Passes over a list or object that is nested too deep to be kept, as `value` would, but without recursion.
    /// Gives the end of it.
    fn skip_deep(&mut self) -> usize {
        let mut open = vec![self.token];
        self.next();
        loop {
            let list = open.last() == Some(&Token::OpenBracket);
            let goes_on = if list { self.in_list() } else { self.in_object() };
            if !goes_on {
                open.pop();
                let end = self.close();
                if open.is_empty() {
                    return end;
                }
                continue;
            }
            if !list && self.key().is_none() {
                continue;
            }
            match self.token {
                Token::OpenBracket | Token::OpenBrace => {
                    open.push(self.token);
                    self.next();
                }
                Token::String | Token::Literal => self.next(),
                _ => self.skip(if list { IN_LIST } else { IN_OBJECT }),
            }
        }
    }
}

/// What follows a skipped item of a list.
const IN_LIST: &[Token] = &[Token::CloseBracket, Token::Comma];
/// What follows a skipped member of an object.
const IN_OBJECT: &[Token] = &[Token::CloseBrace, Token::Comma];

/// Decodes what [`unescape`] refuses, as jsonc-parser does: a bad escape is left out together with the character after
/// the backslash (with the hex digits after `\u`), and the rest counts. The place is already reported as damage.
fn unescape_loosely(raw: &str) -> (String, bool) {
    let mut kept = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(found) = memchr::memchr(b'\\', rest.as_bytes()) {
        kept.push_str(&rest[..found]);
        let escape = &rest[found..];
        let second = escape[1..].chars().next();
        let hex = escape.bytes().skip(2).take(4).take_while(u8::is_ascii_hexdigit).count();
        let length = 1 + second.map_or(0, char::len_utf8);
        let (good, length) = match second {
            Some('u') => (hex == 4, length + hex),
            Some('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't') => (true, length),
            _ => (false, length),
        };
        if good {
            kept.push_str(&escape[..length]);
        }
        rest = &escape[length..];
    }
    kept.push_str(rest);
    // Only good escapes are left.
    unescape(&kept).unwrap_or_default()
}
