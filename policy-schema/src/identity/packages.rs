//! Package runners: npx and its like, uvx and its like, Deno, .NET, Cargo, Go.

use super::command::Flags;
use super::{Identity, Kind, sensitive, spec};

const NPM_VALUED: &[&str] = &[
    "-p",
    "--package",
    "-c",
    "--call",
    "--registry",
    "--prefix",
    "-C",
    "--dir",
    "--userconfig",
    "--globalconfig",
    "--cache",
    "-w",
    "--workspace",
    "--loglevel",
    "--node-options",
    "--script-shell",
    "--tag",
    "--proxy",
    "--https-proxy",
    "-n",
    "--node-arg",
    "--before",
    "--cwd",
    "--filter",
    "--allow-build",
];

const UV_VALUED: &[&str] = &[
    "--from",
    "--with",
    "-w",
    "--with-editable",
    "--with-requirements",
    "-p",
    "--python",
    "--index",
    "--default-index",
    "-i",
    "--index-url",
    "--extra-index-url",
    "-f",
    "--find-links",
    "--directory",
    "--project",
    "--env-file",
    "--config-file",
    "--cache-dir",
    "-b",
    "--build-constraints",
    "-c",
    "--constraints",
    "--overrides",
    "--extra",
    "--group",
    "--only-group",
    "--no-group",
    "--package",
    "--upgrade-package",
    "-P",
    "--refresh-package",
    "--reinstall-package",
    "--python-platform",
    "--color",
    "--index-strategy",
    "--keyring-provider",
    "--resolution",
    "--prerelease",
    "--exclude-newer",
    "--link-mode",
    "--allow-insecure-host",
    "--no-binary-package",
    "--no-build-package",
    "-C",
    "--config-setting",
    "--torch-backend",
    "--spec",
    "--pip-args",
    "--fetch-python",
];

const REGISTRY_FLAGS: &[&str] = &[
    "--registry",
    "--index",
    "--default-index",
    "-i",
    "--index-url",
    "--extra-index-url",
    "-f",
    "--find-links",
    "--source",
    "--add-source",
];

/// `npx`, `npm exec`, `bunx`, `pnpm dlx`, `yarn dlx`.
pub(super) fn npm(runner: &str, args: &[String]) -> Identity {
    let flags = Flags::read(args, NPM_VALUED);
    let packages: Vec<&str> = flags.values(&["-p", "--package"]).collect();
    let mut rest = flags.rest.as_slice();
    let mut identity = match packages.split_first() {
        // The positional argument is then only the name of a program in the package.
        Some((first, more)) => {
            let mut identity = spec::npm(first);
            identity.extra_packages = more.iter().map(|p| (*p).to_owned()).collect();
            rest = rest.get(1..).unwrap_or_default();
            identity
        }
        None => match rest.split_first() {
            Some((package, more)) => {
                rest = more;
                spec::npm(package)
            }
            None => Identity::new(Kind::Opaque, runner),
        },
    };
    // `-c` hands a line to a shell, whatever the packages are.
    if flags.has(&["-c", "--call"]) && runner.starts_with("np") {
        identity = Identity { kind: Kind::Opaque, name: format!("{runner} -c"), pinned: false, ..identity };
    }
    finish(identity, runner, flags.raw.clone(), &flags, rest)
}

/// `uvx`, `uv tool run`, `pipx run`.
pub(super) fn python_tool(runner: &str, args: &[String]) -> Identity {
    let mut flags = Flags::read(args, UV_VALUED);
    let source = flags.values(&["--from", "--spec"]).next().map(str::to_owned);
    let mut rest = std::mem::take(&mut flags.rest);
    let first = if rest.is_empty() { None } else { Some(rest.remove(0)) };
    let mut identity = match source.as_deref().or(first.as_deref()) {
        Some(package) => spec::pypi(package),
        None => Identity::new(Kind::Opaque, runner),
    };
    identity.extra_packages = extra(&flags);
    finish(identity, runner, flags.raw.clone(), &flags, &rest)
}

/// `uv run`: a program of the project's environment, a script, or `python …` in it.
pub(super) fn uv_run(args: &[String]) -> Identity {
    let flags = Flags::read(args, &[UV_VALUED, &["-m", "--module"]].concat());
    let mut identity = match (flags.values(&["-m", "--module"]).next(), flags.rest.split_first()) {
        (Some(module), _) => Identity {
            server_args: sensitive(&flags.rest),
            ..Identity::new(Kind::Script, format!("-m {module}"))
        },
        (None, Some((program, rest))) if super::interpreter::is_python(program) => {
            super::interpreter::python(program, rest)
        }
        (None, Some((program, rest))) => {
            Identity { server_args: sensitive(rest), ..Identity::new(Kind::Script, program.as_str()) }
        }
        (None, None) => Identity::new(Kind::Opaque, "uv run"),
    };
    identity.extra_packages = extra(&flags);
    identity.registries = flags.values(REGISTRY_FLAGS).map(str::to_owned).collect();
    identity.runner = Some("uv run".to_owned());
    identity.runner_args = flags.raw;
    identity
}

