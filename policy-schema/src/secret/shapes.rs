//! The shapes of known credentials, as one table. The tails are loose: a truncated or mistyped token is still hidden.

use super::SecretKind;

/// A credential that starts with fixed text.
pub(super) struct Shape {
    pub(super) kind: SecretKind,
    pub(super) prefixes: &'static [&'static str],
    /// Fewest characters of the tail.
    pub(super) min: usize,
    /// The prefix is also the start of ordinary words, so it must stand at a word's start and its tail must look made by
    /// a machine.
    pub(super) weak: bool,
}

const fn shape(
    code: &'static str,
    title: &'static str,
    prefixes: &'static [&'static str],
    min: usize,
    weak: bool,
) -> Shape {
    Shape { kind: SecretKind { code, title, long_lived: true }, prefixes, min, weak }
}

const fn short_lived(mut shape: Shape) -> Shape {
    shape.kind.long_lived = false;
    shape
}

/// The more specific prefix of two stands first.
pub(super) static SHAPES: &[Shape] = &[
    shape("github-token-fine-grained", "GitHub fine-grained token", &["github_pat_"], 6, false),
    shape("github-token-classic", "GitHub classic token", &["ghp_", "gho_", "ghu_", "ghr_"], 8, false),
    short_lived(shape("github-token-installation", "GitHub installation token", &["ghs_"], 8, false)),
    shape(
        "gitlab-token",
        "GitLab token",
        &["glpat-", "gldt-", "glrt-", "gloas-", "glptt-", "glcbt-", "glft-", "glsoat-", "glagent-", "glimt-"],
        8,
        false,
    ),
    shape(
        "slack-token",
        "Slack token",
        &["xoxb-", "xoxp-", "xoxa-", "xoxs-", "xoxr-", "xoxc-", "xoxd-", "xoxe-", "xoxe.", "xapp-", "xoxo-"],
        6,
        false,
    ),
    shape("anthropic-key", "Anthropic API key", &["sk-ant-"], 6, false),
    shape("openrouter-key", "OpenRouter API key", &["sk-or-"], 8, true),
    shape("openai-key", "OpenAI API key", &["sk-proj-", "sk-svcacct-", "sk-admin-"], 8, false),
    shape("context7-key", "Context7 API key", &["ctx7sk-"], 6, false),
    shape(
        "stripe-key",
        "Stripe key",
        &["sk_live_", "sk_test_", "rk_live_", "rk_test_", "pk_live_", "whsec_"],
        8,
        false,
    ),
    shape("openai-key", "OpenAI API key", &["sk-"], 16, true),
    shape("supabase-key", "Supabase key", &["sbp_", "sb_secret_", "sb_publishable_"], 8, false),
    shape("aws-access-key", "AWS access key", &["AKIA", "ABIA", "ACCA"], 12, true),
    short_lived(shape("aws-session-key", "AWS temporary access key", &["ASIA"], 12, true)),
    shape("google-api-key", "Google API key", &["AIza"], 16, false),
    short_lived(shape("google-oauth-token", "Google OAuth access token", &["ya29."], 10, false)),
    shape("google-oauth-secret", "Google OAuth secret", &["GOCSPX-"], 8, false),
    shape("google-refresh-token", "Google refresh token", &["1//0"], 16, true),
    shape("npm-token", "npm token", &["npm_"], 16, true),
    shape("pypi-token", "PyPI token", &["pypi-Ag"], 8, false),
    shape("hugging-face-token", "Hugging Face token", &["hf_", "api_org_"], 16, true),
    shape("notion-token", "Notion token", &["ntn_", "secret_"], 16, true),
    shape("linear-token", "Linear token", &["lin_api_", "lin_oauth_", "lin_wh_"], 6, false),
    shape("figma-token", "Figma token", &["figd_", "figo_", "figr_", "figu_"], 6, false),
    shape("sentry-token", "Sentry token", &["sntrys_", "sntryu_", "sntrya_", "sntryi_"], 6, false),
    shape("sendgrid-key", "SendGrid key", &["SG."], 16, true),
    shape("atlassian-token", "Atlassian token", &["ATATT3", "ATCTT3", "ATBB", "ATOA"], 12, true),
    shape("databricks-token", "Databricks token", &["dapi", "dkea", "dose"], 24, true),
    shape("digitalocean-token", "DigitalOcean token", &["dop_v1_", "doo_v1_", "dor_v1_"], 8, false),
    short_lived(shape("vault-token", "Vault token", &["hvs.", "hvb.", "hvr."], 12, true)),
    shape("twilio-key", "Twilio key", &["SK", "AC"], 30, true),
    shape("groq-key", "Groq key", &["gsk_"], 12, true),
    shape("xai-key", "xAI key", &["xai-"], 16, true),
    shape("perplexity-key", "Perplexity key", &["pplx-"], 12, true),
    shape("replicate-token", "Replicate token", &["r8_"], 16, true),
    shape("tavily-key", "Tavily key", &["tvly-"], 8, true),
    shape("firecrawl-key", "Firecrawl key", &["fc-"], 16, true),
    shape("postman-key", "Postman key", &["PMAK-"], 8, false),
    shape("shopify-token", "Shopify token", &["shpat_", "shpca_", "shppa_", "shpss_"], 8, false),
    shape("new-relic-key", "New Relic key", &["NRAK-", "NRII-", "NRJS-"], 8, false),
    shape("grafana-token", "Grafana token", &["glsa_", "glc_"], 10, true),
    shape("doppler-token", "Doppler token", &["dp.pt.", "dp.st.", "dp.ct.", "dp.sa."], 10, true),
    shape("neon-key", "Neon key", &["napi_"], 12, true),
    shape(
        "planetscale-token",
        "PlanetScale token",
        &["pscale_tkn_", "pscale_pw_", "pscale_oauth_"],
        8,
        false,
    ),
    shape("airtable-token", "Airtable token", &["pat"], 30, true),
    shape("resend-key", "Resend key", &["re_"], 16, true),
    shape("apify-token", "Apify token", &["apify_api_"], 8, false),
    shape("e2b-key", "E2B key", &["e2b_"], 12, true),
    shape("browserbase-key", "Browserbase key", &["bb_live_", "bb_test_"], 8, false),
    shape("asana-token", "Asana token", &["1/1", "2/1"], 26, true),
    shape("terraform-token", "Terraform token", &["atlasv1."], 8, false),
    shape("cloudflare-key", "Cloudflare key", &["v1.0-"], 24, true),
    shape("age-key", "age secret key", &["AGE-SECRET-KEY-"], 8, false),
];

