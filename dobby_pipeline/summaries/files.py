"""The summaries of a repository's files, from those of their symbols.

Not here: which summaries those are (children.py), and how they are put together (rollups.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.quality.children import FileChildren, children_of_files
from dobby_pipeline.quality.reading import KnownNames
from dobby_pipeline.summaries.answers import Answers, Question
from dobby_pipeline.summaries.extracts import file_extract, own_words
from dobby_pipeline.summaries.prompts import Prompts
from dobby_pipeline.summaries.rollups import Node, RollUps
from dobby_pipeline.summaries.work import Wanted, Work
from dobby_pipeline.summaries.writers import Subject, Writer


@dataclass
class FileSummaries:
    """One run's work on the files of one repository.

    Attributes:
        commit: that the records were read at.
        incomplete: files left out because symbols of theirs have no summary.
    """

    work: Work
    prompts: Prompts
    commit: str
    incomplete: int = 0

    def batches(self) -> Iterator[Sequence[Row]]:
        """Rows of `file_summaries`.

        Raises:
            PoolError: when generation cannot go on; what was yielded until then is kept.
            StoreError: when a batch cannot be committed.
        """
        return self.work.sweep(self._plan, self._stages)

    def _plan(self) -> Iterator[list[Wanted[Node]]]:
        position = self.incomplete = 0
        for page in children_of_files(self.work.store, self.work.repo):
            whole = [file for file in page if not file.missing]
            self.incomplete += len(page) - len(whole)
            nodes = [self._node(file) for file in whole]
            yield [
                Wanted(number, node.recipe.model, node.summary_key, node.row, node)
                for number, node in enumerate(nodes, start=position)
            ]
            position += len(nodes)

    def _node(self, file: FileChildren) -> Node:
        content_hash = file.content_hash
        subject = Subject("file", file.language, "file", file.end_line, content_hash)
        reference = {"path": file.path, "commit": self.commit, "start_line": 1}
        return Node(
            level="file",
            name=file.name,
            language=file.language,
            children=file.children,
            content_hash=content_hash,
            prompt=self.prompts.file,
            recipe=self.work.writers.of(subject).recipe,
            reference={**reference, "end_line": file.end_line},
            extracts=[
                *own_words(file.about),
                file_extract(file.language, file.outermost),
            ],
            about=file.about,
        )

    def _stages(
        self,
        writer: Writer,  # noqa: ARG002
        answers: Answers,
        known: KnownNames,
        pages: Iterator[list[Wanted[Node]]],
    ) -> Iterator[Iterator[Question]]:
        return RollUps(self.work.store, known, answers).stages(pages)
