//! `docker run` and the engines that copied its command line.

use super::command::Flags;
use super::{Identity, Kind, sensitive, spec};
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

/// A container started from an image, or what else the engine is told to do.
pub(super) fn engine(engine: &str, args: &[String]) -> Identity {
    let global = Flags::read(args, ENGINE_VALUED);
    let words: Vec<&str> = global.rest.iter().map(String::as_str).collect();
    let skip = match words.as_slice() {
        ["run", ..] => 1,
        ["container", "run", ..] => 2,
        ["mcp", "gateway", "run", ..] => {
            let mut identity = Identity::new(Kind::Opaque, format!("{engine} mcp gateway"));
            identity.runner = Some(engine.to_owned());
            identity.runner_args = global.raw;
            identity.server_args = sensitive(&global.rest[3..]);
            return identity;
        }
        [] => return Identity { server_args: sensitive(args), ..Identity::new(Kind::Executable, engine) },
        [verb, ..] => {
            let name = format!("{engine} {verb}");
            let server_args = sensitive(&global.rest[1..]);
            return Identity {
                runner: Some(engine.to_owned()),
                runner_args: global.raw,
                server_args,
                ..Identity::new(Kind::Opaque, name)
            };
        }
    };
    let run = Flags::read(&global.rest[skip..], RUN_VALUED);
    let (image, rest) = run.rest.split_first().map_or(("", &[][..]), |(image, rest)| (image.as_str(), rest));
    let mut identity = spec::image(image);
    if image.is_empty() {
        identity = Identity::new(Kind::Opaque, format!("{engine} run"));
    }
    identity.runner = Some(format!("{engine} run"));
    identity.argument_env = run
        .values(&["-e", "--env"])
        .map(|text| {
            let (name, value) = text.split_once('=').unwrap_or((text, ""));
            NamedValue { name: name.to_owned(), value: Sensitive::new(value) }
        })
        .collect();
    identity.extra_packages = run.values(&["--entrypoint"]).map(str::to_owned).collect();
    identity.runner_args = global.raw.into_iter().chain(run.raw).collect();
    identity.server_args = sensitive(rest);
    identity
}
