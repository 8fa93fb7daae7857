//! Whether an entry that a repository or plugin brings names in full what it runs.
//!
//! There are more programs that run what lies in their directory (`make`, `yarn`, `mise`, an alias of Git) than any list
//! has. So it is asked the other way round: what is a package of a registry, a remote server, an image or a script by its
//! whole path, and is told nothing that the directory decides, is the same everywhere. Nothing else is.

mod words;

use crate::document::Ecosystem;
use crate::entry::Entry;
use crate::identity::{Identity, Kind};
use crate::sensitive::Sensitive;
use words::{Told, is_file_name, is_relative, loads_relative};

/// Wrappers that read a file of the directory before they start anything: `mise.toml`, `Gemfile`, `.env`, `doppler.yaml`.
const READING_WRAPPERS: &[&str] =
    &["project environment", "version manager", "dotenvx run", "doppler run", "infisical run"];

/// Packages that run what lies in the directory by a name that looks like none of a file: tasks, scripts, other programs.
const RUNNING_PACKAGES: &[&str] = &[
    "@babel/node",
    "@bazel/bazelisk",
    "@bazel/ibazel",
    "@dotenvx/dotenvx",
    "@microsoft/rush",
    "@moonrepo/cli",
    "@rushstack/heft",
    "@swc-node/cli",
    "babel-node",
    "bazelisk",
    "celery",
    "concurrently",
    "cross-env",
    "django-admin",
    "doit",
    "dotenv-cli",
    "duty",
    "env-cmd",
    "esno",
    "fastapi",
    "fastmcp",
    "flask",
    "foreman",
    "foreman-cli",
    "go-task",
    "gradle",
    "grunt",
    "grunt-cli",
    "gulp",
    "gulp-cli",
    "gunicorn",
    "hatch",
    "hereby",
    "honcho",
    "hypercorn",
    "invoke",
    "jake",
    "jiti",
    "just-scripts",
    "lage",
    "lerna",
    "lint-staged",
    "maven",
    "moon",
    "nodemon",
    "nox",
    "nox-poetry",
    "npm-run-all",
    "npm-run-all2",
    "npm-run-script",
    "nx",
    "pdm",
    "pipenv",
    "pixi",
    "poethepoet",
    "poetry",
    "ruby-foreman",
    "run-p",
    "run-s",
    "rushx",
    "rust-just",
    "scons",
    "streamlit",
    "taskipy",
    "tox",
    "ts-node",
    "ts-node-dev",
    "tsx",
    "turbo",
    "uvicorn",
    "vite-node",
    "wireit",
    "zx",
    // programs that a runner may find on the path instead of in the package
    "ash",
    "bash",
    "bun",
    "cargo",
    "deno",
    "go",
    "java",
    "just",
    "make",
    "node",
    "npm",
    "npx",
    "perl",
    "php",
    "pnpm",
    "poe",
    "python",
    "python3",
    "rake",
    "ruby",
    "sh",
    "task",
    "uv",
    "yarn",
    "zsh",
];

/// Members whose value names a file, or is a command.
const FILES: &[&str] = &[
    "build",
    "ca",
    "cert",
    "dependencies",
    "dev",
    "dotenv",
    "entrypoint",
    "envFile",
    "env_file",
    "envfile",
    "executable",
    "headersHelper",
    "headers_helper",
    "hooks",
    "httpHeadersHelper",
    "http_headers_helper",
    "install",
    "interpreter",
    "key",
    "oauthCommand",
    "oauth_command",
    "preLaunch",
    "prestart",
    "runtime",
    "script",
    "setup",
    "shell",
];

/// Whether it is the same server in every directory.
pub(super) fn is_named_in_full(entry: &Entry, identity: &Identity) -> bool {
    // What is read in more than one way may be read as what lies in the directory.
    identity.ambiguous.is_none()
        && names_what_runs(identity)
        && !identity.wrappers.iter().any(|wrapper| READING_WRAPPERS.contains(&wrapper.as_str()))
        && !is_told_relative(identity)
        && !variables_lead_there(entry, identity)
        && !FILES.iter().filter_map(|name| entry.member(name)).any(|file| is_file_name(file.expose()))
}

/// Whether it is a package, an image, a remote server or a script by its path from the root.
fn names_what_runs(identity: &Identity) -> bool {
    match identity.kind {
        // Any program may do what a file of the directory says (`/usr/bin/make mcp`), whatever its name; Cargo takes from
        // there what it starts the program with.
        Kind::Executable | Kind::Opaque | Kind::Cargo => false,
        Kind::Script => super::is_anchored(&identity.name) && !asks_directory(identity),
        Kind::Url => !asks_directory(identity),
        Kind::Bridge if identity.ecosystem == Some(Ecosystem::Executable) => false,
        Kind::Dotnet => identity.runner.as_deref() != Some("dotnet tool run"),
        Kind::Npm | Kind::Pypi | Kind::Git => {
            let runs_others = |name: &str| RUNNING_PACKAGES.contains(&name);
            !runs_others(&identity.name) && !identity.bin.as_deref().is_some_and(runs_others)
        }
        Kind::Bridge | Kind::Oci | Kind::Builtin | Kind::Deno | Kind::Go => true,
    }
}

/// Whether an interpreter takes code or settings from the directory though its script is named by its whole path: Bun and
/// tsx from `bunfig.toml` and `tsconfig.json`, R from `.Rprofile`, uv from the project unless it is told another or none.
fn asks_directory(identity: &Identity) -> bool {
    let is_told = |flag: &str| {
        identity.runner_args.iter().any(|word| {
            let word = word.expose();
            word.strip_prefix(flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        })
    };
    match identity.runner.as_deref() {
        Some("uv run") => !["--no-project", "--project", "--directory"].into_iter().any(is_told),
        Some(runner) => ["bun", "tsx", "ts-node", "rscript"].contains(&runner),
        None => false,
    }
}

/// Whether the command, its runner or one of its wrappers is told something that the directory decides.
fn is_told_relative(identity: &Identity) -> bool {
    let exposed = |words: &[Sensitive], told: Told| {
        let words: Vec<&str> = words.iter().map(Sensitive::expose).collect();
        words::any_relative(&words, told)
    };
    // What a container is told is about files of the container.
    let of_server = identity.kind != Kind::Oci && exposed(&identity.server_args, Told::Server);
    let interpreter = identity.runner.as_deref().filter(|_| identity.kind == Kind::Script);
    of_server
        || exposed(&identity.runner_args, Told::Runner)
        || identity.wrapper_args.iter().any(|own| exposed(own, Told::Runner))
        || interpreter.is_some_and(|interpreter| {
            let own: Vec<&str> = identity.runner_args.iter().map(Sensitive::expose).collect();
            loads_relative(interpreter, &own)
        })
}

/// Whether a variable leads into the directory.
fn variables_lead_there(entry: &Entry, identity: &Identity) -> bool {
    let mut all = entry.env.iter().chain(&identity.argument_env);
    all.any(|variable| {
        let value = variable.value.expose();
        (words::is_of_file(&variable.name) && value.split([':', ';']).any(is_file_name))
            || (crate::risk::is_powerful(&variable.name)
                && !words::is_of_other(&variable.name)
                && value.split(' ').any(is_relative))
    })
}
