//! What is worth telling: stable codes, their severity, what they mean and what to do.
//!
//! The table below is the only place where a code is described; docs/findings.md and the SARIF rules are made from it.

use serde::{Deserialize, Serialize};

/// How much a finding matters. Ordered: `Critical` is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum Severity {
    /// Good to know; no action by itself.
    Info,
    /// Should be put right in time.
    Low,
    /// Weakens control of what runs.
    Medium,
    /// Lets somebody else decide what runs, or exposes a credential.
    High,
    /// Runs foreign code now, or switches control off.
    Critical,
}

impl Severity {
    /// The word used in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// All severities, the gravest first.
    pub const ALL: [Self; 5] = [Self::Critical, Self::High, Self::Medium, Self::Low, Self::Info];
}

/// Declares the codes with everything that is said about them.
macro_rules! codes {
    ($($variant:ident $code:literal $severity:ident $title:literal $description:literal $remedy:literal;)*) => {
        /// A stable finding code. Codes are never renamed or reused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum FindingCode {
            $(#[doc = $description] $variant,)*
        }

        impl FindingCode {
            /// Every code, in the order of docs/findings.md.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable kebab-case code.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// Severity unless the finding itself says otherwise.
            pub fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)* }
            }

            /// A few words for a table cell.
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }

            /// What it means and why it matters.
            pub fn description(self) -> &'static str {
                match self { $(Self::$variant => $description,)* }
            }

            /// Whether a file with it is not taken at its word in enforce mode: what its client would run is not
            /// what was read, or could not be read.
            pub fn is_enforced(self) -> bool {
                matches!(
                    self,
                    Self::UnparseableConfig
                        | Self::UnreadableConfig
                        | Self::NotARegularFile
                        | Self::ConfigTooLarge
                        | Self::DamagedConfig
                        | Self::UnexpectedShape
                        | Self::DuplicateKey
                        | Self::DeepNesting
                        | Self::SymlinkLeavesHome
                        | Self::NotEvaluable
                )
            }

            /// What to do about it.
            pub fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $remedy,)* }
            }
        }
    };
}

