r"""What credentials look like when their format alone gives them away: one table.

Not here: secrets that only their name or their randomness gives away (secret_values.py), and the
search itself (secrets.py). Texts are UTF-8 bytes read as Latin-1, so `re.ASCII` is on everywhere.

Each row is a fact about a format that its issuer documents: prefix, alphabet, length. A prefix
that is telling enough takes any length from a lower bound on, since lengths change. `anchor` is
a cheap expression that is found in, or up to ANCHOR_REACH characters before, a run of RUN_LENGTH
characters wherever the pattern matches; the pattern is only tried there.
"""

from dataclasses import dataclass

RUN_LENGTH = 20
"""The shortest run of token characters that is looked at; an AWS key id has 20."""
ANCHOR_REACH = 64
"""How far before the run a format can begin (`AccountKey=`, a bot's number, a webhook's host)."""


@dataclass(frozen=True, slots=True)
class Format:
    """One row.

    Attributes:
        kind: as it is counted.
        anchor: regular expression whose alternatives begin with a letter or sign of their own,
            without unbounded repeats; empty where it is the dot behind the run or the number and
            colon in front that is telling.
        pattern: regular expression; its first group, where it has one, is the secret.
    """

    kind: str
    anchor: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Plugin:
    """A detector of detect-secrets whose patterns are used as they are.

    Attributes:
        module: in detect_secrets.plugins.
        name: the class.
        anchor: as in Format.
        bounded: whether a letter or digit in front rules a match out: the format has no prefix
            that base64 text would not contain by chance.
    """

    module: str
    name: str
    anchor: str
    bounded: bool = False


PLUGINS = (
    Plugin("artifactory", "ArtifactoryDetector", "AKC|AP[0-9A-F]", bounded=True),
    Plugin("aws", "AWSKeyDetector", "A3T|ABIA|ACCA|AKIA|ASIA|aws|AWS|Aws", bounded=True),
    Plugin("azure_storage_key", "AzureStorageKeyDetector", "AccountKey"),
    Plugin("cloudant", "CloudantDetector", "cl_|cl-|CL_|loudant|LOUDANT"),
    Plugin("discord", "DiscordBotTokenDetector", "", bounded=True),
    Plugin("github_token", "GitHubTokenDetector", "gh[opsur]_"),
    Plugin("gitlab_token", "GitLabTokenDetector", "gl[a-z]{2,5}-|GR1348941"),
    Plugin("ibm_cos_hmac", "IbmCosHmacDetector", "secret|SECRET|Secret"),
    Plugin("mailchimp", "MailchimpDetector", "-us[0-9]", bounded=True),
    Plugin("openai", "OpenAIDetector", "T3BlbkFJ"),
    Plugin("pypi_token", "PypiTokenDetector", "pypi-"),
    Plugin("sendgrid", "SendGridDetector", r"SG\.", bounded=True),
    Plugin("slack", "SlackDetector", r"xox[a-z]-|XOX[A-Z]-|hooks\.slack"),
    Plugin("softlayer", "SoftlayerDetector", "sl_|sl-|SL_|oftlayer|oftLayer|OFTLAYER"),
    Plugin("square_oauth", "SquareOAuthDetector", "sq0csp"),
    Plugin("stripe", "StripeDetector", "rk_live_|sk_live_"),
    Plugin("telegram_token", "TelegramBotTokenDetector", "", bounded=True),
    Plugin("twilio", "TwilioKeyDetector", "AC[a-z0-9]{8}|SK[a-z0-9]{8}", bounded=True),
)
"""Left out, with what stands in: BasicAuth (its password may not hold `!$&*+=`), JWT (refuses a
token whose payload was shortened), NPM (takes the rest of the line), IbmCloudIam (any 44
characters behind any `key`), PrivateKey (finds the header only), Keyword (tied to lines and to
file types), the entropy detectors (used for their measure), IPPublic (no secret)."""

_START = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrtbf])|(?<=%[0-9A-F][0-9A-F]))"

