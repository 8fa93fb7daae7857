//! Keys of images and repositories.

/// Registry and repository of an image.
pub fn image_key(name: &str) -> Option<String> {
    let (first, rest) = name.split_once('/').unwrap_or(("", name));
    let has_registry = first.contains(['.', ':']) || first == "localhost";
    Some(match (has_registry, first) {
        (true, registry) => format!("{registry}/{rest}"),
        (false, "") => format!("docker.io/library/{rest}"),
        (false, _) => format!("docker.io/{name}"),
    })
}

/// Host, owner and repository of a Git source.
pub fn git_key(source: &str) -> Option<String> {
    let source = source.strip_prefix("git+").unwrap_or(source);
    let rest = source.split_once("://").map_or(source, |(_, rest)| rest);
    Some(rest.trim_end_matches('/').trim_end_matches(".git").to_ascii_lowercase())
}

/// A distribution name as the index compares it.
pub fn python_name(name: &str) -> String {
    super::spec::normalised(name)
}
