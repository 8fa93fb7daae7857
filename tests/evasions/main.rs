//! Attempts to talk round an allowlist, each a named test: `evasion::EV_001_…`.
//!
//! Reads the file that `MCPOLICY_EVASIONS` names, else the shared one beside the checkout, and always the project's
//! own cases in `tests/fixtures/evasions/`.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "this crate is a test")]
#![allow(clippy::disallowed_methods, reason = "a test reads its own files and parameters")]

mod case;
mod contradictions;
mod policy;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use mcpolicy_schema::policy::Policy;

fn main() {
    let arguments = Arguments::from_args();
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let shared = checkout.join("../shared/corpus/evasions.json");
    let named = std::env::var_os("MCPOLICY_EVASIONS").map(PathBuf::from);
    let mut files: Vec<PathBuf> = own(&checkout.join("tests/fixtures/evasions"));
    match named {
        Some(file) => files.push(file),
        None if shared.is_file() => files.push(shared),
        None => mcpolicy_tests::skip("../shared/corpus/evasions.json is not beside this checkout"),
    }
    let mut trials: Vec<Trial> = files.iter().flat_map(|file| trials(file)).collect();
    trials.extend(contradictions::trials());
    libtest_mimic::run(&arguments, trials).exit();
}

fn own(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|e| e == "json"));
    files.sort();
    assert!(!files.is_empty(), "the project's own evasions are missing");
    files
}

fn trials(file: &Path) -> Vec<Trial> {
    let text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let set: case::Set = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let document = policy::of_approved(&set.approved);
    let policy = Policy::compile(document).unwrap_or_else(|faults| panic!("{}: {faults:#?}", file.display()));
    let policy = Arc::new(policy);
    let approved = Arc::new(set.approved);
    let trial = |case: case::Case| {
        let (policy, approved) = (Arc::clone(&policy), Arc::clone(&approved));
        Trial::test(case.test_name(), move || case.judge(&policy, &approved).map_err(Into::into))
    };
    set.cases.into_iter().map(trial).collect()
}
