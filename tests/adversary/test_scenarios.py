from pathlib import Path

import pytest

from tests.adversary import plan as plans
from tests.adversary.run import shown
from tests.adversary.world import play

FILES = sorted((Path(__file__).parent / "scenarios").glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_was_found_once_stays_cured(path: Path) -> None:
    scenario = plans.read(path)
    world = play(scenario)
    assert not world.found, shown(scenario, world, tries=0)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_read_as_it_was_written(path: Path, tmp_path: Path) -> None:
    scenario = plans.read(path)
    again = tmp_path / path.name
    again.write_text(plans.written(scenario))
    assert plans.read(again) == scenario
