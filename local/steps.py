"""What a run does before it serves, each step with the time at which it begins."""

from datetime import datetime

from rich.console import Console


def step(text: str) -> None:
    """Print what begins now, as make does of what it installs."""
    now = datetime.now().astimezone()
    Console(emoji=False, highlight=False, markup=False, soft_wrap=True).print(f"{now:%H:%M:%S}  {text}")
