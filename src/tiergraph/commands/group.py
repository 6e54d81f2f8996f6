"""How every command ends: one line on stderr for a user's mistake, and the exit code.

| code | when |
| --- | --- |
| 0 | done |
| 1 | some rows were bad, the reader of a pipe went away, or the run failed |
| 2 | a bad flag, file, configuration, model or missing extra |
| 130 | interrupted |
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

# typer brings click along under another name from 0.2x on: the base of its errors is the same either way.
_UsageMistake: type[Exception] = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException" and issubclass(kind, Exception)
)
FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130


class BadUse(Exception):
    """A flag or a file that cannot be used. The message says it in one line, with the fix."""


class OneLineGroup(TyperGroup):
    """A group that says in one line on stderr what is wrong, without a traceback where the user can mend it."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """As typer's; with ``standalone_mode`` it ends the process, else errors pass through."""

        def run() -> Any:
            return super(OneLineGroup, self).main(args, prog_name, complete_var, False, windows_expand_args, **extra)

        if not standalone_mode:
            return run()
        try:
            code = run()
        except BadUse as error:
            _end(str(error), BAD_INPUT)
        except _UsageMistake as error:
            _end(error.format_message(), BAD_INPUT)  # type: ignore[attr-defined]  # every click error has it
        except (typer.Abort, KeyboardInterrupt):
            _end("interrupted", INTERRUPTED)
        except Exception as error:
            _end_or_raise(error)
        sys.exit(code if isinstance(code, int) else 0)


def _end_or_raise(error: Exception) -> NoReturn:
    from tiergraph.errors import ConfigError, InputError, MissingExtraError, ModelError, TiergraphError

    if isinstance(error, (ConfigError, InputError, MissingExtraError, ModelError)):
        _end(str(error), BAD_INPUT)
    if isinstance(error, TiergraphError):
        _end(str(error), FAILED)
    if isinstance(error, OSError) and error.filename is not None:
        _end(f"{error.filename}: {error.strerror or type(error).__name__}.", BAD_INPUT)
    raise error


def _end(message: str, code: int) -> NoReturn:
    typer.echo(" ".join(message.split()), err=True)
    sys.exit(code)
