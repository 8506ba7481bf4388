"""Import: turns other tools' figures into rows that name their origin.

Every row carries its origin and licence. The origin is part of its hardware class and of its
artifact and cell ids, so that it never joins with a measured row.
"""

from __future__ import annotations

from grid.results.imports.publications import Publication, all_publications, published_store
from grid.results.imports.reading import FORMATS, read_report, require_format
from grid.results.imports.rows import ImportedReport
from grid.results.imports.writing import add_report

__all__ = [
    "FORMATS",
    "ImportedReport",
    "Publication",
    "add_report",
    "all_publications",
    "published_store",
    "read_report",
    "require_format",
]
