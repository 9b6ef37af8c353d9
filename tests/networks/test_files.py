"""Files that belong together, and folders made for what never came."""

import pytest

from exprgen.networks.errors import InputError, OutputError
from exprgen.networks.files import (
    all_or_none,
    drop_unfinished,
    made_folders,
    output_folder,
)


def test_what_belongs_together_is_written_together(tmp_path):
    old, new = tmp_path / "old.json", tmp_path / "new.blend"
    old.write_text("mine")

    def fails():
        with all_or_none(old, new):
            old.write_text("half")
            new.write_text("half")
            raise InputError("no face")

    with pytest.raises(InputError):
        fails()
    assert [p.name for p in tmp_path.iterdir()] == ["old.json"]
    assert old.read_text() == "mine"
    with all_or_none(old, new):
        old.write_text("done")
    assert [p.name for p in tmp_path.iterdir()] == ["old.json"]
    assert old.read_text() == "done"


def test_a_folder_among_them_goes_only_if_it_is_new(tmp_path):
    (tmp_path / "mine").mkdir()

    def fails():
        with all_or_none(tmp_path / "mine", tmp_path / "new"):
            for name in ("mine", "new"):
                (tmp_path / name).mkdir(exist_ok=True)
                (tmp_path / name / "1.png").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fails()
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_an_end_by_force_puts_back_too(tmp_path):
    path = tmp_path / "old.json"
    path.write_text("mine")
    with all_or_none(path):
        path.write_text("half")
        drop_unfinished()
        assert path.read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_an_error_that_says_so(tmp_path):
    (tmp_path / "file").touch()
    assert output_folder(tmp_path / "a" / "b").is_dir()
    with pytest.raises(OutputError, match="is a file, not a folder"):
        output_folder(tmp_path / "file")
    with pytest.raises(OutputError, match="can't be written") as caught:
        output_folder(tmp_path / "file" / "b")
    assert "a file stands where a folder should be" in caught.value.fix


def test_empty_folders_of_what_failed_go_again(tmp_path):
    (tmp_path / "mine").mkdir()

    def fails():
        with made_folders():
            output_folder(tmp_path / "a" / "b")
            output_folder(tmp_path / "mine")
            output_folder(tmp_path / "full" / "empty")
            (tmp_path / "full" / "1.png").touch()
            raise InputError("no face")

    with pytest.raises(InputError):
        fails()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["full", "mine"]
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["1.png"]
    with made_folders():
        output_folder(tmp_path / "kept")
    assert (tmp_path / "kept").is_dir()
