"""All asset checks: what must hold for a whole repository.

Not here: the gate on one summary (gate.py).
"""

from dobby_pipeline.quality import source_checks, summary_checks

CHECKS = (
    source_checks.every_file_is_accounted_for,
    source_checks.keys_are_unique,
    source_checks.no_record_is_empty,
    summary_checks.every_record_has_a_verdict,
    summary_checks.enough_is_published,
    summary_checks.provenance_is_complete,
    summary_checks.what_is_published_passes_the_gate,
    summary_checks.summaries_tell_code_apart,
    summary_checks.every_file_has_a_verdict,
    summary_checks.files_name_what_they_hold,
    summary_checks.the_repository_has_a_verdict,
    summary_checks.the_repository_names_what_it_holds,
)
