"""What the functions of an app need of its npm packages: each is given what it may come to require, and no more."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from shared.app.files import Files
from shared.app.package_files import ARCHIVES, Archive, Folder, Nothing, PackageFiles, PackagesError, Source
from shared.app.packages import Packages, requires_packages
from shared.javascript.messages import Texts

_EXECUTE = re.compile(r"""\bexecute\b(?:\(\s*(["'`])([^"'`\n]+)\1)?""")


@contextmanager
def packages_for(files: Files, sources: Iterable[str]) -> Iterator[Packages]:
    """Open the packages in the app's folder or in an archive of it; none are looked for if no source asks for one."""
    with ExitStack() as closing:
        is_asked = any(requires_packages(each) for each in sources)
        yield Packages(PackageFiles(_source(files, closing) if is_asked else Nothing()))


def _source(files: Files, closing: ExitStack) -> Source:
    folder = files.root / "functions"
    modules = folder / "node_modules"
    if modules.is_dir() and not modules.is_symlink():
        return Folder(modules)
    for path in (folder / name for name in ARCHIVES):
        if path.is_file() and not path.is_symlink():
            try:
                return Archive(path, closing)
            except PackagesError as error:
                files.report(path).unsupported(f"{error}", "functions that require a package fail")
    return Nothing()


def packages_of(sources: Mapping[str, str], packages: Packages) -> dict[str, Texts]:
    """Return what each function may require, itself or in a function that it calls, of those that require something."""
    calls = {name: _called(source, sources) for name, source in sources.items()}
    texts: dict[frozenset[str], Texts] = {}
    found: dict[str, Texts] = {}
    for name in sources:
        reached = frozenset(_reached(name, calls))
        if reached not in texts:
            texts[reached] = packages.texts(sources[each] for each in sorted(reached))
        if texts[reached].text:
            found[name] = texts[reached]
    return found


def _called(source: str, sources: Mapping[str, str]) -> frozenset[str]:
    """Return which functions a source may call: all, unless it names those that it does."""
    names = [found[2] for found in _EXECUTE.finditer(source)]
    return frozenset(sources) if None in names else frozenset(names) & sources.keys()


def _reached(name: str, calls: Mapping[str, frozenset[str]]) -> set[str]:
    reached: set[str] = set()
    waiting = {name}
    while waiting:
        each = waiting.pop()
        reached.add(each)
        waiting |= calls[each] - reached
    return reached
