"""Which model writes which summary: the rules of the file that DOBBY_ROUTES names.

Not here: loading the models (inference/fleet.py), and asking them (work.py).
"""

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from dobby_pipeline.errors import DobbyError, UsageError
from dobby_pipeline.inference.models.manifests import load_manifest
from dobby_pipeline.settings import ROUTES_ENV
from dobby_pipeline.summaries.writers import Subject

LEVELS = ("symbol", "file", "repo")
"""As in `Subject.level`."""

_KEYS = ("model", "split", "level", "language", "kind", "min_lines", "max_lines")

_TOLERANCE = 1e-6
"""By how much shares may miss 1: three of 0.333333 do by a millionth."""


class RouteError(UsageError):
    """The file of routes cannot be used. The text names the file and the route."""


@dataclass(frozen=True, slots=True)
class Route:
    """One rule.

    Attributes:
        split: the share of what matches by model name, adding up to 1; one model has all of it.
        texts: for `level`, `language` and `kind` what they may be; one that is absent may be
            anything.
        min_lines, max_lines: of the code, both ends included; a subject whose lines are not known
            (0) matches neither. None for no such condition.
    """

    split: Mapping[str, float]
    texts: Mapping[str, frozenset[str]]
    min_lines: int | None = None
    max_lines: int | None = None

    def matches(self, subject: Subject) -> bool:
        """Whether the rule is for this subject."""
        if any(getattr(subject, name) not in allowed for name, allowed in self.texts.items()):
            return False
        if self.min_lines is None and self.max_lines is None:
            return True
        most = subject.lines if self.max_lines is None else self.max_lines
        return max(1, self.min_lines or 1) <= subject.lines <= most

    def model_for(self, content_hash: str) -> str:
        """The model that a content falls to: the same in every run, repository and rule."""
        digest = hashlib.sha256(content_hash.encode()).digest()
        place = int.from_bytes(digest[:8]) / 2**64
        models, ends = list(self.split), accumulate(self.split.values())
        return next((m for m, end in zip(models, ends, strict=True) if place < end), models[-1])

    def covers(self, other: "Route") -> bool:
        """Whether nothing is left for a rule that comes after this one."""
        for name, allowed in self.texts.items():
            if name not in other.texts or not other.texts[name] <= allowed:
                return False
        bounded = other.min_lines is not None or other.max_lines is not None
        if self.min_lines is None and self.max_lines is None:
            return True
        least = (self.min_lines or 1) <= (other.min_lines or 1)
        most = self.max_lines is None or (
            other.max_lines is not None and other.max_lines <= self.max_lines
        )
        return bounded and least and most


@dataclass(frozen=True, slots=True)
class Router:
    """The rules in their order, and the model of what matches none."""

    default: str
    routes: Sequence[Route] = ()

    @property
    def models(self) -> list[str]:
        """Every name that may be chosen: in the order of the rules, the default last."""
        named = [name for route in self.routes for name in route.split]
        whole = any(route.covers(Route({}, {})) for route in self.routes)
        return list(dict.fromkeys(named if whole else [*named, self.default]))

    def choose(self, subject: Subject) -> str:
        """The name of the model that writes a subject's summary: by the first rule that matches."""
        for route in self.routes:
            if route.matches(subject):
                return route.model_for(subject.content_hash)
        return self.default


def read_router(file: str, default: str) -> Router:
    """The rules of a file; without a file everything goes to the default.

    Args:
        file: its path, or empty.
        default: the name of the model for what matches no rule.

    Raises:
        RouteError: when the file cannot be read or a rule is wrong: one line.
    """
    if not file:
        return Router(default)
    routes: list[Route] = []
    for number, table in enumerate(_tables(file), start=1):
        rule = _Rule(f"{ROUTES_ENV} {file}: route {number}", table)
        route = rule.route()
        for earlier, before in enumerate(routes, start=1):
            if before.covers(route):
                raise rule.wrong(
                    f"never matches, since route {earlier} takes all of it: move it up"
                )
        routes.append(route)
    return Router(default, routes)


def _tables(file: str) -> list[dict[str, Any]]:
    try:
        values = tomllib.loads(Path(file).read_text("utf-8"))
    except FileNotFoundError as error:
        raise RouteError(f"{ROUTES_ENV} {file}: no such file: write it or unset it") from error
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise RouteError(f"{ROUTES_ENV} {file}: cannot be read: {reason}") from error
    for key in values:
        if key != "route":
            raise RouteError(f"{ROUTES_ENV} {file}: {key!r} is not known: give [[route]] tables")
    tables: Any = values.get("route", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise RouteError(f"{ROUTES_ENV} {file}: route is no list: write [[route]], not [route]")
    return tables


@dataclass(frozen=True, slots=True)
class _Rule:
    """A table of the file, and where it stands."""

    where: str
    table: Mapping[str, Any]

    def wrong(self, what: str) -> RouteError:
        return RouteError(f"{self.where}: {what}")

    def route(self) -> Route:
        for key in self.table:
            if key not in _KEYS:
                raise self.wrong(f"{key!r} is not known: give {', '.join(_KEYS)}")
        texts = {name: self._texts(name) for name in ("level", "language", "kind")}
        for level in texts["level"]:
            if level not in LEVELS:
                raise self.wrong(f"level {level!r} is not known: give {', '.join(LEVELS)}")
        least, most = self._lines("min_lines"), self._lines("max_lines")
        if least is not None and most is not None and least > most:
            raise self.wrong(f"min_lines {least} is above max_lines {most}: no code has both")
        given = {name: allowed for name, allowed in texts.items() if allowed}
        return Route(self._split(), given, least, most)

    def _texts(self, name: str) -> frozenset[str]:
        value = self.table.get(name)
        if value is None:
            return frozenset()
        values: Any = [value] if isinstance(value, str) else value
        if not isinstance(values, list) or not values or not all(_is_text(v) for v in values):
            raise self.wrong(f"{name} is neither a text nor a list of texts")
        return frozenset(values)

    def _lines(self, name: str) -> int | None:
        value = self.table.get(name)
        if value is not None and (type(value) is not int or value < 1):
            raise self.wrong(f"{name} is not a whole number of 1 or more")
        return value

    def _split(self) -> Mapping[str, float]:
        if ("model" in self.table) == ("split" in self.table):
            raise self.wrong('give either model = "NAME" or split = { "NAME" = 0.5, … }')
        if "model" in self.table:
            model = self.table["model"]
            if not _is_text(model):
                raise self.wrong("model is no text")
            return {self._known(model): 1.0}
        split: Any = self.table["split"]
        if not isinstance(split, dict) or not split:
            raise self.wrong('split is no table of shares: write { "NAME" = 0.5, … }')
        for model, share in split.items():
            self._known(model)
            if type(share) not in (int, float) or not 0 < share <= 1:
                raise self.wrong(f"the share of {model} is {share}: give a number above 0, up to 1")
        whole = sum(split.values())
        if abs(whole - 1) > _TOLERANCE:
            raise self.wrong(f"the shares of split add up to {whole:g}, not to 1")
        return split

    def _known(self, model: str) -> str:
        try:
            return load_manifest(model).name
        except DobbyError as error:
            raise self.wrong(str(error)) from error


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)
