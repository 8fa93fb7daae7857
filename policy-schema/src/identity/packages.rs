//! Package runners: npx and its like, uvx and its like, Deno, .NET, Cargo, Go.

use super::command::{Flag, Flags, Known};
use super::tables::{
    BUN_ALONE, BUN_VALUED, DENO_ALONE, DENO_VALUED, DOTNET_ALONE, DOTNET_VALUED, GO_ALONE, GO_VALUED,
    NPM_ALONE, NPM_VALUED, NPX_VALUED, PIPX_ALONE, PIPX_VALUED, PNPM_ALONE, PNPM_VALUED, REGISTRY_FLAGS,
    UV_ALONE, UV_VALUED, YARN_ALONE, YARN_VALUED,
};
use super::{Identity, Kind, sensitive, spec};

/// Reads the flags of an npm-like runner.
fn npm_flags(runner: &str, args: &[String]) -> Flags {
    let known = match runner {
        "pnpm dlx" | "pnpx" => Known::all(PNPM_VALUED, PNPM_ALONE),
        "yarn dlx" => Known::all(YARN_VALUED, YARN_ALONE),
        "bunx" | "bun x" => Known::all(BUN_VALUED, BUN_ALONE),
        // npx ends npm's options at the package, `npm exec` only at `--`.
        "npm exec" => Known { anywhere: true, ..Known::all(NPM_VALUED, NPM_ALONE) },
        _ => return npx_flags(args),
    };
    let mut flags = Flags::read(args, &known);
    doubt_glued(&mut flags, &known);
    let end = args.iter().position(|a| a == "--").unwrap_or(args.len());
    let is_answer =
        |pair: &[String]| pair[0].starts_with('-') && matches!(pair[1].as_str(), "true" | "false" | "null");
    if runner == "npm exec" && args[..end].windows(2).any(is_answer) {
        flags.doubt.get_or_insert("npm takes true and false for the value of the flag before");
    }
    flags
}

/// npx looks for the package by a list of its own before npm reads the flags: a flag that is not on it takes the next
/// word along. On the list is no `--no-…` but `--no-install`, nor what only some versions know.
fn npx_flags(args: &[String]) -> Flags {
    const NOT_LISTED: &[&str] = &[
        "--install-links",
        "--include-workspace-root",
        "--iwr",
        "--strict-allow-scripts",
        "--dangerously-allow-all-scripts",
    ];
    let is_listed =
        |flag: &&&str| (!flag.starts_with("--no") || **flag == "--no-install") && !NOT_LISTED.contains(*flag);
    let alone: Vec<&str> = NPM_ALONE.iter().filter(is_listed).copied().collect();
    let valued = [NPM_VALUED, NPX_VALUED].concat();
    let known = Known::all(&valued, &alone);
    let mut flags = Flags::read(args, &known);
    doubt_glued(&mut flags, &known);
    flags
}

/// npm and pnpm write `--silent` out as `--loglevel silent`, and of `--silent=NAME` make `--loglevel silent NAME`: the
/// name is then the package.
fn doubt_glued(flags: &mut Flags, known: &Known<'_>) {
    let is_glued = |flag: &Flag| flag.value.is_some() && !known.valued.contains(&flag.name.as_str());
    if flags.flags.iter().any(is_glued) {
        flags.doubt.get_or_insert("the value of a flag that has none may be taken for the package");
    }
}

