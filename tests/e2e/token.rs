//! A hardware token signs: SoftHSM in its place, reached by PKCS#11 through `pkcs11-tool`, as docs/runbooks.md has it.

use std::path::PathBuf;
use std::process::Command;

use crate::policy_desk::{Desk, ROOT, text};

/// Where distributions put the module of SoftHSM.
const MODULES: [&str; 6] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
];

const PIN: &str = "471147";

struct Token<'d> {
    desk: &'d Desk,
    module: &'static str,
    config: PathBuf,
}

impl<'d> Token<'d> {
    /// An initialised token with one Ed25519 key that never leaves it; `None`, said aloud, without the programs.
    fn new(desk: &'d Desk) -> Option<Self> {
        let there = |program: &str| Command::new(program).arg("--help").output().is_ok();
        let module = MODULES.into_iter().find(|module| std::path::Path::new(module).is_file());
        let (Some(module), true, true) = (module, there("softhsm2-util"), there("pkcs11-tool")) else {
            mcpolicy_tests::skip("softhsm2 and pkcs11-tool (of opensc) are not installed");
            return None;
        };
        let folder = desk.path("tokens");
        std::fs::create_dir(&folder).unwrap();
        let config =
            desk.machine.file("softhsm2.conf", format!("directories.tokendir = {}\n", folder.display()));
        let token = Self { desk, module, config };
        let init = ["--init-token", "--free", "--label", "policy", "--so-pin", "471100", "--pin", PIN];
        token.run("softhsm2-util", &init);
        let make = ["--login", "--pin", PIN, "--keypairgen", "--key-type", "EC:edwards25519", "--id", "01"];
        token.tool(&make);
        token.tool(&["--read-object", "--type", "pubkey", "--id", "01", "--output-file", "read.pub"]);
        // Some versions write DER, some PEM.
        token.run("openssl", &["pkey", "-pubin", "-in", "read.pub", "-pubout", "-out", "token.pub"]);
        Some(token)
    }

    fn tool(&self, arguments: &[&str]) {
        let all = [&["--module", self.module, "--token-label", "policy"], arguments].concat();
        self.run("pkcs11-tool", &all);
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let output = Command::new(program)
            .args(arguments)
            .env("SOFTHSM2_CONF", &self.config)
            .current_dir(self.desk.machine.home())
            .output()
            .unwrap();
        assert!(output.status.success(), "{program} {arguments:?}: {}", text(&output.stderr));
    }

    /// Runs `policy sign` with the token as its signer; what it said and whether it signed.
    fn sign(&self, mechanism: &str) -> (bool, String) {
        let signer = format!(
            "pkcs11-tool --module {} --token-label policy --login --pin env:TOKEN_PIN --sign --mechanism {mechanism} --id 01",
            self.module
        );
        let arguments = ["policy", "sign", "repo", "--signer", &signer, "--public-key", "token.pub"];
        let variables = [
            ("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin"),
            ("SOFTHSM2_CONF", self.config.to_str().unwrap()),
            ("TOKEN_PIN", PIN),
        ];
        let home = self.desk.machine.home();
        let output = mcpolicy_tests::run_with(crate::BINARY.as_ref(), &home, &arguments, &variables);
        (output.status.success(), text(&output.stdout) + &text(&output.stderr))
    }
}

#[test]
fn runbook_a_hardware_token_signs_a_policy_and_its_key_never_leaves_it() {
    // Made now: the signature is of now, and the root must not be younger.
    let desk = Desk { machine: mcpolicy_tests::TestMachine::new(crate::BINARY) };
    let Some(token) = Token::new(&desk) else { return };
    let run = |arguments: &[&str]| desk.machine.run(&[&["policy"], arguments].concat());
    let init = run(&["init", "repo", "--no-passphrase", "--role-key", "policy=token.pub"]);
    assert!(init.status.success(), "{}", text(&init.stderr));
    assert!(!desk.path("repo-keys/policy-1.pem").exists(), "no second policy key beside that of the token");
    let (signed, said) = token.sign("EDDSA");
    assert!(signed && said.contains("1 of 1 signatures"), "{said}");
    let publish = run(&["publish", "repo", "--to", "site", "--key", "repo-keys/online-1.pem"]);
    assert!(publish.status.success(), "{}", text(&publish.stderr));
    let verify = run(&["verify", "site", "--trust-root", ROOT, "--json"]);
    let answer = mcpolicy_tests::report_of(&verify);
    assert_eq!((&answer["verified"], &answer["policy"]["signers"]), (&true.into(), &1.into()), "{answer}");
    // What is no pure Ed25519 signature of this key is no signature.
    desk.edit("repo/policy.toml", |policy| policy.replace("contact = ", "contact = \"x\" # "));
    let (signed, said) = token.sign("ECDSA");
    assert!(!signed && said.contains("nothing was signed"), "{said}");
}
