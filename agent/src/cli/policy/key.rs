//! `policy key`.

use std::path::PathBuf;

use mcpolicy_platform::environment::Environment;

use super::common;
use crate::authoring::folder;
use crate::authoring::signer::{self, FileSigner, PassphraseSource, Signer as _};
use crate::cli::exit;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The private key; made if it is not there
    file: PathBuf,

    /// File whose first line is the passphrase [default: MCPOLICY_PASSPHRASE_FILE, else asked]
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,

    /// Leave a new key without a passphrase
    #[arg(long, conflicts_with = "passphrase_file")]
    no_passphrase: bool,

    /// Give a key that is there another passphrase; the key itself stays
    #[arg(long, conflicts_with = "no_passphrase")]
    change_passphrase: bool,

    /// File whose first line is the new passphrase; `-` is standard input, behind the line with the old one
    /// [default: asked]
    #[arg(long, value_name = "FILE", requires = "change_passphrase")]
    new_passphrase_file: Option<PathBuf>,

    /// Say it as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options, environment: &Environment) -> anyhow::Result<u8> {
    let passphrase = PassphraseSource::of(options.passphrase_file.as_deref(), environment);
    let new = options.new_passphrase_file.clone().map_or(PassphraseSource::Prompt, PassphraseSource::File);
    let exposed = [signer::exposed(&options.file, "the key"), passphrase.exposed(), new.exposed()];
    for said in exposed.iter().flatten() {
        common::note(said);
    }
    let public = if options.file.exists() {
        let signer = FileSigner::load(&options.file, &passphrase)?;
        if options.change_passphrase {
            let phrase = new.get_new(&options.file.display().to_string())?;
            signer.seal_anew(&options.file, &phrase)?;
            common::note("the passphrase was changed; copies of the file still open with the old one");
        }
        signer.public_key()
    } else if options.change_passphrase {
        anyhow::bail!("{} is not there, so it has no passphrase to change", options.file.display())
    } else {
        let shown = options.file.display().to_string();
        let phrase = (!options.no_passphrase).then(|| passphrase.get_new(&shown)).transpose()?;
        let public = signer::generate(&options.file, phrase.as_deref().map(String::as_str))?;
        folder::create(&options.file.with_extension("pub"), format!("{public}\n").as_bytes())?;
        public
    };
    if options.json {
        common::say_json(&serde_json::json!({
            "schema": "mcpolicy/policy-key/v1", "id": public.key_id(), "public": public,
        }))?;
    } else {
        common::say(&format!("{} {public}\n", public.key_id()))?;
    }
    Ok(exit::OK)
}
