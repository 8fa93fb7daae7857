//! Secrets that only their surroundings betray: assignments in front of a command, programs that take a password,
//! `Bearer` in one argument and the token in the next, logins without a scheme.

use super::spans::{Follow, LITERAL, Span, is_variable, push_value, word_end};
use crate::secret::is_secret_name;

/// What the arguments so far say about the next one.
pub(super) struct Args {
    /// `NAME=value` here sets a variable: at the start (the command may be `env`) and after `env`.
    leading: bool,
    /// A program that takes a password with `-p` was named.
    password_flag: bool,
    /// A word that starts a container was there: `-e` takes a variable, not code.
    container: bool,
}

impl Default for Args {
    fn default() -> Self {
        Self { leading: true, password_flag: false, container: false }
    }
}

impl Args {
    /// What `raw` is, given what the flag before it says, and what it says itself about the next argument.
    pub(super) fn step(&mut self, raw: &str, before: Follow) -> (Follow, Option<Follow>) {
        self.password_flag |= takes_password(raw);
        let mut here = before;
        if self.leading && before == Follow::Plain {
            if assignment(raw).is_some() {
                here = Follow::Variable;
            } else {
                self.leading = raw.starts_with('-');
            }
        }
        if matches!(base_name(raw), "env" | "cross-env") {
            self.leading = true;
        }
        self.container |= matches!(raw, "run" | "create" | "exec");
        if self.container && before == Follow::Variable && is_variable(raw) {
            // `docker run -e TOKEN IMAGE` passes a variable on: its name is whole, and the value is not here.
            return (here, None);
        }
        let hides_next = is_scheme(raw)
            || is_bare_name(raw)
            || (self.password_flag && raw == "-p")
            || (before == Follow::Header && !raw.contains([':', '=', '$', '{']));
        (here, hides_next.then_some(Follow::Secret))
    }
}

fn base_name(word: &str) -> &str {
    word.rsplit(['/', '\\']).next().unwrap_or(word)
}

fn takes_password(word: &str) -> bool {
    let name = base_name(word);
    ["sshpass", "mysql", "mariadb"].iter().any(|program| name.starts_with(program))
}

/// `Bearer` and the like at the end of an argument, or a secret name with its colon: the next argument is the secret.
fn is_scheme(raw: &str) -> bool {
    let lower = raw.trim().to_ascii_lowercase();
    let last = lower.rsplit([' ', ':', '=']).next().unwrap_or_default();
    matches!(last, "bearer" | "basic" | "token" | "apikey")
        || lower.strip_suffix(':').is_some_and(|name| is_secret_name(name) && !name.contains(' '))
}

/// A secret name alone, without dashes.
fn is_bare_name(raw: &str) -> bool {
    let squashed = raw.to_ascii_lowercase().replace(['_', '-'], "");
    !raw.starts_with('-')
        && matches!(
            squashed.as_str(),
            "apikey"
                | "apitoken"
                | "accesstoken"
                | "authtoken"
                | "password"
                | "passwd"
                | "pwd"
                | "pw"
                | "secret"
                | "secretkey"
                | "accesskey"
                | "clientsecret"
                | "authorization"
        )
}

/// Whether a value looks like a password and not like a port, a path, a name or a package with its version.
pub(super) fn is_password_like(value: &str) -> bool {
    let has = |test: fn(&u8) -> bool| value.bytes().any(|b| test(&b));
    !value.contains(['/', '\\', ' '])
        && value.len() >= 6
        && (has(|b| matches!(b, b'!' | b'$' | b'%' | b'^' | b'&' | b'*' | b'#'))
            || (has(u8::is_ascii_digit) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase)))
}

/// Where the value of `NAME=value` begins.
fn assignment(word: &str) -> Option<usize> {
    let (name, _) = word.split_once('=')?;
    let is_name = !name.is_empty()
        && !name.as_bytes()[0].is_ascii_digit()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    is_name.then_some(name.len() + 1)
}

/// Everything in a text that its surroundings betray.
pub(super) fn of_text(text: &str, spans: &mut Vec<Span>) {
    if text.contains(char::is_whitespace) {
        commands(text, 0, 0, spans);
    }
    pairs(text, spans);
    for word in text.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '=' | ',')) {
        if let Some((from, to)) = login(word) {
            let at = word.as_ptr() as usize - text.as_ptr() as usize;
            spans.push((at + from..at + to, "url-credentials"));
        }
    }
}

