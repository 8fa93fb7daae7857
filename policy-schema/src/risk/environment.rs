//! Variables that change what runs, where packages come from, or where traffic goes.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::Context;
use crate::entry::Entry;
use crate::finding::{Finding, FindingCode, Severity};
use crate::identity::Identity;

/// Variables by which a linker or interpreter loads code that the command does not name.
const LOADERS: &[&str] = &[
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "LD_AUDIT",
    "NODE_OPTIONS",
    "NODE_PATH",
    "NODE_EXTRA_CA_CERTS",
    "BUN_OPTIONS",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "PYTHONHOME",
    "PYTHONUSERBASE",
    "PYTHONBREAKPOINT",
    "PYTHONEXECUTABLE",
    "UV_PYTHON",
    "PERL5LIB",
    "PERL5OPT",
    "PERLLIB",
    "RUBYOPT",
    "RUBYLIB",
    "GEM_PATH",
    "GEM_HOME",
    "BUNDLE_GEMFILE",
    "BASH_ENV",
    "ENV",
    "ZDOTDIR",
    "PROMPT_COMMAND",
    "SHELLOPTS",
    "GIT_SSH_COMMAND",
    "GIT_SSH",
    "GIT_ASKPASS",
    "GIT_EXEC_PATH",
    "GIT_EXTERNAL_DIFF",
    "GIT_CONFIG_GLOBAL",
    "JAVA_TOOL_OPTIONS",
    "_JAVA_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "CLASSPATH",
    "DOTNET_STARTUP_HOOKS",
    "CORECLR_PROFILER_PATH",
    "PHPRC",
    "PHP_INI_SCAN_DIR",
    "LUA_INIT",
    "LUA_PATH",
    "GCONV_PATH",
    "GOFLAGS",
    "RUSTC_WRAPPER",
    "npm_config_script_shell",
    "npm_config_node_options",
    "npm_config_prefix",
    "DENO_DIR",
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "CONTAINER_HOST",
    "OPENSSL_CONF",
    "SSLKEYLOGFILE",
    "EDITOR",
    "PAGER",
    // Claude Code starts shells, itself and its stdio servers through these, or runs the file before each command.
    "CLAUDE_CODE_SHELL_PREFIX",
    "CLAUDE_CODE_PROCESS_WRAPPER",
    "CLAUDE_CODE_SHELL",
    "CLAUDE_CODE_GIT_BASH_PATH",
    "CLAUDE_ENV_FILE",
];

/// Variables that move the place packages come from, or the file that says so.
const REGISTRIES: &[&str] = &[
    "npm_config_registry",
    "npm_config_userconfig",
    "npm_config_globalconfig",
    "yarn_registry",
    "yarn_npm_registry_server",
    "bun_config_registry",
    "uv_index_url",
    "uv_default_index",
    "uv_extra_index_url",
    "uv_index",
    "uv_find_links",
    "uv_config_file",
    "pip_index_url",
    "pip_extra_index_url",
    "pip_find_links",
    "pip_config_file",
    "pip_trusted_host",
    "goproxy",
    "gonosumdb",
    "gonosumcheck",
    "gosumdb",
    "goprivate",
    "cargo_registry_default",
    "nuget_packages",
    "deno_registry",
    "npm_registry",
    "jsr_url",
    "npm_config_strict_ssl",
    "corepack_npm_registry",
];

pub(super) fn assess(entry: &Entry, identity: &Identity, context: &Context<'_>, findings: &mut Vec<Finding>) {
    for value in entry.env.iter().chain(&identity.argument_env) {
        variable(&value.name, value.value.expose(), context, findings);
    }
    for registry in &identity.registries {
        findings.push(Finding::new(
            FindingCode::RegistryOverride,
            format!("an argument takes packages from {}", context.redactor.url(registry)),
        ));
    }
    for flag in identity.runner_args.iter().map(crate::sensitive::Sensitive::expose) {
        if matches!(
            flag.split('=').next(),
            Some("--userconfig" | "--globalconfig" | "--config-file" | "--configfile")
        ) {
            findings.push(Finding::new(
                FindingCode::RegistryOverride,
                "an argument names another configuration of the package manager",
            ));
        }
    }
}