/// `npx`, `npm exec`, `bunx`, `pnpm dlx`, `yarn dlx`.
pub(super) fn npm(runner: &str, args: &[String]) -> Identity {
    let mut flags = npm_flags(runner, args);
    let is_npm = runner.starts_with("np");
    // `-c` hands a line to a shell, whatever the packages are.
    let is_shell = if is_npm { flags.has(&["-c", "--call"]) } else { flags.has(&["-c", "--shell-mode"]) };
    if is_shell {
        let mut identity = Identity::new(Kind::Opaque, format!("{runner} -c"));
        identity.extra_packages = flags.values(&["-p", "--package"]).map(str::to_owned).collect();
        return finish(identity, runner, &flags, &flags.rest);
    }
    // What npx takes for letters, npm takes for a word, and older versions for something else again.
    let is_cluster = |flag: &str| !flag.starts_with("--") && flag.len() > 2 && !NPM_ALONE.contains(&flag);
    let letters = is_npm && flags.raw().iter().any(|a| a.expose().starts_with('-') && is_cluster(a.expose()));
    let by_flag = flags.take(&["-p", "--package"]);
    let mut rest = flags.rest.clone().into_iter();
    let mut identity = match &by_flag {
        // The positional argument is then only the name of a program: of the package, or any other on PATH.
        Some(package) => Identity { bin: rest.next(), ..spec::npm(package) },
        None => {
            rest.next().map_or_else(|| Identity::new(Kind::Opaque, runner), |package| spec::npm(&package))
        }
    };
    if by_flag.is_some() && identity.bin.is_none() {
        identity.ambiguous.get_or_insert("no program of the package is named");
    }
    identity.extra_packages = flags.values(&["-p", "--package"]).map(str::to_owned).collect();
    if letters {
        identity.ambiguous.get_or_insert("letters in one argument that versions of npm read differently");
    }
    finish(identity, runner, &flags, &rest.collect::<Vec<_>>())
}

/// `uvx`, `uv tool run`, `pipx run`.
pub(super) fn python_tool(runner: &str, args: &[String]) -> Identity {
    let pipx = runner == "pipx run";
    let known = if pipx { Known::all(PIPX_VALUED, PIPX_ALONE) } else { Known::all(UV_VALUED, UV_ALONE) };
    let mut flags = Flags::read(args, &known);
    let source = flags.take_only(&["--from", "--spec"]);
    let mut rest = flags.rest.clone().into_iter();
    let first = rest.next();
    let rest: Vec<String> = rest.collect();
    let mut identity = match (source, first) {
        (Some(package), bin) => Identity { bin, ..spec::pypi(&package) },
        (None, Some(program)) if is_interpreter_request(&program) => {
            // `uvx python@3.12 …` is an interpreter and no package; pipx hands it to uv where it can.
            let mut identity = super::interpreter::python("python", &rest);
            identity.bin = Some(program);
            identity.runner_args.splice(..0, flags.raw());
            identity.extra_packages = extra(&flags);
            identity.registries = flags.values(REGISTRY_FLAGS).map(str::to_owned).collect();
            identity.runner = Some(runner.to_owned());
            identity.ambiguous = identity.ambiguous.or(flags.doubt);
            return identity;
        }
        (None, Some(package)) => spec::pypi(&package),
        (None, None) => Identity::new(Kind::Opaque, runner),
    };
    identity.extra_packages = extra(&flags);
    if pipx && identity.bin.is_none() {
        identity.ambiguous.get_or_insert("pipx runs a file of that name, if there is one, and no package");
    }
    if pipx && flags.has(&["--path", "--pypackages"]) {
        identity.ambiguous.get_or_insert("a file of the working directory is run");
    }
    // `pipx run x@1.2.3` means a version where uv does the work, and nothing where pip does.
    if pipx
        && identity.kind == Kind::Pypi
        && identity.version.is_some()
        && args.iter().any(|a| a.contains('@'))
    {
        identity.ambiguous.get_or_insert("pipx reads name@version only with uv");
    }
    finish(identity, runner, &flags, &rest)
}

/// What uv takes for a Python interpreter: `python`, `python3.12`, `python@3.12`, `pypy`, `cpython-3.12`.
fn is_interpreter_request(program: &str) -> bool {
    let name = program.split('@').next().unwrap_or_default().to_ascii_lowercase();
    ["python", "pypy", "cpython", "graalpy", "pyodide"].iter().any(|start| {
        name.strip_prefix(start)
            .is_some_and(|v| v.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'w' | b'-' | b't')))
    })
}

