//! Interpreters: a script, a module, or code on the command line.

use super::command::Flags;
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
    // What follows -m or -c belongs to the module, so they end the flags.
    let stop = args.iter().position(|a| {
        matches!(a.as_str(), "-m" | "-c") || (!a.starts_with("--") && a.starts_with("-c") && a.len() > 2)
    });
    let flags = Flags::read(args, &["-W", "-X", "--check-hash-based-pycs"]);
    let before_positional = flags.raw.len();
    if let Some(at) = stop.filter(|at| *at <= before_positional) {
        let name = match (args[at].as_str(), args.get(at + 1)) {
            ("-m", Some(module)) => {
                return script(program, &args[..at], format!("-m {module}"), &args[at + 2..]);
            }
            _ => "python -c",
        };
        return code(program, name, &args[at..]);
    }
    match flags.rest.split_first() {
        Some((file, rest)) if file != "-" => script_with(program, flags.raw.clone(), file.clone(), rest),
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
    let args = if program == "bun" && args.first().is_some_and(|a| a == "run") { &args[1..] } else { args };
    let flags = Flags::read(args, &[known.code, known.load, known.valued].concat());
    if flags.has(known.code) {
        return Some(code(program, &format!("{program} {}", known.code[0]), args));
    }
    let mut identity = match flags.rest.split_first() {
        Some((file, rest)) => script_with(program, flags.raw.clone(), file.clone(), rest),
        None => Identity { server_args: sensitive(args), ..Identity::new(Kind::Opaque, program) },
    };
    identity.extra_packages = flags.values(known.load).map(str::to_owned).collect();
    Some(identity)
}

fn java(args: &[String]) -> Identity {
    let flags = Flags::read(
        args,
        &[
            "-jar",
            "-cp",
            "-classpath",
            "--class-path",
            "-p",
            "--module-path",
            "-m",
            "--module",
            "--add-opens",
            "--add-modules",
        ],
    );
    let jar = flags.values(&["-jar"]).next().map(str::to_owned);
    let mut identity = match (jar, flags.rest.split_first()) {
        (Some(jar), _) => script_with("java", flags.raw.clone(), jar, &flags.rest),
        (None, Some((class, rest))) => script_with("java", flags.raw.clone(), class.clone(), rest),
        (None, None) => Identity { server_args: sensitive(args), ..Identity::new(Kind::Opaque, "java") },
    };
    identity.extra_packages =
        args.iter().filter(|a| a.starts_with("-javaagent") || a.starts_with("-agent")).cloned().collect();
    identity
}

fn script(program: &str, flags: &[String], name: String, rest: &[String]) -> Identity {
    script_with(program, sensitive(flags), name, rest)
}

fn script_with(
    program: &str,
    runner_args: Vec<crate::sensitive::Sensitive>,
    name: String,
    rest: &[String],
) -> Identity {
    Identity {
        runner: Some(super::command::program(program).unwrap_or_else(|| program.to_owned())),
        runner_args,
        server_args: sensitive(rest),
        ..Identity::new(Kind::Script, name)
    }
}

/// Program text among the arguments.
fn code(program: &str, name: &str, args: &[String]) -> Identity {
    Identity {
        runner: Some(super::command::program(program).unwrap_or_else(|| program.to_owned())),
        server_args: sensitive(args),
        inline_code: true,
        ..Identity::new(Kind::Opaque, name)
    }
}
