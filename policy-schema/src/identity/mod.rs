//! What an entry would run or contact: never its name, which whoever wrote the entry chose freely.
//!
//! Everything here reads the text as the program that is started would, and says [`Kind::Opaque`] where it cannot.

mod bridge;
pub(crate) mod command;
mod container;
mod git;
pub(crate) mod image;
mod interpreter;
mod packages;
mod reading;
#[cfg(test)]
mod recorded;
pub(crate) mod spec;
mod tables;
#[cfg(test)]
mod tests;
mod wrapper;

use std::fmt;

use crate::document::Ecosystem;
use crate::entry::{Entry, NamedValue, Transport};
use crate::sensitive::Sensitive;
use wrapper::Inside;

pub use git::git_key;
pub use image::image_key;
pub use spec::{package_key, path_of};

/// Wrappers in wrappers that are looked through; real entries have at most three.
const MAX_WRAPPERS: usize = 8;

/// What sort of thing is run or contacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A package of the npm registry.
    Npm,
    /// A distribution of the Python package index.
    Pypi,
    /// A container image.
    Oci,
    /// A Git repository that a package runner builds.
    Git,
    /// A remote server.
    Url,
    /// A local program that only forwards to a remote server.
    Bridge,
    /// A program on this machine.
    Executable,
    /// A file that an interpreter on this machine runs.
    Script,
    /// Something whose meaning the text does not say.
    Opaque,
    /// Code inside the client.
    Builtin,
    /// A module or package that Deno runs.
    Deno,
    /// A .NET tool.
    Dotnet,
    /// A Rust package.
    Cargo,
    /// A Go package.
    Go,
}

impl Kind {
    /// The word used in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::Pypi => "pypi",
            Self::Oci => "oci",
            Self::Git => "git",
            Self::Url => "url",
            Self::Bridge => "bridge",
            Self::Executable => "executable",
            Self::Script => "script",
            Self::Opaque => "opaque",
            Self::Builtin => "builtin",
            Self::Deno => "deno",
            Self::Dotnet => "dotnet",
            Self::Cargo => "cargo",
            Self::Go => "go",
        }
    }
}

/// What an entry would run or contact. The texts are raw: a URL in them may hold secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// What sort of thing.
    pub kind: Kind,
    /// Package, image, URL or path, as written (package names normalised as their registry does). Raw.
    pub name: String,
    /// Version, tag, range, commit or digest as asked for. Raw.
    pub version: Option<String>,
    /// Whether the version can only mean one thing: an exact version, a full commit, a digest.
    pub pinned: bool,
    /// The program in front of its arguments as written (`/opt/homebrew/bin/npx`), for those who judge where it lies. Raw.
    pub program: String,
    /// Program text stands in the arguments (`node -e`, `python -c`).
    pub inline_code: bool,
    /// The package runner, container engine or interpreter, for example `npx`, `uv tool run`, `docker run`, `node`.
    pub runner: Option<String>,
    /// Programs before it that only forward, outermost first: `cmd /c`, `env`, `sh -c`, `sudo` …
    pub wrappers: Vec<String>,
    /// The wrappers' programs as written, outermost first, for those who judge where they lie. Raw.
    pub wrapper_programs: Vec<String>,
    /// For each wrapper its arguments other than `NAME=value` and the words that only say "run this" (`/c`, `-c`).
    pub wrapper_args: Vec<Vec<Sensitive>>,
    /// The ecosystem of a package or bridge.
    pub ecosystem: Option<Ecosystem>,
    /// The program of the package that is run, where the arguments name it apart (`npx --package P BIN`).
    pub bin: Option<String>,
    /// Extras of a Python distribution (`name[one,two]`): they bring further distributions.
    pub extras: Vec<String>,
    /// Why a program may read the text otherwise than it was read here; such an entry is never allowed.
    pub ambiguous: Option<&'static str>,
    /// Arguments that reach the server itself. Of a bridge: those that are neither target nor header.
    pub server_args: Vec<Sensitive>,
    /// Arguments that the runner takes for itself, as written: its flags without the one that names the package, and
    /// without those in `argument_env`. What `extra_packages` and `registries` tell stands here too.
    pub runner_args: Vec<Sensitive>,
    /// Further code that is loaded beside it (`--with`, a second `--package`, `--require`). Raw.
    pub extra_packages: Vec<String>,
    /// Registries or indexes that the arguments name. Raw.
    pub registries: Vec<String>,
    /// Variables that the arguments set (`env NAME=value`, `docker run -e NAME=value`).
    pub argument_env: Vec<NamedValue>,
    /// Headers that the arguments of a bridge set (`--header "Name: value"`).
    pub argument_headers: Vec<NamedValue>,
    /// Where a bridge connects to, or the command line that it starts. Raw.
    pub target: Option<String>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("kind", &self.kind)
            .field("pinned", &self.pinned)
            .finish_non_exhaustive()
    }
}

