"""The site has every page under its path in the repository.

So a link from one page to another is written once, as the code host wants it, and works there and
on the site alike. MkDocs takes README.md for the first page.
"""

import logging
import posixpath
import re
from pathlib import Path

from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
BESIDE = ("LICENSE", "CITATION.cff")  # what pages link to as it is
# What an attribute links to within the site, and the heading there.
_LINK = re.compile(r'href="(?![a-z][a-z0-9+.-]*:|/|#)([^"#]+)(#[^"]*)?"')
_log = logging.getLogger("mkdocs.hooks.repository")


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


def on_page_content(html, page, config, files):
    """Links of notebooks, which MkDocs leaves as they are, lead to the pages of the site.

    A golden copy has the links of its original, which lies in notebooks/. Those that lead nowhere
    are warnings, which stop a strict build.
    """
    if not page.file.src_uri.endswith(".ipynb"):
        return html

    def on_the_site(link):
        target = files.get_file_from_path(posixpath.normpath(f"notebooks/{link[1]}"))
        if target is None:
            _log.warning("%s links to '%s', which is no page here.", page.file.src_uri, link[1])
            return link[0]
        return f'href="{target.url_relative_to(page.file)}{link[2] or ""}"'

    return _LINK.sub(on_the_site, html)
