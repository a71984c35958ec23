"""The adapter to rembg, on a stand-in with the structure of the package (2.0.60 and 2.0.86).

The real package is an optional extra; the adapter was also run on it by hand, with a tiny network.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from engine.images.rembg_matte import LICENCES, RembgMatte
from protocol.errors import EngineError

STAND_IN = """
from pathlib import Path
from PIL import Image

class BaseSession:
    home = None
    downloads = []

    def __init__(self, model_name, sess_opts, *args, **kwargs):
        self.weights = Path(self.__class__.download_models(*args, **kwargs))
        if self.weights.read_bytes() != b"weights":
            raise RuntimeError("INVALID_PROTOBUF")

    def predict(self, img, *args, **kwargs):
        return [img.convert("L").resize((8, 8))]

    @classmethod
    def u2net_home(cls, *args, **kwargs):
        return str(cls.home)

    @classmethod
    def download_models(cls, *args, **kwargs):
        path = Path(cls.home) / f"{cls.name()}.onnx"
        if not path.exists():
            BaseSession.downloads.append(cls.name())
            path.write_bytes(b"weights")
        return str(path)

sessions_class = []
for _name in ("birefnet-general", "birefnet-general-lite", "isnet-general-use", "bria-rmbg"):
    sessions_class.append(type("Session", (BaseSession,), {
        "name": classmethod(lambda cls, *a, _name=_name, **k: _name)}))
"""
RESOLVE = """
    @classmethod
    def resolve_existing(cls, fname, *args, **kwargs):
        path = Path(cls.home) / fname
        return str(path) if path.exists() else None
"""


@pytest.fixture(params=["older", "newer"])
def rembg_home(request, tmp_path, monkeypatch) -> Iterator[Path]:
    """An installed stand-in; the folder where it looks for weights."""
    source = STAND_IN
    if request.param == "newer":
        source = source.replace("\nsessions_class = []", RESOLVE + "\nsessions_class = []")
    package = tmp_path / "packages" / "rembg" / "sessions"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("")
    (package / "__init__.py").write_text(source)
    (tmp_path / "packages" / "onnxruntime.py").write_text("class SessionOptions:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path / "packages")
    for name in ("rembg", "rembg.sessions", "onnxruntime"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    from rembg import sessions  # pyright: ignore[reportMissingImports]

    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setattr(sessions.BaseSession, "home", home)
    yield home
    for name in ("rembg", "rembg.sessions", "onnxruntime"):
        sys.modules.pop(name, None)


def downloads() -> list[str]:
    return sys.modules["rembg.sessions"].BaseSession.downloads


PICTURE = Image.new("RGB", (30, 20), (200, 200, 200))


@pytest.mark.parametrize("model", LICENCES)
def test_weights_from_a_folder_are_used_without_a_download(rembg_home, tmp_path, model):
    folder = tmp_path / "my weights"
    folder.mkdir()
    matte = RembgMatte(model, weights_folder=folder)
    assert not matte.ready()
    (folder / f"{model}.onnx").write_bytes(b"weights")
    assert matte.ready()
    mask = matte.alpha(PICTURE)
    assert (mask.mode, mask.size) == ("L", PICTURE.size)
    assert mask.getpixel((3, 3)) == 200
    assert downloads() == []
    assert list(rembg_home.iterdir()) == []


def test_rembg_fetches_weights_only_where_that_is_allowed(rembg_home):
    forbidden = RembgMatte(allow_download=False)
    assert not forbidden.ready()
    with pytest.raises(EngineError) as caught:
        forbidden.alpha(PICTURE)
    assert caught.value.code == "matte_weights_missing"
    assert downloads() == []
    RembgMatte().alpha(PICTURE)
    assert downloads() == ["birefnet-general"]
    assert forbidden.ready()
    forbidden.alpha(PICTURE)
    assert downloads() == ["birefnet-general"]


def test_a_folder_without_the_weights_is_no_reason_to_download(rembg_home, tmp_path):
    with pytest.raises(EngineError) as caught:
        RembgMatte(weights_folder=tmp_path, allow_download=True).alpha(PICTURE)
    assert caught.value.code == "matte_weights_missing"
    assert str(tmp_path) in caught.value.message
    assert downloads() == []


def test_broken_weights_are_one_clear_error(rembg_home):
    (rembg_home / "birefnet-general.onnx").write_bytes(b"half of the wei")
    with pytest.raises(EngineError) as caught:
        RembgMatte().alpha(PICTURE)
    assert caught.value.code == "matte_failed"
    assert "INVALID_PROTOBUF" in caught.value.message


def test_non_commercial_weights_need_a_word(rembg_home):
    with pytest.raises(EngineError) as caught:
        RembgMatte("bria-rmbg")
    assert caught.value.code == "matte_licence"
    assert "CC BY-NC" in caught.value.message
    assert "birefnet-general" in caught.value.hint
    RembgMatte("bria-rmbg", allow_non_commercial=True).alpha(PICTURE)


@pytest.mark.parametrize("model", ["u2net", "withoutbg", "../../etc/passwd", ""])
def test_only_names_on_the_list_are_used(model):
    with pytest.raises(EngineError) as caught:
        RembgMatte(model, allow_non_commercial=True)
    assert caught.value.code == "matte_model"


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setattr("engine.images.rembg_matte._installed", lambda: False)
    assert not RembgMatte().ready()
    with pytest.raises(EngineError) as caught:
        RembgMatte().alpha(PICTURE)
    assert caught.value.code == "matte_not_installed"
    assert 'run.py python -m pip install -e ".[matte]"' in caught.value.hint
