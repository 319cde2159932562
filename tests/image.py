"""Builds both images without an engine, starts them, calls them and stops them: `make image-test`.

Needs root, and the Debian packages buildah and debootstrap; it takes minutes, so `make test` leaves it out.
The bases come from registries that may be out of reach. Stand-ins take their places: a minimal Debian 12 with this
machine's Python 3.13 in /usr/local, as the official image has it, and for Azure's host tests/stand_in_host.sh.
So it shows what the Dockerfile adds, how it starts and how it stops, but nothing of Azure's own host.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from infra import locks, native
from infra.release import DEPENDENCIES
from local.mongod import Mongod
from local.ports import free_port
from shared.settings import VERSION

ROOT = Path(__file__).resolve().parent.parent
LIBRARIES = (
    *("binutils", "ca-certificates", "libbz2-1.0", "libexpat1", "libffi8", "liblzma5", "libncursesw6"),
    *("libreadline8", "libsqlite3-0", "libssl3", "libuuid1", "zlib1g"),
)
HOST = "azure-functions-host/Microsoft.Azure.WebJobs.Script.WebHost"
MOST_ADDED_MB = 80  # Python's official slim image has about 125 MB, of which some 10 go, and the whole may have 200
# process 1 of its own process namespace, as another user, on files that cannot be written to
START = """
set -eu
mount --bind "$0" "$0"
mount -o remount,ro,bind "$0"
mount -t proc proc "$0/proc"
mount --rbind /dev "$0/dev"
user=$1; shift
exec chroot --userspec="$user" "$0" "$@"
"""


class Image(NamedTuple):
    """A built image and its files."""

    name: str
    config: dict[str, Any]
    root: Path


class Buildah:
    """Buildah with a store of its own."""

    def __init__(self, work: Path) -> None:
        """Keep everything below one folder."""
        self.work = work
        self.containers: list[str] = []

    def __call__(self, *arguments: str) -> str:
        """Run a command and return what it prints."""
        store = ("--root", str(self.work / "storage"), "--runroot", str(self.work / "run"))
        return output("buildah", *store, *arguments, env=os.environ | {"BUILDAH_ISOLATION": "chroot"})

    def commit(self, folder: Path, name: str) -> None:
        """Make an image of a folder."""
        container = self("from", "scratch")
        output("cp", "--archive", f"{folder}/.", self("mount", container))
        self("umount", container)
        self("config", "--env", "PATH=/usr/local/bin:/usr/bin:/bin", container)
        self("commit", "--quiet", "--rm", "--format", "docker", container, f"localhost/{name}")

    def build(self, target: str) -> Image:
        """Build a target of the Dockerfile on the stand-ins and lay out its files."""
        bases = {"BUILDER": "builder", "PYTHON": "python", "FUNCTIONS": "functions"}
        arguments = {name: f"localhost/{base}:stand-in" for name, base in bases.items()}
        arguments |= {"VERSION": VERSION, "REVISION": "image-test"}
        self(
            *("bud", "--quiet", "--isolation", "chroot", "--format", "docker", "--pull-never", "--layers"),
            *("--target", target, "--volume", f"{self.work / 'wheels'}:/wheels:ro"),
            *(f"--build-arg={name}={value}" for name, value in arguments.items()),
            *("--tag", f"localhost/dozen:{target}", str(ROOT)),
        )
        inspected = json.loads(self("inspect", "--type", "image", f"localhost/dozen:{target}"))
        container = self("from", "--pull-never", f"localhost/dozen:{target}")
        self.containers.append(container)
        return Image(target, inspected["Docker"]["config"], Path(self("mount", container)))

    def close(self) -> None:
        """Let go of the files, so that the folder can be removed."""
        for container in self.containers:
            self("rm", container)
        subprocess.run(["umount", "--lazy", str(self.work / "storage/overlay")], check=False, capture_output=True)


def output(*command: str, env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=env, cwd=ROOT)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:6])} … failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout.strip()


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def check(sentence: str, holds: bool, seen: object = "") -> None:
    if not holds:
        raise SystemExit(f"NOT SO  {sentence}: {seen}")
    say(f"ok      {sentence}")


def stand_ins(buildah: Buildah) -> None:
    """Make the images that the Dockerfile starts from, and fetch the wheels that it installs."""
    buildah.commit(debian(buildah.work / "builder", *LIBRARIES, "g++"), "builder:stand-in")
    root = debian(buildah.work / "rootfs", *LIBRARIES)
    buildah.commit(root, "python:stand-in")
    (root / HOST).parent.mkdir()
    shutil.copy(ROOT / "tests/stand_in_host.sh", root / HOST)
    buildah.commit(root, "functions:stand-in")
    tools = buildah.work / "tools.txt"
    tools.write_text(locks.only((ROOT / "requirements-run.txt").read_text(), native.TOOLS))
    for lock in (ROOT / "requirements.txt", tools):
        output(
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"),
            *("--only-binary=:all:", "--requirement", str(lock), "--dest", str(buildah.work / "wheels")),
        )


def debian(root: Path, *packages: str) -> Path:
    """Lay out a minimal Debian 12 with some packages and this machine's Python."""
    output("debootstrap", "--variant=minbase", f"--include={','.join(packages)}", "bookworm", str(root))
    for folder in ("dev", "var/cache/apt", "var/lib/apt/lists"):  # an engine gives every container its /dev
        shutil.rmtree(root / folder)
        (root / folder).mkdir()
    unneeded = shutil.ignore_patterns("test", "*.pyc", "libpython*.a")  # the official image leaves them out too
    shutil.copytree(sys.base_prefix, root / "usr/local", symlinks=True, dirs_exist_ok=True, ignore=unneeded)
    site_packages = root / "usr/local/lib/python3.13/site-packages"
    for path in [path for path in site_packages.iterdir() if path.is_dir() and not path.name.startswith("pip")]:
        shutil.rmtree(path)
    (root / "etc/pip.conf").write_text("[global]\nno-index = true\nfind-links = /wheels\n")
    output("chroot", str(root), "ldconfig")
    return root


