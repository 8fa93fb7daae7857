//! How a client makes an argument vector of an entry, and where clients differ in that.

use super::{Identity, Kind, command};
use crate::entry::{Entry, Reader, Transport};
use crate::sensitive::Sensitive;

/// The client that splits a command without arguments like a shell; the others start a program of that name.
const SPLITTING_CLIENT: &str = "cursor";

/// The argument vector. Some clients (Cursor) take a command with spaces and no arguments for a whole line.
pub(super) fn argv(entry: &Entry, command: &str) -> (Vec<String>, Option<&'static str>) {
    let command = command.trim();
    if !entry.args.is_empty() || !command.contains(char::is_whitespace) {
        let args = entry.args.iter().map(|a| a.expose().to_owned());
        return (std::iter::once(command.to_owned()).chain(args).collect(), None);
    }
    let splits = |reader: &Reader| reader.client == SPLITTING_CLIENT;
    let all_split = if entry.readers.is_empty() {
        entry.client == SPLITTING_CLIENT
    } else {
        entry.readers.iter().all(splits)
    };
    let none_split = entry.client != SPLITTING_CLIENT && !entry.readers.iter().any(splits);
    if is_path(command) {
        return (vec![command.to_owned()], (!none_split).then_some("Cursor splits the path at its spaces"));
    }
    let doubt = (!all_split)
        .then_some("a whole command line, which some clients split and others take for a program");
    let plain = command::is_simple(command)
        && !command.contains(['$', '~', '{', '[', '\\', '\'', '"'])
        && !command.chars().any(|c| c != ' ' && c.is_whitespace());
    let doubt =
        doubt.or((!plain).then_some("the client's splitting of the line is not known to its last quote"));
    match command::split(command).filter(|_| command::is_simple(command)) {
        Some(words) => (words, doubt),
        None => (vec!["sh".to_owned(), "-c".to_owned(), command.to_owned()], doubt),
    }
}

/// `C:\Program Files\Name\name.exe`, `/Applications/Some Name.app/name`: spaces of one path, not between words.
fn is_path(command: &str) -> bool {
    let lower = command.to_ascii_lowercase();
    let drive = command.as_bytes().get(1) == Some(&b':')
        && [".exe", ".cmd", ".bat"].iter().any(|end| lower.ends_with(end));
    let bundle = command.starts_with('/')
        && command.rsplit('/').next().is_some_and(|last| !last.contains(char::is_whitespace))
        && lower.contains(".app/");
    drive || bundle
}

/// Code of the client, known by its name there. Types that run what the entry itself brings, or what another list has
/// under the name, are not known by any name.
pub(super) fn built_in(entry: &Entry) -> Identity {
    let word = entry.declared_type.as_deref().unwrap_or_default();
    if !["builtin", "platform"].iter().any(|own| word.eq_ignore_ascii_case(own)) {
        return Identity::new(Kind::Opaque, "");
    }
    let name = entry.member("name").map_or(entry.name.as_str(), Sensitive::expose);
    Identity::new(Kind::Builtin, name)
}

/// Why an entry may be read otherwise than it stands, whatever is in it.
pub(super) fn doubt(entry: &Entry) -> Option<&'static str> {
    let command = entry.command.as_ref().map(Sensitive::expose).unwrap_or_default();
    let url = entry.url.as_ref().map(Sensitive::expose).unwrap_or_default();
    if !command.is_empty() && !url.is_empty() {
        return Some("command and url stand side by side");
    }
    let is_launched = !command.is_empty() || !url.is_empty();
    if entry.transport == Transport::Builtin && (is_launched || entry.member("code").is_some()) {
        return Some("its type means code of the client, yet it brings a command, URL or code");
    }
    if command != command.trim() {
        return Some("blanks around the command");
    }
    if command.chars().any(is_hidden) {
        return Some("invisible characters in the command");
    }
    // A program gets its arguments up to the first NUL.
    if entry.args.iter().any(|a| a.expose().contains('\0')) || url.contains('\0') {
        return Some("a NUL in the arguments");
    }
    None
}

/// Control characters, blanks other than the plain one, and characters that take no room or turn the direction.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || (c != ' ' && c.is_whitespace())
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}