FORMATS = (
    # RFC 7519: three base64url parts, the first of which begins with `{"`; RFC 7516 has five.
    Format(
        "json_web_token",
        "eyJ",
        r"(?<![A-Za-z0-9_-])eyJ[\w-]{8,4000}+=*\.[\w-]{4,4000}+=*(?:\.[\w-]{0,4000}+=*){0,3}",
    ),
    # docs.github.com, "Fine-grained personal access tokens".
    Format("github_token", "github_pat_", r"github_pat_\w{22,}"),
    # api.slack.com/authentication/token-types: also app-level and rotated tokens.
    Format("slack_token", r"xox[a-z]|xapp-", r"(?:xox[a-z](?:\.xox[a-z])?|xapp)-[\w-]{10,}"),
    # docs.stripe.com/keys: standard and restricted keys, webhook signing secrets.
    Format(
        "stripe_access_key",
        "rk_(?:live|test)_|sk_(?:live|test)_|whsec_",
        _START + r"(?:[rs]k_(?:live|test)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/=]{20,})",
    ),
    # docs.npmjs.com: access tokens since 2021; `.npmrc` for older ones.
    Format("npm_token", "npm_", _START + r"npm_[A-Za-z0-9]{30,}"),
    # base64 of `-----BEGIN`: a PEM block that was encoded once more, as Kubernetes does it.
    Format("encoded_private_key", "LS0tLS1CRUdJTi", r"LS0tLS1CRUdJTi[A-Za-z0-9+/]{20,}={0,2}"),
    # Google API console keys; OAuth client secrets; OAuth access and refresh tokens.
    Format("google_api_key", "AIza", r"AIza[\w-]{35}"),
    Format(
        "google_oauth_secret",
        r"GOCSPX-|ya29\.|1//0",
        _START + r"(?:GOCSPX-[\w-]{20,}|ya29\.[\w-]{20,}|1//0[\w-]{30,})",
    ),
    # OpenAI (legacy, project, service account), Anthropic, OpenRouter, DeepSeek and their like.
    Format("anthropic_api_key", "sk-ant-", r"sk-ant-[\w-]{16,}"),
    Format(
        "openai_token",
        "sk-",
        _START
        + r"sk-(?:(?:proj|svcacct|admin|or-v1|None)-[\w-]{16,}|(?=[a-z]*[A-Z0-9])[A-Za-z0-9]{20,})",
    ),
    # huggingface.co/docs/hub/security-tokens: letters only, today.
    Format("hugging_face_token", "hf_|api_org_", _START + r"(?:hf|api_org)_[A-Za-z0-9]{30,}"),
    Format("replicate_token", "r8_", _START + r"r8_[A-Za-z0-9]{37}"),
    Format("groq_api_key", "gsk_", _START + r"gsk_[A-Za-z0-9]{40,}"),
    Format("perplexity_api_key", "pplx-", _START + r"pplx-[A-Za-z0-9]{40,}"),
    Format("xai_api_key", "xai-", _START + r"xai-[A-Za-z0-9]{40,}"),
    # docs.digitalocean.com: personal, OAuth and refresh tokens.
    Format("digitalocean_token", "do[opr]_v1_", r"do[opr]_v1_[a-f0-9]{40,}"),
    Format("databricks_token", "dapi", _START + r"dapi[a-f0-9]{32}(?:-\d)?"),
    Format("heroku_api_key", "HRKU-", r"HRKU-[\w-]{20,}"),
    # Graph API user and page tokens; Square's production access tokens share the prefix.
    Format("facebook_access_token", "EAA", _START + r"EAA[A-Za-z0-9]{60,}"),
    Format(
        "square_access_token",
        r"EAAA|sq0[a-z]{3}-",
        _START + r"(?:EAAA[\w-]{58,}|sq0[a-z]{3}-[\w-]{22,})",
    ),
    Format("twitter_bearer_token", "AAAAAAAAAA", _START + r"A{10,}[A-Za-z0-9%]{40,}"),
    Format("linkedin_client_secret", "WPL_AP", _START + r"WPL_AP\d\.[\w.]{10,}=*"),
    # Cloud providers beside AWS.
    Format(
        "azure_storage_account_access_key",
        "AccountKey|SharedAccessKey",
        r"(?:AccountKey|SharedAccessKey)\s{0,4}=\s{0,4}([A-Za-z0-9+/]{40,}={0,2})",
    ),
    Format("azure_client_secret", "Q~", r"(?<![\w~.-])[\w~.-]{3}\dQ~[\w~.-]{31,34}"),
    Format("azure_sas_signature", "sig=", r"[?&;]sig=([A-Za-z0-9%+/_-]{40,}=*)"),
    Format("aws_bedrock_api_key", "ABSK", _START + r"ABSK[A-Za-z0-9+/]{60,}=*"),
    Format("aws_mws_token", "mws", r"amzn\.mws\.[0-9a-f-]{36}"),
    Format("alibaba_access_key", "LTAI", _START + r"LTAI[A-Za-z0-9]{16,20}(?![A-Za-z0-9])"),
    Format("tencent_secret_id", "AKID", _START + r"AKID[A-Za-z0-9]{32}(?![A-Za-z0-9])"),
    Format("yandex_cloud_token", "AQVN|y0_", _START + r"(?:AQVN[\w-]{35,38}|y0_[\w-]{50,})"),
    # Chat, mail, telephone. RFC 4648 makes a Discord token's first part digits in base64.
    Format("discord_bot_token", "", r"(?<![\w.-])[MNO][\w-]{22,28}\.[\w-]{6}\.[\w-]{27,40}"),
    Format(
        "discord_webhook",
        "webhooks/",
        r"discord(?:app)?\.com/api/(?:v\d+/)?webhooks/(\d{6,}/[\w-]{30,})",
    ),
    Format(
        "slack_webhook",
        r"hooks\.slack",
        r"hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/([\w/+-]{20,})",
    ),
    Format("microsoft_teams_webhook", "webhookb2", r"/webhookb2/([\w@/-]{36,})"),
    Format("mailgun_api_key", "key-", _START + r"key-[0-9a-f]{32}(?![0-9a-f])"),
    Format(
        "brevo_api_key",
        "x(?:keysib|smtpsib)-",
        r"x(?:keysib|smtpsib)-[a-f0-9]{64}-[A-Za-z0-9]{10,}",
    ),
    # Code hosts, package registries, builds.
    Format(
        "gitlab_token",
        "gl[a-z]{2,6}-",
        r"(?<![a-z])gl(?:pat|dt|ft|soat|rt|rtr|cbt|ptt|imt|agent|oas|ffct|wt)-[\w.-]{20,}",
    ),
    Format("bitbucket_token", "ATBB|ATCTT3", _START + r"AT(?:BB|CTT3)[\w=-]{24,}"),
    Format("atlassian_token", "ATATT3", r"ATATT3[\w=-]{30,}"),
    Format("pypi_token", "pypi-", r"pypi-Ag[\w-]{16,}"),
    Format("ruby_gems_api_key", "rubygems_", r"rubygems_[a-f0-9]{40,}"),
    Format("nuget_api_key", "oy2", _START + r"oy2[a-z0-9]{43}(?![A-Za-z0-9])"),
    Format("crates_io_token", "cio", _START + r"cio[A-Za-z0-9]{32}(?![A-Za-z0-9])"),
    Format("docker_hub_token", "dckr_", r"dckr_(?:pat|oat)_[\w-]{20,}"),
    Format(
        "artifactory_credentials",
        "AKC|cmVmdGtu",
        _START + r"(?:AKC[A-Za-z0-9]{17,}|cmVmdGtu[A-Za-z0-9]{40,})",
    ),
    Format("circleci_token", "CCI[A-Z]{3}_", r"CCI(?:PAT|PRJ)_[\w-]{20,}"),
    Format("buildkite_token", "bkua_", r"bkua_[a-z0-9]{40}"),
    # Infrastructure and observability.
    Format("hashicorp_vault_token", r"hv[sbr]\.", _START + r"hv[sbr]\.[\w-]{20,}"),
    Format("terraform_cloud_token", r"\.atlasv1", r"[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{60,}"),
    Format("pulumi_token", "pul-", _START + r"pul-[a-f0-9]{40}"),
    Format("doppler_token", r"dp\.", _START + r"dp\.(?:pt|st|ct|sa|scim|audit)\.[\w.-]{40,}"),
    Format(
        "fly_io_token",
        "fo1_|fm[0-9][ar]?_",
        _START + r"(?:fo1_[\w-]{43}|fm\d[ar]?_[A-Za-z0-9+/=]{60,})",
    ),
    Format("cloudflare_origin_ca_key", r"v1\.0-", r"v1\.0-[a-f0-9]{24}-[a-f0-9]{146}"),
    Format(
        "grafana_token",
        "glsa_|glc_",
        r"(?:glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}|glc_[A-Za-z0-9+/]{32,}=*)",
    ),
    Format("new_relic_key", "NR[A-Z]{2}-|NRAK", r"NR(?:AK|JS|II|BR|SP|RA)-?[A-Za-z0-9-]{19,}"),
    Format("sentry_token", "sntry", r"sntry[su]_[\w+/=-]{40,}"),
    Format("dynatrace_token", "dt0[a-z][0-9]{2}", r"dt0[a-z]\d\d\.[A-Z0-9]{24}\.[A-Z0-9]{64}"),
    Format("planetscale_credential", "pscale_", r"pscale_(?:tkn|pw|oauth)_[\w.=-]{32,}"),
    Format("supabase_token", "sb[a-z]+_", _START + r"(?:sbp_[a-f0-9]{40}|sb_secret_[\w-]{20,})"),
    Format("age_secret_key", "AGE-SECRET", r"AGE-SECRET-KEY-1[0-9A-Z]{50,}"),
    Format("tailscale_key", "tskey-", r"tskey-[a-z]+-[\w-]{16,}"),
    # Shops, payment, offices.
    Format("shopify_token", "shp[a-z]{2}_", r"shp(?:at|ca|pa|ss|ua|it)_[a-fA-F0-9]{32}"),
    Format(
        "paypal_braintree_token", r"\$production\$", r"access_token\$production\$([a-z0-9$]{40,})"
    ),
    Format(
        "plaid_token", "access-[a-z]+-", r"access-(?:sandbox|development|production)-[0-9a-f-]{36}"
    ),
    Format("airtable_token", r"pat[A-Za-z0-9]{14}\.", _START + r"pat[A-Za-z0-9]{14}\.[a-f0-9]{64}"),
    Format(
        "notion_token", "secret_|ntn_", _START + r"(?:secret_[A-Za-z0-9]{43}|ntn_[A-Za-z0-9]{40,})"
    ),
    Format("linear_api_key", "lin_", r"lin_(?:api|oauth)_[A-Za-z0-9]{32,}"),
    Format("figma_token", "fig[dou][r]?_", r"fig(?:d|our?|u)_[\w-]{36,}"),
    Format("postman_api_key", "PMAK-", r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}"),
    Format("dropbox_token", r"sl\.", _START + r"sl\.(?:u\.)?[\w-]{100,}"),
    Format("firebase_server_key", "AAAA", _START + r"AAAA[\w-]{7}:[\w-]{140}"),
    Format("typeform_token", "tfp_", r"tfp_[\w.=-]{40,}"),
    Format("adafruit_key", "aio_", _START + r"aio_[A-Za-z0-9]{28}"),
    Format("easypost_key", "EZ[AT]K", r"EZ[AT]K[A-Za-z0-9]{54}"),
    Format("okta_token", "SSWS", r"SSWS\s+([\w-]{30,})"),
)

