//! No secret of a configuration is shown, wherever it stands; what tells which server runs stays readable.

use mcpolicy_schema::redact::Redactor;
use mcpolicy_schema::secret;
use mcpolicy_schema::sensitive::Sensitive;
use proptest::prelude::*;

fn redactor() -> Redactor {
    Redactor::new(&[7; 32])
}

fn args(raw: &[&str]) -> String {
    redactor().args(&raw.iter().map(|a| Sensitive::from(*a)).collect::<Vec<_>>()).join("\n")
}

/// Tokens of known shape, as they are issued, cut short or retyped.
const MARKS: &[&str] = &[
    "ghp_SECRETMARK00000001abcdEFGHijkl123456",
    "gho_SECRETMARK00000001abcdEFGHijkl123456",
    "ghs_SECRETMARK00000001abcdEFGHijkl123456",
    "github_pat_SECRETMARK0000002",
    "glpat-SECRETMARK0000003",
    "xoxb-123456789012-SECRETMARK00000007",
    "sk-ant-api03-SECRETMARK0000004-aBcD",
    "sk-proj-SECRETMARK0000005abcd",
    "sk-SECRETMARK0000006abcdefgh1234",
    "AKIASECRETMARK000000",
    "AIzaSECRETMARK0000000000000000000000abc",
    "sk_live_SECRETMARK00000008",
    "npm_SECRETMARK0000009abcdefghijklmno1",
    "pypi-AgEISECRETMARK00000010",
    "hf_SECRETMARK00000011abcdefgh",
    "ntn_SECRETMARK00000012abcdefgh",
    "secret_SECRETMARK00000013abcdefgh",
    "lin_api_SECRETMARK00000014",
    "figd_SECRETMARK00000015",
    "sbp_SECRETMARK00000016",
    "sntrys_SECRETMARK00000017",
    "SG.SECRETMARK00000018.abcdefgh1234567",
    "ATATT3xFfGF0SECRETMARK00000019",
    "dapiSECRETMARK00000020abcdef01234567",
    "dop_v1_SECRETMARK00000021",
    "hvs.SECRETMARK00000022abcd",
    "123456789:AASECRETMARK00000023abcdefghijk",
    "eyJhbGciOiJIUzI1NiJ9.SECRETMARK00000024.abc",
    "postgresql://u:SECRETMARK00000025@h/db",
    "mongodb+srv://u:SECRETMARK00000026@h.example/db",
    "Server=h;User Id=u;Password=SECRETMARK 27 x;",
    "https://u:SECRETMARK00000028@h.example/mcp",
    "Bearer SECRETMARK00000029",
    "abc8Q~SECRETMARK00000030abcdef",
];

#[test]
fn a_token_of_known_shape_is_hidden_anywhere() {
    let redactor = redactor();
    for mark in MARKS {
        for text in [
            (*mark).to_owned(),
            format!("see {mark} here"),
            format!("a\"{mark}\"b"),
            format!("/opt/{mark}"),
            format!("{{\"x\":\"{mark}\"}}"),
            format!("x={mark} and {mark}"),
            format!("sh -c 'run {mark}'"),
        ] {
            assert!(!redactor.text(&text).contains("SECRETMARK"), "text {mark}: {}", redactor.text(&text));
            assert!(!args(&["-y", &text]).contains("SECRETMARK"), "arg {mark}: {}", args(&[&text]));
            assert!(!redactor.url(&text).contains("SECRETMARK"), "url {mark}");
        }
        if !mark.contains(' ') {
            assert!(!redactor.name(mark).contains("SECRETMARK"), "name {mark}");
        }
        assert!(secret::classify(mark).is_some(), "{mark} is not classified");
    }
}

#[test]
fn a_private_key_is_hidden_to_its_end() {
    let pem = "-----BEGIN RSA PRIVATE KEY-----\nSECRETMARK\nSECRETMARK\n-----END RSA PRIVATE KEY-----";
    assert!(!redactor().text(&format!("a {pem} b")).contains("SECRETMARK"));
}

