"""Paths of code that a repository carries along without having written it.

Not here: `.gitattributes`, which overrides these rules both ways (tree_rules.py).

The rules are those of GitHub Linguist's vendor.yml (state of August 2026), which its users know
and steer by `linguist-vendored`. So a repository whose own sources lie under `dist/`, `cache/`,
`env/`, `vendor/` or `extern/` has to say so there; `test/` and `tests/` are not vendored, only
their `fixtures/`. Different from Linguist:
  left out: folders and files that never hold code of a language (`.github/`, `.gitignore`, …),
    which the ledger calls `unsupported`; names of minified files, which have a reason of their own
  tighter: a folder's name must be whole where Linguist takes any ending (`my_third_party/`), and
    NuGet's `packages/NAME.1.2/` must lie directly in `packages/`
  added: Cocoapods (Linguist calls it generated), virtual environments
"""

import re

_STYLE = r"(?:css|less|scss|styl)"
_SCRIPT_OR_STYLE = r"(?:js|css|less|scss|styl)"

_FOLDERS = (
    # Package managers and what they unpack.
    r"node_modules",
    r"bower_components",
    r"flow-typed",
    r"Godeps/_workspace",
    r"Pods",
    r"Carthage",
    r"\.yarn/(?:plugins|releases|sdks|unplugged|versions)",
    r"xvba_modules",
    r"[Pp]ackages/[^/]+\.[0-9]+",
    r"\.?venv",
    r"env",
    r"site-packages",
    # Conventions.
    r"[Vv]+endors?",
    r"(?:3rd|[Tt]hird)[-_]?[Pp]arty",
    r"[Ee]xtern(?:als?)?",
    r"cache",
    r"dist",
    r"testdata",
    r"(?:[Tt]ests?|[Ss]pecs?)/fixtures",
    r"inst/extdata",
    r"docs?/_?(?:build|static|templates?|themes?)",
    r"gradle/wrapper",
    r"\.mvn/wrapper",
    r"\.google_apis",
    r"admin_media",
    r"puphpet",
    r"[^/]*\.(?:imageset|xctemplate)",
    r"(?:BuddyBuildSDK|Crashlytics|Fabric|Realm|RealmSwift)\.framework",
    # Libraries that are copied as a folder.
    r"ace-builds",
    r"bootstrap-datepicker",
    r"[Cc]ode[Mm]irror/(?:[0-9]+\.[0-9]+/)?(?:addon|demo|keymap|lib|mode|theme)",
    r"extjs",
    r"MathJax",
    r"Sparkle",
    r"tiny_mce/(?:langs|plugins|themes|utils)",
)
_TOP_FOLDERS = (r"[Dd]ependencies", r"deps", r"debian")

_NAMES = (
    # Build tools that are copied in.
    r"_esy",
    r"activator(?:\.bat)?",
    r"aclocal\.m4",
    r"config\.(?:guess|sub)",
    r"configure",
    r"cpplint\.py",
    r"dotnet-install\.(?:ps1|sh)",
    r"erlang\.mk",
    r"fabfile\.py",
    r"gradlew(?:\.bat)?",
    r"Jenkinsfile",
    r"libtool\.m4",
    r"lt(?:options|sugar|version|~obsolete)\.m4",
    r"mvnw(?:\.cmd)?",
    r"proguard(?:-rules)?\.pro",
    r"run\.n",
    r"Vagrantfile",
    r"waf",
    # Declarations of what is written elsewhere.
    r".*\.d\.ts",
    r".*-vsdoc\.js",
    r".*\.intellisense\.js",
    # Browser libraries under the names that their authors ship them by.
    r"angular[^.]*\.js",
    r"bootbox\.js",
    rf"bootstrap[^.]*(?:\..*)?\.{_SCRIPT_OR_STYLE}",
    r"Chart\.js",
    r"ckeditor\.js",
    r"Control\.FullScreen\.(?:css|js)",
    r"controls\.js",
    r"cordova(?:[^.]*|-[0-9]\.[0-9](?:\.[0-9])?)\.js",
    r"d3(?:\.v[0-9]+)?[^.]*\.js",
    r"dojo\.js",
    r"dragdrop\.js",
    r"effects\.js",
    r"foundation(?:\..*)?\.js",
    r"fuelux\.js",
    r"html5shiv\.js",
    r"jquery[^.]*(?:\.validate)?(?:\.unobtrusive(?:-ajax)?)?\.js",
    r"jquery-[0-9]\.[0-9]+(?:\.[0-9]+)?\.js",
    r"jquery-ui(?:-[0-9]\.[0-9]+(?:\.[0-9]+)?)?(?:\.\w+)?\.(?:css|js)",
    r"jquery\.(?:effects|ui)\.[^.]*\.(?:css|js)",
    r"jquery\.fancybox\.(?:css|js)",
    r"jquery\.(?:dataTables|fileupload(?:-\w+)?|fn\.gantt)\.js",
    r"knockout-(?:[0-9]+\.){3}(?:debug\.)?js",
    r"Leaflet\.Coordinates-[0-9]+\.[0-9]+\.[0-9]+\.src\.js",
    r"leaflet\.(?:draw-src|spin)\.js",
    r"materialize\.(?:js|css|less|scss|styl)",
    r"[Mm]icrosoft(?:[Mm]vc)?(?:[Aa]jax|[Vv]alidation)(?:\.debug)?\.js",
    r"MochiKit\.js",
    r"modernizr(?:-[0-9]\.[0-9]+(?:\.[0-9]+)?|\.custom\.[0-9]+)\.js",
    r"mootools[^.]*[0-9]+\.[0-9]+\.[0-9]+[^.]*\.js",
    r"pdf\.worker\.js",
    r"prototype.*\.js",
    r"react(?:-[^.]*)?\.js",
    r"sh(?:Brush[^.]*|Core|Legacy)\.js",
    r"slick\.\w+\.js",
    r"tiny_mce[^.]*\.js",
    r"wicket-leaflet\.js",
    r"yahoo-[^.]*\.js",
    r"yui[^.]*\.js",
    # Style sheets likewise.
    rf"(?:animate|font-?awesome|foundation|normalize|skeleton)\.{_STYLE}",
    r"bulma\.(?:css|sass|scss)",
    r"fontello.*\.css",
)

_FOLDER_NAMES = 3  # that a rule looks at, at most

_VENDORED_FOLDER = re.compile(rf"(?:.*/)?(?:{'|'.join(_FOLDERS)})/")
_VENDORED_TOP_FOLDER = re.compile(rf"(?:{'|'.join(_TOP_FOLDERS)})/")
_VENDORED_NAME = re.compile("|".join(_NAMES))


def is_vendored_folder(path: str) -> bool:
    """Whether all below a folder is vendored.

    Args:
        path: from the repository's root, with `/` at its end. Folders inside a vendored one are
            not recognised by themselves.
    """
    tail = "/".join(path.rsplit("/", _FOLDER_NAMES + 1)[-_FOLDER_NAMES - 1 :])
    return bool(_VENDORED_FOLDER.fullmatch(tail) or _VENDORED_TOP_FOLDER.fullmatch(path))


def is_vendored_name(filename: str) -> bool:
    """Whether a file of this name is vendored wherever it lies."""
    return _VENDORED_NAME.fullmatch(filename) is not None
