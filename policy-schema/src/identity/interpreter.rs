//! Interpreters: a script, a module, or code on the command line.

use super::command::{Flags, Known};
use super::{Identity, Kind, sensitive};

/// Whether a program is a Python of any version.
pub(super) fn is_python(program: &str) -> bool {
    let name = super::command::program(program).unwrap_or_default();
    name.strip_prefix("python")
        .or_else(|| name.strip_prefix("pypy"))
        .is_some_and(|v| v.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'w')))
        || name == "py"
}

/// `python script.py`, `python -m module`, `python -c code`.
pub(super) fn python(program: &str, args: &[String]) -> Identity {
    let mut own = Vec::new();
    let mut at = 0;
    while let Some(arg) = args.get(at).filter(|a| a.len() > 1 && a.starts_with('-') && *a != "--") {
        if arg == "--check-hash-based-pycs" {
            own.extend(args[at..].iter().take(2).cloned());
            at += 2;
            continue;
        }
        // The first letter with a value takes the rest of the argument, or the next one: `-Werror`, `-um module`.
        let letters = if arg.starts_with("--") { "" } else { &arg[1..] };
        let valued = letters.find(['m', 'c', 'W', 'X']).map(|i| (letters.as_bytes()[i], &letters[i + 1..]));
        match valued {
            Some((b'c', _)) => return code(program, "python -c", &own, &args[at..]),
            // What follows the module belongs to it.
            Some((b'm', "")) => {
                let Some(module) = args.get(at + 1) else { break };
                if arg != "-m" {
                    own.push(arg.trim_end_matches('m').to_owned());
                }
                return script(program, &own, format!("-m {module}"), &args[at + 2..]);
            }
            Some((b'm', module)) => {
                let before = &letters[..letters.len() - module.len() - 1];
                own.extend((!before.is_empty()).then(|| format!("-{before}")));
                let mut identity = script(program, &own, format!("-m {module}"), &args[at + 1..]);
                identity.ambiguous = Some("a module is glued to its flag");
                return identity;
            }
            Some((_, "")) => {
                own.extend(args[at..].iter().take(2).cloned());
                at += 2;
            }
            _ => {
                own.push(arg.clone());
                at += 1;
            }
        }
    }
    let rest = args.get(at..).unwrap_or_default();
    let rest = rest.strip_prefix(&["--".to_owned()][..]).unwrap_or(rest);
    match rest.split_first() {
        Some((file, rest)) if file != "-" => script(program, &own, file.clone(), rest),
        _ => Identity { server_args: sensitive(args), ..Identity::new(Kind::Opaque, program) },
    }
}

/// What is known of an interpreter other than Python: flags that carry code, load code, or take a value.
struct Interpreter {
    names: &'static [&'static str],
    code: &'static [&'static str],
    load: &'static [&'static str],
    valued: &'static [&'static str],
}

const INTERPRETERS: &[Interpreter] = &[
    Interpreter {
        names: &["node", "nodejs", "tsx", "ts-node", "bun", "electron"],
        code: &["-e", "--eval", "-p", "--print", "-pe"],
        load: &["-r", "--require", "--import", "--loader", "--experimental-loader", "--preload"],
        valued: &[
            "-C",
            "--conditions",
            "--env-file",
            "--env-file-if-exists",
            "--tsconfig",
            "--cwd",
            "--config",
            "-c",
            "-P",
            "--project",
        ],
    },
    Interpreter { names: &["ruby"], code: &["-e"], load: &["-r", "-I"], valued: &["-C", "-E", "-W"] },
    Interpreter { names: &["perl"], code: &["-e", "-E"], load: &["-M", "-I"], valued: &[] },
    Interpreter { names: &["php"], code: &["-r"], load: &["-d"], valued: &["-c", "-f", "-z"] },
    Interpreter { names: &["rscript"], code: &["-e"], load: &[], valued: &[] },
    Interpreter { names: &["lua", "luajit"], code: &["-e"], load: &["-l"], valued: &[] },
    Interpreter { names: &["osascript"], code: &["-e"], load: &[], valued: &["-l"] },
];

/// An interpreter by name, `None` if it is none.
pub(super) fn other(program: &str, args: &[String]) -> Option<Identity> {
    if program == "java" {
        return Some(java(args));
    }
    // `php84`, `ruby3.2`, `node-20`
    let plain = program.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-'));
    let known = INTERPRETERS.iter().find(|i| i.names.contains(&plain))?;
    // `bun run NAME` may also be a script of the project's package.json.
    let verb = usize::from(program == "bun" && args.first().is_some_and(|a| a == "run"));
    let (verb, args) = args.split_at(verb);
    let flags = Flags::read(args, &Known::valued(&[known.code, known.load, known.valued].concat()));
    if flags.has(known.code) {
        return Some(code(program, &format!("{program} {}", known.code[0]), verb, args));
    }
    let own: Vec<String> = verb.iter().cloned().chain(raw(&flags)).collect();
    let mut identity = match flags.rest.split_first() {
        Some((file, rest)) => script(program, &own, file.clone(), rest),
        None => Identity {
            runner_args: sensitive(verb),
            server_args: sensitive(args),
            ..Identity::new(Kind::Opaque, program)
        },
    };
    identity.extra_packages = flags.values(known.load).map(str::to_owned).collect();
    Some(identity)
}

fn raw(flags: &Flags) -> Vec<String> {
    flags.raw().iter().map(|a| a.expose().to_owned()).collect()
}

fn java(args: &[String]) -> Identity {
    // `-jar` and `-m` are no valued flags here: what follows their value belongs to the program.
    let flags = Flags::read(
        args,
        &Known::valued(&[
            "-cp",
            "-classpath",
            "--class-path",
            "-p",
            "--module-path",
            "--upgrade-module-path",
            "--add-opens",
            "--add-exports",
            "--add-reads",
            "--add-modules",
            "--limit-modules",
            "--source",
        ]),
    );
    let mut own = raw(&flags);
    let last = own.last().cloned().unwrap_or_default();
    let mut identity = match flags.rest.split_first() {
        Some((file, rest)) if last == "-jar" => {
            own.pop();
            script("java", &own, file.clone(), rest)
        }
        Some((file, rest)) if matches!(last.as_str(), "-m" | "--module") => {
            own.pop();
            script("java", &own, format!("-m {file}"), rest)
        }
        Some((class, rest)) => script("java", &own, class.clone(), rest),
        None => Identity { server_args: sensitive(args), ..Identity::new(Kind::Opaque, "java") },
    };
    if own.iter().any(|a| a == "-jar" || a.starts_with('@')) {
        identity.ambiguous = Some("java is told twice what to run, or by a file of arguments");
    }
    identity.extra_packages =
        args.iter().filter(|a| a.starts_with("-javaagent") || a.starts_with("-agent")).cloned().collect();
    identity
}

fn script(program: &str, flags: &[String], name: String, rest: &[String]) -> Identity {
    Identity {
        runner: Some(super::command::program(program).unwrap_or_else(|| program.to_owned())),
        runner_args: sensitive(flags),
        server_args: sensitive(rest),
        ..Identity::new(Kind::Script, name)
    }
}

/// Program text among the arguments.
fn code(program: &str, name: &str, flags: &[String], args: &[String]) -> Identity {
    Identity {
        runner: Some(super::command::program(program).unwrap_or_else(|| program.to_owned())),
        runner_args: sensitive(flags),
        server_args: sensitive(args),
        inline_code: true,
        ..Identity::new(Kind::Opaque, name)
    }
}