fn extra(flags: &Flags) -> Vec<String> {
    let names = ["--with", "-w", "--with-editable", "--with-requirements"];
    flags.values(&names).flat_map(|list| list.split(',')).map(str::to_owned).collect()
}

/// `deno run`: an `npm:` or `jsr:` specifier, a URL or a file.
pub(super) fn deno(args: &[String]) -> Identity {
    let flags = Flags::read(
        args,
        &["-c", "--config", "--import-map", "--lock", "--cert", "-L", "--location", "--seed", "--env-file"],
    );
    let Some((module, rest)) = flags.rest.split_first() else {
        return Identity::new(Kind::Opaque, "deno run");
    };
    let mut identity = if let Some(package) = module.strip_prefix("npm:") {
        spec::npm(package.trim_start_matches('/'))
    } else if let Some(package) = module.strip_prefix("jsr:") {
        Identity { kind: Kind::Deno, ..spec::npm(package.trim_start_matches('/')) }
    } else if module.contains("://") {
        Identity::new(Kind::Url, module.as_str())
    } else {
        Identity::new(Kind::Script, module.as_str())
    };
    identity.extra_packages = flags.values(&["--import-map", "-r", "--preload"]).map(str::to_owned).collect();
    finish(identity, "deno run", flags.raw.clone(), &flags, rest)
}

/// `dnx` and `dotnet tool exec`.
pub(super) fn dotnet(runner: &str, args: &[String]) -> Identity {
    let flags = Flags::read(
        args,
        &["--version", "--source", "--add-source", "--configfile", "--framework", "-v", "--verbosity"],
    );
    let Some((package, rest)) = flags.rest.split_first() else { return Identity::new(Kind::Opaque, runner) };
    // Flags may follow the package (`dnx Name --version 1.2.3 -- args`).
    let after = Flags::read(rest, &["--version", "--source", "--add-source", "--configfile"]);
    let (name, at) = package.split_once('@').map_or((package.as_str(), None), |(n, v)| (n, Some(v)));
    let version = at.or_else(|| flags.values(&["--version"]).chain(after.values(&["--version"])).next());
    let mut identity = Identity::new(Kind::Dotnet, name.to_ascii_lowercase());
    identity.pinned = version.is_some_and(spec::is_exact);
    identity.version = version.map(str::to_owned);
    identity.registries = after.values(REGISTRY_FLAGS).map(str::to_owned).collect();
    finish(identity, runner, flags.raw.clone(), &flags, rest)
}

/// `go run module@version`, or a directory.
pub(super) fn go(args: &[String]) -> Identity {
    let flags =
        Flags::read(args, &["-C", "-exec", "-mod", "-modfile", "-overlay", "-tags", "-ldflags", "-toolexec"]);
    let Some((package, rest)) = flags.rest.split_first() else {
        return Identity::new(Kind::Opaque, "go run");
    };
    let mut identity = match package.split_once('@') {
        Some((module, version)) => Identity {
            pinned: version.starts_with('v') && spec::is_exact(version),
            version: Some(version.to_owned()),
            ..Identity::new(Kind::Go, module)
        },
        None => Identity::new(Kind::Script, package.as_str()),
    };
    identity.extra_packages = flags.values(&["-toolexec", "-exec", "-overlay"]).map(str::to_owned).collect();
    finish(identity, "go run", flags.raw.clone(), &flags, rest)
}

/// `cargo run`: the package of a directory.
pub(super) fn cargo(args: &[String]) -> Identity {
    let flags = Flags::read(
        args,
        &[
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
        ],
    );
    let name = flags.values(&["--manifest-path", "-p", "--package", "--bin"]).next().unwrap_or(".");
    finish(Identity::new(Kind::Cargo, name), "cargo run", flags.raw.clone(), &flags, &flags.rest)
}

fn finish(
    mut identity: Identity,
    runner: &str,
    raw: Vec<crate::sensitive::Sensitive>,
    flags: &Flags,
    rest: &[String],
) -> Identity {
    identity.runner = Some(runner.to_owned());
    identity.runner_args = raw;
    identity.registries.extend(flags.values(REGISTRY_FLAGS).map(str::to_owned));
    // `--` parts the runner's arguments from the server's.
    identity.server_args = sensitive(rest.strip_prefix(&["--".to_owned()][..]).unwrap_or(rest));
    super::bridge::of_package(identity)
}
