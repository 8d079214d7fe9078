"""Fits docs/, which is also read in the repository, to the website (a hook of MkDocs: mkdocs.yml)."""

import re
from pathlib import Path

# Links of Markdown that leave docs/: [text](../examples/cluster/cluster.yaml#anchor)
LEAVING = re.compile(r"\]\((\.\./)([^)#\s]+)([^)]*)\)")


def on_config(config):
    """Puts pages that the navigation does not name where they belong: the field reference, else the tasks."""
    docs = Path(config.docs_dir)
    sections = {title: pages for entry in config.nav for title, pages in entry.items()}
    named = {page for pages in sections.values() for page in ([pages] if isinstance(pages, str) else pages)}
    for path in sorted(docs.glob("**/*.md")):
        page = path.relative_to(docs).as_posix()
        if page not in named:
            sections["Reference" if page.startswith("reference/") else "Tasks"].append(page)
    return config


def on_page_markdown(markdown, page, config, files):
    """Lets links to other files of the repository lead to where it is published, if they exist."""
    root = Path(config.docs_dir).parent

    def published(link):
        target = (Path(config.docs_dir) / page.file.src_uri).parent / link[1] / link[2]
        path = target.resolve().relative_to(root.resolve())
        if not target.exists():
            return link[0]  # MkDocs says that it leads nowhere
        kind = "tree" if target.is_dir() else "blob"
        return f"]({config.repo_url}/{kind}/main/{path.as_posix()}{link[3]})"

    return LEAVING.sub(published, markdown)
