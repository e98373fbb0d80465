"""`python -m haversine_dbscan warm`: compile ahead."""

from __future__ import annotations

import argparse
import sys


def main(arguments: list[str] | None = None) -> int:
    """Run one command, and return the exit status: 0, or 2 with one line on standard error."""
    parser = argparse.ArgumentParser(prog="python -m haversine_dbscan")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("warm", help="compile all functions and keep them on disk, so that no first call waits")
    parser.parse_args(arguments)

    from haversine_dbscan.warming import warm

    try:
        done = warm()
    except (RuntimeError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    sys.stdout.write(
        f"{done.compiled} functions compiled in {done.seconds:.1f} s, {done.found} were on disk before. "
        f"Compiled code is kept in {done.folder}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