/// `user:password@host` and `user/password@host` without a scheme: where the password stands.
fn login(word: &str) -> Option<(usize, usize)> {
    let at = word.rfind('@')?;
    let (before, host) = (&word[..at], &word[at + 1..]);
    if word.contains("://") || host.starts_with("sha256:") || host.starts_with("sha512:") || host.is_empty() {
        return None;
    }
    let from = if before.starts_with("//") { 2 } else { 0 };
    if let Some(slash) = before.rfind('/').filter(|slash| *slash >= from) {
        let password = &before[slash + 1..];
        if host.starts_with("//") || (is_password_like(password) && !before.starts_with(['@', '/', '.', '~']))
        {
            return (!password.is_empty()).then_some((slash + 1, at));
        }
    }
    let (user, password) = before[from..].split_once(':')?;
    let package = matches!(
        user,
        "npm" | "jsr" | "github" | "gitlab" | "bitbucket" | "pypi" | "file" | "docker" | "oci" | "workspace"
    );
    let is_user =
        !user.is_empty() && user.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.+%".contains(&b));
    (is_user && !package && !password.is_empty() && !password.contains(['{', '$', '<'])
        || is_password_like(password))
    .then_some((from + user.len() + 1, at))
}

/// Assignments in front of a command, passwords of programs that take one, and what `echo` writes into a pipe.
fn commands(text: &str, base: usize, depth: u8, spans: &mut Vec<Span>) {
    let (mut at, mut leading, mut password_flag, mut echo, mut secret) = (0, true, false, false, false);
    while at < text.len() {
        let start = text.len() - text[at..].trim_start().len();
        let end = word_end(text, 0, start);
        let Some(word) = text.get(start..end).filter(|word| !word.is_empty()) else { return };
        at = end;
        let bare = word.trim_matches(['"', '\'', '`', '(', ')']);
        let shift = start + (word.len() - word.trim_start_matches(['"', '\'', '`', '(', ')']).len());
        if depth < 3 && bare.len() < word.len() && bare.contains(char::is_whitespace) {
            commands(bare, base + shift, depth + 1, spans);
        }
        let mut hide = |from: usize| {
            let mut inner = Vec::new();
            push_value(bare, from..bare.len(), LITERAL, &mut inner);
            spans.extend(inner.into_iter().map(|(r, k)| (r.start + base + shift..r.end + base + shift, k)));
        };
        if matches!(bare, "|" | "&&" | "||" | ";" | "&") {
            (leading, echo, secret, password_flag) = (true, false, false, false);
            continue;
        }
        if std::mem::take(&mut secret) || (echo && !bare.starts_with('-')) {
            hide(0);
        } else if let Some(value) = assignment(bare).filter(|_| leading) {
            hide(value);
        } else if password_flag && bare == "-p" {
            secret = true;
        } else if password_flag && bare.starts_with("-p") {
            hide(2);
        } else {
            leading = matches!(base_name(bare), "env" | "export" | "sudo" | "exec" | "cross-env" | "set")
                || (leading && bare.starts_with('-'));
            echo = matches!(bare, "echo" | "printf") && text[end..].contains('|');
            password_flag |= takes_password(bare);
        }
        if word.ends_with([';', '&', '|']) {
            (leading, echo) = (true, false);
        }
    }
}

/// `["password","…"]` and `{"name":"Authorization","value":"…"}` in JSON.
fn pairs(text: &str, spans: &mut Vec<Span>) {
    let quotes: Vec<usize> = text.match_indices('"').map(|(at, _)| at).collect();
    for (i, window) in quotes.windows(4).enumerate() {
        let name = text[window[0] + 1..window[1]].trim_matches('\\');
        let gap = text[window[1] + 1..window[2]].trim_matches(|c: char| c.is_whitespace() || c == '\\');
        if gap != "," || !is_secret_name(name) {
            continue;
        }
        let second = text[window[2] + 1..window[3]].trim_matches('\\');
        let (from, to) = match (second, quotes.get(i + 4), quotes.get(i + 5)) {
            ("value" | "val" | "values", Some(from), Some(to)) => (*from, *to),
            _ => (window[2], window[3]),
        };
        push_value(text, from + 1..to, LITERAL, spans);
    }
}
