//! openssl as the second implementation: its keys open here, its signatures verify here, ours verify there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mcpolicy::authoring::signer::{
    FileSigner, PassphraseSource, Signer as _, generate, public_key_from, sign_envelope, signer_from,
};
use mcpolicy_platform::Environment;
use mcpolicy_schema::envelope::{Envelope, PublicKey};
use mcpolicy_schema::signed::{Payload as _, Statement};
use mcpolicy_schema::trust::Trust;
use mcpolicy_tests::signing::{self, at, payload_of, publication};

/// Runs openssl in a folder; what it printed, or why it failed.
fn try_openssl(folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("openssl").args(arguments).current_dir(folder).stdin(Stdio::null()).output();
    let output = output.map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

fn openssl(folder: &Path, arguments: &[&str]) -> String {
    try_openssl(folder, arguments).unwrap_or_else(|error| panic!("openssl {arguments:?}: {error}"))
}

/// A folder with `key.pem` and `public.pem` of openssl; `None`, said aloud, without openssl 3.
fn keys_of_openssl() -> Option<(tempfile::TempDir, PublicKey)> {
    let folder = tempfile::tempdir().unwrap();
    let version = try_openssl(folder.path(), &["version"]).unwrap_or_default();
    if !version.starts_with("OpenSSL 3") {
        mcpolicy_tests::skip("there is no openssl 3");
        return None;
    }
    openssl(folder.path(), &["genpkey", "-algorithm", "ed25519", "-out", "key.pem"]);
    openssl(folder.path(), &["pkey", "-in", "key.pem", "-pubout", "-out", "public.pem"]);
    let public = public_key_from(&text(&folder.path().join("public.pem"))).unwrap();
    Some((folder, public))
}

#[expect(clippy::disallowed_methods, reason = "files of this test")]
fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "files of this test")]
fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

fn load(path: &Path, passphrase_file: Option<&Path>) -> anyhow::Result<FileSigner> {
    let source = PassphraseSource::of(passphrase_file, &Environment::empty());
    FileSigner::load(path, &source)
}

fn prompt() -> PassphraseSource {
    PassphraseSource::Prompt
}

/// A pinned root that trusts one more policy key.
fn root_with(key: PublicKey) -> Vec<u8> {
    let mut root = signing::root(1, at(0));
    root.roles.policy.role.keys.push(key);
    signing::signed(&root, &signing::ROOT[..2])
}

/// Whether a machine takes a policy whose only signature is this envelope's.
fn is_taken(pinned: &[u8], statement: &Envelope) -> bool {
    let mut trust = Trust::pinned(pinned, at(0)).unwrap();
    let mut documents = publication(6, at(36));
    documents.statement = Some(statement.to_bytes());
    let update = trust.update(&documents, at(37));
    assert_eq!(update.refusals.is_empty(), trust.policy().is_some());
    trust.policy().is_some()
}

/// The statement of publication 6, unsigned.
fn unsigned() -> Envelope {
    let documents = publication(6, at(36));
    let envelope = Envelope::parse(documents.statement.as_deref().unwrap()).unwrap();
    let _: Statement = payload_of(documents.statement.as_deref().unwrap());
    Envelope::new(Statement::PAYLOAD_TYPE, envelope.payload().to_vec())
}

#[test]
fn a_statement_signed_by_openssl_alone_is_taken() {
    let Some((folder, public)) = keys_of_openssl() else { return };
    let statement = unsigned();
    std::fs::write(folder.path().join("pae"), statement.pae()).unwrap();
    let sign = ["pkeyutl", "-sign", "-rawin", "-inkey", "key.pem", "-in", "pae", "-out", "signature"];
    openssl(folder.path(), &sign);
    let signature: [u8; 64] = bytes(&folder.path().join("signature")).try_into().unwrap();
    let pinned = root_with(public);
    assert!(!is_taken(&pinned, &statement));
    assert!(is_taken(&pinned, &statement.sign_with("", signature)));
}

