//! Programs that only start another one. They are looked through; whatever does more is opaque.

use super::command::{Flags, Known, is_simple, split};
use crate::entry::NamedValue;
use crate::sensitive::Sensitive;

/// A command behind a wrapper.
pub(super) struct Forwarded {
    /// Name of the wrapper.
    pub(super) wrapper: &'static str,
    /// Its own arguments.
    pub(super) own: Vec<String>,
    /// The command that it starts.
    pub(super) argv: Vec<String>,
    /// Variables that it sets.
    pub(super) env: Vec<NamedValue>,
    /// Why the wrapper may read it otherwise.
    pub(super) doubt: Option<&'static str>,
}

/// What a wrapper starts.
pub(super) enum Inside {
    /// The program is no wrapper.
    NotAWrapper,
    /// One command.
    Command(Forwarded),
    /// More than one simple command.
    Opaque { wrapper: &'static str },
}

/// Forwarding programs, with their flags that take a value and the number of positionals before the command.
const FORWARDERS: &[(&str, &[&str], usize)] = &[
    (
        "sudo",
        &[
            "-u", "--user", "-g", "--group", "-h", "--host", "-p", "--prompt", "-C", "-r", "-t", "-T", "-D",
            "-R", "-U",
        ],
        0,
    ),
    ("doas", &["-u", "-C"], 0),
    ("nice", &["-n", "--adjustment"], 0),
    ("ionice", &["-c", "--class", "-n", "--classdata"], 0),
    ("nohup", &[], 0),
    ("setsid", &[], 0),
    ("time", &["-f", "-o"], 0),
    ("timeout", &["-k", "--kill-after", "-s", "--signal"], 1),
    ("gtimeout", &["-k", "--kill-after", "-s", "--signal"], 1),
    ("stdbuf", &["-i", "-o", "-e"], 0),
    ("caffeinate", &["-t", "-w"], 0),
    ("arch", &["-arch"], 0),
    ("xvfb-run", &["-n", "-e", "-s", "--server-num", "--server-args"], 0),
    ("wsl", &["-d", "--distribution", "-u", "--user", "--cd", "--distribution-id", "--shell-type"], 0),
    ("exec", &[], 0),
    ("command", &[], 0),
    ("chronic", &[], 0),
    ("cross-env", &[], 0),
    ("start", &[], 0),
];

/// Looks into one wrapper.
pub(super) fn look(name: &str, args: &[String]) -> Inside {
    let verb = args.first().map(String::as_str).unwrap_or_default();
    match (name, verb) {
        ("cmd", _) => cmd(args),
        ("env", _) => env(args),
        ("sh" | "bash" | "zsh" | "dash" | "ksh" | "ash" | "fish", _) => shell(name, args),
        ("powershell" | "pwsh", _) => powershell(args),
        ("op", "run") => behind_dashes("op run", args),
        ("infisical", "run") => behind_dashes("infisical run", args),
        ("doppler", "run") => behind_dashes("doppler run", args),
        ("chamber", "exec") => behind_dashes("chamber exec", args),
        ("dotenvx", "run") => behind_dashes("dotenvx run", args),
        // `mise run` starts a task of the project, not the command behind `--`.
        ("mise", "exec" | "x") | ("asdf" | "fnm" | "direnv", "exec") | ("volta", "run") => {
            behind_dashes("version manager", args)
        }
        ("bundle" | "poetry" | "pipenv" | "hatch" | "rye" | "pdm", "exec" | "run") => {
            command("project environment", Vec::new(), args[1..].to_vec())
        }
        _ => forwarder(name, args),
    }
}

fn command(wrapper: &'static str, own: Vec<String>, argv: Vec<String>) -> Inside {
    if argv.is_empty() {
        Inside::Opaque { wrapper }
    } else {
        Inside::Command(Forwarded { wrapper, own, argv, env: Vec::new(), doubt: None })
    }
}

/// `op run FLAGS -- COMMAND`: without `--` it is not known where the command starts.
fn behind_dashes(wrapper: &'static str, args: &[String]) -> Inside {
    match args.iter().position(|a| a == "--") {
        Some(at) => command(wrapper, args[1..at].to_vec(), args[at + 1..].to_vec()),
        None => Inside::Opaque { wrapper },
    }
}

fn forwarder(name: &str, args: &[String]) -> Inside {
    let Some((wrapper, valued, skip)) = FORWARDERS.iter().find(|(n, ..)| *n == name) else {
        return Inside::NotAWrapper;
    };
    let flags = Flags::read(args, &Known::valued(valued));
    // `wsl -e program`, `wsl --exec program`: read as flags without value.
    let Some((own, rest)) = flags.rest.split_at_checked(*skip) else { return Inside::NotAWrapper };
    let mut rest = rest.to_vec();
    // Only these read `NAME=value`; for the others it is the program.
    let env = if matches!(name, "sudo" | "cross-env") { assignments(&mut rest) } else { Vec::new() };
    if rest.is_empty() {
        return Inside::NotAWrapper;
    }
    // Without -e it is the Linux shell that reads the line again.
    let doubt = (name == "wsl" && !flags.has(&["-e", "--exec"]) && !rest.iter().all(|a| is_plain(a)))
        .then_some(SHELL_READS);
    let own = plain(&flags).into_iter().chain(own.iter().cloned()).collect();
    Inside::Command(Forwarded { wrapper, own, argv: rest, env, doubt })
}

fn plain(flags: &Flags) -> Vec<String> {
    flags.raw().iter().map(|a| a.expose().to_owned()).collect()
}

const SHELL_READS: &str = "a shell reads the line again and expands parts of it";

/// Whether a shell takes a word as it stands.
fn is_plain(word: &str) -> bool {
    is_simple(word)
        && !word.contains(['$', '{', '}', '[', ']', '~', '\\', '^', '"', '\''])
        && !word.chars().any(|c| c.is_whitespace() || c.is_control())
}

/// Whether a shell reads a line as [`split`] does: no expansion, no escape, no blank that only we take for one.
fn is_unexpanded(line: &str) -> bool {
    !line.contains(['$', '{', '}', '[', ']', '~', '\\'])
        && !line.chars().any(|c| c != ' ' && (c.is_whitespace() || c.is_control()))
}

/// `cmd /c` joins its arguments to one line and reads it again, so a metacharacter in any of them counts.
fn cmd(args: &[String]) -> Inside {
    let wrapper = "cmd /c";
    let Some(at) = args.iter().position(|a| matches!(a.to_ascii_lowercase().as_str(), "/c" | "/k" | "-c"))
    else {
        return Inside::Opaque { wrapper: "cmd" };
    };
    let rest = &args[at + 1..];
    let is_meta = |a: &String| a.contains(['&', '|', '<', '>', '^', '\n', '\r', '%', '!']);
    if args.iter().any(is_meta) {
        return Inside::Opaque { wrapper };
    }
    let mut own = args[..at].to_vec();
    if args[at].eq_ignore_ascii_case("/k") {
        own.push(args[at].clone());
    }
    let (argv, split_otherwise) = match rest {
        [line] if line.contains(' ') => windows_words(line),
        _ => (rest.to_vec(), false),
    };
    // cmd knows no single quotes and no escapes, reads quotes of its own kind only, and ends the program's name at
    // more than blanks.
    let quoted = rest.iter().any(|a| a.contains(['"', '\'', '\t']) || a.chars().any(char::is_control));
    let parted = argv.first().is_some_and(|program| program.contains([',', ';', '=']));
    match command(wrapper, own, argv) {
        Inside::Command(forwarded) if quoted || split_otherwise || parted => Inside::Command(Forwarded {
            doubt: Some("cmd and the program part the words of the line by rules of their own"),
            ..forwarded
        }),
        inside => inside,
    }
}

/// The words of a line as a program on Windows takes it apart: at blanks and tabs, a backslash being one like any other
/// character. And whether anybody may part it otherwise: a shell for which `\ ` is no end of a word, or whoever quoted
/// the line and doubled its last backslash.
fn windows_words(line: &str) -> (Vec<String>, bool) {
    let words: Vec<String> =
        line.split([' ', '\t']).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    let otherwise = line.ends_with('\\') || split(line).is_none_or(|posix| posix != words);
    (words, otherwise)
}

fn env(args: &[String]) -> Inside {
    let wrapper = "env";
    let known = Known::all(
        &["-u", "--unset", "-C", "--chdir", "-S", "--split-string", "-P", "-a", "--argv0"],
        &["-i", "--ignore-environment", "-0", "--null", "-v", "--debug"],
    );
    let mut flags = Flags::read(args, &known);
    let mut argv: Vec<String> = Vec::new();
    let mut own = Vec::new();
    let mut doubt = flags.doubt;
    for line in flags.take_all(&["-S", "--split-string"]) {
        let Some(words) = split(&line) else { return Inside::Opaque { wrapper } };
        if !is_unexpanded(&line) || line.contains(['#', '"', '\'']) {
            doubt.get_or_insert("env reads quotes, escapes and variables in its line by rules of its own");
        }
        own.push("-S".to_owned());
        argv.extend(words);
    }
    own.splice(..0, plain(&flags));
    argv.extend(flags.rest);
    let env = assignments(&mut argv);
    if argv.is_empty() {
        return Inside::Opaque { wrapper };
    }
    Inside::Command(Forwarded { wrapper, own, argv, env, doubt })
}

/// Takes `NAME=value` words from the front.
fn assignments(argv: &mut Vec<String>) -> Vec<NamedValue> {
    let is_name = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && !name.as_bytes()[0].is_ascii_digit()
    };
    let count =
        argv.iter().take_while(|word| word.split_once('=').is_some_and(|(name, _)| is_name(name))).count();
    argv.drain(..count)
        .filter_map(|word| {
            let (name, value) = word.split_once('=')?;
            Some(NamedValue { name: name.to_owned(), value: Sensitive::new(value) })
        })
        .collect()
}