/// Every place where only the position says that the text is a secret.
fn positions(token: &str) -> Vec<Vec<String>> {
    let list: &[&[&str]] = &[
        &["--api-key", "@"],
        &["--api-key=@"],
        &["--apiKey", "@"],
        &["-k", "@"],
        &["--token", "@", "--port", "80"],
        &["--access-token=\"@\""],
        &["--header", "Authorization: Bearer @"],
        &["--header", "Authorization:Bearer @"],
        &["--header", "X-Custom: @"],
        &["--header=Authorization: @"],
        &["-H", "x-api-key: @"],
        &["-Hx-api-key: @"],
        &["-e", "NAME=@"],
        &["-e", "lower_name=@"],
        &["-eNAME=@"],
        &["--env=NAME=@"],
        &["--env", "NAME=@"],
        &["NAME=@"],
        &["api_key=@"],
        &["password:@"],
        &["https://h.example/mcp?x=@"],
        &["https://h.example/mcp?@"],
        &["https://h.example/mcp#@"],
        &["https://@@h.example/mcp"],
        &["https://u:@@h.example/mcp"],
        &["wss://u:@@h.example/mcp"],
        &["postgresql://u:@@h/db"],
        &["postgresql://u:a/@@h/db"],
        &["mongodb+srv://u:@@h.example/db?x=y"],
        &["Server=h;Database=d;User Id=u;Password=@;Encrypt=true"],
        &["-c", "TOKEN=@ npx x --key abc"],
        &["-c", "npx x --api-key @"],
        &["-c", "npx x --api-key='@' -y"],
        &["-c", "npx x --header \"X-Custom: @\""],
        &["-c", "export TOKEN=\"@\"; npx x"],
        &["-c", "curl -u me:@ h.example"],
        &["{\"apiKey\":\"@\"}"],
        &["{\"a\":{\"password\": \"@\"},\"b\":1}"],
        &["{\\\"apiKey\\\":\\\"@\\\"}"],
        &["{'token': '@'}"],
        &["Basic @1="],
        &["--auth", "Bearer @"],
        &["--one", "token=@&secret=@"],
        &["--password", "-@"],
        &["x", "--secret-key", "\"@\""],
    ];
    list.iter().map(|args| args.iter().map(|a| place(a, token)).collect()).collect()
}

/// Puts the token for `@`; `@@` is the token and an at sign.
fn place(pattern: &str, token: &str) -> String {
    pattern.replace("@@", "@\u{2}").replace('@', token).replace('\u{2}', "@")
}

#[test]
fn a_plain_word_is_hidden_by_its_position() {
    for list in positions("Hunter2word") {
        let raw: Vec<&str> = list.iter().map(String::as_str).collect();
        assert!(!args(&raw).contains("Hunter2word"), "{raw:?} -> {}", args(&raw));
        let line = list.join(" ");
        if !line.contains(": ") && !line.contains("-Hx") && !line.contains("-eNAME") {
            assert!(!redactor().text(&line).contains("Hunter2word"), "{line} -> {}", redactor().text(&line));
        }
    }
}

#[test]
fn secrets_in_disguise_are_hidden() {
    for text in [
        "https%3A%2F%2Fh%2F%3Fk%3Dghp_SECRETMARK00000001abcd",
        "ghp%5FSECRETMARK00000001abcd",
        "https%3A%2F%2Fh.example%2Fmcp%3Ftoken%3DSECRETMARK",
        "gh\"p_SECRETMARK0000\"0001abcd",
        "gh\\p_SECRETMARK00000001abcd",
        "gh\u{200b}p_SECRETMARK00000001abcd",
    ] {
        assert!(!redactor().text(text).contains("SECRETMARK"), "{text} -> {}", redactor().text(text));
        assert!(!args(&[text]).contains("SECRETMARK"), "{text}");
    }
    assert!(!args(&["Z2hwX1NFQ1JFVE1BUkswMDAwMDAwMWFiY2Q"]).contains("Z2hwX1N"));
    assert!(!args(&["dXNlcjpwYXNz"]).contains("dXNlcjpwYXNz"));
}

#[test]
fn a_very_long_argument_is_hidden_as_a_whole() {
    let shown = args(&[&"a b ".repeat(3000)]);
    assert!(shown.starts_with("<secret:long-text:") && shown.len() < 60, "{shown}");
}