#[test]
fn a_key_of_openssl_signs_here_and_openssl_verifies_it() {
    let Some((folder, public)) = keys_of_openssl() else { return };
    let signer = load(&folder.path().join("key.pem"), None).unwrap();
    assert_eq!(signer.public_key(), public);
    let pae = unsigned().pae();
    let verify = [
        "pkeyutl",
        "-verify",
        "-rawin",
        "-pubin",
        "-inkey",
        "public.pem",
        "-in",
        "pae",
        "-sigfile",
        "signature",
    ];
    std::fs::write(folder.path().join("pae"), &pae).unwrap();
    std::fs::write(folder.path().join("signature"), signer.sign(&pae).unwrap()).unwrap();
    openssl(folder.path(), &verify);
    std::fs::write(folder.path().join("pae"), [&pae[..], b"x"].concat()).unwrap();
    assert!(try_openssl(folder.path(), &verify).is_err());
}

#[test]
fn a_key_with_a_passphrase_goes_both_ways() {
    let Some((folder, public)) = keys_of_openssl() else { return };
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("passphrase"), "correct horse\n").unwrap();
    std::fs::write(at("wrong"), "battery staple\n").unwrap();
    let seal = ["pkcs8", "-topk8", "-in", "key.pem", "-passout", "file:passphrase", "-out"];
    openssl(folder.path(), &[&seal[..], &["aes.pem", "-v2", "aes-256-cbc"]].concat());
    openssl(folder.path(), &[&seal[..], &["scrypt.pem", "-scrypt"]].concat());
    for name in ["aes.pem", "scrypt.pem"] {
        assert_eq!(load(&at(name), Some(&at("passphrase"))).unwrap().public_key(), public, "{name}");
        let error = format!("{:#}", load(&at(name), Some(&at("wrong"))).err().unwrap());
        assert!(error.contains("passphrase is wrong") && !error.contains("staple"), "{error}");
    }
    // and ours opens there
    let made = generate(&at("made.pem"), Some("correct horse")).unwrap();
    assert!(text(&at("made.pem")).starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
    assert_eq!(load(&at("made.pem"), Some(&at("passphrase"))).unwrap().public_key(), made);
    let opened = ["pkey", "-in", "made.pem", "-passin", "file:passphrase", "-pubout"];
    assert_eq!(public_key_from(&openssl(folder.path(), &opened)).unwrap(), made);
    let plain = generate(&at("plain.pem"), None).unwrap();
    assert_eq!(
        public_key_from(&openssl(folder.path(), &["pkey", "-in", "plain.pem", "-pubout"])).unwrap(),
        plain
    );
}

#[test]
fn a_new_key_is_its_owners_alone_and_never_takes_the_place_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    let key = generate(&path, None).unwrap();
    assert!(generate(&path, None).is_err());
    assert_eq!(load(&path, None).unwrap().public_key(), key);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let names: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(names, [path], "a failed write leaves something behind");
}

#[test]
fn what_is_no_private_key_is_told_without_its_content() {
    let Some((folder, _)) = keys_of_openssl() else { return };
    let at = |name: &str| folder.path().join(name);
    openssl(folder.path(), &["genpkey", "-algorithm", "x25519", "-out", "other.pem"]);
    let broken = text(&at("key.pem")).replace("MC4CAQAwBQYDK2Vw", "MC4CAQAwBQYDK2Vx");
    std::fs::write(at("broken.pem"), &broken).unwrap();
    std::fs::write(at("empty.pem"), "").unwrap();
    std::fs::write(at("noise.pem"), [0xff; 40]).unwrap();
    for name in ["other.pem", "broken.pem", "empty.pem", "noise.pem", "public.pem", "absent.pem"] {
        let error = format!("{:#}", load(&at(name), None).err().unwrap());
        assert!(error.contains(name), "{error}");
        let secret = broken.lines().nth(1).unwrap();
        assert!(!error.contains(&secret[20..40]), "{error}");
    }
    let error = public_key_from(&text(&at("key.pem"))).unwrap_err().to_string();
    assert!(error.contains("private key"), "{error}");
    assert!(public_key_from("not a key").is_err());
}

/// A program that holds a key, as a token or a KMS does: it reads the bytes and prints a signature in some form.
#[cfg(unix)]
fn program(folder: &Path, name: &str, print: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.join(name);
    let script = format!(
        "#!/bin/sh\nset -eu\ncd '{}'\nwork=$(mktemp)\ncat >\"$work\"\n\
         openssl pkeyutl -sign -rawin -inkey key.pem -in \"$work\" -out \"$work.signature\"\n{print}\n",
        folder.display()
    );
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("command:{}", path.display())
}

