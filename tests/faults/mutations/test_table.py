"""No mutation is stale: what it replaces is there, and so are the tests it names."""

import ast
import re
import shutil
from pathlib import Path

import pytest

from tests.faults.mutations import trial
from tests.faults.mutations.mutation import Mutation, Stale
from tests.faults.mutations.table import MUTATIONS


def test_every_protection_is_named_once() -> None:
    names = [one.protection for one in MUTATIONS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.protection)
def test_mutation_is_not_stale(mutation: Mutation, tmp_path: Path) -> None:
    for file, _, _ in mutation.edits:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(trial.ROOT / file, tmp_path / file)
    mutation.apply(tmp_path)
    for file, _, _ in mutation.edits:
        ast.parse((tmp_path / file).read_text())


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.protection)
def test_mutation_names_tests_that_exist(mutation: Mutation) -> None:
    for test in mutation.tests:
        file, _, name = test.partition("::")
        function = re.escape(name.partition("[")[0])
        assert re.search(
            rf"^(async )?def {function}\(",
            (trial.ROOT / file).read_text(),
            re.MULTILINE,
        ), test


@pytest.mark.parametrize("source", ["x = 2\n", "x = 1\nx = 1\n"], ids=["none", "two"])
def test_text_that_is_not_there_once_is_stale(tmp_path: Path, source: str) -> None:
    (tmp_path / "one.py").write_text(source)
    with pytest.raises(Stale):
        Mutation("x", "one.py", "x = 1", "x = 0", (), "").apply(tmp_path)
