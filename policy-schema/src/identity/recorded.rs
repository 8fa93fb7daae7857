//! Our reading against what the real tools said (tests/long/resolvers.py wrote the tables down).
//!
//! Where a reading has a doubt, the entry is never allowed, so a doubt agrees with whatever the tool does. The cases
//! that real entries are made of must have none.

use std::collections::BTreeSet;

use super::*;
use crate::testing::entry;

const NPM_SPECS: &str = include_str!("../../../tests/fixtures/resolvers/npm-specs.tsv");
const PYPI_SPECS: &str = include_str!("../../../tests/fixtures/resolvers/pypi-specs.tsv");
const IMAGES: &str = include_str!("../../../tests/fixtures/resolvers/images.tsv");
const DOCKER_RUN: &str = include_str!("../../../tests/fixtures/resolvers/docker-run.tsv");
const COMMANDS: &str = include_str!("../../../tests/fixtures/resolvers/commands.tsv");

/// The lines of a table in cells.
fn rows(table: &str) -> impl Iterator<Item = Vec<&str>> {
    table
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split('\t').collect())
}

fn unescaped(cell: &str) -> String {
    serde_json::from_str(&format!("\"{cell}\"")).expect("a JSON string")
}

fn strings(cell: &str) -> Vec<String> {
    serde_json::from_str(cell).expect("a JSON list")
}

fn shown(args: &[Sensitive]) -> Vec<String> {
    args.iter().map(|a| a.expose().to_owned()).collect()
}

fn of_words(words: &[String]) -> Identity {
    let args: Vec<&str> = words[1..].iter().map(String::as_str).collect();
    identify(&entry(&words[0], &args))
}

#[test]
fn npm_specifications_mean_to_us_what_they_mean_to_npm() {
    let mut plain = 0;
    for row in rows(NPM_SPECS) {
        let (text, kind, name, asked) = (unescaped(row[0]), row[1], row[2], row[3]);
        let ours = spec::npm(&text);
        let version = ours.version.as_deref().unwrap_or("*").trim();
        let agrees = match kind {
            "npm" => ours.kind == Kind::Npm && ours.name == name && version == asked,
            "git" => {
                let key = git_key(&ours.name).unwrap_or_default();
                // What has no key (a gist, a password in it) equals no rule.
                let reference = ours.version.as_deref().unwrap_or_default();
                ours.kind == Kind::Git
                    && (key.is_empty()
                        || ((name.is_empty() || key == name.to_lowercase()) && reference.ends_with(asked)))
            }
            "remote" => ours.kind == Kind::Url,
            "directory" | "file" => ours.kind == Kind::Script,
            "refused" => ours.kind != Kind::Npm,
            other => panic!("{other}"),
        };
        assert!(agrees || ours.ambiguous.is_some(), "{text}: {} {} {version}", ours.kind.as_str(), ours.name);
        // A tag of other characters than letters is no tag of any real package, and older versions of npm take
        // `x.tar-gz` for a file.
        let is_plain = crate::requirement::is_npm_request(asked) && !asked.ends_with("tar-gz");
        if kind == "npm" && !name.is_empty() && is_plain {
            plain += 1;
            assert_eq!(ours.ambiguous, None, "{text}");
        }
    }
    assert!(plain > 20, "{plain}");
}

#[test]
fn python_requirements_mean_to_us_what_they_mean_to_packaging() {
    for row in rows(PYPI_SPECS) {
        let (text, name, extras, url, marker) = (unescaped(row[0]), row[1], row[3], row[4], row[5]);
        let ours = spec::pypi(&text);
        // `name@1.0` is uv's own; packaging takes the version for a URL.
        let is_uv = !url.is_empty() && !url.contains("://");
        let agrees = match name {
            "refused" => ours.kind != Kind::Pypi,
            _ if !url.is_empty() && !is_uv => matches!(ours.kind, Kind::Url | Kind::Git),
            _ => ours.kind == Kind::Pypi && ours.name == name && marker.is_empty(),
        };
        assert!(agrees || ours.ambiguous.is_some(), "{text}: {} {}", ours.kind.as_str(), ours.name);
        assert!(ours.ambiguous.is_some() || ours.extras.join(",") == extras, "{text}: {:?}", ours.extras);
    }
}

#[test]
fn image_references_are_completed_as_docker_does() {
    let mut equal = 0;
    for row in rows(IMAGES) {
        let (reference, expected) = (row[0], row[1].to_lowercase());
        match image_key(reference) {
            Some(key) => {
                assert_eq!(key, expected, "{reference}");
                equal += 1;
            }
            // A literal IPv6 address and SHA-512 are refused though docker takes them.
            None => assert!(expected == "refused" || reference.contains(['[', '@']), "{reference}"),
        }
    }
    assert!(equal > 25, "{equal}");
}

