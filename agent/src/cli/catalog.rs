//! `mcpolicy catalog`.

use clap::Args;
use mcpolicy_platform::environment::Environment;

use super::answering::{self, Answering};
use super::exit;
use crate::answers::catalog::{self, Catalog};
use crate::output::human::answers;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Only servers with this word in their names, identity or description; all that is known, if it is the name of one
    word: Option<String>,

    #[command(flatten)]
    answering: Answering,

    /// Say it as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options, environment: &Environment) -> anyhow::Result<u8> {
    let basis = options.answering.basis(environment)?;
    let asker = basis.judge().asker(0);
    let by = basis.by(&asker);
    let word = options.word.as_deref();
    // a name is meant before a word: `git` is not `github`
    let named: Vec<&str> =
        word.map(|word| catalog::named(by, word)).unwrap_or_default().iter().map(|rule| &*rule.id).collect();
    let all = catalog::catalog(by, word);
    let is_detailed = !named.is_empty();
    let told = match is_detailed {
        true => Catalog {
            servers: all.servers.into_iter().filter(|server| named.contains(&&*server.rule)).collect(),
            ..all
        },
        false => all,
    };
    if options.json {
        answering::say_json(&told)?;
    } else {
        answering::say(&answers::catalog(&told, is_detailed, answering::columns(environment))?)?;
    }
    Ok(exit::OK)
}
