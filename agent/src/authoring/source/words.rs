//! What parsers say of a file, in the words of the people who write it.

/// The member that a parser misses.
pub(super) fn missing(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.split('`').next()
}

/// Whether a choice is refused because it names none or several things.
pub(super) fn is_of_number(message: &str) -> bool {
    message.contains("exactly 1 element")
}

/// What is wrong and what to write instead. `path` is the names of the members on the way to the place.
pub(crate) fn plain(message: &str, path: &[&str]) -> (String, Option<String>) {
    let last = path.last().copied().unwrap_or_default();
    if let Some(name) = missing(message) {
        return (format!("`{name}` is missing"), Some(format!("add {name} = …")));
    }
    if matches!(last, "review_by" | "deadline" | "grace_until") {
        let help = "write a day in quotes: \"2030-01-31\"";
        return (format!("`{last}` is no day"), Some(help.to_owned()));
    }
    if matches!(last, "expires" | "at") {
        let help = "write a time in quotes, with the time zone: \"2030-01-31T00:00:00Z\"";
        return (format!("`{last}` is no time"), Some(help.to_owned()));
    }
    if last == "identity" && (is_of_number(message) || message.contains("IdentityMatcher")) {
        let help = "write one, such as identity.npm = { package = \"NAME\", versions = \"1.2.3\" }, and a rule of its own for \
                    each other server";
        return ("a rule is about exactly one identity".to_owned(), Some(help.to_owned()));
    }
    if message.contains("IdentityMatcher::Any") {
        return ("`any` takes no value".to_owned(), Some("write identity.any = {}".to_owned()));
    }
    unknown(message).or_else(|| kind(message, last)).unwrap_or_else(|| (message.to_owned(), None))
}

/// A name that is none of those known here.
fn unknown(message: &str) -> Option<(String, Option<String>)> {
    let (is_member, rest) = match message.strip_prefix("unknown field `") {
        Some(rest) => (true, rest),
        None => (false, message.strip_prefix("unknown variant `")?),
    };
    let (name, rest) = rest.split_once('`')?;
    let known: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
    let list = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let near = known
        .iter()
        .map(|known| (strsim::jaro_winkler(known, name), known))
        .filter(|(likeness, _)| *likeness > 0.84)
        .max_by(|one, other| one.0.total_cmp(&other.0));
    let said = if is_member {
        format!("there is no member `{name}` here")
    } else {
        format!("`{name}` is none of {list}")
    };
    let help = match near {
        Some((_, near)) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "remove it".to_owned(),
        None => format!("write one of {list}"),
    };
    Some((said, Some(help)))
}

/// A value of another kind than is wanted.
fn kind(message: &str, last: &str) -> Option<(String, Option<String>)> {
    let wanted = message.rsplit_once("expected ")?.1;
    let is_of_kind = message.starts_with("invalid type: ") || message.starts_with("invalid value: ");
    let answer = |said: String, help: &str| Some((said, Some(help.to_owned())));
    if message.contains("untagged enum EntryText") {
        return answer(
            format!("`{last}` must be a text or a table"),
            "write it as the client has it, in '''…'''",
        );
    }
    if !is_of_kind {
        return None;
    }
    match wanted {
        "a string" => answer(format!("`{last}` must be a text"), "put it in quotes"),
        "a boolean" => {
            answer(format!("`{last}` must be true or false"), "write true or false without quotes")
        }
        "a sequence" if last == "args" => answer(
            "`args` must be a table".to_owned(),
            "write args.positional = [\"…\"], args.optional = [\"…\"] or args.required = [\"…\"]",
        ),
        "a sequence" => answer(format!("`{last}` must be a list"), "write it in brackets: [\"…\", \"…\"]"),
        "u8" | "u32" | "u64" | "usize" => {
            let most = match wanted {
                // Every such number is a share.
                "u8" => "100",
                "u32" => "4294967295",
                _ => "9007199254740991",
            };
            answer(
                format!("`{last}` must be a whole number from 0 to {most}"),
                &format!("write one from 0 to {most}, without quotes"),
            )
        }
        _ if wanted == "a map" || wanted.starts_with("struct ") => {
            answer(format!("`{last}` must be a table"), &format!("write {}", example(wanted, last)))
        }
        _ => None,
    }
}

/// How a table of a kind is written.
fn example(wanted: &str, last: &str) -> String {
    let members = match wanted {
        "struct PackageMatcher" => "package = \"NAME\", versions = \"1.2.3\"",
        "struct ImageMatcher" => "image = \"ghcr.io/OWNER/NAME\", digests = [\"sha256:…\"]",
        "struct GitMatcher" => "repository = \"https://HOST/OWNER/NAME\", commits = [\"…\"]",
        "struct UrlMatcher" => "url = \"https://HOST/mcp\"",
        "struct BridgeMatcher" => {
            "ecosystem = \"npm\", package = \"mcp-remote\", targets = [\"https://HOST/mcp\"]"
        }
        "struct ExecutableMatcher" => "path = \"/opt/NAME\", sha256 = [\"…\"]",
        "struct ScriptMatcher" => "interpreter = \"node\", path = \"/opt/NAME.js\", sha256 = [\"…\"]",
        "struct OpaqueMatcher" => "argv = [\"WORD\", \"WORD\"]",
        "struct Auth" => "kind = \"oauth\"",
        "struct Token" => "lifetime_hours = 8",
        "struct Remediation" => "what = \"…\", deadline = \"2030-01-31\"",
        "struct Tools" => "read = [\"…\"], write = [\"…\"]",
        _ => "NAME = …",
    };
    format!("{last} = {{ {members} }}")
}
