//! How the server is started: shells, code among the arguments, downloads, other users' rights.

use super::Context;
use crate::entry::Entry;
use crate::finding::{Finding, FindingCode, Severity};
use crate::identity::{Identity, Kind};
use crate::sensitive::Sensitive;

pub(super) fn assess(entry: &Entry, identity: &Identity, context: &Context<'_>, findings: &mut Vec<Finding>) {
    let texts: Vec<&str> = entry.command.iter().chain(&entry.args).map(Sensitive::expose).collect();
    let line = texts.join(" ");
    let line = &line[..line.char_indices().nth(crate::secret::MAX_TEXT).map_or(line.len(), |(at, _)| at)];
    let lower = line.to_ascii_lowercase();

    if is_download(&lower) {
        findings.push(Finding::new(
            FindingCode::DownloadAndRun,
            "the command line fetches a program and runs it",
        ));
    } else if identity.kind == Kind::Url && identity.runner.is_some() {
        let message = format!(
            "{} runs what {} serves",
            identity.runner.as_deref().unwrap_or_default(),
            context.redactor.url(&identity.name)
        );
        findings.push(Finding::new(FindingCode::DownloadAndRun, message));
    }
    for extra in identity.extra_packages.iter().filter(|e| e.contains("://") || e.starts_with("data:")) {
        findings.push(Finding::new(
            FindingCode::DownloadAndRun,
            format!("further code comes from {}", context.redactor.url(extra)),
        ));
    }
    if identity.wrappers.iter().any(|w| w == "sudo" || w == "doas") || lower.contains("sudo ") {
        findings.push(Finding::new(FindingCode::Sudo, "the server is started with another user's rights"));
    }
    if identity.inline_code {
        findings.push(Finding::new(
            FindingCode::OpaqueCode,
            format!("the arguments hold program text ({})", identity.name),
        ));
    }
    if lower.contains("-encodedcommand") || lower.contains("powershell -enc ") || lower.contains("pwsh -enc ")
    {
        findings.push(Finding::new(FindingCode::OpaqueCode, "the arguments hold encoded program text"));
    }
    for load in identity.extra_packages.iter().filter(|_| {
        identity.kind == Kind::Script && identity.runner.as_deref().is_some_and(|r| r != "uv run")
    }) {
        findings.push(
            Finding::new(
                FindingCode::LoaderVariable,
                format!("a flag loads {} into the server", context.redactor.text(load)),
            )
            .weighing(Severity::High),
        );
    }
    shell(identity, findings);
    if listens_everywhere(entry) {
        findings.push(Finding::new(
            FindingCode::BindAllInterfaces,
            "an argument or variable makes the server listen on every interface",
        ));
    }
}

/// A shell whose line does more than start one command. `cmd /c npx` is how Windows starts npx at all.
fn shell(identity: &Identity, findings: &mut Vec<Finding>) {
    let is_opaque = identity.kind == Kind::Opaque && !identity.inline_code;
    for wrapper in &identity.wrappers {
        let finding = match wrapper.as_str() {
            "sh -c" | "powershell" | "shell" => {
                Finding::new(FindingCode::ShellWrapper, format!("{wrapper} starts the server"))
            }
            "cmd /c" | "cmd" if is_opaque => {
                Finding::new(FindingCode::ShellWrapper, "cmd /c runs a line with metacharacters")
            }
            _ => continue,
        };
        // One simple command in a shell is harmless in itself.
        findings.push(if is_opaque { finding } else { finding.weighing(Severity::Low) });
    }
}

/// A download that is handed to a shell or interpreter.
fn is_download(lower: &str) -> bool {
    let fetches = [
        "curl ",
        "wget ",
        "iwr ",
        "irm ",
        "invoke-webrequest",
        "invoke-restmethod",
        "fetch http",
        "bitsadmin",
        "certutil -urlcache",
        "downloadstring",
        "urlopen(",
    ]
    .iter()
    .any(|tool| lower.contains(tool));
    let runs = [
        "| sh",
        "|sh",
        "| bash",
        "|bash",
        "| zsh",
        "| node",
        "|node",
        "| python",
        "|python",
        "|iex",
        "| iex",
        "iex(",
        "iex (",
        "invoke-expression",
        "$(curl",
        "`curl",
        "<(curl",
        "$(wget",
        "<(wget",
        "&& chmod",
        "&& ./",
        "&& sh ",
        "&& bash ",
        "; sh ",
        "; bash ",
        "; chmod",
        "exec(",
        "eval",
    ]
    .iter()
    .any(|run| lower.contains(run));
    fetches && runs
}

fn listens_everywhere(entry: &Entry) -> bool {
    let is_any = |host: &str| {
        matches!(host, "0.0.0.0" | "::" | "[::]" | "*")
            || host.starts_with("0.0.0.0:")
            || host.starts_with("[::]:")
    };
    let args: Vec<&str> = entry.args.iter().map(Sensitive::expose).collect();
    let is_flag = |flag: &str| {
        matches!(
            flag,
            "--host"
                | "--bind"
                | "--listen"
                | "--address"
                | "--addr"
                | "--hostname"
                | "-b"
                | "--ip"
                | "--bind-address"
                | "--sse-host"
                | "--http-host"
        )
    };
    let by_flag = args.iter().enumerate().any(|(at, arg)| match arg.split_once('=') {
        Some((flag, value)) => is_flag(flag) && is_any(value),
        None => is_flag(arg) && args.get(at + 1).is_some_and(|value| is_any(value)),
    });
    let by_env = entry.env.iter().any(|v| {
        let name = v.name.to_ascii_lowercase();
        is_any(v.value.expose())
            && ["host", "bind", "listen", "addr", "address", "ip"].iter().any(|end| name.ends_with(end))
    });
    by_flag || by_env
}