impl Identity {
    /// An identity of which only the kind and name are known.
    pub(crate) fn new(kind: Kind, name: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
            version: None,
            pinned: false,
            program: String::new(),
            inline_code: false,
            runner: None,
            wrappers: Vec::new(),
            wrapper_programs: Vec::new(),
            wrapper_args: Vec::new(),
            ecosystem: None,
            bin: None,
            extras: Vec::new(),
            ambiguous: None,
            server_args: Vec::new(),
            runner_args: Vec::new(),
            extra_packages: Vec::new(),
            registries: Vec::new(),
            argument_env: Vec::new(),
            argument_headers: Vec::new(),
            target: None,
        }
    }
}

/// The flags of a container engine and of its `run`, read again.
pub(crate) fn run_flags(identity: &Identity) -> command::Flags {
    let words: Vec<String> = identity.runner_args.iter().map(|a| a.expose().to_owned()).collect();
    command::Flags::read(&words, &container::RUN)
}

/// Reads the identity out of an entry.
pub fn identify(entry: &Entry) -> Identity {
    let is_remote = matches!(entry.transport, Transport::Http | Transport::Sse | Transport::Ws);
    let command = entry.command.as_ref().map(Sensitive::expose).filter(|c| !c.trim().is_empty());
    let url = entry.url.as_ref().map(Sensitive::expose).filter(|u| !u.is_empty());
    let mut identity = match (command, url) {
        // Where both stand, the transport says which of them the client takes.
        (Some(_), Some(url)) if is_remote => Identity::new(Kind::Url, url),
        (Some(command), _) => {
            let (argv, doubt) = reading::argv(entry, command);
            let identity = of_argv(&argv, 0);
            Identity { ambiguous: identity.ambiguous.or(doubt), ..identity }
        }
        (None, Some(url)) => Identity::new(Kind::Url, url),
        (None, None) if entry.transport == Transport::Builtin => reading::built_in(entry),
        (None, None) => Identity::new(Kind::Opaque, ""),
    };
    identity.ambiguous = reading::doubt(entry).or(identity.ambiguous);
    identity
}

/// The identity of a command, wrappers looked through.
fn of_argv(argv: &[String], depth: usize) -> Identity {
    let Some((program, args)) = argv.split_first() else { return Identity::new(Kind::Opaque, "") };
    let Some(name) = command::program(program) else {
        let mut identity = executable(program, args);
        identity.program.clone_from(program);
        return identity;
    };
    if depth < MAX_WRAPPERS {
        match wrapper::look(&name, args) {
            Inside::Command(inside) => {
                let mut identity = of_argv(&inside.argv, depth + 1);
                identity.wrappers.insert(0, inside.wrapper.to_owned());
                identity.wrapper_programs.insert(0, program.clone());
                identity.wrapper_args.insert(0, sensitive(&inside.own));
                identity.argument_env.splice(..0, inside.env);
                identity.ambiguous = inside.doubt.or(identity.ambiguous);
                return identity;
            }
            Inside::Opaque { wrapper } => {
                return Identity {
                    wrappers: vec![wrapper.to_owned()],
                    wrapper_programs: vec![program.clone()],
                    wrapper_args: vec![Vec::new()],
                    server_args: sensitive(args),
                    program: program.clone(),
                    ..Identity::new(Kind::Opaque, wrapper)
                };
            }
            Inside::NotAWrapper => {}
        }
    }
    let mut identity = runner(&name, program, args);
    identity.program.clone_from(program);
    identity.ecosystem = identity.ecosystem.or_else(|| ecosystem(identity.kind));
    identity
}

/// Where the packages of a kind come from.
fn ecosystem(kind: Kind) -> Option<Ecosystem> {
    match kind {
        Kind::Npm => Some(Ecosystem::Npm),
        Kind::Pypi => Some(Ecosystem::Pypi),
        Kind::Executable => Some(Ecosystem::Executable),
        Kind::Deno => Some(Ecosystem::Deno),
        Kind::Dotnet => Some(Ecosystem::Dotnet),
        Kind::Cargo => Some(Ecosystem::Cargo),
        Kind::Go => Some(Ecosystem::Go),
        Kind::Oci | Kind::Git | Kind::Url | Kind::Bridge | Kind::Script | Kind::Opaque | Kind::Builtin => {
            None
        }
    }
}

