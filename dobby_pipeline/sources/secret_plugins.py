r"""The patterns of detect-secrets' detectors, as its release VERSION has them (Apache-2.0).

Copied, because importing one of its detectors brings the whole package and requests along, which
took each process that reads files as long as 60 files do; a test compares the copy with the
package. Not here: which detectors are used, and where they are tried (secret_formats.py).
"""

import re

VERSION = "1.5.0"

Pattern = tuple[str, re.RegexFlag]

_I = re.IGNORECASE
_KEY = "(?:key|pwd|pw|password|pass|token)"


def _plain(*patterns: str) -> tuple[Pattern, ...]:
    return tuple((pattern, re.NOFLAG) for pattern in patterns)


def _assigned(prefix: str, key: str, secret: str) -> Pattern:
    """RegexBasedDetector.build_assign_regex."""
    begin, end = r"(?:(?<=\W)|(?<=^))(?:\[|)", r"(?:\]|)(?: *)(?:=|:|:=|=>| +|::)(?: *)"
    quote = r"""(?:"|\'|)"""
    return f"{begin}{quote}{prefix}{key}{quote}{end}{quote}({secret}){quote}", _I


_CLOUDANT = "(?:cloudant|cl|clou)", f"(?:_|-|)(?:api|){_KEY}"
_CLOUDANT_URL = r"(?:https?\:\/\/)[\w\-]+\:(", r")\@[\w\-]+\.cloudant\.com"

DENYLISTS: dict[str, tuple[str, tuple[Pattern, ...]]] = {
    "artifactory": (
        "artifactory_credentials",
        _plain(
            r"""(?:\s|=|:|"|^)AKC[a-zA-Z0-9]{10,}(?:\s|"|$)""",
            r"""(?:\s|=|:|"|^)AP[\dABCDEF][a-zA-Z0-9]{8,}(?:\s|"|$)""",
        ),
    ),
    "aws": (
        "aws_access_key",
        (
            *_plain("(?:A3T[A-Z0-9]|ABIA|ACCA|AKIA|ASIA)[0-9A-Z]{16}"),
            (rf"""aws.{{0,20}}?{_KEY}.{{0,20}}?[\'\"]([0-9a-zA-Z/+]{{40}})[\'\"]""", _I),
        ),
    ),
    "azure_storage_key": (
        "azure_storage_account_access_key",
        _plain(r"AccountKey=[a-zA-Z0-9+\/=]{88}"),
    ),
    "cloudant": (
        "cloudant_credentials",
        (
            _assigned(*_CLOUDANT, "[0-9a-f]{64}"),
            _assigned(*_CLOUDANT, "[a-z]{24}"),
            ("[0-9a-f]{64}".join(_CLOUDANT_URL), _I),
            ("[a-z]{24}".join(_CLOUDANT_URL), _I),
        ),
    ),
    "discord": (
        "discord_bot_token",
        _plain(r"[MNO][a-zA-Z\d_-]{23,25}\.[a-zA-Z\d_-]{6}\.[a-zA-Z\d_-]{27}"),
    ),
    "github_token": ("github_token", _plain("(ghp|gho|ghu|ghs|ghr)_[A-Za-z0-9_]{36}")),
    "gitlab_token": (
        "gitlab_token",
        _plain(
            r"(glpat|gldt|glft|glsoat|glrt)-[A-Za-z0-9_\-]{20,50}(?!\w)",
            r"GR1348941[A-Za-z0-9_\-]{20,50}(?!\w)",
            r"glcbt-([0-9a-fA-F]{2}_)?[A-Za-z0-9_\-]{20,50}(?!\w)",
            r"glimt-[A-Za-z0-9_\-]{25}(?!\w)",
            r"glptt-[A-Za-z0-9_\-]{40}(?!\w)",
            r"glagent-[A-Za-z0-9_\-]{50,1024}(?!\w)",
            r"gloas-[A-Za-z0-9_\-]{64}(?!\w)",
        ),
    ),
    "ibm_cos_hmac": (
        "ibm_cos_hmac_credentials",
        (
            _assigned(
                "(?:(?:ibm)?[-_]?cos[-_]?(?:hmac)?|)",
                "(?:_|-|)(?:secret[-_]?(?:access)?[-_]?key)",
                "[a-f0-9]{48}(?![a-f0-9])",
            ),
        ),
    ),
    "mailchimp": ("mailchimp_access_key", _plain("[0-9a-z]{32}-us[0-9]{1,2}")),
    "openai": (
        "openai_token",
        _plain("sk-[A-Za-z0-9-_]*[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}"),
    ),
    "pypi_token": (
        "pypi_token",
        _plain(
            "pypi-AgEIcHlwaS5vcmc[A-Za-z0-9-_]{70,}",
            "pypi-AgENdGVzdC5weXBpLm9yZw[A-Za-z0-9-_]{70,}",
        ),
    ),
    "sendgrid": ("sendgrid_api_key", _plain(r"SG\.[a-zA-Z0-9_-]{22}\.[a-zA-Z0-9_-]{43}")),
    "slack": (
        "slack_token",
        (
            (r"xox(?:a|b|p|o|s|r)-(?:\d+-)+[a-z0-9]+", _I),
            (
                r"https://hooks\.slack\.com/services/T[a-zA-Z0-9_]+/B[a-zA-Z0-9_]+/[a-zA-Z0-9_]+",
                _I | re.VERBOSE,
            ),
        ),
    ),
    "softlayer": (
        "softlayer_credentials",
        (
            _assigned(
                "(?:softlayer|sl)",
                "(?:_|-|)(?:api|)(?:_|-|)(?:key|pwd|password|pass|token)",
                "[a-z0-9]{64}",
            ),
            (r"(?:http|https)://api.softlayer.com/soap/(?:v3|v3.1)/([a-z0-9]{64})", _I),
        ),
    ),
    "square_oauth": ("square_oauth_secret", _plain(r"sq0csp-[0-9A-Za-z\\\-_]{43}")),
    "stripe": ("stripe_access_key", _plain("(?:r|s)k_live_[0-9a-zA-Z]{24}")),
    "telegram_token": ("telegram_bot_token", _plain(r"\d{8,10}:[0-9A-Za-z_-]{35}")),
    "twilio": ("twilio_api_key", _plain("AC[a-z0-9]{32}", "SK[a-z0-9]{32}")),
}
"""By module of detect_secrets.plugins, what its detector finds, as it is counted, and how."""