LITERALS = (
    # RFC 3986: userinfo. A colon begins the password, the last @ before the host ends it.
    Format(
        "basic_auth_credentials",
        "://",
        r"://[^\s:/@\"'<>`]{0,100}:([^\s/\"'<>`]{1,200})@(?=[\w\[{$%.-])",
    ),
    # RFC 7617 and RFC 6750: credentials in a header.
    Format("authorization_header", "basic ", r"(?i:basic) +([A-Za-z0-9+/]{8,400}={0,2})"),
    Format("authorization_header", "bearer ", r"(?i:bearer) +([\w.~+/-]{12,2000}=*)"),
    # npm's configuration: any registry's token, password or `user:password` in base64.
    Format("npm_token", "_authtoken", r"(?i:_authToken)\s{0,4}[=:]\s{0,4}[\"']?([\w.+/=-]{8,400})"),
    Format("npm_token", ":_auth", r":_auth\s{0,4}=\s{0,4}[\"']?([\w+/=-]{8,400})"),
    # curl(1) --user, sshpass(1), SQL's CREATE USER, netrc(5).
    Format(
        "command_line_password",
        "curl ",
        r"(?i:curl) [^\n]{0,200}?(?:-u|--user)[ =]{1,2}\\?[\"']?[\w.@+-]{1,80}:([^\s\"'`\\]{4,99})",
    ),
    Format("command_line_password", "sshpass", r"(?i:sshpass) +-p *\\?[\"']?([^\s\"'`\\]{4,200})"),
    Format(
        "sql_password",
        "identified by",
        r"(?i:identified by)(?: password)? *\\?[\"']([^\s\"'`\\]{4,200})",
    ),
    Format(
        "netrc_password",
        "machine ",
        r"(?i:machine) +\S{1,200}\s+login +\S{1,200}\s+password +([^\s\"'`\\]{4,200})",
    ),
)
"""Formats without a long run: `anchor` is plain text in lower case, where each match begins, and
what they find is judged
as a value (secret_values.is_dummy), since examples of them are everywhere."""
