"""Options that several commands share, above all those that a document declares."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand
from typer.main import get_command

from taxi_mlops.errors import UsageError

if TYPE_CHECKING:
    from taxi_mlops.parameters import Parameter
    from taxi_mlops.settings import Settings

Output = Annotated[Path | None, typer.Option(metavar="DIR", help="New folder of the results. [default: in runs/]")]
Resume = Annotated[Path | None, typer.Option(metavar="DIR", help="Go on with what this folder holds.")]
Spec = Annotated[Path | None, typer.Option(metavar="FILE", help="Document as TOML or YAML; options go before it.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]

_COMPLETE = "with_options"


class DocumentCommand(TyperCommand):
    """The class of commands decorated with `takes`: has its options once they are asked for.

    Reading a document's declaration imports pydantic, which `taxi --help` does without.
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
    """Give a command an option for each parameter of a document; it receives those given as a mapping, first of all.

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
            """Stand for the command until it has its options."""

        unfinished.__name__, unfinished.__doc__ = command.__name__, command.__doc__
        setattr(unfinished, _COMPLETE, complete)
        return unfinished

    return decorate


def flag(name: str) -> str:
    """How the command line writes a parameter."""
    return f"--{name.replace('_', '-')}"


def _option(parameter: Parameter, required: bool) -> inspect.Parameter:
    """Text, which the document validates: so its errors are the same from everywhere."""
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


def check_resume_alone(given: Mapping[str, object], *others: Path | None) -> None:
    """Raise UsageError where more than --resume is given."""
    if any(others) or any(value is not None for value in given.values()):
        raise UsageError("--resume takes everything from the folder's own document; give it no other options")


def new_folder(settings: Settings, beginning: str = "") -> Path:
    """Where results go that are given no folder."""
    return settings.runs_dir / f"{beginning}{datetime.now(UTC):%Y-%m-%d-%H%M%S}"
