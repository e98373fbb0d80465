"""Configuration of the documentation site. `make docs` builds it into build/site; a warning fails the build."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / "scripts"))

import reference_pages  # noqa: E402

from taxi_mlops import __version__  # noqa: E402

project = "taxi-mlops"
author = "the authors of taxi-mlops"
version = release = __version__
language = "en"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton", "sphinx_design"]
exclude_patterns = ["_generated/**", "_templates/**", "scripts/**"]
nitpicky = True
# Types in signatures: other projects' inventories are on the internet, and this site builds without it.
nitpick_ignore_regex = [("py:(class|exc|data|obj)", r"(?!taxi_mlops\.).*"), ("py:class", r"taxi_mlops\..*")]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # notebooks hold their outputs: docs/scripts/notebooks.py

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_type_aliases = {"ArrayLike": "ArrayLike", "NDArray": "NDArray"}
python_use_unqualified_type_names = True
default_role = "code"  # single backticks in docstrings
napoleon_google_docstring = False
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True

html_theme = "furo"
html_title = "taxi-mlops"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = [("site.js", {"defer": "defer"})]
templates_path = ["_templates"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_theme_options = {"navigation_with_keys": True}


def setup(app: Sphinx) -> None:
    """Write the generated parts of the reference before Sphinx reads its sources; mend the navigation."""
    app.connect("builder-inited", lambda app: reference_pages.write(DOCS / "_generated"))
    app.connect("html-page-context", _give_captions_a_level, priority=900)


def _give_captions_a_level(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Give the captions of the navigation a heading level, which Sphinx leaves out and screen readers need."""
    tree = context.get("furo_navigation_tree", "")
    context["furo_navigation_tree"] = tree.replace('role="heading"', 'role="heading" aria-level="2"')
