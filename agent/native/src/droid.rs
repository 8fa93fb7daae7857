//! Factory droid: the system's `settings.json`.
//!
//! Tested with 0.215.0 on Linux, and read in its code: an item of `mcpPolicy.allowlist` that is a URL admits its host and all
//! below it; any other is reduced to letters and digits in lower case and admits every command or argument that contains it. So
//! it is a coarse net: a form's longest telling word is listed, one of fewer than eight letters and digits is not.

use std::collections::BTreeSet;

use mcpolicy_schema::evaluate::System;
use serde_json::json;

use crate::clients::{Compiler, Content, Facts};
use crate::form::Launch;
use crate::inexpressible::{Abilities, Compares, What};
use crate::json_file::{self, Setting, allow_list, widens};
use crate::over::{Over, Sign};
use crate::plan::Plan;
use crate::refused::{Refused, flag, list};
use crate::target::{Format, Target};

pub(crate) struct Droid;

/// Fewest letters and digits of an item: a shorter one is part of too much.
const MIN_LETTERS: usize = 8;

impl Compiler for Droid {
    fn targets(&self, os: System) -> Vec<Target> {
        let path = match os {
            System::Linux => "/etc/factory/settings.json",
            System::Macos => "/Library/Application Support/Factory/settings.json",
            System::Windows => "C:\\Program Files\\Factory\\settings.json",
        };
        vec![Target::file(path, Format::Json)]
    }

    fn abilities(&self) -> Abilities {
        Abilities { compares: Compares::Fuzzy, never_tools: false, denies: false }
    }

    fn content(&self, _: &Target, plan: &mut Plan<'_>) -> Content {
        if !plan.is_closed {
            return Content::Json(Vec::new());
        }
        plan.drop_servers(What::Pattern, "nothing in it is long enough to be told from others", |server| {
            item(&server.launch).is_none()
        });
        let items: BTreeSet<String> = plan.servers.iter().filter_map(|server| item(&server.launch)).collect();
        Content::Json(vec![
            Setting::own(&["mcpPolicy", "enabled"], true, widens),
            Setting::own(&["mcpPolicy", "allowlist"], json!(items), allow_list),
        ])
    }

    fn validate(&self, target: &Target, bytes: &[u8]) -> Result<(), Refused> {
        let root = json_file::read(bytes, target.format)?;
        flag(&root, "/mcpPolicy/enabled")?;
        if root.get("mcpPolicy").is_some() && root.pointer("/mcpPolicy/allowlist").is_none() {
            return Err(Refused::shape("/mcpPolicy/allowlist", "a list"));
        }
        for (at, item) in list(&root, "/mcpPolicy/allowlist")?.iter().enumerate() {
            let key = format!("/mcpPolicy/allowlist/{at}");
            let text = item.as_str().ok_or_else(|| Refused::shape(&key, "a text"))?;
            if letters(text).chars().count() < 3 {
                return Err(Refused::AllowsAll { key });
            }
        }
        Ok(())
    }

    fn over(&self) -> Vec<Over> {
        vec![Over::may_be(Sign::None, "settings of the organisation's console may come before the file")]
    }

    fn facts(&self) -> Facts {
        Facts {
            evidence: "0.215.0, tested on Linux; other systems by documentation",
            compares: "letters and digits of the command or of one argument, anywhere in it; the host of a URL",
            round_it: "any argument that contains an allowed word; settings of the organisation's console \
                come first",
            broken: "not known",
        }
    }
}

/// Letters and digits in lower case: what the client compares.
pub(crate) fn letters(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// The item for a form: what it runs or contacts where that stands in it as one word, else its longest word.
fn item(launch: &Launch) -> Option<String> {
    let Some(words) = launch.words() else {
        let url = launch.url()?;
        // only the host counts, and a host alone is the same to the client
        return url.contains("://").then(|| url.split(['?', '#']).next().unwrap_or(url).to_owned());
    };
    let identity = launch.identity();
    let telling = words.iter().filter(|word| !identity.name.is_empty() && word.contains(&identity.name));
    let best =
        telling.chain(&words).find(|word| letters(word).len() >= MIN_LETTERS && !word.starts_with('-'));
    best.map(|word| (*word).to_owned()).filter(|word| !word.contains("://"))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn of(words: &[&str]) -> Option<String> {
        item(&Launch::command(words.iter().copied()).unwrap())
    }

    #[test]
    fn the_word_that_tells_a_server_is_listed_and_never_a_short_one() {
        assert_eq!(of(&["npx", "-y", "@acme/github-mcp@1.2.3", "x"]).unwrap(), "@acme/github-mcp@1.2.3");
        assert_eq!(of(&["uvx", "mcp"]), None);
        assert_eq!(of(&["npx", "mcp-remote", "https://a.example/mcp"]).unwrap(), "mcp-remote");
        assert_eq!(item(&Launch::remote("https://a.example/mcp?x=1")).unwrap(), "https://a.example/mcp");
    }

    #[test]
    fn nothing_is_taken_for_a_policy_that_admits_everything() {
        let target = &Droid.targets(System::Linux)[0];
        for bad in
            [r#"{"mcpPolicy":{"enabled":true,"allowlist":["--"]}}"#, r#"{"mcpPolicy":{"enabled":true}}"#]
        {
            assert!(Droid.validate(target, bad.as_bytes()).is_err(), "{bad}");
        }
        let none: Value = json!({ "mcpPolicy": { "enabled": true, "allowlist": [] } });
        assert!(Droid.validate(target, none.to_string().as_bytes()).is_ok());
    }
}
