//! Paths as URI references, by RFC 3986: relative to the checkout where they are in it, `file:` elsewhere.

use std::fmt::Write as _;

use mcpolicy_schema::report::v1::Scan;
use serde_json::{Value, json};

/// The name that consumers know for the root of a checkout.
pub(super) const BASE_ID: &str = "SRCROOT";

/// What paths are relative to.
pub(super) struct Base {
    project: bool,
    root: Option<String>,
}

impl Base {
    pub(super) fn of(scan: &Scan) -> Self {
        Self { project: scan.mode == "project", root: scan.root.as_deref().map(slashes) }
    }

    pub(super) fn is_relative(&self) -> bool {
        self.project
    }

    /// The SARIF artifact location of a path.
    pub(super) fn artifact(&self, path: &str) -> Value {
        match self.inside(path) {
            Some(relative) => json!({ "uri": relative, "uriBaseId": BASE_ID }),
            None => json!({ "uri": self.uri(path) }),
        }
    }

    pub(super) fn uri(&self, path: &str) -> String {
        self.inside(path).unwrap_or_else(|| file_uri(&slashes(path)))
    }

    fn inside(&self, path: &str) -> Option<String> {
        if !self.project {
            return None;
        }
        let path = slashes(path);
        let below = self.root.as_deref().and_then(|root| path.strip_prefix(root.trim_end_matches('/')));
        let relative = match below {
            Some(rest) => rest.strip_prefix('/')?,
            None if is_absolute(&path) => return None,
            None => path.strip_prefix("./").unwrap_or(&path),
        };
        (!relative.is_empty()).then(|| encoded(relative))
    }
}

/// Backslashes are separators in Windows paths only; elsewhere they are part of a name and get encoded.
fn slashes(path: &str) -> String {
    let windows = has_drive(path) || path.starts_with("\\\\");
    if windows { path.replace('\\', "/") } else { path.to_owned() }
}

fn has_drive(path: &str) -> bool {
    matches!(path.as_bytes(), [drive, b':', b'/' | b'\\', ..] if drive.is_ascii_alphabetic())
}

fn is_absolute(path: &str) -> bool {
    path.starts_with('/') || has_drive(path)
}

fn file_uri(path: &str) -> String {
    if let Some(share) = path.strip_prefix("//") {
        return format!("file://{}", encoded(share));
    }
    if has_drive(path) {
        return format!("file:///{}{}", &path[..2], encoded(&path[2..]));
    }
    if path.starts_with('/') { format!("file://{}", encoded(path)) } else { encoded(path) }
}

fn encoded(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(root: Option<&str>) -> Base {
        Base { project: true, root: root.map(slashes) }
    }

    #[test]
    fn paths_become_relative_and_encoded() {
        let base = base(Some("/work/my shop"));
        assert_eq!(base.uri("/work/my shop/a b/ü#?.json"), "a%20b/%C3%BC%23%3F.json");
        assert_eq!(base.uri("/work/my shopping/x"), "file:///work/my%20shopping/x");
        assert_eq!(base.uri("./.mcp.json"), ".mcp.json");
        assert_eq!(base.uri("https:evil"), "https%3Aevil");
    }

    #[test]
    fn windows_paths_become_uris() {
        let base = base(Some("C:\\shop\\"));
        assert_eq!(base.uri("C:\\shop\\.vscode\\mcp.json"), ".vscode/mcp.json");
        assert_eq!(base.uri("D:\\a b.json"), "file:///D:/a%20b.json");
        assert_eq!(base.uri("\\\\host\\share\\x"), "file://host/share/x");
    }

    #[test]
    fn only_checkouts_have_a_base() {
        let base = Base { project: false, root: None };
        assert_eq!(base.artifact("/home/a/x.json"), json!({ "uri": "file:///home/a/x.json" }));
    }
}