/// `uv run`: a program of the project's environment, a script, or `python …` in it. `before` are flags of uv itself.
pub(super) fn uv_run(before: &Flags, args: &[String]) -> Identity {
    let valued = [UV_VALUED, &["-m", "--module"]].concat();
    let mut flags = Flags::read(args, &Known::all(&valued, UV_ALONE));
    let module = flags.take_only(&["-m", "--module"]);
    let mut identity = match (module, flags.rest.split_first()) {
        (Some(module), _) => Identity {
            server_args: sensitive(&flags.rest),
            ..Identity::new(Kind::Script, format!("-m {module}"))
        },
        (None, Some((program, rest))) if super::interpreter::is_python(program) => {
            Identity { bin: Some(program.clone()), ..super::interpreter::python(program, rest) }
        }
        (None, Some((program, rest))) => {
            let kind = if program.contains("://") { Kind::Url } else { Kind::Script };
            Identity { server_args: sensitive(rest), ..Identity::new(kind, program.as_str()) }
        }
        (None, None) => Identity::new(Kind::Opaque, "uv run"),
    };
    identity.extra_packages = extra(&flags);
    identity.registries =
        before.values(REGISTRY_FLAGS).chain(flags.values(REGISTRY_FLAGS)).map(str::to_owned).collect();
    identity.runner = Some("uv run".to_owned());
    identity.runner_args.splice(..0, before.raw().into_iter().chain(flags.raw()));
    identity.ambiguous = identity.ambiguous.or(before.doubt).or(flags.doubt);
    identity
}

fn extra(flags: &Flags) -> Vec<String> {
    let names = ["--with", "-w", "--with-editable", "--with-requirements"];
    flags.values(&names).flat_map(|list| list.split(',')).map(str::to_owned).collect()
}

/// `deno run`: an `npm:` or `jsr:` specifier, a URL or a file.
pub(super) fn deno(runner: &str, args: &[String]) -> Identity {
    let flags = Flags::read(args, &Known::all(DENO_VALUED, DENO_ALONE));
    let Some((module, rest)) = flags.rest.split_first() else {
        return Identity { runner_args: flags.raw(), ..Identity::new(Kind::Opaque, runner) };
    };
    let mut identity = if let Some(package) = module.strip_prefix("npm:") {
        specifier(spec::npm, package)
    } else if let Some(package) = module.strip_prefix("jsr:") {
        Identity { kind: Kind::Deno, ..specifier(spec::npm, package) }
    } else if module.contains("://") || module.starts_with("data:") || module.starts_with("blob:") {
        Identity::new(Kind::Url, module.as_str())
    } else if runner == "deno x" {
        Identity { ambiguous: Some("the registry is not named"), ..spec::npm(module) }
    } else {
        Identity::new(Kind::Script, module.as_str())
    };
    identity.extra_packages =
        flags.values(&["--import-map", "--preload", "--require"]).map(str::to_owned).collect();
    // Deno hands everything behind the module on as it stands.
    finish(identity, runner, &flags, rest)
}

/// `npm:/name@1.0.0/program`: behind the package may stand one of its programs.
fn specifier(read: fn(&str) -> Identity, package: &str) -> Identity {
    let package = package.trim_start_matches('/');
    let skip = usize::from(package.starts_with('@'));
    match package.match_indices('/').nth(skip) {
        Some((at, _)) => Identity { bin: Some(package[at + 1..].to_owned()), ..read(&package[..at]) },
        None => read(package),
    }
}

