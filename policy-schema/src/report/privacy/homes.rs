//! Homes in paths: the spellings of a known one, and whatever follows `/home/`, `/Users/` or `C:\Users\`.

use std::ops::Range;

/// How the parts of a path are joined: as on Unix, on Windows, in a string of JSON, in a JSON Pointer, in a URL.
const SEPARATORS: [&str; 6] = ["/", "\\", "\\\\", "~1", "%2F", "%5C"];

/// The folders in which systems keep homes.
const FOLDERS: [&str; 2] = ["home", "users"];

/// How a home is written: with each separator, with and without its drive, and as clients name a folder for a project (each
/// other character a `-`).
pub(super) fn spellings(home: &str) -> Vec<String> {
    let parts: Vec<&str> = home.split(['/', '\\']).filter(|part| !part.is_empty()).collect();
    let Some((first, rest)) = parts.split_first() else { return Vec::new() };
    let is_drive = first.ends_with(':');
    if is_drive && rest.is_empty() {
        return Vec::new();
    }
    let below = if is_drive { rest } else { &parts[..] };
    let mut all = Vec::new();
    for separator in SEPARATORS {
        let path = format!("{separator}{}", below.join(separator));
        if is_drive {
            all.push(format!("{first}{path}"));
        }
        all.push(path);
    }
    all.push(home.trim_end_matches(['/', '\\']).replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
    all
}

/// Homes in a text, with where the user's name stands in it.
pub(super) fn find(text: &str) -> Vec<(Range<usize>, Range<usize>)> {
    let lower = text.to_ascii_lowercase();
    let mut all = Vec::new();
    for folder in FOLDERS {
        for (at, _) in lower.match_indices(folder) {
            let after = at + folder.len();
            all.extend(path(text, &lower, at, after).or_else(|| dashed(text, &lower, at, after)));
        }
    }
    all
}

/// `/home/X`, after whatever comes before it.
fn path(text: &str, lower: &str, at: usize, after: usize) -> Option<(Range<usize>, Range<usize>)> {
    let mut start = before(lower, at)?;
    if lower[..at].ends_with("\\\\") {
        start -= 1;
    }
    let mut name = after + separator(&lower[after..])?;
    while let Some(length) = separator(&lower[name..]) {
        name += length;
    }
    let drive = lower[..start].strip_suffix(':').and_then(|rest| rest.chars().next_back());
    let has_drive = drive.is_some_and(|c| c.is_ascii_alphabetic());
    let is_windows = has_drive || lower[start..at].contains(['\\']) || lower[start..at].contains("%5c");
    let end = name + name_len(&text[name..], &lower[name..], is_windows);
    let range = if has_drive { start - 2..end } else { start..end };
    is_name(&text[name..end]).then_some((range, name..end))
}

/// `-home-X`, a folder that is named for a project: where X ends cannot be told, so all of it is taken.
fn dashed(text: &str, lower: &str, at: usize, after: usize) -> Option<(Range<usize>, Range<usize>)> {
    let front = lower[..at].strip_suffix('-')?;
    // `C:\Users` is `C--Users`.
    let drive = front.strip_suffix('-').filter(|rest| rest.ends_with(|c: char| c.is_ascii_alphabetic()));
    let front = drive.map_or(front, |rest| &rest[..rest.len() - 1]);
    let is_start = front.ends_with(['"', '\'', '=', ' ', ':']) || before(front, front.len()).is_some();
    if !(front.is_empty() || is_start) {
        return None;
    }
    let name = after + lower[after..].starts_with('-').then_some(1)?;
    let end = name + name_len(&text[name..], &lower[name..], false);
    is_name(&text[name..end]).then_some((front.len()..end, name..end))
}

/// Bytes of the separator at the start of a text.
fn separator(rest: &str) -> Option<usize> {
    ["/", "\\", "~1", "%2f", "%5c"].into_iter().find(|separator| rest.starts_with(separator)).map(str::len)
}

/// Where the separator begins that ends at `at`.
fn before(lower: &str, at: usize) -> Option<usize> {
    let front = &lower[..at];
    ["/", "\\", "~1", "%2f", "%5c"]
        .into_iter()
        .find_map(|separator| front.strip_suffix(separator))
        .map(str::len)
}

/// Bytes of a user's name at the start of a text. On Windows names have spaces in them: where none but a separator can tell
/// the end, words after the name are taken for a part of it.
fn name_len(rest: &str, lower: &str, is_windows: bool) -> usize {
    let mut all = rest.char_indices().peekable();
    while let Some((at, c)) = all.next() {
        let next = all.peek().map(|(_, next)| *next);
        let ends = match c {
            '"' | '`' | '<' | '>' | '|' | ':' | ';' | '?' | '*' | '&' | '=' => true,
            // O'Brien, and `doe,jane`
            '\'' | ',' | '(' | ')' | '[' | ']' | '{' | '}' => !next.is_some_and(char::is_alphanumeric),
            ' ' => !is_windows,
            _ => c.is_control() || c.is_whitespace() || separator(&lower[at..]).is_some(),
        };
        if ends {
            return rest[..at].trim_end_matches([' ', '.']).len();
        }
    }
    rest.trim_end_matches([' ', '.']).len()
}

/// Whether it is a name, and no variable or wildcard.
fn is_name(name: &str) -> bool {
    let is_variable = name.starts_with(['$', '{']) || (name.starts_with('%') && name.ends_with('%'));
    name.chars().any(char::is_alphanumeric) && !is_variable
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(&str, &str)> {
        find(text).into_iter().map(|(range, name)| (&text[range], &text[name])).collect()
    }

    #[test]
    fn whose_home_a_path_is_of_is_found_in_every_form() {
        for (text, home, name) in [
            ("/home/jane/x", "/home/jane", "jane"),
            ("in /HOME/jane, and", "/HOME/jane", "jane"),
            (
                "/Users/jane.doe@corp.example.com/x",
                "/Users/jane.doe@corp.example.com",
                "jane.doe@corp.example.com",
            ),
            ("'/var/home/jane'.", "/home/jane", "jane"),
            ("C:\\Users\\Jane Doe\\AppData", "C:\\Users\\Jane Doe", "Jane Doe"),
            ("C:\\\\Users\\\\O'Brien\\\\x", "C:\\\\Users\\\\O'Brien", "O'Brien"),
            ("d:/users/jane: denied", "d:/users/jane", "jane"),
            ("~1Users~1jane~1work", "~1Users~1jane", "jane"),
            ("file:///home/%C3%A9l%20x/y", "/home/%C3%A9l%20x", "%C3%A9l%20x"),
            ("-v=/home/jane:/data", "/home/jane", "jane"),
            ("/p/-home-jane-doe-work/x", "-home-jane-doe-work", "jane-doe-work"),
            ("C--Users-jane-work", "C--Users-jane-work", "jane-work"),
        ] {
            assert_eq!(found(text), [(home, name)], "{text}");
        }
    }

    #[test]
    fn a_variable_or_a_word_is_nobodys_home() {
        for text in
            ["/home/${USER}/x", "C:\\Users\\%USERNAME%\\x", "/home/", "/home/*", "home/jane", "a-home-b"]
        {
            assert_eq!(found(text), [], "{text}");
        }
    }
}
