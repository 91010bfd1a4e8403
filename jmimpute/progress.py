"""One progress bar for all long work."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(task: str, total: int, show: bool) -> Iterator[Callable[[int], None]]:
    """Show a bar while the body runs.

    Parameters
    ----------
    task : str
    total : int
        Units of work.
    show : bool

    Yields
    ------
    callable
        Takes the number of units done so far.
    """
    if not show:
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        identifier = bar.add_task(task, total=total)
        yield lambda done: bar.update(identifier, completed=done)
