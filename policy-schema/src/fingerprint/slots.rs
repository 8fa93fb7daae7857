//! What a fingerprint leaves out: the values of secrets, so that nobody can try guesses and a rotated token changes
//! nothing.
//!
//! A secret is known by its **place** (a variable, header, flag or query parameter with the name of a secret, the
//! password of a URL), never by how random it looks: a package, a script or an image can look random too. What stands
//! in such a place is left out only if it can be nothing but a token: one word without anything that a program could
//! take for a path, a URL, a reference or a command.

use crate::entry::NamedValue;
use crate::identity::{Identity, Kind};
use crate::secret::{self, is_secret_name};
use crate::sensitive::Sensitive;

/// Stands for a secret. With its NUL it is no text that a program could be given.
const MARK: &str = "\0secret";

/// Words of names that look secret (`AUTH_HOST`, `TOKEN_COMMAND`) and whose values lead somewhere.
const STEERING: &[&str] = &[
    "host",
    "hostname",
    "domain",
    "server",
    "endpoint",
    "url",
    "uri",
    "base",
    "proxy",
    "registry",
    "index",
    "command",
    "cmd",
    "program",
    "exec",
    "executable",
    "script",
    "bin",
    "binary",
    "module",
    "plugin",
    "package",
    "image",
    "path",
    "dir",
    "directory",
    "file",
    "home",
    "root",
    "config",
    "configuration",
    "args",
    "argument",
    "arguments",
    "option",
    "options",
    "opts",
    "flags",
    "helper",
    "provider",
    "issuer",
    "authority",
    "audience",
    "tenant",
    "realm",
    "region",
    "account",
    "user",
    "username",
    "login",
    "id",
    "name",
    "version",
    "mode",
    "type",
    "method",
    "scheme",
    "askpass",
    "env",
    "source",
    "store",
    "storage",
    "socket",
    "sock",
    "port",
    "address",
    "map",
];

/// Words that turn a flag with a secret's name into a switch: what follows it is another argument.
const SWITCHES: &[&str] = &[
    "no", "not", "use", "enable", "disable", "with", "without", "has", "allow", "skip", "ask", "prompt",
    "show", "print", "require", "is", "read", "write",
];

/// Values that switch something on or off, whatever the name sounds like.
const SETTINGS: &[&str] = &[
    "true", "false", "0", "1", "2", "on", "off", "yes", "no", "y", "n", "t", "f", "none", "null", "any",
    "enable", "enabled", "disable", "disabled", "allow", "deny", "require", "required", "optional", "always",
    "never", "auto",
];

/// Last words of names that hold a secret and nothing else.
const NOUNS: &[&str] = &[
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "apikey",
    "apitoken",
    "accesskey",
    "secretkey",
    "privatekey",
    "authtoken",
    "accesstoken",
    "bearer",
    "jwt",
    "pat",
    "credential",
    "credentials",
];

/// The value of a variable.
pub(super) fn variable(name: &str, value: &Sensitive) -> String {
    let text = value.expose();
    if is_slot(name) {
        return token(text).or_else(|| aws_key(name, text)).unwrap_or_else(|| inner(text));
    }
    if crate::risk::is_powerful(name) {
        return urls(text);
    }
    // Everybody has a token of his own, also under a name that does not say so.
    let is_known = matches!(secret::find_all(text).as_slice(), [(range, _)] if range.len() == text.len());
    if is_known { token(text).unwrap_or_else(|| inner(text)) } else { inner(text) }
}

/// The value of a header.
pub(super) fn header(name: &str, value: &Sensitive) -> String {
    let text = value.expose();
    if is_slot(name) { token(text).unwrap_or_else(|| urls(text)) } else { urls(text) }
}

/// The value of another member; empty for one that changes nothing of what runs.
pub(super) fn member(name: &str, value: &Sensitive) -> String {
    let member = NamedValue { name: name.to_owned(), value: value.clone() };
    if crate::evaluate::is_harmless_member(&member) { String::new() } else { header(name, value) }
}