fn variable(name: &str, value: &str, context: &Context<'_>, findings: &mut Vec<Finding>) {
    if value.is_empty() {
        return;
    }
    let shown = context.redactor.name(name);
    let lower = name.to_ascii_lowercase();
    if lower == "path" {
        // Real entries set PATH so that a graphical client finds npx; it still decides which npx that is.
        findings.push(
            Finding::new(
                FindingCode::LoaderVariable,
                format!("the variable {shown} decides which programs are found"),
            )
            .weighing(Severity::High),
        );
    } else if lower == "home" || lower == "userprofile" {
        findings.push(
            Finding::new(
                FindingCode::LoaderVariable,
                format!("the variable {shown} moves the files that configure the runner"),
            )
            .weighing(Severity::Medium),
        );
    } else if lower.starts_with("dyld_") || LOADERS.iter().any(|loader| loader.eq_ignore_ascii_case(name)) {
        let finding = Finding::new(
            FindingCode::LoaderVariable,
            format!("the variable {shown} can load other code into the server"),
        );
        findings.push(if is_harmless(&lower, value) { finding.weighing(Severity::Info) } else { finding });
    } else if REGISTRIES.contains(&lower.as_str())
        || (lower.starts_with("npm_config_") && lower.ends_with(":registry"))
    {
        findings.push(Finding::new(
            FindingCode::RegistryOverride,
            format!("the variable {shown} changes where packages come from"),
        ));
    } else if matches!(
        lower.as_str(),
        "http_proxy"
            | "https_proxy"
            | "all_proxy"
            | "npm_config_proxy"
            | "npm_config_https_proxy"
            | "ftp_proxy"
    ) {
        findings.push(Finding::new(
            FindingCode::ProxyOverride,
            format!("the variable {shown} sends the server's traffic through a proxy"),
        ));
    } else if lower == "node_tls_reject_unauthorized" && value == "0" {
        findings.push(
            Finding::new(
                FindingCode::ProxyOverride,
                format!("the variable {shown} switches the check of certificates off"),
            )
            .weighing(Severity::High),
        );
    }
}

/// Variables by which the system, a runner or an engine finds programs, their settings or the place it works in.
const PLACES: &[&str] = &[
    "path",
    "pathext",
    "comspec",
    "shell",
    "home",
    "userprofile",
    "appdata",
    "localappdata",
    "programdata",
    "systemroot",
    "psmodulepath",
    "xdg_config_home",
    "xdg_config_dirs",
    "xdg_data_home",
    "xdg_cache_home",
    "virtual_env",
    "conda_prefix",
    "docker_config",
    "docker_cert_path",
    "docker_tls_verify",
    "registry_auth_file",
    "containers_conf",
    "containers_registries_conf",
    "netrc",
    "cargo_home",
    "rustup_home",
    "goroot",
    "gopath",
    "gobin",
    "goenv",
    "java_home",
    "volta_home",
    "nvm_dir",
    "bun_install",
    "pnpm_home",
    "pipx_home",
    "pipx_bin_dir",
    "pipx_default_python",
    "pipx_default_backend",
    "deno_install_root",
    "deno_cert",
    "deno_tls_ca_store",
    "node_tls_reject_unauthorized",
    "node_repl_external_module",
    "ssl_cert_file",
    "ssl_cert_dir",
    "requests_ca_bundle",
    "curl_ca_bundle",
    "git_dir",
    "git_work_tree",
    "git_template_dir",
    "git_proxy_command",
    "git_ssl_no_verify",
    "ssh_askpass",
    "sudo_askpass",
    "claude_config_dir",
    "corepack_home",
    "nodenv_root",
    "pyenv_root",
    "rbenv_root",
];