#[test]
fn docker_run_starts_what_we_say() {
    for row in rows(DOCKER_RUN) {
        let words = strings(row[0]);
        let ours = of_words(&words);
        if row[1] == "refused" || ours.ambiguous.is_some() {
            continue;
        }
        let image = ours.version.iter().fold(ours.name.clone(), |name, tag| format!("{name}:{tag}"));
        assert_eq!(image, row[1], "{words:?}");
        assert_eq!(shown(&ours.server_args), strings(row[2]), "{words:?}");
        let env = ours.argument_env.iter().map(|v| match v.value.expose() {
            "" => v.name.clone(),
            value => format!("{}={value}", v.name),
        });
        assert_eq!(env.collect::<BTreeSet<_>>(), strings(row[3]).into_iter().collect(), "{words:?}");
        assert_eq!(ours.extra_packages, strings(row[4]), "{words:?}");
    }
}

#[test]
fn runners_run_what_we_say() {
    let mut same = 0;
    for row in rows(COMMANDS) {
        let words = strings(row[0]);
        let ours = of_words(&words);
        // `npm --silent exec …` is a script of npm to us, `pnpm dlx x@.evil` a directory: neither equals a rule for a
        // package.
        let is_package = ours.kind != Kind::Script || !ours.name.starts_with(['n', '.']);
        if ours.ambiguous.is_some() || row[1] == "nothing" || !is_package {
            continue;
        }
        let (name, _) = row[2].rsplit_once('@').filter(|(name, _)| !name.is_empty()).unwrap_or((row[2], ""));
        if row[2].ends_with("@9.9.9") {
            // A directory of the project ran.
            assert!(ours.kind == Kind::Script || !ours.extra_packages.is_empty(), "{words:?}");
        } else if row[1] == "asked" {
            assert!(row[2].split(' ').any(|name| name == ours.name), "{words:?}: {}", ours.name);
        } else if matches!(name, "bin" | "python") {
            // Another program than that of the package.
            assert!(ours.bin.is_some() || ours.kind == Kind::Opaque, "{words:?}");
        } else if let Some(bin) = &ours.bin {
            assert_eq!(bin, name, "{words:?}");
            assert_eq!(shown(&ours.server_args), strings(row[3]), "{words:?}");
        } else {
            assert_eq!(ours.name, name, "{words:?}");
            assert_eq!(shown(&ours.server_args), strings(row[3]), "{words:?}");
            same += 1;
        }
    }
    assert!(same > 60, "{same}");
}

#[test]
fn what_a_runner_takes_for_a_directory_is_no_version() {
    let planted = rows(COMMANDS).filter(|row| row[2].ends_with("@9.9.9"));
    let mut count = 0;
    for row in planted {
        let ours = of_words(&strings(row[0]));
        let beside = !ours.extra_packages.is_empty();
        assert!(ours.kind == Kind::Script || ours.ambiguous.is_some() || beside, "{row:?}");
        count += 1;
    }
    assert!(count > 5, "{count}");
}

#[test]
fn what_entries_are_made_of_leaves_no_doubt() {
    for line in [
        "npx -y x@1.0.0 /w",
        "npx --yes @a/b@latest --port 1",
        "npx -y --package=@a/b@1.0.0 b /w",
        "npm exec -- x@1.0.0 --flag",
        "bunx x",
        "bunx --bun x",
        "pnpm dlx x@1",
        "yarn dlx x",
        "uvx x --repository .",
        "uvx --from x==1.0 y",
        "uvx x@latest",
        "uvx --from x@1.0.0 y",
        "npx -y x@next-11",
        "npx -y x@^1.2 || 2",
        "uv tool run x",
        "uv --directory /x run server.py",
        "pipx run --spec x==1.0 x",
        "docker run -i --rm -e TOKEN ghcr.io/a/b:v1 serve",
        "podman run -i ghcr.io/a/b",
        "cmd /c npx -y x",
        "sh -c x",
        "env A=1 npx x",
        "deno run -A npm:x@1.0.0",
        "go run h.example/m@v1.2.3",
        "dnx Name@1.2.3 --yes -- serve",
        "node /w/x.js",
        "python3 -m x",
        "npx -y mcp-remote https://h.example/mcp --header A:b --transport http-only",
    ] {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        assert_eq!(of_words(&words).ambiguous, None, "{line}");
    }
}