/// The arguments.
pub(super) fn args(args: &[Sensitive], identity: &Identity) -> Vec<String> {
    let own = own_from(args, identity);
    let mut shown = Vec::with_capacity(args.len());
    let mut before: Option<&str> = None;
    for (at, arg) in args.iter().enumerate() {
        let text = arg.expose();
        let flag = before.filter(|_| at > own);
        shown.push(word(text, flag, identity));
        before = Some(text);
    }
    shown
}

/// From which argument on all belong to the server, so that a flag there is the server's; none where it is not known.
fn own_from(args: &[Sensitive], identity: &Identity) -> usize {
    let none = args.len();
    if identity.ambiguous.is_some() || identity.inline_code || identity.kind == Kind::Opaque {
        return none;
    }
    if identity.kind == Kind::Bridge {
        // Target and headers were taken out of them; they follow the package.
        let package = args.iter().position(|arg| arg.expose().contains(&identity.name));
        return package.map_or(none, |at| at + 1);
    }
    if args.ends_with(&identity.server_args) { none - identity.server_args.len() } else { none }
}

/// One argument; `flag` is the one before it, where that is the server's own.
fn word(text: &str, flag: Option<&str>, identity: &Identity) -> String {
    if let Some(flag) = flag.filter(|flag| flag.starts_with('-')) {
        let is_header = matches!(flag, "--header" | "-H" | "--headers") && identity.kind == Kind::Bridge;
        let parts = text.split_once(':').filter(|(name, _)| is_header && is_slot(name.trim()));
        if let Some((name, value)) = parts {
            return token(value.trim()).map_or_else(|| text.to_owned(), |value| format!("{name}: {value}"));
        }
        if !flag.contains('=') && is_secret_flag(flag) && !text.starts_with(['-', '@']) {
            return token(text).unwrap_or_else(|| inner(text));
        }
    }
    // `NAME=value` for env and containers, `--env=NAME=value`, `-eNAME=value`, `--flag=value`
    let prefix = ["--env=", "-e"].iter().find(|prefix| text.starts_with(**prefix)).map_or(0, |p| p.len());
    let Some((name, value)) = text[prefix..].split_once('=') else { return inner(text) };
    let is_flag = prefix == 0 && name.starts_with("--") && is_secret_flag(name);
    match token(value).filter(|_| is_flag || (is_upper(name) && is_slot(name))) {
        Some(value) => format!("{}{name}={value}", &text[..prefix]),
        None => inner(text),
    }
}

fn is_upper(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// Whether a variable, header or parameter of this name holds a secret and nothing else.
fn is_slot(name: &str) -> bool {
    // npm and uv take each of their settings from a variable, credentials too.
    if crate::risk::is_powerful(name) {
        let lower = name.to_ascii_lowercase();
        return ["_authtoken", "_auth", "_password", "_token", "_otp"].iter().any(|end| lower.ends_with(end));
    }
    let words = secret::words(name);
    let steers = words.iter().any(|word| STEERING.contains(&word.as_str()));
    is_secret_name(name) && (!steers || is_noun(&words))
}

/// Whether the last word says that the value is a secret: `ROOT_PASSWORD`, `API_KEY_2`, and not `AUTH_ROOT`.
fn is_noun(words: &[String]) -> bool {
    let mut words = words.iter().rev().skip_while(|word| word.bytes().all(|b| b.is_ascii_digit()));
    let Some(last) = words.next() else { return false };
    let is_key = matches!(last.as_str(), "key" | "keys") && words.next().is_some();
    is_key || matches!(last.as_str(), "pass" | "pw" | "pwd") || NOUNS.contains(&last.as_str())
}

/// Whether the value of a flag is a secret.
fn is_secret_flag(flag: &str) -> bool {
    let words = secret::words(flag.trim_start_matches('-'));
    is_noun(&words) && is_slot(flag) && !words.iter().any(|word| SWITCHES.contains(&word.as_str()))
}

/// The mark for a text that can be nothing but a token, with the scheme that stands before it (`Bearer `).
fn token(text: &str) -> Option<String> {
    let bare = secret::without_scheme(text);
    // attack: `DISABLE_AUTH=true` in the place of `false`; nobody guesses a token at such a word
    if SETTINGS.iter().any(|word| bare.eq_ignore_ascii_case(word)) {
        return None;
    }
    let scheme = text.strip_suffix(bare)?;
    (is_token(bare) || is_telegram(bare)).then(|| format!("{scheme}{MARK}"))
}

/// Nothing that a program could take for a path, URL, flag, reference, file of arguments, or more than one word.
fn is_token(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~+=!@#^*?,".contains(&b);
    !text.is_empty()
        && text.len() <= secret::MAX_TEXT
        && !text.starts_with(['-', '.', '@', '~', '+'])
        && !text.contains("..")
        && text.bytes().all(plain)
}

/// `123456789:…`
fn is_telegram(text: &str) -> bool {
    text.split_once(':').is_some_and(|(id, key)| {
        (8..=12).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_digit())
            && key.len() >= 20
            && is_token(key)
    })
}

