"""`./frontdesk models pull`: a download that shows how far it is."""

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from models.pull import pull


def pull_with_progress(name: str) -> None:
    """Download and check a model, and say where it lies.

    Raises:
        ModelError: unknown name, no network, not enough disk, or damaged; one line.
    """
    name_column = TextColumn("{task.description}")
    with Progress(name_column, BarColumn(), DownloadColumn(), TransferSpeedColumn()) as bar:
        task = bar.add_task(name, total=None)
        folder = pull(
            name, progress=lambda done, total: bar.update(task, completed=done, total=total)
        )
    bar.console.print(f"{name} is ready in {folder}")