#[test]
fn what_tells_which_server_runs_stays_readable() {
    let digest = format!("ghcr.io/github/github-mcp-server:v0.20.0@sha256:{}", "a1b2c3d4".repeat(8));
    for text in [
        "-y",
        "@modelcontextprotocol/server-sequential-thinking@2025.11.25",
        "@modelcontextprotocol/server-filesystem@2025.8.21",
        "awslabs.cloudwatch-applicationsignals-mcp-server@latest",
        "chrome-devtools-mcp@0.18.1",
        "mcp-server-git==2024.11.0",
        "git+https://github.com/oraios/serena@1f3870be274f6c49b3e31a0c6728957f2a1b3c4d",
        "git+https://github.com/oraios/serena",
        "git+ssh://git@example.com/a/b.git",
        "/Users/jane/Projects/2024-report/src/index2.js",
        "C:\\Users\\jane\\AppData\\Local\\Programs\\Python\\Python312\\python.exe",
        "http://localhost:3845/mcp",
        "https://api.githubcopilot.com/mcp/",
        "--read-only",
        "--port=8080",
        "--host=0.0.0.0",
        "--allow-sensitive-data-access",
        "${workspaceFolder}/server.js",
        "--api-key=${API_KEY}",
        "--token=$GITHUB_TOKEN",
        "Authorization: Bearer ${input:token}",
        "https://h.example/mcp?apiKey=${KEY}",
        "-v",
        "/home/jane/work:/work:ro",
        "1000:1000",
        "https://esm.example/@mcp/server-filesystem@0.6.2/dist/index.js%3Fbundle-deps",
        "--max-tokens=4000",
        "getUserByEmailAddressFromDirectory",
        "0.0.0-canary.20251101",
        digest.as_str(),
    ] {
        assert_eq!(args(&[text]), text);
    }
    assert_eq!(args(&["--api-key", "${API_KEY}"]), "--api-key\n${API_KEY}");
    assert_eq!(args(&["-e", "GITHUB_TOKEN", "-p", "8080:80"]), "-e\nGITHUB_TOKEN\n-p\n8080:80");
}

#[test]
fn a_reference_with_a_default_is_a_literal() {
    assert!(!secret::is_reference("${TOKEN:-abc}"));
    assert!(!secret::is_reference("$ecretpass1"));
    for reference in [
        "${VAR}",
        "$VAR",
        "${env:X}",
        "${input:x}",
        "{env:X}",
        "{file:p}",
        "op://v/i/f",
        "%VAR%",
        "Bearer ${X}",
        "${{ secrets.X }}",
    ] {
        assert!(secret::is_reference(reference), "{reference}");
    }
}

#[test]
fn names_that_hold_secrets_are_known() {
    for name in [
        "TOKEN",
        "API_KEY",
        "password",
        "authorization",
        "x-api-key",
        "PGPASSWORD",
        "githubToken",
        "AWS_SECRET_ACCESS_KEY",
        "--api-key",
    ] {
        assert!(secret::is_secret_name(name), "{name}");
    }
    for name in [
        "PORT",
        "LOG_LEVEL",
        "max_tokens",
        "author",
        "PWD",
        "TOKEN_FILE",
        "keyboard",
        "AWS_REGION",
        "CLIENT_ID",
    ] {
        assert!(!secret::is_secret_name(name), "{name}");
    }
}

#[test]
fn values_are_told_by_kind_and_fingerprint_only() {
    let redactor = redactor();
    assert_eq!(redactor.value("A", ""), ("empty".to_owned(), None));
    assert_eq!(redactor.value("A", "${B}"), ("reference".to_owned(), None));
    let (kind, bare) = redactor.value("A", "ghp_SECRETMARK00000001abcd");
    assert_eq!(kind, "github-token-classic");
    assert_eq!(bare, redactor.value("Authorization", "Bearer ghp_SECRETMARK00000001abcd").1);
    assert_eq!(redactor.value("LOG", "debug").0, "literal");
    assert_ne!(bare, Redactor::new(&[8; 32]).value("A", "ghp_SECRETMARK00000001abcd").1);
    assert_eq!(format!("{redactor:?}"), "Redactor");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_planted_token_never_appears(token in "[A-Z][a-z][0-9][A-Za-z0-9]{17,37}") {
        for list in positions(&token) {
            let raw: Vec<&str> = list.iter().map(String::as_str).collect();
            let shown = args(&raw);
            prop_assert!(!shown.contains(&token), "{raw:?} -> {shown}");
        }
    }

    #[test]
    fn any_text_at_all_is_redacted_without_a_panic(text in "\\PC{0,80}", name in "[a-z-]{0,12}") {
        let r = redactor();
        r.text(&text);
        r.url(&text);
        r.name(&text);
        r.value(&name, &text);
        args(&[&format!("--{name}"), &text, &format!("{name}={text}"), &format!("{name}://{text}@{text}?{text}#{text}")]);
    }

    #[test]
    fn texts_of_delimiters_are_redacted_without_a_panic(text in "[\"'\\\\=:@?#/&;%{}$ \\-a9é\u{200b}]{0,40}") {
        let r = redactor();
        r.text(&text);
        r.url(&text);
        r.text(&format!("token={text} -H {text} bearer {text}"));
        args(&["--api-key", &text, "-H", &text, "-e", &text]);
    }
}