/// `dnx` and `dotnet tool exec`.
pub(super) fn dotnet(runner: &str, args: &[String]) -> Identity {
    // Flags may follow the package (`dnx Name --version 1.2.3 -- args`); what neither knows goes to the tool.
    let known = Known { anywhere: true, ..Known::all(DOTNET_VALUED, DOTNET_ALONE) };
    let end = args.iter().position(|a| a == "--").unwrap_or(args.len());
    let mut flags = Flags::read(&args[..end], &known);
    let after = args.get(end + 1..).unwrap_or_default();
    let by_flag = flags.take_only(&["--version"]);
    let Some((package, rest)) = flags.rest.clone().split_first().map(|(p, r)| (p.clone(), r.to_vec())) else {
        let opaque = Identity::new(Kind::Opaque, runner);
        return Identity {
            version: by_flag,
            runner_args: flags.raw(),
            server_args: sensitive(after),
            ..opaque
        };
    };
    let (name, at) = package.split_once('@').map_or((package.as_str(), None), |(n, v)| (n, Some(v)));
    let mut identity = Identity::new(Kind::Dotnet, name.to_ascii_lowercase());
    if spec::package_key(Kind::Dotnet, name).is_none() {
        identity.ambiguous = Some("no name of a .NET tool");
    } else if at.is_some() && by_flag.is_some() {
        identity.ambiguous = Some("two versions are asked for");
    } else if runner == "dotnet tool run" {
        identity.ambiguous = Some("the manifest of the project names the package");
    }
    if args[..end].iter().any(|arg| arg.starts_with('@')) {
        identity.ambiguous.get_or_insert("a file of further arguments is named");
    }
    let version = at.or(by_flag.as_deref());
    identity.pinned = version.is_some_and(spec::is_exact);
    identity.version = version.map(str::to_owned);
    let mut identity = finish(identity, runner, &flags, &[rest.as_slice(), after].concat());
    if let (Some(_), Some(second)) = (at, by_flag) {
        // told with the flags, so that two commands which differ in it are not one entry to the fingerprint
        identity.runner_args.extend(sensitive(&["--version".to_owned(), second]));
    }
    identity
}

/// `go run module@version`, or a directory.
pub(super) fn go(args: &[String]) -> Identity {
    // One dash or two are the same to go.
    let single = |a: &String| match a.strip_prefix("--") {
        Some(rest) if !rest.is_empty() => format!("-{rest}"),
        _ => a.clone(),
    };
    let known = Known::all(GO_VALUED, GO_ALONE);
    let flags = Flags::read(&args.iter().map(single).collect::<Vec<_>>(), &known);
    let at = args.len() - flags.rest.len();
    let Some((package, rest)) = args[at..].split_first() else {
        return Identity { runner_args: flags.raw(), ..Identity::new(Kind::Opaque, "go run") };
    };
    let mut identity = match package.split_once('@') {
        Some((module, version)) => Identity {
            pinned: version.starts_with('v') && spec::is_exact(version),
            version: Some(version.to_owned()),
            ..Identity::new(Kind::Go, module)
        },
        None => Identity::new(Kind::Script, package.as_str()),
    };
    identity.extra_packages =
        flags.values(&["-toolexec", "-exec", "-overlay", "-modfile"]).map(str::to_owned).collect();
    // go hands everything behind the package on as it stands, `--` too.
    let mut identity = finish(identity, "go run", &flags, &[]);
    identity.server_args = sensitive(rest);
    identity
}

/// `cargo run`: the package of a directory.
pub(super) fn cargo(args: &[String]) -> Identity {
    let known = Known {
        anywhere: true,
        ..Known::valued(&[
            "--bin",
            "-p",
            "--package",
            "--manifest-path",
            "--features",
            "-F",
            "--profile",
            "--target",
            "--target-dir",
            "-Z",
            "--config",
            "-C",
            "-j",
            "--jobs",
            "--color",
            "--example",
            "--message-format",
        ])
    };
    let flags = Flags::read(args, &known);
    let name =
        flags.values(&["--manifest-path", "-p", "--package", "--bin"]).next().unwrap_or(".").to_owned();
    finish(Identity::new(Kind::Cargo, name), "cargo run", &flags, &flags.rest)
}

fn finish(mut identity: Identity, runner: &str, flags: &Flags, rest: &[String]) -> Identity {
    identity.runner = Some(runner.to_owned());
    identity.runner_args = flags.raw();
    identity.registries.extend(flags.values(REGISTRY_FLAGS).map(str::to_owned));
    identity.ambiguous = identity.ambiguous.or(flags.doubt);
    identity.server_args = sensitive(rest);
    super::bridge::of_package(identity)
}
