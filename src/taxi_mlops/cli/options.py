"""Options that several commands share, most of them made from the declaration of a document."""

from __future__ import annotations

import inspect
import os
import pkgutil
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from typer.core import TyperCommand
from typer.main import get_command

from taxi_mlops.errors import UsageError

if TYPE_CHECKING:
    from taxi_mlops.parameters import Parameter
    from taxi_mlops.settings import Settings
    from taxi_mlops.specification import Document

DocumentT = TypeVar("DocumentT", bound="Document")

Output = Annotated[Path | None, typer.Option(metavar="DIR", help="New folder of the results. [default: in runs/]")]
Resume = Annotated[Path | None, typer.Option(metavar="DIR", help="Resume the run in this folder.")]
Spec = Annotated[Path | None, typer.Option(metavar="FILE", help="Document as TOML or YAML; options go before it.")]
Cache = Annotated[bool, typer.Option("--cache/--no-cache", help="Use points that were prepared earlier.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]

_COMPLETE = "with_options"


class DocumentCommand(TyperCommand):
    """The class of commands decorated with `takes`, which creates their options when they are needed.

    Reading a document's declaration imports pydantic, which `taxi --help` avoids.
    """

    def get_params(self, ctx: Any) -> Any:  # noqa: ANN401 - of Typer's private copy of Click
        complete = getattr(self.callback, _COMPLETE, None)
        if complete is not None:
            app = typer.Typer(add_completion=False)
            app.command()(complete())
            command = get_command(app)
            self.params, self.callback = command.params, command.callback
        return super().get_params(ctx)


def takes(
    document: str, without: Collection[str] = (), required: Collection[str] = ()
) -> Callable[[Callable[..., None]], Callable[[], None]]:
    """Give a command an option for each parameter of a document; its first argument is a mapping of those given.

    document: `module:Class`, imported when the command is called. Register the command with the class
    `DocumentCommand`.
    """

    def decorate(command: Callable[..., None]) -> Callable[[], None]:
        def complete() -> Callable[..., None]:
            from taxi_mlops.parameters import parameters_of, with_signature

            parameters = parameters_of(pkgutil.resolve_name(document), without)
            options = [_option(one, one.name in required) for one in parameters.values()]
            return with_signature(command, options)

        def unfinished() -> None:
            """Replaced by the command once it has its options."""

        unfinished.__name__, unfinished.__doc__ = command.__name__, command.__doc__
        setattr(unfinished, _COMPLETE, complete)
        return unfinished

    return decorate


def flag(name: str) -> str:
    """Return a parameter's name as an option of the command line."""
    return f"--{name.replace('_', '-')}"


def _option(parameter: Parameter, required: bool) -> inspect.Parameter:
    """Return an option of type text, which the document validates, so that errors are the same in every interface."""
    default = parameter.default_text
    text = parameter.description + (f" [default: {default}]" if default and not required else "")
    named = parameter.named
    info = (
        typer.Argument(metavar=named.metavar, help=text)
        if named.positional
        else typer.Option(flag(named.name), metavar=named.metavar, help=text)
    )
    return inspect.Parameter(
        named.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if required else None,
        annotation=Annotated[str if required else str | None, info],
    )


def document_of(document: type[DocumentT], given: Mapping[str, str | None], spec: Path | None = None) -> DocumentT:
    """Return the document of the options. Raises UsageError if they, or the file, are wrong."""
    return (document.from_file(spec) if spec else document()).with_parameters(given, flag)


def document_to_run(
    document: type[DocumentT], given: Mapping[str, str | None], spec: Path | None, resume: Path | None
) -> DocumentT | None:
    """Return the document of the options; None if a folder's own is to be resumed.

    Raises UsageError if the options are wrong, or if there are others beside --resume.
    """
    if resume is None:
        return document_of(document, given, spec)
    if spec or any(value is not None for value in given.values()):
        raise UsageError("--resume takes everything from the folder's own document; give it no other options")
    return None


def folder_to_fill(output: Path | None, resume: Path | None, settings: Settings, beginning: str = "") -> Path:
    """Return the folder of the results, by default a new one. Raises UsageError for --output together with --resume."""
    if output and resume:
        raise UsageError("--resume continues in its own folder; leave out --output")
    from taxi_mlops.results.new_folder import folder_of_now

    return resume or output or folder_of_now(settings.runs_dir, beginning)


def settings_with(cache: bool) -> Settings:
    """Return the settings. cache: False also applies to flows, which read the settings again."""
    from taxi_mlops.settings import load_settings

    if not cache:
        os.environ["TAXI_POINTS_CACHE"] = "false"
    return load_settings()