def command(image: Image, arguments: Sequence[str], env: dict[str, str]) -> list[str]:
    """Return what starts a container: the image's own entrypoint, user, folder and environment."""
    config = image.config
    environment = dict(pair.split("=", 1) for pair in config["Env"]) | env
    return [
        *("unshare", "--pid", "--fork", "--mount", "--kill-child", "sh", "-c", START, str(image.root)),
        *(config["User"], "env", "--ignore-environment", f"--chdir={config['WorkingDir']}"),
        *(f"{name}={value}" for name, value in environment.items()),
        *config["Entrypoint"],
        *(arguments or config["Cmd"]),
    ]


def run(image: Image, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(image, arguments, env), check=False, capture_output=True, text=True, timeout=120)


@contextmanager
def started(image: Image, log: Path, **env: str) -> Iterator[int]:
    """Start what the image serves; give the id of its process 1."""
    with log.open("wb") as lines:
        process = subprocess.Popen(command(image, (), env), stdout=lines, stderr=subprocess.STDOUT)
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        until(lambda: bool(children.read_text().split()))
        yield int(children.read_text().split()[0])
        check(f"{image.name}: SIGTERM ends it with exit code 0", process.wait(60) == 0, log.read_text())
    finally:
        process.kill()
        process.wait()


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise SystemExit("it did not come about in time")
        time.sleep(0.05)


def answers(port: int) -> bool:
    try:
        return bool(urllib.request.urlopen(f"http://127.0.0.1:{port}/health/live", timeout=5).status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False


def call(port: int, key: str, action: str, **members: Any) -> Any:
    body = {"dataSource": "any", "database": "image", "collection": "items"} | members
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/app/dozen/endpoint/data/v1/action/{action}",
        json.dumps(body).encode(),
        {"apiKey": key, "Content-Type": "application/json"},
    )
    return json.load(urllib.request.urlopen(request, timeout=30))  # noqa: S310  on this machine


def megabytes(*folders: Path) -> float:
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(path.stat().st_size for path in files) / 1e6


def added(image: Image) -> float:
    """Return the size of what the server image has beyond Debian and Python, compiled library included."""
    library = image.root / "usr/local/lib/python3.13"
    return megabytes(image.root / "app") + sum(path.stat().st_size for path in library.rglob("*.pyc")) / 1e6


def check_metadata(image: Image) -> None:
    config = image.config
    check(f"{image.name}: the label has the version", config["Labels"]["org.opencontainers.image.version"] == VERSION)
    check(f"{image.name}: the user is a number and not root", config["User"] == "10001:10001", config["User"])
    check(f"{image.name}: it has a health check", config["Healthcheck"]["Test"][0] == "CMD", config)
    check(f"{image.name}: it listens on 7071 unless told otherwise", "LISTEN_PORT=7071" in config["Env"], config["Env"])


def check_native(image: Image, site: Path) -> None:
    """See that native/ was compiled in the builder, and that this image's own Python loads it."""
    packages = site / DEPENDENCIES
    sizes = {path.name: path.stat().st_size for path in (packages / native.PACKAGE).glob("*.so")}
    check(f"{image.name}: native/ is in it: {sizes}", len(sizes) == len(native.modules()))
    path = f"/{packages.relative_to(image.root)}"
    code = f"import sys; sys.path.insert(0, {path!r}); import {', '.join(native.modules())}"
    loaded = run(image, "python", "-c", code)
    check(f"{image.name}: its Python loads native/", loaded.returncode == 0, loaded)