/// The arguments of a shell: its own, and the line of `-c` with what follows it.
enum ShellArgs<'a> {
    /// A script file, or nothing.
    NoLine,
    /// `-c LINE NAME …`.
    Line { own: Vec<String>, line: &'a str },
}

/// Reads the options of a POSIX shell. The line is the first word after all options, wherever `-c` stood.
fn shell_args(args: &[String]) -> ShellArgs<'_> {
    let mut own = Vec::new();
    let mut has_line = false;
    let mut at = 0;
    while let Some(arg) = args.get(at) {
        let is_option = arg.len() > 1 && arg.starts_with(['-', '+']);
        if !is_option {
            break;
        }
        at += 1;
        if arg == "--" {
            break;
        }
        let long = arg.starts_with("--");
        has_line |= !long && arg.starts_with('-') && arg.contains('c');
        if arg != "-c" {
            own.push(arg.clone());
        }
        let valued =
            if long { matches!(arg.as_str(), "--rcfile" | "--init-file") } else { arg.contains(['o', 'O']) };
        if valued {
            own.extend(args.get(at).cloned());
            at += 1;
        }
    }
    match args.get(at) {
        Some(line) if has_line => {
            own.extend_from_slice(&args[at + 1..]);
            ShellArgs::Line { own, line }
        }
        _ if has_line => ShellArgs::Line { own, line: "" },
        _ => ShellArgs::NoLine,
    }
}