#[test]
fn texts_made_to_take_long_are_hidden_at_once() {
    let texts = [
        "://".repeat(1300),
        format!("https://{}", "a@".repeat(2000)),
        "--key ".repeat(700),
        "TOKEN=\"'\\`".repeat(500),
        "eyJ".repeat(1300),
        "sk-".repeat(1300),
        "Q~".repeat(2000),
        "bearer ".repeat(580),
        "password=".repeat(450),
    ];
    for text in texts {
        let start = std::time::Instant::now();
        args(&vec![text.as_str(); 32]);
        // Minutes before it was bounded; a busy machine may take some seconds.
        assert!(start.elapsed().as_secs() < 60, "{:.12} took {:?}", text, start.elapsed());
    }
}

#[test]
fn a_password_is_hidden_by_what_stands_around_it() {
    let lists: &[&[&str]] = &[
        &["sshpass", "-p", "@"],
        &["-p", "@", "ssh", "h"],
        &["sshpass -p @ ssh h"],
        &["sshpass -p@ ssh h"],
        &["mysql -p@ -u root"],
        &["mysqldump", "-p@"],
        &["--webhook", "https://hooks.slack.com/services/T000/B000/@"],
        &["https://discord.com/api/webhooks/1/@"],
        &["[[\"password\",\"@\"]]"],
        &["{\"name\":\"Authorization\",\"value\":\"@\"}"],
        &["{\"credentials\":{\"pw\":\"@\"}}"],
        &["env", "foo=@", "cmd"],
        &["foo=@", "cmd"],
        &["-S", "foo=@ cmd"],
        &["env", "db_pw=@"],
        &["-c", "foo=@ npx p"],
        &["sh -c 'foo=@ npx p'"],
        &["-c", "cd x && foo=@ npx p"],
        &["-ie", "foo=@"],
        &["-Dpw=@"],
        &["--auth-token", "Bearer", "@"],
        &["Authorization:", "Bearer", "@"],
        &["Authorization: Bearer", "@"],
        &["--header", "Authorization", "@"],
        &["--token", "--", "@"],
        &["--pw", "@"],
        &["api_key", "@"],
        &["jdbc:oracle:thin:scott/@@//h"],
        &["u:@@h:5432/db"],
        &["--db", "u/@@h"],
        &["//u:@@h/mcp"],
        &["echo @ | docker login --password-stdin"],
        &["-c", "tok = \"@\""],
        &["--token\u{a0}@"],
        &["%74oken=@"],
    ];
    let mut shown = Vec::new();
    for list in lists {
        let raw: Vec<String> = list.iter().map(|a| place(a, "Dragon8274!kQz")).collect();
        let raw: Vec<&str> = raw.iter().map(String::as_str).collect();
        let out = args(&raw);
        if out.contains("Dragon") || out.contains("kQz") {
            shown.push(out);
        }
    }
    assert!(shown.is_empty(), "{shown:#?}");
}

#[test]
fn the_image_behind_a_variable_that_docker_passes_on_is_shown() {
    for image in ["mcp/server:1.2.3", "ghcr.io/owner/server@sha256:0123", "server"] {
        for (flag, name) in
            [("-e", "TOKEN"), ("-e", "PASSWORD"), ("--env", "API_KEY"), ("-e", "GITHUB_TOKEN")]
        {
            let shown = args(&["run", "-i", "--rm", flag, name, image]);
            assert!(shown.contains(image) && !shown.contains("<secret"), "{shown}");
        }
        let text = redactor().text(&format!("docker run --rm -e TOKEN {image}"));
        assert!(text.ends_with(image), "{text}");
    }
}

#[test]
fn a_variable_passed_on_shows_no_value_behind_it() {
    let secret = "Dragon8274!kQz";
    for list in [
        &["run", "-e", "TOKEN", "-e", "db_pw=@", "img"][..],
        &["run", "-e", "TOKEN=@", "img"],
        &["run", "-e", "TOKEN", "img", "--token", "@"],
        &["run", "-e", "TOKEN", "img", "Bearer", "@"],
        &["run", "token", "@"],
        &["run", "--rm", "img", "PASSWORD", "@"],
        &["-e", "TOKEN", "@"],
        &["docker run -e TOKEN=@ img"],
        &["docker run -e TOKEN img --token @"],
        &["x -e TOKEN @="],
    ] {
        let raw: Vec<String> = list.iter().map(|arg| place(arg, secret)).collect();
        let shown = args(&raw.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(!shown.contains("Dragon"), "{shown}");
    }
}
