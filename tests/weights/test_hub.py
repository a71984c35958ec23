"""The hub: which file is asked for, and what is said when it cannot be had. No network."""

from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import errors

from engine.networks.structure_vae import StructureDecoder
from engine.systems.opening import load_checkpoint
from engine.weights.hub import Origin, Repository
from protocol.errors import EngineError
from tests.checkpoints import tiny
from tests.checkpoints.test_checkpoint import refused


class Hub:
    """Repositories as folders, in the place of ``hf_hub_download``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.asked: list[tuple[str, str, str | None]] = []
        self.endpoints: set[tuple[str | None, bool | None]] = set()
        self.error: Exception | None = None

    def download(
        self, repo_id: str, filename: str, *, revision, cache_dir, local_files_only, endpoint, token
    ) -> str:
        self.asked.append((repo_id, filename, revision))
        self.endpoints.add((endpoint, token))
        if self.error is not None:
            raise self.error
        path = self.root / repo_id / filename
        if path.is_file():
            return str(path)
        if local_files_only:
            raise errors.LocalEntryNotFoundError("not in the cache")
        raise errors.EntryNotFoundError("404")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    tiny.write_checkpoint(tmp_path / "me/mine", at=tmp_path / "somebody/structure/ckpts/decoder")
    hub = Hub(tmp_path)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", hub.download)
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", lambda url, **_: None)
    return hub


def answer(kind: type[errors.HfHubHTTPError]) -> errors.HfHubHTTPError:
    # Their constructors need a response of the transport; only their class matters here.
    error = kind.__new__(kind)
    Exception.__init__(error, "no")
    return error


@pytest.mark.parametrize("offline", [False, True])
def test_a_checkpoint_and_a_network_of_another_repository(hub: Hub, offline: bool):
    checkpoint = load_checkpoint("me/mine", offline=offline)
    assert checkpoint.texturing is None
    assert isinstance(checkpoint.network("sparse_structure_decoder"), StructureDecoder)
    assert ("somebody/structure", "ckpts/decoder.safetensors", None) in hub.asked


def test_a_folder_may_name_a_repository(hub: Hub, tmp_path: Path):
    folder = tmp_path / "very/far/away"
    tiny.write_checkpoint(folder, at=tmp_path / "unrelated")
    network = load_checkpoint(folder).network("sparse_structure_decoder")
    assert isinstance(network, StructureDecoder)
    assert {repository for repository, _, _ in hub.asked} == {"somebody/structure"}


def test_mirrors_and_another_hub_are_asked_for_networks_too(hub: Hub, tmp_path: Path):
    (tmp_path / "somebody/structure").rename(tmp_path / "somebody/copy")
    mirrors = (("you/here", "me/mine"), ("somebody/structure", "somebody/copy"))
    checkpoint = load_checkpoint("you/here", origin=Origin("https://hub.example.org", mirrors))
    assert isinstance(checkpoint.network("sparse_structure_decoder"), StructureDecoder)
    assert {repository for repository, _, _ in hub.asked} == {"me/mine", "somebody/copy"}
    assert {revision for _, _, revision in hub.asked} == {"main"}
    assert hub.endpoints == {("https://hub.example.org", False)}
    load_checkpoint("me/mine")
    assert (None, None) in hub.endpoints


def test_known_repositories_are_pinned(hub: Hub):
    with refused("file_missing", "microsoft/TRELLIS.2-4B", "pipeline.json"):
        load_checkpoint("microsoft/TRELLIS.2-4B")
    assert hub.asked[0][2] == "af44b45f2e35a493886929c6d786e563ec68364d"


def test_offline(hub: Hub):
    with refused("hub_offline", "other/one", "offline"):
        load_checkpoint("other/one", offline=True)
    hub.error = errors.OfflineModeIsEnabled("HF_HUB_OFFLINE")
    with refused("hub_offline", "me/mine", "cannot be reached"):
        load_checkpoint("me/mine")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (answer(errors.GatedRepoError), "hub_gated"),
        (answer(errors.RepositoryNotFoundError), "hub_not_found"),
        (answer(errors.RevisionNotFoundError), "hub_not_found"),
        (errors.HFValidationError("bad name"), "hub_not_found"),
        (answer(errors.HfHubHTTPError), "hub_failed"),
        (OSError(28, "No space left on device"), "hub_failed"),
        (TimeoutError(), "hub_failed"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_the_hub_may_answer(hub: Hub, error: Exception, code: str):
    hub.error = error
    with refused(code, "me/mine"):
        load_checkpoint("me/mine")


def test_a_missing_file_in_a_subfolder_names_the_checkpoint_first(hub: Hub, tmp_path: Path):
    folder = tiny.write_checkpoint(tmp_path / "ours", decoder="ckpts/sub/flow")
    (folder / "ckpts/sub/flow.json").unlink()
    hub.error = answer(errors.RepositoryNotFoundError)
    with refused("file_missing", f"ckpts/sub/flow.json is not in the checkpoint {folder}"):
        load_checkpoint(folder).network("sparse_structure_decoder")


def test_without_a_network_it_is_said_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """hf_hub_download itself tries for half a minute."""

    def unreachable(*_: object, **__: object) -> None:
        raise OSError("Name or service not known")

    def never(*_: object, **__: object) -> None:
        raise AssertionError("it tried to download")

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", unreachable)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", never)
    with pytest.raises(EngineError) as caught:
        Repository("some/thing", cache=tmp_path).file("pipeline.json")
    assert caught.value.code == "hub_offline"
