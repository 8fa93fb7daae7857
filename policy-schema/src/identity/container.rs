//! `docker run` and the engines that copied its command line (docker 28.2, podman 5, nerdctl 2).

use super::command::{Flags, Known};
use super::{Identity, Kind, image, sensitive};
use crate::entry::NamedValue;
use crate::sensitive::Sensitive;

/// Flags of the engine itself that take a value.
const ENGINE_VALUED: &[&str] = &[
    "-H",
    "--host",
    "-c",
    "--context",
    "--config",
    "-l",
    "--log-level",
    "--tlscacert",
    "--tlscert",
    "--tlskey",
    "--connection",
    "--url",
    "--identity",
    "-n",
    "--namespace",
    "-a",
    "--address",
    "--root",
    "--runroot",
];

/// Flags of `run` that take a value.
pub(crate) const RUN_VALUED: &[&str] = &[
    "--add-host",
    "--annotation",
    "-a",
    "--attach",
    "--blkio-weight",
    "--blkio-weight-device",
    "--cap-add",
    "--cap-drop",
    "--cgroup-parent",
    "--cgroupns",
    "--cidfile",
    "--cpu-count",
    "--cpu-percent",
    "--cpu-period",
    "--cpu-quota",
    "--cpu-rt-period",
    "--cpu-rt-runtime",
    "-c",
    "--cpu-shares",
    "--cpus",
    "--cpuset-cpus",
    "--cpuset-mems",
    "--detach-keys",
    "--device",
    "--device-cgroup-rule",
    "--device-read-bps",
    "--device-read-iops",
    "--device-write-bps",
    "--device-write-iops",
    "--dns",
    "--dns-opt",
    "--dns-option",
    "--dns-search",
    "--domainname",
    "--entrypoint",
    "-e",
    "--env",
    "--env-file",
    "--expose",
    "--gpus",
    "--group-add",
    "--health-cmd",
    "--health-interval",
    "--health-retries",
    "--health-start-interval",
    "--health-start-period",
    "--health-timeout",
    "-h",
    "--hostname",
    "--io-maxbandwidth",
    "--io-maxiops",
    "--ip",
    "--ip6",
    "--ipc",
    "--isolation",
    "--kernel-memory",
    "-l",
    "--label",
    "--label-file",
    "--link",
    "--link-local-ip",
    "--log-driver",
    "--log-opt",
    "--mac-address",
    "-m",
    "--memory",
    "--memory-reservation",
    "--memory-swap",
    "--memory-swappiness",
    "--mount",
    "--name",
    "--net",
    "--network",
    "--net-alias",
    "--network-alias",
    "--oom-score-adj",
    "--pid",
    "--pids-limit",
    "--platform",
    "-p",
    "--publish",
    "--pull",
    "--restart",
    "--runtime",
    "--secret",
    "--security-opt",
    "--shm-size",
    "--stop-signal",
    "--stop-timeout",
    "--storage-opt",
    "--sysctl",
    "--tmpfs",
    "--ulimit",
    "-u",
    "--user",
    "--userns",
    "--uts",
    "-v",
    "--volume",
    "--volume-driver",
    "--volumes-from",
    "-w",
    "--workdir",
    "--arch",
    "--os",
    "--variant",
    "--authfile",
    "--pod",
    "--requires",
    "--sdnotify",
    "--systemd",
    "--umask",
    "--timeout",
];

/// Flags of the engine itself that take no value.
const ENGINE_ALONE: &[&str] =
    &["-D", "--debug", "--tls", "--tlsverify", "-v", "--version", "-r", "--remote", "--help"];

/// Flags of `run` that take no value.
const RUN_ALONE: &[&str] = &[
    "-d",
    "--detach",
    "--disable-content-trust",
    "--help",
    "--init",
    "-i",
    "--interactive",
    "--no-healthcheck",
    "--oom-kill-disable",
    "--privileged",
    "-P",
    "--publish-all",
    "-q",
    "--quiet",
    "--read-only",
    "--rm",
    "--rmi",
    "--sig-proxy",
    "-t",
    "--tty",
    "--use-api-socket",
    "--env-host",
    "--http-proxy",
    "--no-hosts",
    "--no-hostname",
    "--passwd",
    "--read-only-tmpfs",
    "--replace",
    "--rootfs",
    "--tls-verify",
];

/// What is known of the flags of `run`.
pub(crate) const RUN: Known<'static> = Known::all(RUN_VALUED, RUN_ALONE);

/// A container started from an image, or what else the engine is told to do.
pub(super) fn engine(engine: &str, args: &[String]) -> Identity {
    let global = Flags::read(args, &Known::all(ENGINE_VALUED, ENGINE_ALONE));
    let words: Vec<&str> = global.rest.iter().map(String::as_str).collect();
    let skip = match words.as_slice() {
        ["run", ..] => 1,
        ["container", "run", ..] => 2,
        ["mcp", "gateway", "run", ..] => return other(engine, "mcp gateway", &global, 3),
        [] => return Identity { server_args: sensitive(args), ..Identity::new(Kind::Executable, engine) },
        [verb, ..] => return other(engine, verb, &global, 1),
    };
    let mut run = Flags::read(&global.rest[skip..], &RUN);
    let (reference, rest) =
        run.rest.split_first().map_or(("", &[][..]), |(image, rest)| (image.as_str(), rest));
    let mut identity = image::image(reference);
    if reference.is_empty() {
        identity = Identity::new(Kind::Opaque, format!("{engine} run"));
    }
    identity.server_args = sensitive(rest);
    // podman asks the user's list of registries for a name without one; docker and nerdctl ask Docker Hub.
    let is_short = !reference.split_once('/').is_some_and(|(host, _)| image::is_registry(host));
    let podman =
        (engine == "podman" && is_short).then_some("podman looks for this name in several registries");
    // `docker -c CONTEXT run` chooses another engine, `docker run -c 512` a share of the processor.
    let letters = global
        .has(&["-c", "-l", "-a", "-n", "-v", "-r"])
        .then_some("a letter in front of `run` means another thing behind it");
    let rootfs = run.has(&["--rootfs"]).then_some("a directory takes the place of the image");
    identity.ambiguous = identity.ambiguous.or(global.doubt).or(run.doubt).or(letters).or(rootfs).or(podman);
    identity.runner = Some(format!("{engine} run"));
    identity.extra_packages = run.values(&["--entrypoint"]).map(str::to_owned).collect();
    for text in run.take_all(&["-e", "--env"]) {
        let (name, value) = text.split_once('=').unwrap_or((&text, ""));
        identity.argument_env.push(NamedValue { name: name.to_owned(), value: Sensitive::new(value) });
    }
    identity.runner_args = global.raw().into_iter().chain(run.raw()).collect();
    identity
}

/// Any other verb of the engine.
fn other(engine: &str, verb: &str, global: &Flags, words: usize) -> Identity {
    Identity {
        runner: Some(engine.to_owned()),
        runner_args: global.raw(),
        server_args: sensitive(&global.rest[words..]),
        ambiguous: global.doubt,
        ..Identity::new(Kind::Opaque, format!("{engine} {verb}"))
    }
}