/// `sh -c LINE` with one simple command in the line.
fn shell(name: &str, args: &[String]) -> Inside {
    let wrapper = "sh -c";
    // fish has options of its own; only its plainest form is read.
    let plain_fish =
        matches!(args, [flag, _] if flag == "-c") || args.first().is_some_and(|a| !a.starts_with('-'));
    if args.iter().all(|a| a.starts_with('-')) || (name == "fish" && !plain_fish) {
        return Inside::Opaque { wrapper: "shell" };
    }
    let ShellArgs::Line { own, line } = shell_args(args) else {
        // A script file: an interpreter, not a wrapper.
        return Inside::NotAWrapper;
    };
    if !is_simple(line) {
        return Inside::Opaque { wrapper };
    }
    let Some(mut argv) = split(line) else { return Inside::Opaque { wrapper } };
    let env = assignments(&mut argv);
    if argv.first().is_some_and(|word| word == "exec") {
        argv.remove(0);
    }
    // Builtins that change what the next word means have no place in one simple command.
    match argv.first().map(String::as_str) {
        None | Some("source" | "." | "eval" | "cd" | "export" | "set" | "alias" | "trap" | "builtin") => {
            Inside::Opaque { wrapper }
        }
        Some(_) => {
            let doubt = (!is_unexpanded(line)).then_some(SHELL_READS);
            Inside::Command(Forwarded { wrapper, own, argv, env, doubt })
        }
    }
}

fn powershell(args: &[String]) -> Inside {
    let wrapper = "powershell";
    let Some(at) = args.iter().position(|a| powershell_mode(a).is_some()) else {
        return Inside::Opaque { wrapper };
    };
    match powershell_mode(&args[at]) {
        Some(Mode::File) => return Inside::NotAWrapper,
        Some(Mode::Encoded) | None => return Inside::Opaque { wrapper },
        Some(Mode::Command) => {}
    }
    let line = args[at + 1..].join(" ");
    if !is_simple(&line) || line.contains(['$', '{', '"', '\'']) {
        return Inside::Opaque { wrapper };
    }
    let Some(argv) = split(&line) else { return Inside::Opaque { wrapper } };
    let inside = command(wrapper, args[..at].to_vec(), argv);
    // An @ in front of a word, a comma and an escape are operators of PowerShell.
    let doubt = line
        .contains(['@', ',', '%', '\\', '['])
        .then_some("PowerShell reads parts of the line as operators");
    match inside {
        Inside::Command(forwarded) => Inside::Command(Forwarded { doubt, ..forwarded }),
        inside => inside,
    }
}

/// Which argument of PowerShell names what is run; it takes every unambiguous beginning of the word.
enum Mode {
    Command,
    File,
    Encoded,
}

fn powershell_mode(arg: &str) -> Option<Mode> {
    let lower = arg.to_ascii_lowercase();
    let word = lower.strip_prefix(['-', '/'])?;
    match word {
        "" => None,
        _ if "command".starts_with(word) => Some(Mode::Command),
        _ if "file".starts_with(word) => Some(Mode::File),
        "ec" => Some(Mode::Encoded),
        _ if "encodedcommand".starts_with(word) => Some(Mode::Encoded),
        _ => None,
    }
}

/// Where `-File` of PowerShell stands.
pub(super) fn powershell_file(args: &[String]) -> Option<usize> {
    args.iter().position(|a| matches!(powershell_mode(a), Some(Mode::File)))
}

/// Whether a program is a shell that runs a script file.
pub(super) fn is_shell(name: &str) -> bool {
    matches!(name, "sh" | "bash" | "zsh" | "dash" | "ksh" | "ash" | "fish" | "powershell" | "pwsh")
}