/// AWS secret keys are forty characters of base64, which has a slash.
fn aws_key(name: &str, text: &str) -> Option<String> {
    let is_base64 = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    let is_key = text.len() == 40 && text.bytes().all(is_base64) && secret::kind_by_name(name).is_some();
    is_key.then(|| MARK.to_owned())
}

/// A text in full but for the passwords of URLs and connection strings in it.
fn inner(text: &str) -> String {
    if !text.contains(';') {
        return urls(text);
    }
    let parts: Vec<String> = text.split(';').map(connection_part).collect();
    urls(&parts.join(";"))
}

/// `Password=…` of `Server=…;User=…;Password=…`.
fn connection_part(part: &str) -> String {
    match part.split_once('=') {
        Some((name, value))
            if matches!(name.trim().to_ascii_lowercase().as_str(), "password" | "pwd") && is_token(value) =>
        {
            format!("{name}={MARK}")
        }
        _ => part.to_owned(),
    }
}

/// A text in full but for the login and the secret parameters of a URL, where it is a URL or `--flag=URL`.
pub(super) fn urls(text: &str) -> String {
    let Some(mark) = text.find("://").filter(|at| is_before_url(&text[..*at])) else {
        return text.to_owned();
    };
    if text.contains(char::is_whitespace) {
        return text.to_owned();
    }
    let from = mark + "://".len();
    let end = text[from..].find(['/', '?', '#', '\\']).map_or(text.len(), |at| from + at);
    let authority = &text[from..end];
    let rest = &text[end..];
    let login = authority.split_once('@').and_then(|(login, host)| {
        let (user, password) = login.split_once(':').unwrap_or(("", login));
        // Which of two @ ends the login is read differently; a login alone is a name unless it looks like a secret.
        let is_hidden = is_password(password) && !host.contains('@');
        let is_secret = login.contains(':') || secret::looks_secret(password);
        (is_hidden && is_secret).then(|| format!("{user}:{MARK}@{host}"))
    });
    format!("{}{}{}", &text[..from], login.as_deref().unwrap_or(authority), query(rest))
}

/// Whether a text is the scheme of a URL, perhaps behind the flag or variable whose value the URL is.
fn is_before_url(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'.' | b'-' | b'_' | b'='))
}

/// The password of a URL: what ends neither it nor the URL, and refers to nothing.
fn is_password(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_graphic() && !b"$`{}\"'\\<>|;()".contains(&b);
    !text.is_empty() && text.bytes().all(plain) && crate::reference::of(text).is_empty()
}

/// Path, query and fragment without the values of parameters with a secret's name.
fn query(rest: &str) -> String {
    let Some((path, query)) = rest.split_once('?') else { return rest.to_owned() };
    let (query, fragment) = query.split_once('#').map_or((query, None), |(query, end)| (query, Some(end)));
    let pair = |pair: &str| match pair.split_once('=') {
        Some((name, value)) if is_slot(name) && is_token(value) => format!("{name}={MARK}"),
        _ => pair.to_owned(),
    };
    let pairs: Vec<String> = query.split('&').map(pair).collect();
    let end = fragment.map(|text| format!("#{text}")).unwrap_or_default();
    format!("{path}?{}{end}", pairs.join("&"))
}