/// The identity of a command that is no wrapper.
fn runner(name: &str, program: &str, args: &[String]) -> Identity {
    let words: Vec<&str> = args.iter().take(3).map(String::as_str).collect();
    match (name, words.as_slice()) {
        ("npx" | "bunx" | "pnpx", _) => packages::npm(name, args),
        ("npm", ["exec" | "x", ..]) => packages::npm("npm exec", &args[1..]),
        ("bun", ["x", ..]) => packages::npm("bun x", &args[1..]),
        ("pnpm", ["dlx", ..]) => packages::npm("pnpm dlx", &args[1..]),
        ("yarn", ["dlx", ..]) => packages::npm("yarn dlx", &args[1..]),
        (
            "npm" | "pnpm" | "yarn",
            [
                "run" | "run-script" | "start" | "exec" | "--prefix" | "-C" | "--dir" | "--cwd" | "--silent"
                | "-s",
                ..,
            ],
        ) => Identity {
            runner: Some(name.to_owned()),
            server_args: sensitive(args),
            ..Identity::new(Kind::Script, format!("{name} {}", args.join(" ")))
        },
        ("uvx", _) => packages::python_tool("uvx", args),
        ("uv", _) => uv(program, args),
        ("pipx", ["run", ..]) => packages::python_tool("pipx run", &args[1..]),
        ("docker" | "podman" | "nerdctl", _) => container::engine(name, args),
        ("deno", [verb @ ("run" | "serve" | "x"), ..]) => packages::deno(&format!("deno {verb}"), &args[1..]),
        ("dnx", _) => packages::dotnet("dnx", args),
        ("dotnet", ["tool", "exec" | "execute", ..]) => packages::dotnet("dotnet tool exec", &args[2..]),
        ("dotnet", ["tool", "run", ..]) => packages::dotnet("dotnet tool run", &args[2..]),
        ("dotnet", [file, ..]) if file.ends_with(".dll") => Identity {
            runner: Some("dotnet".to_owned()),
            server_args: sensitive(&args[1..]),
            ..Identity::new(Kind::Script, *file)
        },
        ("dotnet", ["run" | "watch" | "exec", ..]) => Identity {
            runner: Some("dotnet".to_owned()),
            server_args: sensitive(args),
            ..Identity::new(Kind::Script, format!("dotnet {}", args.join(" ")))
        },
        ("go", ["run", ..]) => packages::go(&args[1..]),
        ("cargo", ["run", ..]) => packages::cargo(&args[1..]),
        _ if interpreter::is_python(program) => interpreter::python(program, args),
        _ if wrapper::is_shell(name) => shell_script(name, program, args),
        _ => interpreter::other(name, args).unwrap_or_else(|| executable(program, args)),
    }
}

/// `uv --directory DIR run …`: flags of uv may stand before the command.
fn uv(program: &str, args: &[String]) -> Identity {
    let before = command::Flags::read(args, &command::Known::all(tables::UV_VALUED, tables::UV_ALONE));
    let words: Vec<&str> = before.rest.iter().take(2).map(String::as_str).collect();
    match words.as_slice() {
        ["run", ..] => packages::uv_run(&before, &before.rest[1..]),
        ["tool", "run"] | ["x", ..] => {
            let skip = if words[0] == "x" { 1 } else { 2 };
            let mut identity = packages::python_tool("uv tool run", &before.rest[skip..]);
            identity.runner_args.splice(..0, before.raw());
            identity.registries.extend(before.values(tables::REGISTRY_FLAGS).map(str::to_owned));
            identity.ambiguous = identity.ambiguous.or(before.doubt);
            identity
        }
        _ => executable(program, args),
    }
}

/// `bash script.sh`, `powershell -File script.ps1`.
fn shell_script(name: &str, program: &str, args: &[String]) -> Identity {
    let at = if matches!(name, "powershell" | "pwsh") {
        wrapper::powershell_file(args).map(|at| (at, at + 1))
    } else {
        let valued = ["--rcfile", "--init-file", "-o", "+o", "-O", "+O"];
        let flags = command::Flags::read(args, &command::Known::valued(&valued));
        let at = args.len() - flags.rest.len();
        Some((at, at))
    };
    match at.and_then(|(end, at)| args.get(at).map(|file| (end, at, file))) {
        Some((end, at, file)) => Identity {
            runner: Some(name.to_owned()),
            runner_args: sensitive(&args[..end]),
            server_args: sensitive(&args[at + 1..]),
            ..Identity::new(Kind::Script, file.as_str())
        },
        None => Identity { server_args: sensitive(args), ..Identity::new(Kind::Opaque, program) },
    }
}

fn executable(program: &str, args: &[String]) -> Identity {
    bridge::of_package(Identity { server_args: sensitive(args), ..Identity::new(Kind::Executable, program) })
}

fn sensitive(args: &[String]) -> Vec<Sensitive> {
    args.iter().map(|a| Sensitive::new(a.as_str())).collect()
}
