//! Commands as text: splitting a line, naming a program, telling flags from what follows them.

use crate::sensitive::Sensitive;

/// The name by which a program is known: lower case, without directories and Windows endings. `None` for a relative
/// path, which is never a runner: it is whatever lies in the project, also with a tilde, which clients do not expand. A
/// path with a variable is not known either.
pub(crate) fn program(command: &str) -> Option<String> {
    let has_directory = command.contains(['/', '\\']);
    let drive = command.as_bytes().get(1..3).is_some_and(|b| matches!(b, b":\\" | b":/"));
    let absolute = command.starts_with('/') || command.starts_with("\\\\") || drive;
    if (has_directory && !absolute) || command.contains(['$', '%']) {
        return None;
    }
    let base = command.rsplit(['/', '\\']).next().unwrap_or(command).to_ascii_lowercase();
    let base =
        [".exe", ".cmd", ".bat", ".ps1"].iter().find_map(|end| base.strip_suffix(end)).unwrap_or(&base);
    (!base.is_empty()).then(|| base.to_owned())
}

/// The words of a command line, by the rules of a POSIX shell without expansion. `None` if a quote stays open.
pub(crate) fn split(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                let text = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '\'' => break,
                        c => text.push(c),
                    }
                }
            }
            '"' => {
                let text = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => match chars.next()? {
                            c @ ('"' | '\\' | '$' | '`') => text.push(c),
                            c => text.extend(['\\', c]),
                        },
                        c => text.push(c),
                    }
                }
            }
            // A Windows path keeps its backslashes.
            '\\' => match chars.clone().next() {
                Some(next) if next.is_whitespace() || matches!(next, '"' | '\'' | '\\') => {
                    word.get_or_insert_default().push(next);
                    chars.next();
                }
                _ => word.get_or_insert_default().push('\\'),
            },
            c if c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Some(words)
}

/// Whether a shell line is one simple command: nothing that chains, redirects, substitutes or globs.
pub(crate) fn is_simple(line: &str) -> bool {
    !line.contains([';', '&', '|', '<', '>', '`', '(', ')', '\n', '\r', '*', '?', '#', '!'])
        && !line.contains("$(")
}

/// What is known of a program's flags. Who knows less than the program misfiles what follows a flag.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known<'a> {
    /// They take the next argument as value.
    pub(crate) valued: &'a [&'a str],
    /// They take none. `None`: whatever is not valued takes none, and nothing is in doubt.
    pub(crate) alone: Option<&'a [&'a str]>,
    /// Flags may also stand after the first positional argument, up to `--`.
    pub(crate) anywhere: bool,
}

impl<'a> Known<'a> {
    /// Flags of a program of which only those with a value are known.
    pub(crate) const fn valued(valued: &'a [&'a str]) -> Self {
        Self { valued, alone: None, anywhere: false }
    }

    /// Flags of a program all of which are known.
    pub(crate) const fn all(valued: &'a [&'a str], alone: &'a [&'a str]) -> Self {
        Self { valued, alone: Some(alone), anywhere: false }
    }

    fn is_alone(&self, flag: &str) -> bool {
        self.alone.is_none_or(|alone| alone.contains(&flag))
    }
}

/// One flag as it was read.
#[derive(Debug)]
pub(crate) struct Flag {
    /// `--from`, `-p`.
    pub(crate) name: String,
    /// Its value, glued or as the next argument.
    pub(crate) value: Option<String>,
    /// Its arguments as written; empty for the earlier letters of a cluster.
    raw: Vec<String>,
}

/// Arguments parted into flags and what follows them. No argument but the first `--` is lost.
#[derive(Debug, Default)]
pub(crate) struct Flags {
    /// Each flag with its value.
    pub(crate) flags: Vec<Flag>,
    /// What is no flag: from the first positional on, or all positionals.
    pub(crate) rest: Vec<String>,
    /// Why the program may read them otherwise.
    pub(crate) doubt: Option<&'static str>,
}

/// The doubt that a flag leaves which is not in the tables.
const UNKNOWN_FLAG: &str = "a flag that is not known may take the argument after it";
const FLAG_AS_VALUE: &str = "a flag stands where another flag wants its value";
const TWICE: &str = "a flag that may stand only once stands twice";

impl Flags {
    /// Parts arguments.
    pub(crate) fn read(args: &[String], known: &Known<'_>) -> Self {
        let mut read = Self::default();
        let mut at = 0;
        while let Some(arg) = args.get(at) {
            at += 1;
            if arg == "--" {
                read.rest.extend_from_slice(&args[at..]);
                break;
            }
            if !arg.starts_with('-') || arg == "-" {
                read.rest.push(arg.clone());
                if known.anywhere {
                    continue;
                }
                read.rest.extend_from_slice(&args[at..]);
                break;
            }
            at += read.flag(arg, args.get(at), known);
        }
        read
    }