def check_server(image: Image, uri: str, log: Path) -> None:
    check_metadata(image)
    size = added(image)
    check(f"server: it adds {size:.1f} MB to Debian and Python, at most {MOST_ADDED_MB}", size < MOST_ADDED_MB)
    left = [*image.root.glob("usr/local/bin/pip*"), *image.root.glob("app/tests"), *image.root.glob("app/infra")]
    check("server: no pip, tests or infra in it", not left, left)
    check_native(image, image.root / "app")
    check("server: its files cannot be written to", run(image, "touch", "/app/x").returncode != 0)
    made = run(image, "admin", "keys", "create", "--system", "--name", "image", MONGO_DB_URI=uri)
    check("server: `admin keys create` makes a key", made.returncode == 0, made)
    key = next(word for word in made.stdout.split() if len(word) >= 40)
    port = free_port()
    began = time.monotonic()
    with started(image, log, MONGO_DB_URI=uri, LISTEN_PORT=str(port)) as process:
        until(lambda: answers(port))
        say(f"        the first answer came after {time.monotonic() - began:.2f} s")
        status = Path(f"/proc/{process}/status").read_text()
        check(
            "server: it is process 1 of its namespace",
            "NSpid:" in status and status.split("NSpid:")[1].split()[1] == "1",
        )
        check("server: it runs as user 10001", "Uid:\t10001\t10001" in status, status)
        inserted = call(port, key, "insertOne", document={"_id": 1, "name": "Ada"})
        check("server: a document goes in", inserted == {"insertedId": 1}, inserted)
        found = call(port, key, "findOne", filter={"name": "Ada"})
        check("server: and comes out", found == {"document": {"_id": 1, "name": "Ada"}}, found)
        health = image.config["Healthcheck"]["Test"][1:]
        check("server: its health check succeeds", run(image, *health, LISTEN_PORT=str(port)).returncode == 0)
        listed = run(image, "admin", "keys", "list", MONGO_DB_URI=uri)
        check("server: `admin keys list` shows the key", listed.returncode == 0 and "image" in listed.stdout, listed)
        listed = run(image, "dozen", "keys", "list", MONGO_DB_URI=uri)
        check("server: so does `dozen keys list`", listed.returncode == 0 and "image" in listed.stdout, listed)
        os.kill(process, signal.SIGTERM)
    check("server: its health check fails now", run(image, *health, LISTEN_PORT=str(port)).returncode != 0)


def check_functions(image: Image, uri: str, log: Path) -> None:
    check_metadata(image)
    site = image.root / "home/site/wwwroot"
    packages = site / ".python_packages/lib/site-packages"
    check("functions: the code lies where the host looks", (site / "host.json").is_file() and packages.is_dir())
    check_native(image, site)
    check("functions: no server of ours in it", not (packages / "uvicorn").exists())
    listed = run(image, "admin", "keys", "list", MONGO_DB_URI=uri)
    check("functions: `admin keys list` works", listed.returncode == 0 and "image" in listed.stdout, listed)
    listed = run(image, "dozen", "keys", "list", MONGO_DB_URI=uri)
    check("functions: `dozen keys list`, too", listed.returncode == 0 and "image" in listed.stdout, listed)
    with started(image, log, LISTEN_PORT="7123") as process:
        until(lambda: "serving" in log.read_text())
        check(
            "functions: the host is told the port", "serving http://+:7123 as 10001" in log.read_text(), log.read_text()
        )
        os.kill(process, signal.SIGTERM)


def main() -> None:
    """Check both images; a folder given as the argument keeps the stand-ins for the next time."""
    missing = [name for name in ("buildah", "debootstrap", "unshare") if not shutil.which(name)]
    if missing or os.geteuid() != 0:
        raise SystemExit(
            f"make image-test needs root, buildah and debootstrap; missing: {', '.join(missing) or 'root'}"
        )
    kept = Path(sys.argv[1]).resolve() if sys.argv[1:] else None
    work = kept or Path(tempfile.mkdtemp(prefix="dozen-image-"))
    buildah = Buildah(work)
    try:
        if not (work / "wheels").exists():
            stand_ins(buildah)
        with tempfile.TemporaryDirectory() as folder, Mongod(Path(folder) / "mongod") as mongod:
            check_server(buildah.build("server"), mongod.uri, Path(folder) / "server.log")
            check_functions(buildah.build("functions"), mongod.uri, Path(folder) / "functions.log")
    finally:
        buildah.close()
        if not kept:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