codes! {
    UnparseableConfig "unparseable-config" Medium "file cannot be parsed"
        "The file is not valid in the format that its client reads, so its servers are not known. It is not the same as having no servers: the client may repair it or load it at its next start."
        "Open the file at the position given and repair it, or remove it.";
    UnreadableConfig "unreadable-config" Medium "file cannot be read"
        "The file is there but could not be read: no permission, a read error, or a link that leads nowhere."
        "Check the owner and mode of the file; run the scan as the user or as root.";
    NotARegularFile "not-a-regular-file" High "not a regular file"
        "A named pipe, device, socket or directory stands where a client expects its configuration. Such a file hangs or misleads simple scanners."
        "Find out who made it and remove it.";
    ConfigTooLarge "config-too-large" High "file too large to read"
        "The file is larger than any real configuration. Padding a file is a way to hide entries from scanners, while the client reads it all."
        "Look at the file by hand; shorten it.";
    DamagedConfig "damaged-config" Medium "damaged file that the client reads anyway"
        "The file has syntax errors, but its client's tolerant parser still loads servers from it. Stricter tools see nothing. Or its readers make different files of one text: characters that end a line for some of them (U+0085, U+2028, U+2029; high), bytes that are no UTF-8, references that are filled in before it is parsed (high). Where readers differ, no entry of the file is allowed."
        "Repair the file at the position given.";
    UnexpectedShape "unexpected-shape" Low "not the shape of a configuration"
        "The file parses, but its top or its table of servers is not a map. Its client loads nothing from it, or refuses it. In the file of an agent or a recipe, servers in a shape that is not read are a medium finding and a gap: its client may read them."
        "Write the file as the client documents it, or remove it.";
    FileRefused "file-refused" Low "the client refuses this file"
        "The file needs leniency (comments, trailing commas, an encoding) that its client does not have, so the client loads nothing from it. Another client or a later version may."
        "Write the file as its client reads it.";
    DuplicateKey "duplicate-key" High "duplicate key"
        "The same key stands twice in one object. Clients take the last; a reader that takes the first sees another server than the one that runs."
        "Remove the one that is not meant.";
    DeepNesting "deep-nesting" Medium "absurdly deep nesting"
        "A value is nested deeper than any real configuration. This silences scanners that recurse."
        "Look at the file by hand and remove the nested value.";
    ControlCharacters "control-characters" High "control or invisible characters in a name"
        "A name holds terminal control characters, bidirectional overrides or invisible characters. They can forge what a terminal or log shows."
        "Rename the entry.";
    SymlinkLeavesHome "symlink-leaves-home" Medium "link leaves the home"
        "The configuration file is a symbolic link to a place outside the home. Whoever can write there decides what the client starts."
        "Keep configuration in the home, or in a place only root can write.";
    WritableByOthers "writable-by-others" High "file writable by other users"
        "Other users of the machine can write the configuration file, and so decide what this user's client starts."
        "Take the write permission of group and others away.";
    ConfigDirUnresolved "config-dir-unresolved" Medium "configuration directory cannot be resolved"
        "A start file of a shell, a file that it reads, an `.envrc` or a file from which a client takes variables by itself sets a variable that moves a client's configuration in a way of which the place is not known without running code, or one that brings servers itself."
        "Set the variable to a literal path, or remove it.";
    NotEvaluable "not-evaluable" Medium "configuration is a program"
        "The configuration is code (a shell script or an editor extension): which servers it starts cannot be known without running it."
        "Move the servers to the client's declarative file.";
    UnknownClient "unknown-client" Medium "file of an unknown client"
        "A file that no known client reads declares MCP servers in a launchable shape. Some program was set up to read it."
        "Find out which program reads it; tell us, so that an adapter can be written.";
    InertEntry "inert-entry" Low "no client loads this entry"
        "The entry stands where its client does not look, or in a form that its client refuses. It is neither live nor absent: a small change makes it live."
        "Remove it, or put it where the client reads it.";
    MalformedEntry "malformed-entry" Low "malformed entry"
        "The entry has not the shape that clients expect. Some clients repair such entries, some refuse the entry, some the whole file."
        "Write the entry as the client documents it.";
    UnresolvableExpansion "unresolvable-expansion" Low "variable decides what runs"
        "The command, an argument or the URL is built from a variable, so what runs depends on the environment of the client."
        "Write the value literally, or give the variable a default.";
    UnpinnedPackage "unpinned-package" Medium "package without version"
        "The package manager fetches whatever version is newest at each start. One stolen publisher account reaches this machine within a day."
        "Name an exact version that was reviewed.";
    FloatingVersion "floating-version" Medium "floating version"
        "The version is a tag (such as latest) or a range, so the code that runs changes without anybody on this machine doing anything."
        "Name an exact version that was reviewed.";
    ImageWithoutDigest "image-without-digest" Low "image without digest"
        "A container image is named by tag, and tags can be moved."
        "Name the image by digest (name@sha256:…).";
    GitWithoutCommit "git-without-commit" Medium "Git source without commit"
        "The server is built from a Git repository at a branch or tag that can move."
        "Name the full commit hash.";
    PlainHttp "plain-http" High "plain http"
        "The server is contacted without encryption: anyone on the path reads the traffic and answers in its place."
        "Use https.";
    UrlCredentials "url-credentials" High "credentials in the URL"
        "The URL carries a user name, password or token. URLs end up in logs, histories and reports."
        "Move the credential to a header whose value comes from the environment or a keychain.";
    LiteralSecret "literal-secret" High "literal secret"
        "A credential stands in the file in clear. Any program of this user can read it, and files like this are copied into repositories and backups."
        "Replace it: revoke the credential, issue one that is scoped and short-lived, and let the entry refer to it (environment variable, keychain, the client's own sign-in).";
    LoaderVariable "loader-variable" Critical "loader or interpreter variable"
        "The environment of the entry sets a variable that loads foreign code into the server (LD_PRELOAD, NODE_OPTIONS, PYTHONPATH, PATH and the like), so the command no longer says what runs."
        "Remove the variable.";
    RegistryOverride "registry-override" High "package registry overridden"
        "Packages come from another registry or index than the default one, which can serve anything under any name."
        "Remove the override, or have the registry allowed by policy.";
    ProxyOverride "proxy-override" Medium "proxy set for the server"
        "The environment of the entry sends the server's traffic through a proxy."
        "Remove the variable; set proxies for the machine.";
    DownloadAndRun "download-and-run" Critical "downloads and runs code"
        "The entry fetches a program from an address and runs it at once (curl | sh, npx with a URL, a remote module)."
        "Install the program by a package with a fixed version.";
    ShellWrapper "shell-wrapper" Medium "started through a shell"
        "The entry starts a shell with a command line, which can do anything besides starting a server."
        "Name the server's own command and arguments.";
    OpaqueCode "opaque-code" High "code on the command line"
        "The entry carries program text in its arguments (node -e, python -c and the like)."
        "Put the code into a reviewed package.";
    PrivilegedContainer "privileged-container" Critical "privileged container"
        "The container is started with rights that reach the host: privileged, host namespaces, added capabilities, devices or the engine's own socket."
        "Start the container without them.";
    HostMount "host-mount" High "container mounts the home or the host"
        "The container sees the user's home, the root of the host or a directory with credentials."
        "Mount only the directory that the server needs, read-only where possible.";
    Sudo "sudo" Critical "started with sudo or as another user"
        "The server is started with another user's rights, usually root's."
        "Start it as the user.";
    CredentialAccess "credential-access" High "reaches keys or cloud credentials"
        "An argument or variable points the server at SSH keys, cloud credentials, a keychain or a token file."
        "Give the server a credential of its own with the least scope.";
    BindAllInterfaces "bind-all-interfaces" High "listens on all interfaces"
        "The server is told to listen on every interface, so that other machines can reach it."
        "Bind to 127.0.0.1.";
    HeaderHelper "header-helper" High "header helper runs a command"
        "A local command is run to produce the headers of a remote server: an allowed URL becomes arbitrary code."
        "Remove the helper; use the client's own sign-in or an environment reference.";
    EnvFile "env-file" Medium "environment from a file"
        "The environment of the server comes from another file, which can set anything that the entry could."
        "List the variables in the entry.";
    SandboxOff "sandbox-off" Medium "sandbox switched off"
        "The entry switches off a sandbox that its client would use."
        "Remove the switch.";
    AutoApproval "auto-approval" High "approves servers or tools by itself"
        "A setting approves project servers or tool calls without asking, so what a repository brings runs unasked."
        "Remove the setting; approve servers by policy.";
    RepositoryConfig "repository-config" Info "comes with the repository"
        "The entry stands in a project file: whoever can write to the repository decides what starts on the machines of all who open it."
        "Review changes of this file like code.";
    ManagedPolicyWeakened "managed-policy-weakened" Critical "weakens a managed policy"
        "A file of the user or of a project holds settings by which the client's managed policy stops to apply or is widened."
        "Remove the setting.";
    UndeclaredServer "undeclared-server" High "runs but is not declared"
        "A client started a server that stands in no configuration file: by a command-line flag, a removed entry or an extension."
        "Find out how it was started; declare it or stop it.";
    DeniedServerRuns "denied-server-runs" High "denied and running"
        "A server that the policy does not allow runs at this moment: it was started before the policy, the agent or the verdict came, or its client does not ask them."
        "End it, or restart its client once its entry is gone; the agent ends it where the policy says `processes = \"stop\"`.";
    RestartNeeded "restart-needed" Medium "client holds what was taken away"
        "A client was started before an entry of its configuration was taken away. Most clients read their files only when they start, so it may hold that server until it ends."
        "End the client and start it again.";
    PermissionBypass "permission-bypass" Critical "client runs without permission checks"
        "A client runs with a flag that switches its permission questions or its sandbox off."
        "Start the client without the flag.";
    LinkLocalUrl "link-local-url" Critical "link-local or metadata address"
        "The URL points at a link-local or cloud-metadata address, which hands out credentials."
        "Remove the entry.";
    NotAllowed "not-allowed" High "no rule allows it"
        "No rule of the policy is about what this entry would run or contact, and the policy denies what it does not name."
        "Use an approved server, or ask for this one: the policy's contact is shown beside the finding.";
    Impersonation "impersonation" Critical "an approved name for something else"
        "The entry bears the usual name of an approved server but would run or contact something else. Whoever reads only names takes it for the approved one."
        "Remove the entry. If it is yours, find out who or what changed it, and set the approved server up anew.";
    Denylisted "denylisted" High "on the denylist"
        "The policy denies this package, image, address or program by name, whatever else would allow it."
        "Remove the entry; the policy names the reason and, where there is one, what to use instead.";
    Revoked "revoked" Critical "revoked"
        "An emergency revocation takes this server, rule, digest, device, user or group off the allowlist at once."
        "Remove the entry and ask the security team what happened; credentials that the server held may have to be replaced.";
    VersionNotAllowed "version-not-allowed" Medium "version outside the rule"
        "The server is approved, but the entry asks for no version, for a tag, or for a range or digest that may resolve to something that was not reviewed."
        "Name one of the approved versions (for an image its digest) in the entry.";
    RunnerNotAllowed "runner-not-allowed" High "started by another runner"
        "The server is approved, but not with this runner or interpreter, or the runner is a file outside the places where runners may lie."
        "Start it with a runner that the rule names, by its bare name.";
    RunnerUserWritable "runner-user-writable" Low "runner that the user can replace"
        "The package runner or interpreter lies where the user, and so any program of the user, can replace it."
        "Install it with the system's package manager, or accept it: most version managers work this way.";
    RunnerArgumentNotAllowed "runner-argument-not-allowed" High "argument of the runner not allowed"
        "An argument of the package runner, container engine or interpreter is not one that the rule names. Such arguments can change what is run: another registry, a mount, another daemon."
        "Remove the argument, or ask for it to be added to the rule.";
    ExtraPackageNotAllowed "extra-package-not-allowed" High "further code beside the server"
        "The entry loads a package, module or entry point beside the approved server."
        "Remove the additional package.";
    ProgramNotAllowed "program-not-allowed" High "another program of the package"
        "The entry installs the approved package but then starts a program of another name."
        "Start the package's own program, or have the other one added to `bins` of the rule.";
    ArgumentNotAllowed "argument-not-allowed" Medium "argument not allowed"
        "An argument is not one that the rule allows, or one that it demands is missing."
        "Use the arguments that the rule names.";
    EnvironmentNotAllowed "environment-not-allowed" High "variable not allowed"
        "The entry sets a variable that the rule does not name, or gives it a value that the rule does not admit."
        "Remove the variable, or ask for it to be added to the rule.";
    HeaderNotAllowed "header-not-allowed" Medium "header not allowed"
        "The entry sends a header that the rule does not name, or with a value that the rule does not admit."
        "Remove the header, or ask for it to be added to the rule.";
    ReferenceNotAllowed "reference-not-allowed" High "refers to something foreign"
        "A value of the entry takes in a variable, file or command that has nothing to do with this server: another service's credential would be sent to it."
        "Refer only to the variable that belongs to this server, or ask for the reference to be added to the rule.";
    MemberNotAllowed "member-not-allowed" High "member that brings code or environment"
        "The entry has a member that adds programs, variables or files (`envFile`, `dev`, a header helper), and the rule does not name it."
        "Remove the member.";
    UnknownMember "unknown-member" Low "member that nobody knows"
        "The entry has a member whose meaning is not known, so it may change what runs."
        "Remove it if the client does not need it; tell us if it does.";
    WorkingDirectoryNotAllowed "working-directory-not-allowed" High "working directory not allowed"
        "The entry sets a working directory that the rule does not name. Package runners and interpreters take code from it first."
        "Remove the working directory.";
    WrapperNotAllowed "wrapper-not-allowed" High "started through a wrapper"
        "The approved server is started through a shell or another program that the rule does not name as a wrapper, or with arguments that it does not name."
        "Start the server directly.";
    OutsideRule "outside-rule" Medium "allowed, but not here"
        "A rule allows this server for other clients, scopes, transports, users, groups, devices or rings."
        "Use it where the rule allows it, or ask for the rule to be widened.";
    TargetNotAllowed "target-not-allowed" High "bridge to somewhere else"
        "The bridge is approved, but not towards this remote server."
        "Point it to an approved remote server.";
    QueryNotAllowed "query-not-allowed" Medium "query parameter not allowed"
        "The URL has a query parameter that the rule does not name, or with a value that it does not admit."
        "Remove the parameter, or ask for it to be added to the rule.";
    NonCanonicalUrl "non-canonical-url" High "URL that programs read differently"
        "The URL has user information, a fragment, a trailing dot, an odd spelling of its host or path: two programs may contact two different servers."
        "Write the URL in its plain form.";
    LoopbackUnbound "loopback-unbound" Medium "a local port that anybody can answer"
        "A URL of this machine says nothing about which program answers. It matches no rule by the URL alone."
        "Ask for a rule that binds the URL to the program that listens.";
    PrivateAddress "private-address" Medium "address of a private network"
        "The URL leads into a private network. Only a rule that names the address allows it."
        "Ask for a rule that names it.";
    DigestNotAllowed "digest-not-allowed" High "not the file that was reviewed"
        "The file at the approved path has another digest than the rule names, or the path leads elsewhere by a link that the user can change."
        "Install the approved version of the program again.";
    AmbiguousEntry "ambiguous-entry" High "entry that programs read differently"
        "The entry can be read in more than one way, and the readings do not run the same thing. The worst one counts."
        "Write the entry in its plain form: one command, its arguments as a list of texts, or one URL.";
    UnresolvableIdentity "unresolvable-identity" High "a variable decides what runs"
        "A variable decides which program is run or which server is contacted, so the entry cannot be held against a rule."
        "Write the program, package or address out.";
    RemediationOverdue "remediation-overdue" High "approval ran out"
        "The server was approved on condition that something be put right, and the deadline has passed."
        "Ask the owner of the rule; the server is denied until the rule says that it was done.";
    PolicyExpired "policy-expired" Medium "not allowed before the policy expired"
        "The policy has not been renewed for too long. What it allowed on this machine stays allowed; anything new is denied."
        "Connect to the network so that the agent can fetch the current policy.";
    MissingFact "missing-fact" Medium "could not be judged"
        "A rule would allow the entry if a fact were known that this run could not find out: the path, the digest or the owner of a port. It counts as not allowed."
        "Run the scan on the machine itself, with the rights to read the file.";
}

impl Serialize for FindingCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One finding about an entry or a file. It must never hold a raw value of a configuration: `message` is made of
/// fixed words, names and already redacted text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The stable code.
    pub code: FindingCode,
    /// Its weight in this case; usually [`FindingCode::severity`].
    pub severity: Severity,
    /// What was seen, in one lower-case sentence without full stop.
    pub message: String,
}

impl Finding {
    /// A finding with the severity of its code.
    pub fn new(code: FindingCode, message: impl Into<String>) -> Self {
        Self { code, severity: code.severity(), message: message.into() }
    }

    /// The same finding with another weight.
    #[must_use]
    pub fn weighing(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_unique_and_kebab_case() {
        let codes: BTreeSet<_> = FindingCode::ALL.iter().map(|c| c.as_str()).collect();
        assert_eq!(codes.len(), FindingCode::ALL.len());
        assert!(codes.iter().all(|c| c.chars().all(|ch| ch.is_ascii_lowercase() || ch == '-')));
    }

    #[test]
    fn every_code_says_what_it_means_and_what_to_do() {
        for code in FindingCode::ALL {
            assert!(code.description().ends_with('.') && code.remedy().ends_with('.'), "{}", code.as_str());
        }
    }
}
