//! Names that say "secret", and values that are none because they only refer to one.

/// Words that make a name secret wherever they stand in it.
const WORDS: &[&str] = &[
    "token",
    "secret",
    "secrets",
    "password",
    "passwd",
    "passwort",
    "pwd",
    "pw",
    "tok",
    "pass",
    "passphrase",
    "passcode",
    "apikey",
    "credential",
    "credentials",
    "creds",
    "authorization",
    "auth",
    "bearer",
    "cookie",
    "jwt",
    "pat",
    "pin",
    "otp",
    "sas",
    "sig",
    "signature",
    "dsn",
    "privatekey",
    "accesskey",
    "session",
    "oauth",
    "key",
    "keys",
    "apitoken",
];

/// Ends of names written without separators.
const ENDS: &[&str] = &[
    "token",
    "apikey",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "secretkey",
    "accesskey",
    "privatekey",
    "credential",
    "credentials",
    "authorization",
    "connectionstring",
    "connstr",
    "authkey",
    "appkey",
    "licensekey",
];

/// Last words that say that the value is about a secret, not one.
const ABOUT: &[&str] = &[
    "file", "path", "dir", "type", "env", "var", "name", "names", "limit", "count", "budget", "ttl",
    "expiry", "timeout", "endpoint", "url", "uri", "helper", "mode", "method", "provider", "server",
    "scopes", "port", "enabled", "storage", "format", "prefix", "header",
];

/// Whether a name (variable, header, flag, member) says that its value is a secret.
pub fn is_secret_name(name: &str) -> bool {
    let name = name.trim_start_matches('-');
    // The working directory of a shell, not a password.
    if matches!(name, "PWD" | "OLDPWD") || name.len() > 200 {
        return false;
    }
    let words = words(name);
    if words.last().is_some_and(|last| ABOUT.contains(&last.as_str())) {
        return false;
    }
    let squashed = words.concat();
    words.iter().any(|word| WORDS.contains(&word.as_str())) || ENDS.iter().any(|end| squashed.ends_with(end))
}

/// The lower-case words of `snake_case`, `kebab-case` and `camelCase`.
pub(crate) fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut last_lower = false;
    for c in name.chars() {
        if !c.is_alphanumeric() {
            words.push(String::new());
            last_lower = false;
            continue;
        }
        if c.is_uppercase() && last_lower {
            words.push(String::new());
        }
        last_lower = c.is_lowercase() || c.is_numeric();
        if let Some(word) = words.last_mut() {
            word.extend(c.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether a value is nothing but references that the client, a shell or a helper resolves. A reference with a default
/// (`${X:-abc}`) is a literal, since the default may be the secret.
pub fn is_reference(value: &str) -> bool {
    let value = super::without_scheme(value).trim_matches(['"', '\'']);
    if value.is_empty() {
        return false;
    }
    if let Some(rest) = ["op://", "keychain:", "keyring:", "vault:", "secretref:", "env:", "input:"]
        .iter()
        .find_map(|scheme| value.strip_prefix(scheme))
    {
        // `vault:` and its like name a place; a token behind them would have its own shape.
        return !rest.is_empty()
            && super::find_all(rest).is_empty()
            && super::random::find(rest, 16).is_empty()
            && !rest.contains(char::is_whitespace);
    }
    if let Some(inner) = value.strip_prefix('%').and_then(|v| v.strip_suffix('%')) {
        return is_variable(inner);
    }
    if let Some(name) = value.strip_prefix("$env:") {
        return is_variable(name);
    }
    if let Some(name) = value.strip_prefix('$').filter(|name| !name.starts_with(['{', '('])) {
        // `$ecret` may be a password; variables are written in capitals.
        return is_variable(name) && !name.contains(|c: char| c.is_ascii_lowercase());
    }
    let mut rest = value;
    while !rest.is_empty() {
        let Some(open) = ["${{", "${", "{{", "{"].iter().find(|open| rest.starts_with(**open)) else {
            return false;
        };
        let Some(close) = rest.find('}') else { return false };
        let inner = &rest[open.len()..close];
        if !is_expression(inner, *open == "{") {
            return false;
        }
        rest = rest[close..].trim_start_matches('}');
        // Two references may stand side by side (`${USER}:${PASSWORD}`).
        rest = rest.strip_prefix(':').unwrap_or(rest);
    }
    true
}

fn is_variable(name: &str) -> bool {
    let mut chars = name.chars();
    name.len() <= 100
        && chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// What stands in braces: a name, or a name with its source (`env:X`, `input:x`, `file:p`, `secrets.X`).
fn is_expression(inner: &str, bare_brace: bool) -> bool {
    let inner = inner.trim();
    let (source, name) = inner.split_once(':').unwrap_or(("", inner));
    // Single braces are opencode's `{env:X}`; alone they may be part of any text.
    if bare_brace && !matches!(source, "env" | "file" | "input") {
        return false;
    }
    source.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
        && !name.is_empty()
        && name.len() <= 200
        && !name.starts_with(['-', '=', '+', '?'])
        && !name.contains(['"', '\'', '=', '|', '@', ';', '$'])
        && super::find_all(name).is_empty()
        && super::random::find(name, 20).is_empty()
}

/// Whether a value only marks the place of a secret (`YOUR_API_KEY`, `<token>`, `changeme`). It is hidden all the same;
/// it is only not worth a finding.
pub fn is_placeholder(value: &str) -> bool {
    let bare = super::without_scheme(value);
    let lower = bare.to_ascii_lowercase();
    let whole = [
        "changeme",
        "change-me",
        "change_me",
        "placeholder",
        "redacted",
        "todo",
        "none",
        "null",
        "true",
        "false",
    ];
    (bare.starts_with('<') && bare.ends_with('>'))
        || ["your", "my-", "my_", "enter", "insert", "replace", "example"]
            .iter()
            .any(|s| lower.starts_with(s) && !bare.bytes().any(|b| b.is_ascii_digit()))
        || lower.ends_with("_here")
        || lower.ends_with("-here")
        || whole.contains(&lower.as_str())
        || (bare.len() >= 3 && bare.chars().all(|c| matches!(c, 'x' | 'X' | '*' | '.' | '…' | '-')))
}
