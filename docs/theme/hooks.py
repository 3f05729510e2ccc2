"""The site has every page under its path in the repository.

So a link from one page to another is written once, as the code host wants it, and works there and
on the site alike. MkDocs takes README.md for the first page.
"""

from pathlib import Path

from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
BESIDE = ("LICENSE", "CITATION.cff")  # what pages link to as it is


def _named(entries):
    """The pages that the navigation names, in its order."""
    for entry in entries:
        if isinstance(entry, dict):
            for value in entry.values():
                yield from _named(value if isinstance(value, list) else [value])
        else:
            yield entry


@event_priority(100)  # before the plugin that takes the notebooks
def on_files(files, config):
    """Guides move to docs/, and pages from elsewhere in the repository join them."""
    docs = Path(config.docs_dir).relative_to(ROOT)
    guides = [(docs / f.src_uri).as_posix() for f in files if f.src_dir == config.docs_dir]
    others = [path for path in (*_named(config.nav), *BESIDE) if (ROOT / path).is_file()]
    return Files(
        [
            *(f for f in files if f.src_dir != config.docs_dir),
            *(
                File(path, str(ROOT), config.site_dir, config.use_directory_urls)
                for path in dict.fromkeys([*guides, *others])
            ),
        ]
    )
