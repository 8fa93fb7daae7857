//! What a container is given of the host.

use super::Context;
use crate::finding::{Finding, FindingCode, Severity};
use crate::identity::Identity;
use crate::identity::command::Flags;
use crate::identity::run_flags;

pub(super) fn assess(identity: &Identity, context: &Context<'_>, findings: &mut Vec<Finding>) {
    if !identity.runner.as_deref().is_some_and(|r| {
        r.ends_with(" run") && ["docker", "podman", "nerdctl"].iter().any(|e| r.starts_with(e))
    }) {
        return;
    }
    let flags = run_flags(identity);
    rights(&flags, findings);
    for mount in flags.values(&["-v", "--volume", "--mount"]) {
        if let Some(finding) = mounted(&source(mount), context) {
            findings.push(finding);
        }
    }
    if flags.has(&["--env-file"]) {
        findings.push(Finding::new(FindingCode::EnvFile, "the container takes its environment from a file"));
    }
    if flags.has(&["-H", "--host", "--context", "--url", "--connection"]) {
        findings.push(
            Finding::new(FindingCode::PrivilegedContainer, "the container is started by another engine")
                .weighing(Severity::High),
        );
    }
}

fn rights(flags: &Flags, findings: &mut Vec<Finding>) {
    let mut push = |what: String| findings.push(Finding::new(FindingCode::PrivilegedContainer, what));
    let privileged =
        flags.flags.iter().any(|f| f.name == "--privileged" && f.value.as_deref() != Some("false"));
    if privileged {
        push("the container is privileged".to_owned());
    }
    for (flag, what) in [
        ("--pid", "processes"),
        ("--ipc", "memory"),
        ("--userns", "users"),
        ("--uts", "name"),
        ("--cgroupns", "control groups"),
    ] {
        if flags.values(&[flag]).any(|value| value == "host") {
            push(format!("the container shares the {what} of the host"));
        }
    }
    if flags.has(&["--cap-add"]) {
        push("the container has added capabilities".to_owned());
    }
    if flags.has(&["--device", "--device-cgroup-rule"]) {
        push("the container has devices of the host".to_owned());
    }
    if flags.values(&["--security-opt"]).any(|v| v.contains("unconfined") || v.contains("disable")) {
        push("the container runs without its confinement".to_owned());
    }
    if flags.values(&["--net", "--network"]).any(|value| value == "host") {
        // Many servers need a port of the host; it reaches local services but not files.
        findings.push(
            Finding::new(FindingCode::PrivilegedContainer, "the container shares the network of the host")
                .weighing(Severity::Medium),
        );
    }
}

/// The host side of `-v A:B` or `--mount type=bind,src=A,dst=B`.
fn source(mount: &str) -> String {
    if mount.contains("src=") || mount.contains("source=") {
        let part =
            mount.split(',').find_map(|p| p.strip_prefix("src=").or_else(|| p.strip_prefix("source=")));
        return part.unwrap_or_default().to_owned();
    }
    let drive = mount.starts_with(|c: char| c.is_ascii_alphabetic())
        && mount.as_bytes().get(1) == Some(&b':')
        && mount.as_bytes().get(2).is_some_and(|b| matches!(b, b'\\' | b'/'));
    let from = if drive { 2 } else { 0 };
    let end = mount[from..].find(':').map_or(mount.len(), |colon| from + colon);
    mount[..end].to_owned()
}

fn mounted(source: &str, context: &Context<'_>) -> Option<Finding> {
    let path = source.replace('\\', "/");
    let bare = path.trim_end_matches('/');
    if ["docker.sock", "podman.sock", "containerd.sock", "docker_engine"]
        .iter()
        .any(|socket| bare.ends_with(socket))
    {
        return Some(Finding::new(
            FindingCode::PrivilegedContainer,
            "the container is given the socket of the container engine",
        ));
    }
    let home = context.home.is_some_and(|home| bare == home.replace('\\', "/").trim_end_matches('/'));
    let is_home = home
        || [
            "~",
            "$HOME",
            "${HOME}",
            "${userHome}",
            "%USERPROFILE%",
            "${env:HOME}",
            "${USERPROFILE}",
            "/root",
        ]
        .contains(&bare)
        || (["/home/", "/Users/"]
            .iter()
            .any(|root| bare.strip_prefix(root).is_some_and(|rest| !rest.is_empty() && !rest.contains('/'))));
    let is_host = path == "/"
        || (bare.len() == 2 && bare.ends_with(':'))
        || [
            "/etc", "/var", "/usr", "/home", "/Users", "/proc", "/sys", "/dev", "/boot", "/var/run", "/run",
            "/opt", "/private",
        ]
        .contains(&bare);
    if is_host {
        return Some(Finding::new(
            FindingCode::HostMount,
            format!("the container sees {} of the host", context.redactor.name(source)),
        ));
    }
    if is_home {
        return Some(Finding::new(FindingCode::HostMount, "the container sees the whole home"));
    }
    super::secrets::credential_place(source)
        .map(|what| Finding::new(FindingCode::HostMount, format!("the container is given {what}")))
}