const fn kind(code: &'static str, title: &'static str, long_lived: bool) -> SecretKind {
    SecretKind { code, title, long_lived }
}

pub(super) static JWT: SecretKind = kind("jwt", "JSON Web Token", false);
pub(super) static PRIVATE_KEY: SecretKind = kind("private-key", "private key", true);
pub(super) static AZURE: SecretKind = kind("azure-client-secret", "Azure client secret", true);
pub(super) static AZURE_STORAGE: SecretKind = kind("azure-account-key", "Azure account key", true);
pub(super) static TELEGRAM: SecretKind = kind("telegram-bot-token", "Telegram bot token", true);
pub(super) static BASIC_AUTH_URL: SecretKind = kind("basic-auth-url", "password in a URL", true);
pub(super) static CONNECTION_STRING: SecretKind =
    kind("connection-string-password", "password in a connection string", true);
pub(super) static BASIC: SecretKind = kind("basic-auth", "basic authentication", true);
pub(super) static BEARER: SecretKind = kind("bearer-token", "bearer token", true);
pub(super) static HIGH_ENTROPY: SecretKind = kind("high-entropy", "random-looking text", true);
pub(super) static AWS_SECRET: SecretKind = kind("aws-secret-key", "AWS secret key", true);
pub(super) static ENCODED: SecretKind = kind("encoded-secret", "encoded secret", true);
