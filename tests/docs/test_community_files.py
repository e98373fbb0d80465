"""What GitHub reads: the citation and the issue forms."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from markdown_examples import REPOSITORY, code

from taxi_mlops import __version__

FORMS = sorted((REPOSITORY / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml"))


def test_the_citation_names_this_version() -> None:
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.stem)
def test_a_form_asks_each_question_once(form: Path) -> None:
    content = yaml.safe_load(form.read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= content.keys()
    questions = [question["id"] for question in content["body"]]
    assert len(set(questions)) == len(questions)
    assert {question["type"] for question in content["body"]} <= {"input", "textarea"}
    assert all(question["attributes"]["label"] for question in content["body"])
    assert any(question.get("validations", {}).get("required") for question in content["body"])


def test_the_paths_of_the_guide_for_contributors_exist() -> None:
    """Those of its table are relative to the package."""
    roots = (REPOSITORY, REPOSITORY / "src" / "taxi_mlops")
    paths = [
        text for text in code(REPOSITORY / "CONTRIBUTING.md") if re.fullmatch(r"[\w.-]+(/[\w.-]*)+|\w+\.\w+", text)
    ]
    made = {"build/site"}
    assert [path for path in paths if path not in made and not any((root / path).exists() for root in roots)] == []
    assert len(paths) > 20
