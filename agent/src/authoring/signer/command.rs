//! Signing by a program that holds the key: a PKCS#11 tool, the client of a KMS or vault, a script.

use std::io::{ErrorKind, Read as _, Write as _};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_PAD_INDIFFERENT, URL_SAFE_PAD_INDIFFERENT};
use mcpolicy_schema::envelope::{PublicKey, SIGNATURE_BYTES};

use super::Signer;

/// Most bytes that a program may answer.
const MAX_ANSWER: u64 = 4096;

/// Signs by a program: it reads the bytes to sign from standard input and writes the signature to standard output,
/// raw (64 bytes), in hex or in base64. Its standard error is the user's: it may ask for a PIN there.
pub struct CommandSigner {
    program: String,
    arguments: Vec<String>,
    public: PublicKey,
}

impl CommandSigner {
    /// A command, split at spaces, for the key whose public half is given.
    ///
    /// # Errors
    /// The command is empty.
    pub fn new(command: &str, public: PublicKey) -> anyhow::Result<Self> {
        let mut words = command.split_whitespace().map(str::to_owned);
        let Some(program) = words.next() else { bail!("the signer command is empty") };
        Ok(Self { program, arguments: words.collect(), public })
    }

    fn answer(&self, pae: &[u8]) -> anyhow::Result<Vec<u8>> {
        let program = &self.program;
        let child = Command::new(program)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn();
        let mut child = child.with_context(|| format!("cannot start the signer {program}"))?;
        // what is signed fits into the pipe, so that neither side waits for the other
        if let Some(mut stdin) = child.stdin.take()
            && let Err(error) = stdin.write_all(pae)
            // a program that needs no more closes it early; whether it signed the right bytes is checked below
            && error.kind() != ErrorKind::BrokenPipe
        {
            let _ = child.kill();
            let _ = child.wait();
            return Err(error).with_context(|| format!("the signer {program} does not take its input"));
        }
        let mut answer = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            stdout.take(MAX_ANSWER).read_to_end(&mut answer)?;
        }
        let status = child.wait()?;
        if !status.success() {
            bail!("the signer {program} failed ({status}); nothing was signed");
        }
        Ok(answer)
    }
}

impl Signer for CommandSigner {
    fn public_key(&self) -> PublicKey {
        self.public
    }

    fn sign(&self, pae: &[u8]) -> anyhow::Result<[u8; SIGNATURE_BYTES]> {
        let answer = self.answer(pae)?;
        // several readings may fit; the right one is the one that verifies
        let signature = readings(&answer).into_iter().find(|signature| self.public.verifies(pae, signature));
        signature.with_context(|| {
            format!(
                "the signer {} gave {} bytes that are no signature of the key {}; it must sign standard input as it \
                 is (pure Ed25519, not prehashed) and print 64 raw bytes, hex or base64",
                self.program,
                answer.len(),
                self.public.key_id()
            )
        })
    }
}

/// Everything that an answer may mean.
fn readings(answer: &[u8]) -> Vec<[u8; SIGNATURE_BYTES]> {
    let text = std::str::from_utf8(answer).unwrap_or_default().trim();
    // Vault says `vault:v1:…`
    let text = text.rsplit(':').next().unwrap_or_default();
    let candidates = [
        Some(answer.to_vec()),
        hex(text),
        STANDARD_PAD_INDIFFERENT.decode(text).ok(),
        URL_SAFE_PAD_INDIFFERENT.decode(text).ok(),
    ];
    candidates.into_iter().flatten().filter_map(|bytes| bytes.try_into().ok()).collect()
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs.iter().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_raw_in_hex_and_in_base64() {
        let signature: [u8; 64] = std::array::from_fn(|n| u8::try_from(n * 3).unwrap());
        let hex: String = signature.iter().map(|byte| format!("{byte:02X}")).collect();
        let base64 = base64::engine::general_purpose::STANDARD.encode(signature);
        let vault = format!("vault:v1:{base64}");
        let forms =
            [signature.to_vec(), format!("{hex}\n").into(), format!(" {base64}\r\n").into(), vault.into()];
        for form in forms {
            assert!(readings(&form).contains(&signature), "{form:?}");
        }
        assert_eq!(readings(b"no signature"), Vec::<[u8; 64]>::new());
    }
}
