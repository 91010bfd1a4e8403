"""A change in a kernel's source, or in that of a kernel it imports, is seen by the disk cache."""

import subprocess
import sys

import pytest

from jmimpute.graph.likelihood import collapsed
from jmimpute.graph.small_matrices import inverse_triangle
from jmimpute.sampling.nuts import run
from jmimpute.sampling.target import log_density

OTHER = "from jmimpute.compilation import kernel\n@kernel\ndef inner(x):\n    return x + {number}\n"
CALLER = "from jmimpute.compilation import kernel\nfrom other import inner\n@kernel\ndef outer(x):\n    return inner(x) * 10\n"


@pytest.mark.sampling
def test_a_change_in_an_imported_kernel_is_compiled_again(tmp_path):
    (tmp_path / "caller.py").write_text(CALLER)
    answers = []
    for number in (1, 2, 1):
        (tmp_path / "other.py").write_text(OTHER.format(number=number))
        command = [
            sys.executable,
            "-B",
            "-c",
            "from caller import outer; print(outer(1), sum(outer.stats.cache_hits.values()))",
        ]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        answers.append(done.stdout.split()[0])
    assert answers == ["20", "30", "20"]


@pytest.mark.sampling
def test_an_unchanged_kernel_is_loaded_from_disk(tmp_path):
    (tmp_path / "caller.py").write_text(CALLER)
    (tmp_path / "other.py").write_text(OTHER.format(number=1))
    command = [sys.executable, "-c", "from caller import outer; print(outer(1), sum(outer.stats.cache_hits.values()))"]
    answers = [
        subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.split() for _ in range(2)
    ]
    assert answers == [["20", "0"], ["20", "1"]]


@pytest.mark.sampling
def test_a_cache_that_names_a_class_that_is_gone_is_passed_over(tmp_path):
    """As after an upgrade: the index of the cache is there, and cannot be read."""
    for name in ("Old", "New"):
        text = "from typing import NamedTuple\nfrom jmimpute.compilation import kernel\n"
        text += f"class {name}(NamedTuple):\n    x: int\n@kernel\ndef outer(a):\n    return a.x\n"
        (tmp_path / "caller.py").write_text(text)
        command = [sys.executable, "-B", "-c", f"from caller import outer, {name}; print(outer({name}(3)))"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["3"]


@pytest.mark.sampling
def test_a_kernel_is_cold_until_it_was_compiled(tmp_path):
    (tmp_path / "other.py").write_text(OTHER.format(number=1))
    (tmp_path / "caller.py").write_text(CALLER)
    line = "from caller import outer; from jmimpute.compilation import is_cold; print(is_cold(outer), outer(1), is_cold(outer))"
    command = [sys.executable, "-c", line]
    runs = [subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    assert runs == ["True 20 False\n", "False 20 False\n"]


def test_stamps_follow_the_files():
    stamps = [kernel.stamp for kernel in (inverse_triangle, collapsed, log_density, run)]
    assert len(set(stamps)) == len(stamps)
    # What numba compares is our stamp, not the date of the file.
    assert run._cache._cache_file._source_stamp == run.stamp
