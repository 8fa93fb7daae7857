//! `mcpolicy check`.

use clap::Args;
use mcpolicy_platform::environment::Environment;
use mcpolicy_schema::verdict::Verdict;

use super::answering::{self, Answering, Basis};
use super::exit;
use crate::answers::check;
use crate::answers::spec::{self, How, Spec};
use crate::output::human::answers;

#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    asked: Asked,

    #[command(flatten)]
    answering: Answering,

    /// Tell which rules were asked, and why each did not allow it
    #[arg(long, short)]
    verbose: bool,

    /// Say it as JSON
    #[arg(long)]
    json: bool,
}

/// What is asked about: no file has it yet.
#[derive(Debug, Args)]
pub(super) struct Asked {
    /// A command line after `--`, a URL, or an entry as JSON, TOML or YAML; `-` reads text from standard input
    #[arg(value_name = "SPEC")]
    spec: Vec<String>,

    /// Id of the client that would get it, as in docs/clients.md
    #[arg(long, value_name = "ID")]
    client: Option<String>,

    /// The name that the entry would have
    #[arg(long = "name", value_name = "NAME")]
    entry_name: Option<String>,
}

impl Asked {
    /// The only word, where there is but one.
    pub(super) fn word(&self) -> Option<&str> {
        match self.spec.as_slice() {
            [word] => Some(word),
            _ => None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.spec.iter().all(|word| word.trim().is_empty())
    }

    pub(super) fn read(&self, basis: &Basis) -> anyhow::Result<Spec> {
        let how = How {
            client: self.client.as_deref(),
            name: self.entry_name.as_deref(),
            os: basis.ground.homes[0].layout.os,
        };
        if self.word() == Some("-") {
            return Ok(spec::of_text(&answering::standard_input()?, how)?);
        }
        Ok(spec::of_words(&self.spec, how)?)
    }
}

pub(super) fn run(options: &Options, environment: &Environment) -> anyhow::Result<u8> {
    let basis = options.answering.basis(environment)?;
    let spec = options.asked.read(&basis)?;
    let mut judge = basis.judge();
    let asker = judge.asker(0);
    let checked = check::check(&spec, basis.by(&asker), &mut judge, (&basis.ground, 0), &basis.redactor);
    if options.json {
        answering::say_json(&checked)?;
    } else {
        answering::say(&answers::check(&checked, options.verbose, answering::columns(environment)))?;
    }
    Ok(if checked.verdict == Verdict::Allow { exit::OK } else { exit::FINDINGS })
}
