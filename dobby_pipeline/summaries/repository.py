"""The summary of a repository, from those of its files by way of its directories.

Not here: the directories (children.py), and how summaries are put together (rollups.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from dobby_pipeline.cozo.partition import Batch, Transaction
from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.quality.children import Folder, Tree, child_hash
from dobby_pipeline.quality.reading import KnownNames
from dobby_pipeline.quality.statuses import PUBLISHED
from dobby_pipeline.schema.relations import DIRECTORY_SUMMARIES
from dobby_pipeline.summaries.answers import Answers, Question
from dobby_pipeline.summaries.extracts import folder_extract, own_words
from dobby_pipeline.summaries.prompts import Prompts
from dobby_pipeline.summaries.recipe import bodies_of
from dobby_pipeline.summaries.rollups import Node, RollUps
from dobby_pipeline.summaries.work import Wanted, Work
from dobby_pipeline.summaries.writers import Subject, Writer

_OTHERS = """
wanted[path] <- $paths
?[repo, path] := *directory_summaries{repo: $repo, path}, repo = $repo, not wanted[path]
:rm directory_summaries {repo, path}
"""


@dataclass
class RepoSummary:
    """One run's work on a repository as a whole.

    Directories of one rank are asked about together, the innermost first; one that holds a single
    file or directory says what that one does.

    Attributes:
        tree: the files, all of them summarised.
        commit: that the records were read at.
    """

    work: Work
    prompts: Prompts
    tree: Tree
    commit: str
    _texts: dict[str, str] = field(default_factory=dict[str, str], init=False)

    def batches(self) -> Iterator[Batch]:
        """The row of `repo_summaries`, after those of `directory_summaries`.

        Raises:
            PoolError: when generation cannot go on; what was yielded until then is kept.
            StoreError: when a batch cannot be committed.
        """
        kept: list[str] = []
        for folders in self.tree.root.by_depth():
            nodes = [self._node(folder) for folder in folders if folder.is_summarised]
            planned = [
                Wanted(number, node.recipe.model, node.summary_key, node.row, node)
                for number, node in enumerate(nodes)
            ]
            for rows in self.work.sweep(lambda planned=planned: iter([planned]), self._stages):
                kept += [row["path"] for row in rows if row["path"]]
                yield self._written(rows)
            if self.work.budget.is_spent():
                return
            self._read(folders, nodes)
        paths = [[path] for path in kept]
        yield Transaction(_OTHERS, {"repo": self.work.repo, "paths": paths}, 0)

    def _node(self, folder: Folder) -> Node:
        children = folder.children(self._texts)
        kind = "directory" if folder.path else "repo"
        languages = self.tree.languages
        language = max(sorted(languages), key=languages.__getitem__, default="")
        content_hash = child_hash(children, folder.about)
        subject = Subject("repo", language, kind, 0, content_hash)
        names = [child.name.strip("`") for child in children]
        return Node(
            level="file" if folder.path else "repo",
            name=folder.name,
            language=language,
            children=children,
            content_hash=content_hash,
            prompt=self.prompts.directory if folder.path else self.prompts.repo,
            recipe=self.work.writers.of(subject).recipe,
            reference={"path": folder.path, "commit": self.commit},
            extracts=[
                *own_words(folder.about),
                folder_extract("directory" if folder.path else "repository", names),
            ],
            about=folder.about,
        )

    def _read(self, folders: list[Folder], nodes: list[Node]) -> None:
        """Remember what the directories of this rank say, for those above them."""
        bodies = bodies_of(self.work.store, [node.summary_key for node in nodes])
        for node in nodes:
            body = bodies.get(node.summary_key)
            if body and body["status"] == PUBLISHED:
                self._texts[node.reference["path"]] = body["text"]
        for folder in folders:
            if not folder.is_summarised:
                children = folder.children(self._texts)
                self._texts.update((folder.path, child.text) for child in children)

    def _written(self, rows: Sequence[Row]) -> Batch:
        """The repository's own row, or the directories' rows beside the asset's relation."""
        own = [row for row in rows if not row["path"]]
        if own or not rows:
            return own
        directories = [{**row, "repo": self.work.repo} for row in rows]
        return Transaction(
            DIRECTORY_SUMMARIES.put(), {"rows": DIRECTORY_SUMMARIES.rows(directories)}, 0
        )

    def _stages(
        self,
        writer: Writer,  # noqa: ARG002
        answers: Answers,
        known: KnownNames,
        pages: Iterator[list[Wanted[Node]]],
    ) -> Iterator[Iterator[Question]]:
        return RollUps(self.work.store, known, answers).stages(pages)
