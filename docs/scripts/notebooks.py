"""Run the notebooks of the documentation, and keep their outputs in them: the site shows these, and runs nothing.

python docs/scripts/notebooks.py [NOTEBOOK…]
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

DOCS = Path(__file__).resolve().parent.parent
NOTEBOOKS = tuple(sorted((DOCS / "tutorials").glob("*.ipynb")))


def executed(path: Path, folder: Path, timeout_seconds: int = 600) -> nbformat.NotebookNode:
    """Return a notebook with the outputs of a run in a folder. Raises CellExecutionError where a cell fails."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as sockets:
        config = Config(KernelManager={"transport": "ipc", "ip": f"{sockets}/kernel"})  # in place of open ports
        resources = {"metadata": {"path": str(folder)}}
        NotebookClient(
            notebook, config=config, timeout=timeout_seconds, record_timing=False, resources=resources
        ).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in map(_as_stored, cell.outputs) if _shows_something(output)]
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return notebook


def _as_stored(output: Any) -> Any:  # noqa: ANN401 - a node of nbformat
    """Return an output as it is kept."""
    output.pop("transient", None)
    if "text/html" in output.get("data", {}):  # pandas leaves corners of tables empty, which are no headers
        output.data["text/html"] = output.data["text/html"].replace("<th></th>", "<td></td>")
    return output


def _shows_something(output: Any) -> bool:  # noqa: ANN401 - a node of nbformat
    """Whether an output is not the place of a bar that was taken away."""
    return output.output_type != "display_data" or any(output.data.values())


def main(paths: list[Path]) -> None:
    """Run notebooks, each in an empty folder, and write them back."""
    for path in paths:
        with tempfile.TemporaryDirectory() as folder:
            os.environ |= {"TAXI_CACHE_DIR": f"{folder}/cache", "TAXI_MLFLOW_URI": "off"}
            work = Path(folder) / "work"
            work.mkdir()
            notebook = executed(path, work)
        nbformat.write(notebook, path)


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]] or list(NOTEBOOKS))
