//! The registry: every client the program knows. A new client is its own file plus one line here.

use crate::adapter::ClientAdapter;

/// Declares the modules and the list in one line a client. `cargo fmt` does not follow modules of a macro, so
/// `.ci/run` formats by file list.
macro_rules! registry {
    ($($module:ident),* $(,)?) => {
        $(mod $module;)*

        /// All adapters, ordered by id.
        pub const ALL: &[&dyn ClientAdapter] = &[$(&$module::Adapter,)*];
    };
}

registry! {
    amazon_q,
    amp,
    antigravity,
    auggie,
    boltai,
    claude_code,
    claude_desktop,
    cline,
    cline_cli,
    codex,
    r#continue,
    copilot_cli,
    crush,
    cursor,
    devin,
    droid,
    gemini_cli,
    goose,
    grok_build,
    jetbrains_ai_assistant,
    jetbrains_copilot,
    jetbrains_junie,
    kilo_code,
    kimi_code,
    kiro,
    lm_studio,
    mcporter,
    mistral_vibe,
    opencode,
    qwen_code,
    roo_code,
    trae,
    visual_studio,
    vscode,
    vscode_insiders,
    warp,
    windsurf,
    zed,
}

/// The adapter of a client id.
pub fn by_id(id: &str) -> Option<&'static dyn ClientAdapter> {
    ALL.iter().copied().find(|adapter| adapter.about().id == id)
}
