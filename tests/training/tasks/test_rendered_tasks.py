"""Stage 2 of the auto-encoders: it trains, from the weights of stage 1."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.training.config import config_from_json, differences, read_config
from engine.training.publish import save_network
from engine.training.tasks import table as tasks
from engine.training.tasks.rendered_losses import MATERIAL_PICTURES, SHAPE_PICTURES
from engine.training.tasks.rendered_tasks import RenderedMaterialTask, RenderedShapeTask
from engine.training.tasks.sc_vae import MaterialVaeTask, ShapeVaeTask
from engine.training.tasks.table import make_task
from protocol.errors import EngineError
from tests.training.shapes import ShapeSource, material_vae, shape_vae

CONFIG = Path(__file__).parents[3] / "configs" / "embedded" / "shape_vae_rendered.json"


def shape_task(**more) -> RenderedShapeTask:
    stage1 = ShapeVaeTask(*shape_vae(), ShapeSource(2), resolutions=(16,), most_voxels=3000)
    return RenderedShapeTask(stage1, picture=16, **more)


def test_the_split_weight_learns():
    task = shape_task()
    batch = task.batch(np.random.default_rng(0))
    loss, parts = task.loss(batch, torch.Generator().manual_seed(0))
    assert parts.keys() == task.weights.keys() and parts.keys() > SHAPE_PICTURES.keys()
    assert float(loss.detach()) == pytest.approx(
        sum(task.weights[name] * part for name, part in parts.items()), rel=1e-5
    )
    loss.backward()
    # Branches that start at zero let gradients through from the second step on.
    torch.optim.AdamW(task.networks.parameters(), lr=2e-3).step()
    task.networks.zero_grad()
    task.loss(batch, torch.Generator().manual_seed(0))[0].backward()
    head = task.stage1.decoder.output_layer.weight.grad
    assert head is not None and bool((head != 0).any(1).all())


def test_a_batch_brings_its_cameras_along():
    task = shape_task(views=2)
    one, same, other = (task.batch(np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one.cameras == same.cameras != other.cameras
    assert [len(cameras) for cameras in one.cameras] == [2] * len(one.named.names)
    assert task.describe(one) == ", ".join(one.named.names)
    with pytest.raises(ValueError, match="16 at least"):
        shape_task(views=0)


def test_autocast_does_not_reach_the_pictures():
    task = shape_task()
    batch = task.batch(np.random.default_rng(0))
    with torch.autocast("cpu", torch.bfloat16):
        loss, parts = task.loss(batch, torch.Generator().manual_seed(0))
    _, exact = task.loss(batch, torch.Generator().manual_seed(0))
    assert loss.dtype == torch.float32
    for name in SHAPE_PICTURES:
        assert parts[name] == pytest.approx(exact[name], abs=0.05)


def test_the_material_learns_from_pictures():
    stage1 = MaterialVaeTask(*material_vae(), ShapeSource(2), resolutions=(16,), most_voxels=3000)
    task = RenderedMaterialTask(stage1, picture=16)
    assert task.weights.keys() > MATERIAL_PICTURES.keys()
    optimizer = torch.optim.AdamW(task.networks.parameters(), lr=2e-3, weight_decay=0)
    history = []
    for _ in range(12):
        batch = task.batch(np.random.default_rng(0))
        loss, parts = task.loss(batch, torch.Generator().manual_seed(0))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(parts)
    for name in ("base_color", "factors"):
        assert history[-1][name] < 0.8 * history[0][name]


def example(**changes):
    config = dataclasses.replace(read_config(CONFIG), start=None)
    options = {**config.options, "resolutions": [16], "rendered": {"picture": 16}}
    return dataclasses.replace(config, options=options, **changes)


def test_the_example_starts_from_stage_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tasks, "Dataset", lambda *_, **__: ShapeSource(2))
    assert read_config(CONFIG).start == "out/embedded/checkpoint"
    data, cpu = tmp_path, torch.device("cpu")
    config = example()
    before = make_task(config, data, cpu)
    with torch.no_grad():
        for parameter in before.networks.parameters():
            parameter.add_(0.125)
    for name, network in before.networks.items():
        save_network(tmp_path / "stage1", name, config.networks[name], network.state_dict(),
                     torch.float32)  # fmt: skip
    task = make_task(example(start=str(tmp_path / "stage1")), data, cpu)
    expected = before.networks.state_dict()
    for name, value in task.networks.state_dict().items():
        assert torch.equal(value, expected[name]), name
    loss, _ = task.loss(task.batch(np.random.default_rng(0)), torch.Generator().manual_seed(0))
    loss.backward()
    torch.optim.SGD(task.networks.parameters(), lr=0.1).step()
    # What was written stays as it is.
    again = make_task(example(start=str(tmp_path / "stage1")), data, cpu)
    for name, value in again.networks.state_dict().items():
        assert torch.equal(value, expected[name]), name
    with pytest.raises(EngineError) as caught:
        make_task(example(start=str(tmp_path / "nowhere")), data, cpu)
    assert caught.value.code == "tensors_missing_file"
    misfit = {**config.options, "rendered": {"pictures": 16}}
    with pytest.raises(EngineError) as caught:
        make_task(dataclasses.replace(config, options=misfit), data, cpu)
    assert caught.value.code == "train_config"


def test_a_start_is_a_text_and_part_of_what_may_not_change():
    content = {"task": "shape_vae", "networks": {}, "steps": 1}
    with pytest.raises(ValueError, match='"start" is not a text'):
        config_from_json({**content, "start": 3})
    plain, started = config_from_json(content), config_from_json({**content, "start": "there"})
    assert differences(plain.as_json(), started.as_json()) == ['start was null and is "there"']
    # A state from before there were starts resumes.
    old = {name: value for name, value in plain.as_json().items() if name != "start"}
    assert differences(old, plain.as_json()) == []
