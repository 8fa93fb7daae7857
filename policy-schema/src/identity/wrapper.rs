//! Programs that only start another one. They are looked through; whatever does more is opaque.

use super::command::{Flags, is_simple, split};
use crate::entry::NamedValue;
use crate::sensitive::Sensitive;

/// What a wrapper starts.
pub(super) enum Inside {
    /// The program is no wrapper.
    NotAWrapper,
    /// This command, under this name of the wrapper.
    Command { wrapper: &'static str, argv: Vec<String>, env: Vec<NamedValue> },
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
    match name {
        "cmd" => cmd(args),
        "env" => env(args),
        "sh" | "bash" | "zsh" | "dash" | "ksh" | "ash" | "fish" => shell(args),
        "powershell" | "pwsh" => powershell(args),
        "op" | "infisical" | "doppler" | "chamber" | "dotenvx"
            if args.first().is_some_and(|a| matches!(a.as_str(), "run" | "exec")) =>
        {
            let wrapper = match name {
                "op" => "op run",
                "infisical" => "infisical run",
                "doppler" => "doppler run",
                "chamber" => "chamber exec",
                _ => "dotenvx run",
            };
            match args.iter().position(|a| a == "--") {
                Some(at) if at + 1 < args.len() => command(wrapper, args[at + 1..].to_vec()),
                _ => Inside::Opaque { wrapper },
            }
        }
        "mise" | "asdf" | "fnm" | "volta" | "direnv"
            if args.first().is_some_and(|a| matches!(a.as_str(), "exec" | "x" | "run")) =>
        {
            match args.iter().position(|a| a == "--") {
                Some(at) if at + 1 < args.len() => command("version manager", args[at + 1..].to_vec()),
                _ => Inside::Opaque { wrapper: "version manager" },
            }
        }
        "bundle" | "poetry" | "pipenv" | "hatch" | "rye" | "pdm"
            if args.first().is_some_and(|a| matches!(a.as_str(), "exec" | "run")) =>
        {
            command("project environment", args[1..].to_vec())
        }
        _ => forwarder(name, args),
    }
}

fn command(wrapper: &'static str, argv: Vec<String>) -> Inside {
    if argv.is_empty() {
        Inside::Opaque { wrapper }
    } else {
        Inside::Command { wrapper, argv, env: Vec::new() }
    }
}

fn forwarder(name: &str, args: &[String]) -> Inside {
    let Some((wrapper, valued, skip)) = FORWARDERS.iter().find(|(n, ..)| *n == name) else {
        return Inside::NotAWrapper;
    };
    let flags = Flags::read(args, valued);
    // `wsl -e program`, `wsl --exec program`: read as flags without value.
    let mut rest = flags.rest.get(*skip..).unwrap_or_default().to_vec();
    let env = assignments(&mut rest);
    if rest.is_empty() { Inside::NotAWrapper } else { Inside::Command { wrapper, argv: rest, env } }
}

/// `cmd /c` joins its arguments to one line and reads it again, so a metacharacter in any of them counts.
fn cmd(args: &[String]) -> Inside {
    let wrapper = "cmd /c";
    let Some(at) = args.iter().position(|a| matches!(a.to_ascii_lowercase().as_str(), "/c" | "/k" | "-c"))
    else {
        return Inside::Opaque { wrapper: "cmd" };
    };
    let rest = &args[at + 1..];
    if rest.iter().any(|a| a.contains(['&', '|', '<', '>', '^', '\n', '\r', '%', '!'])) {
        return Inside::Opaque { wrapper };
    }
    match rest {
        [line] if line.contains(' ') => {
            split(line).map_or(Inside::Opaque { wrapper }, |argv| command(wrapper, argv))
        }
        _ => command(wrapper, rest.to_vec()),
    }
}

fn env(args: &[String]) -> Inside {
    let wrapper = "env";
    let flags = Flags::read(args, &["-u", "--unset", "-C", "--chdir", "-S", "--split-string", "-P"]);
    let mut argv: Vec<String> = Vec::new();
    for line in flags.values(&["-S", "--split-string"]) {
        let Some(words) = split(line) else { return Inside::Opaque { wrapper } };
        argv.extend(words);
    }
    argv.extend(flags.rest);
    let env = assignments(&mut argv);
    if argv.is_empty() { Inside::Opaque { wrapper } } else { Inside::Command { wrapper, argv, env } }
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

/// `sh -c LINE` with one simple command in the line.
fn shell(args: &[String]) -> Inside {
    let wrapper = "sh -c";
    let is_code = |a: &str| a.starts_with('-') && !a.starts_with("--") && a.ends_with('c');
    let Some(at) = args.iter().position(|a| is_code(a) || !a.starts_with('-')) else {
        return Inside::Opaque { wrapper: "shell" };
    };
    if !is_code(&args[at]) {
        // A script file: an interpreter, not a wrapper.
        return Inside::NotAWrapper;
    }
    let Some(line) = args.get(at + 1).filter(|line| is_simple(line)) else {
        return Inside::Opaque { wrapper };
    };
    let Some(mut argv) = split(line) else { return Inside::Opaque { wrapper } };
    let env = assignments(&mut argv);
    if argv.first().is_some_and(|word| word == "exec") {
        argv.remove(0);
    }
    // Builtins that change what the next word means have no place in one simple command.
    match argv.first().map(String::as_str) {
        None | Some("source" | "." | "eval" | "cd" | "export" | "set") => Inside::Opaque { wrapper },
        Some(_) => Inside::Command { wrapper, argv, env },
    }
}

fn powershell(args: &[String]) -> Inside {
    let wrapper = "powershell";
    let lower = |a: &String| a.to_ascii_lowercase();
    if args.iter().any(|a| lower(a) == "-file") {
        return Inside::NotAWrapper;
    }
    let Some(at) = args.iter().position(|a| matches!(lower(a).as_str(), "-command" | "-c" | "/c")) else {
        return Inside::Opaque { wrapper };
    };
    let line = args[at + 1..].join(" ");
    if !is_simple(&line) || line.contains(['$', '{', '"', '\'']) {
        return Inside::Opaque { wrapper };
    }
    split(&line).map_or(Inside::Opaque { wrapper }, |argv| command(wrapper, argv))
}

/// Whether a program is a shell that runs a script file.
pub(super) fn is_shell(name: &str) -> bool {
    matches!(name, "sh" | "bash" | "zsh" | "dash" | "ksh" | "ash" | "fish" | "powershell" | "pwsh")
}