#[cfg(unix)]
#[test]
fn a_program_that_holds_the_key_signs_raw_in_hex_and_in_base64() {
    let Some((folder, public)) = keys_of_openssl() else { return };
    let pinned = root_with(public);
    let forms = [
        ("raw", "cat \"$work.signature\""),
        ("hex", "od -An -v -tx1 \"$work.signature\" | tr -d ' \\n'"),
        ("base64", "openssl base64 -A -in \"$work.signature\""),
        ("vault", "printf vault:v1:; openssl base64 -A -in \"$work.signature\"; echo"),
    ];
    for (name, print) in forms {
        let spec = program(folder.path(), name, print);
        let signer = signer_from(&spec, Some(&public), &prompt()).unwrap();
        let statement = sign_envelope(unsigned(), &*signer).unwrap();
        assert!(is_taken(&pinned, &statement), "{name}");
    }
}

#[cfg(unix)]
#[test]
fn a_program_that_gives_anything_else_signs_nothing() {
    let Some((folder, public)) = keys_of_openssl() else { return };
    let other = signing::public(77);
    let good = program(folder.path(), "good", "cat \"$work.signature\"");
    let wrong_key = signer_from(&good, Some(&other), &prompt()).unwrap();
    let silent = signer_from("command:true", Some(&public), &prompt()).unwrap();
    let failing = signer_from("command:false", Some(&public), &prompt()).unwrap();
    let absent = signer_from("command:/nonexistent/signer --slot 0", Some(&public), &prompt()).unwrap();
    let prehash = "openssl dgst -sha512 -binary \"$work\" >\"$work.h\"; \
                   openssl pkeyutl -sign -rawin -inkey key.pem -in \"$work.h\"";
    let prehashed = program(folder.path(), "prehashed", prehash);
    let prehashed = signer_from(&prehashed, Some(&public), &prompt()).unwrap();
    for (signer, words) in [
        (wrong_key, "no signature of the key"),
        (silent, "0 bytes"),
        (failing, "failed"),
        (absent, "cannot start the signer /nonexistent/signer"),
        (prehashed, "not prehashed"),
    ] {
        let error = format!("{:#}", sign_envelope(unsigned(), &*signer).unwrap_err());
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_signer_is_a_file_or_a_command_with_its_public_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    let key = generate(&path, None).unwrap();
    let file = format!("file:{}", path.display());
    assert_eq!(signer_from(&file, Some(&key), &prompt()).unwrap().public_key(), key);
    for (spec, public, words) in [
        (file.as_str(), Some(signing::public(1)), "holds the key"),
        ("command:signer", None, "needs the public key"),
        ("command: ", Some(key), "is empty"),
        ("pkcs11:token", Some(key), "`file:PATH` or `command:PROGRAM ARGS`"),
    ] {
        let error = signer_from(spec, public.as_ref(), &prompt()).err().unwrap().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn two_people_sign_one_after_the_other() {
    let signers: Vec<FileSigner> = (0..2)
        .map(|_| {
            let folder = tempfile::tempdir().unwrap();
            generate(&folder.path().join("key.pem"), None).unwrap();
            load(&folder.path().join("key.pem"), None).unwrap()
        })
        .collect();
    let keys: BTreeSet<PublicKey> = signers.iter().map(|signer| signer.public_key()).collect();
    let verifies =
        |bytes: &[u8]| Envelope::parse(bytes).unwrap().verify(Statement::PAYLOAD_TYPE, &keys, 2).is_ok();
    let first = sign_envelope(unsigned(), &signers[0]).unwrap().to_bytes();
    assert!(!verifies(&first));
    let again = sign_envelope(Envelope::parse(&first).unwrap(), &signers[0]).unwrap().to_bytes();
    assert_eq!(again, first);
    let second = sign_envelope(Envelope::parse(&first).unwrap(), &signers[1]).unwrap().to_bytes();
    assert!(verifies(&second));
}

#[test]
fn a_passphrase_comes_from_a_file_that_the_environment_may_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("passphrase");
    std::fs::write(&file, "one line\nand another\n").unwrap();
    assert_eq!(*PassphraseSource::File(file.clone()).get("a key").unwrap(), "one line");
    std::fs::write(&file, "\n").unwrap();
    let error = format!("{:#}", PassphraseSource::File(file).get("a key").unwrap_err());
    assert!(error.contains("first line is empty"), "{error}");
    assert_eq!(PassphraseSource::of(None, &Environment::empty()), PassphraseSource::Prompt);
}
