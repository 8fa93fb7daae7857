//! What is shown of an entry that comes in: all of it but what is a secret.
//!
//! It is the policy's text, which is known, with the arguments of whoever asks, who may have given a secret there. Redacted
//! line by line, as text of unknown origin, it would lose the names of headers and plain arguments.

use mcpolicy_clients::writes::{Given, Server, Target};
use mcpolicy_schema::redact::Redactor;
use mcpolicy_schema::secret::{classify, is_reference, is_secret_name};
use mcpolicy_schema::sensitive::Sensitive;

/// The server with a mark in place of each secret: written in its stead, it gives the lines that are shown.
pub(super) fn told(server: &Server, redactor: &Redactor) -> Server {
    let target = match &server.target {
        Target::Command { command, args } => {
            let args: Vec<Sensitive> = args.iter().map(|arg| Sensitive::new(arg.clone())).collect();
            Target::Command { command: redactor.name(command), args: redactor.args(&args) }
        }
        Target::Remote { url, sse } => Target::Remote { url: redactor.name(url), sse: *sse },
    };
    let given = |all: &[Given]| all.iter().map(|one| value(one, redactor)).collect();
    Server {
        name: redactor.name(&server.name),
        target,
        env: given(&server.env),
        headers: given(&server.headers),
    }
}

/// A reference is no secret, and neither is a fixed value of the policy that neither its form nor its name makes one.
fn value(given: &Given, redactor: &Redactor) -> Given {
    let is_plain = given.variable.is_some()
        || is_reference(&given.text)
        || (classify(&given.text).is_none() && !is_secret_name(&given.name));
    let text = match redactor.value(&given.name, &given.text) {
        (kind, Some(fingerprint)) if !is_plain => format!("<secret:{kind}:{fingerprint}>"),
        _ => redactor.name(&given.text),
    };
    Given { text, ..given.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "ghp_0123456789abcdefghijklmnopqrstuvwxyz01";

    #[test]
    fn a_secret_is_hidden_wherever_it_stands_and_all_else_is_shown() {
        let given = |name: &str, text: &str, variable: Option<&str>| Given {
            name: name.to_owned(),
            text: text.to_owned(),
            variable: variable.map(str::to_owned),
        };
        let args = [
            "run",
            "-e",
            "API_TOKEN",
            "ghcr.io/a/b@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "--token",
            "hunter2",
            TOKEN,
        ];
        let server = Server {
            name: "x".to_owned(),
            target: Target::Command { command: "docker".to_owned(), args: args.map(str::to_owned).to_vec() },
            env: vec![given("API_TOKEN", "hunter2", None), given("LEVEL", "debug", None)],
            headers: vec![given("Authorization", "Bearer ", Some("T")), given("X-Other", TOKEN, None)],
        };
        let told = told(&server, &Redactor::new(&[1; 32]));
        let Target::Command { args: shown, .. } = &told.target else { panic!("{told:?}") };
        assert_eq!(shown[..5], args[..5]);
        assert!(shown[5..].iter().all(|arg| arg.starts_with("<secret:")), "{shown:?}");
        assert!(told.env[0].text.starts_with("<secret:") && told.headers[1].text.starts_with("<secret:"));
        assert_eq!((&told.env[1], &told.headers[0]), (&server.env[1], &server.headers[0]));
    }
}