    /// Reads one argument that starts with a dash; says how many further arguments it took.
    fn flag(&mut self, arg: &str, next: Option<&String>, known: &Known<'_>) -> usize {
        let whole = known.valued.contains(&arg) || known.alone.is_some_and(|alone| alone.contains(&arg));
        if !arg.starts_with("--") && !whole && arg.len() > 2 && self.cluster(arg, next, known).is_some() {
            let taken = self.flags.last().is_some_and(|f| f.raw.len() > 1);
            return usize::from(taken);
        }
        if let Some((name, value)) = arg.split_once('=') {
            self.flags.push(Flag { name: name.into(), value: Some(value.into()), raw: vec![arg.into()] });
            return 0;
        }
        if known.valued.contains(&arg) {
            return self.valued(arg, vec![arg.to_owned()], next);
        }
        if !known.is_alone(arg) {
            self.doubt.get_or_insert(UNKNOWN_FLAG);
        }
        self.flags.push(Flag { name: arg.into(), value: None, raw: vec![arg.into()] });
        0
    }

    /// A flag whose value is the next argument.
    fn valued(&mut self, name: &str, mut raw: Vec<String>, next: Option<&String>) -> usize {
        // pflag takes a flag as value, clap refuses it, npm leaves it: so nobody may rely on one of them.
        if next.is_some_and(|value| value.starts_with('-') && value != "-") {
            self.doubt.get_or_insert(FLAG_AS_VALUE);
        }
        raw.extend(next.cloned());
        self.flags.push(Flag { name: name.into(), value: next.cloned(), raw });
        usize::from(next.is_some())
    }

    /// `-it`, `-eNAME=value`, `-ie NAME`: one-letter flags in one argument, the last of them perhaps with a value.
    /// `None` if a letter is not known; nothing has then been read.
    fn cluster(&mut self, arg: &str, next: Option<&String>, known: &Known<'_>) -> Option<()> {
        let letters = &arg[1..];
        let mut plan = Vec::new();
        for (at, letter) in letters.char_indices() {
            let flag = format!("-{letter}");
            let after = &letters[at + letter.len_utf8()..];
            if known.valued.contains(&flag.as_str()) {
                plan.push((flag, Some(after.strip_prefix('=').unwrap_or(after).to_owned())));
                break;
            }
            if after.starts_with('=') || !letter.is_ascii_alphabetic() || !known.is_alone(&flag) {
                return None;
            }
            plan.push((flag, None));
        }
        // Without a table of the flags that stand alone, a word with one dash is a word, not letters.
        if known.alone.is_none() && plan.last().is_none_or(|(_, value)| value.is_none()) {
            return None;
        }
        let mut raw = vec![arg.to_owned()];
        let count = plan.len();
        for (index, (flag, value)) in plan.into_iter().enumerate() {
            match value {
                Some(value) if value.is_empty() && !arg.ends_with('=') => {
                    self.valued(&flag, std::mem::take(&mut raw), next);
                }
                value => {
                    let raw = if index + 1 == count { std::mem::take(&mut raw) } else { Vec::new() };
                    self.flags.push(Flag { name: flag, value, raw });
                }
            }
        }
        Some(())
    }

    /// Values of any of these flags, in order.
    pub(crate) fn values<'a>(&'a self, names: &'a [&str]) -> impl Iterator<Item = &'a str> {
        self.flags.iter().filter(|f| names.contains(&f.name.as_str())).filter_map(|f| f.value.as_deref())
    }

    /// Whether any of these flags is there.
    pub(crate) fn has(&self, names: &[&str]) -> bool {
        self.flags.iter().any(|f| names.contains(&f.name.as_str()))
    }

    /// Takes the first of these flags with its value away: what it names is judged by itself.
    pub(crate) fn take(&mut self, names: &[&str]) -> Option<String> {
        let at = self
            .flags
            .iter()
            .position(|f| names.contains(&f.name.as_str()) && f.value.is_some() && !f.raw.is_empty())?;
        stay_behind(&mut self.flags[..at]);
        self.flags.remove(at).value
    }

    /// Takes every one of these flags with its value away, in their order and in one go: one entry may have a million.
    pub(crate) fn take_all(&mut self, names: &[&str]) -> Vec<String> {
        let mut values = Vec::new();
        let mut kept: Vec<Flag> = Vec::with_capacity(self.flags.len());
        for flag in std::mem::take(&mut self.flags) {
            if !(names.contains(&flag.name.as_str()) && flag.value.is_some() && !flag.raw.is_empty()) {
                kept.push(flag);
                continue;
            }
            stay_behind(&mut kept);
            values.extend(flag.value);
        }
        self.flags = kept;
        values
    }

    /// Takes a flag away that counts once.
    pub(crate) fn take_only(&mut self, names: &[&str]) -> Option<String> {
        let value = self.take(names);
        if self.has(names) {
            self.doubt.get_or_insert(TWICE);
        }
        value
    }

    /// The flags as written, for [`super::Identity::runner_args`].
    pub(crate) fn raw(&self) -> Vec<Sensitive> {
        self.flags.iter().flat_map(|f| &f.raw).map(|a| Sensitive::new(a.as_str())).collect()
    }
}

/// The other letters of the cluster of a flag that is taken away stay behind it (`-i` of `-ie NAME`).
fn stay_behind(before: &mut [Flag]) {
    let letters: String =
        before.iter().rev().take_while(|f| f.raw.is_empty()).map(|f| &f.name[1..]).collect();
    if let Some(last) = before.last_mut().filter(|_| !letters.is_empty()) {
        last.raw = vec![format!("-{}", letters.chars().rev().collect::<String>())];
    }
}
