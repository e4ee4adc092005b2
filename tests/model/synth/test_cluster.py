import io
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from shutil import rmtree

import pytest

from same_engines.errors import DataError
from same_model.synth import cluster
from same_model.synth.config import SynthConfig
from same_model.synth.made import open_job
from same_model.synth.plan import plan_jobs
from same_model.synth.synth import run_job, run_jobs

ray = pytest.importorskip("ray")
CONFIG = SynthConfig(width=32, height=24, procedural=1, max_seconds=1.5, seed=1)
JOBS = plan_jobs(CONFIG)[:3]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A cluster of two machines, of one core each, on this one."""
    from ray.cluster_utils import Cluster

    two = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    two.add_node(num_cpus=1)
    yield two.address
    ray.shutdown()
    two.shutdown()


def _files(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.mark.slow
def test_a_cluster_makes_the_same_bytes_as_one_machine_and_goes_on_after_a_stop(
    address: str, tmp_path: Path
) -> None:
    alone = list(run_jobs(CONFIG, JOBS, tmp_path / "alone", 1, True))
    by_two = list(cluster.run_jobs_on_cluster(CONFIG, JOBS, tmp_path / "two", address, True))
    assert sorted(by_two, key=str) == sorted(alone, key=str)
    assert sum(result.made for result in by_two) > 50
    assert _files(tmp_path / "two") == _files(tmp_path / "alone")
    first = next(path for path in sorted((tmp_path / "two").glob("*/*")) if path.is_dir())
    rmtree(first)
    again = list(cluster.run_jobs_on_cluster(CONFIG, JOBS, tmp_path / "two", address))
    assert 0 < sum(r.made for r in again) < sum(r.found for r in again)
    assert _files(tmp_path / "two") == _files(tmp_path / "alone")


@pytest.mark.slow
def test_machines_of_another_version_are_refused(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SynthConfig, "digest", property(lambda self: "another"))
    with pytest.raises(DataError, match="another version of this package"):
        list(cluster.run_jobs_on_cluster(CONFIG, JOBS[:1], tmp_path, address))
    assert not _files(tmp_path)


def test_what_a_machine_gives_back_is_what_one_machine_makes(tmp_path: Path) -> None:
    config = replace(CONFIG, render=False)
    run_job(config, JOBS[0], tmp_path / "alone")
    _, missing, made_of = open_job(config, JOBS[0], tmp_path / "far", False)
    for motion, path in missing:
        digest, packed = cluster._render(config, JOBS[0], motion, made_of)
        assert digest == config.digest
        cluster._keep(packed, path)
    assert len(_files(tmp_path / "far")) > 20
    assert _files(tmp_path / "far") == _files(tmp_path / "alone")


def test_a_recording_that_came_meanwhile_stays(tmp_path: Path) -> None:
    packed = io.BytesIO()
    tarfile.open(fileobj=packed, mode="w").close()
    (tmp_path / "train" / "a").mkdir(parents=True)
    (tmp_path / "train" / "a" / "meta.json").write_text("{}")
    with pytest.raises(DataError, match="another run made it meanwhile"):
        cluster._keep(packed.getvalue(), tmp_path / "train" / "a")
    assert list(_files(tmp_path)) == ["train/a/meta.json"]


def test_without_a_cluster_one_line_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no Ray cluster answers.*ray start --head"):
        list(cluster.run_jobs_on_cluster(CONFIG, JOBS, tmp_path, "127.0.0.1:1"))
