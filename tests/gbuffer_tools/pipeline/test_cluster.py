"""Extract and check on a Dask cluster of two workers on this machine, one of which is killed."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from gbuffer_tools import check, extract
from gbuffer_tools.command import run
from gbuffer_tools.schema import Shard

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def cluster() -> Iterator["distributed.LocalCluster"]:
    quiet = {"distributed.worker.profile.enabled": False, "distributed.admin.log-format": "%(message)s"}
    from dask import config

    with (
        config.set(quiet),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
        ) as found,
    ):
        yield found


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 folders, so 12 frame files, of 4 noisy images."""
    folder = tmp_path_factory.mktemp("cluster") / "images"
    rng = np.random.default_rng(0)
    for i in range(12):
        (folder / f"scene{i:02d}").mkdir(parents=True)
        for j in range(4):
            cv2.imwrite(str(folder / f"scene{i:02d}" / f"{j}.png"), rng.integers(0, 256, (360, 640, 3), np.uint8))
    return folder


def command(source: Path, out: Path, *more: str) -> int:
    return run(extract.main, extract.build_parser(), [str(source), "--out", str(out), *more])


def files(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(out.iterdir())}


def test_a_killed_worker_changes_nothing(cluster, source, tmp_path):
    assert command(source, tmp_path / "here", "--jobs", "1") == 0
    victim = next(iter(cluster.workers.values())).pid
    killed = threading.Event()

    def kill() -> None:
        while not list((tmp_path / "there").glob("*.h5")):
            killed.wait(0.01)
        os.kill(victim, signal.SIGKILL)
        killed.set()

    killer = threading.Thread(target=kill)
    killer.start()
    assert command(source, tmp_path / "there", "--scheduler", cluster.scheduler_address) == 0
    killer.join(60)
    assert killed.is_set()
    assert len(files(tmp_path / "here")) == 12
    assert files(tmp_path / "there") == files(tmp_path / "here")


def test_check_over_the_cluster_prints_the_same(cluster, source, tmp_path, capsys):
    out = tmp_path.resolve() / "frames"
    assert command(source, out, "--jobs", "1") == 0
    capsys.readouterr()

    def printed(*more: str) -> str:
        assert run(check.main, check.build_parser(), [str(out), "--json", *more]) == 0
        return capsys.readouterr().out

    assert printed("--scheduler", cluster.scheduler_address) == printed("--jobs", "1")


def test_a_damaged_file_is_named_and_the_others_are_made(cluster, source, tmp_path, capsys):
    bad = tmp_path / "bad"
    bad.mkdir()
    whole = next(source.rglob("*.png")).read_bytes()
    (bad / "a.png").write_bytes(whole[: len(whole) // 2])
    (bad / "b.png").write_bytes(whole)
    left = tmp_path / "out" / "bad-640x360.h5.elsewhere-7-0.partial"  # of a worker that died on another machine
    left.parent.mkdir()
    left.touch()
    code = command(bad, tmp_path / "out", "--scheduler", cluster.scheduler_address)
    error = capsys.readouterr().err.splitlines()[-1]
    assert code == 2
    assert "a.png: not a readable image" in error
    assert list(files(tmp_path / "out")) == ["bad-640x360.h5"]
    with Shard(tmp_path / "out" / "bad-640x360.h5") as shard:
        assert shard.names == ("b",)


def test_nobody_answers(source, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("gbuffer_tools.pipeline.cluster.CONNECT_SECONDS", 1)
    assert command(source, tmp_path, "--scheduler", "tcp://127.0.0.1:9") == 2
    assert "no Dask scheduler answers" in capsys.readouterr().err.splitlines()[-1]