/// Beginnings of names each of which is a setting of a runner.
const SETTINGS: &[&str] = &[
    "dyld_",
    "npm_config_",
    "git_config_",
    "uv_",
    "pip_",
    "yarn_",
    "pnpm_config_",
    "nuget_",
    // version managers, whose shims find the runners
    "mise_",
    "asdf_",
    "fnm_",
];

/// Variables that projects set for their client in plenty and that change how much is said, shown or waited for.
const HARMLESS_OF_CLIENTS: &[&str] = &[
    "log_level",
    "no_color",
    "force_color",
    "lang",
    "lc_all",
    "tz",
    "mcp_timeout",
    "mcp_tool_timeout",
    "max_mcp_output_tokens",
    "max_thinking_tokens",
    "bash_default_timeout_ms",
    "bash_max_timeout_ms",
    "bash_max_output_length",
    "claude_code_max_output_tokens",
    "claude_code_enable_telemetry",
    "claude_code_disable_nonessential_traffic",
    "claude_bash_maintain_project_working_dir",
    "disable_telemetry",
    "disable_error_reporting",
    "disable_autoupdater",
    "disable_cost_warnings",
];

/// Whether whoever chooses the value of a variable chooses what code runs, where packages come from or where traffic
/// goes: a rule that admits any value of it admits anything.
pub fn is_powerful(name: &str) -> bool {
    // every variable of every entry comes by here
    static NAMED: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        [REGISTRIES, PLACES, LOADERS].concat().into_iter().map(str::to_ascii_lowercase).collect()
    });
    let lower = name.to_ascii_lowercase();
    NAMED.contains(&lower)
        || SETTINGS.iter().any(|start| lower.starts_with(start))
        || lower.ends_with("_proxy")
        || lower.ends_with("_index_url")
}

/// What is wrong with a variable that the settings of a client hand to the client and to every server that it starts:
/// it changes what they run, where packages come from, or where they connect to.
pub fn of_client(name: &str, value: &str) -> Option<FindingCode> {
    let lower = name.to_ascii_lowercase();
    if value.is_empty() || is_harmless(&lower, value) {
        return None;
    }
    if lower.ends_with("_base_url") || lower.ends_with("_proxy") {
        return Some(FindingCode::ProxyOverride);
    }
    let moves_packages = REGISTRIES.contains(&lower.as_str())
        || lower.ends_with("_index_url")
        || (lower.starts_with("npm_config_") && lower.ends_with(":registry"));
    if moves_packages {
        return Some(FindingCode::RegistryOverride);
    }
    is_powerful(name).then_some(FindingCode::LoaderVariable)
}

/// Whether a project may set a variable for every server of a client without a rule that names it. What is not known to
/// be harmless is not: clients have more variables that change what runs than any list of them.
pub fn is_harmless_of_client(name: &str, value: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    HARMLESS_OF_CLIENTS.contains(&lower.as_str()) || is_harmless(&lower, value)
}

/// `NODE_OPTIONS=--max-old-space-size=4096` and its like load nothing.
fn is_harmless(lower: &str, value: &str) -> bool {
    const FLAGS: &[&str] = &[
        "--max-old-space-size",
        "--max_old_space_size",
        "--no-warnings",
        "--no-deprecation",
        "--enable-source-maps",
        "--trace-warnings",
        "--dns-result-order",
        "--use-system-ca",
        "--max-http-header-size",
        "--unhandled-rejections",
        "--disable-warning",
    ];
    let memory = |flag: &str| {
        flag.starts_with("-Xmx") || flag.starts_with("-Xms") || flag.starts_with("-Dfile.encoding=")
    };
    match lower {
        "node_options" => {
            value.split_whitespace().all(|flag| FLAGS.contains(&flag.split('=').next().unwrap_or(flag)))
        }
        "java_tool_options" | "_java_options" | "jdk_java_options" => value.split_whitespace().all(memory),
        _ => false,
    }
}
