"""The pretended device refuses what PyTorch refuses on a real one, and is taken for one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch_rules
from both_places import assert_same
from pretended_device import pretended
from region_fields.engine.ops import bits, components, distance
from torch._subclasses.fake_tensor import FakeTensorMode

AWAY, HERE = torch.arange(6.0).view(2, 3), torch.ones(2, 3)
NUMBER = torch.tensor(2.0)

ALLOWED = {
    "a number of the CPU in arithmetic": lambda away, here, number: away + number,
    "a number of the CPU in a comparison": lambda away, here, number: number > away,
    "numbers of the CPU to choose from": lambda away, here, number: torch.where(
        away > 1, number, number + 1
    ),
    "a number of the CPU to fill with": lambda away, here, number: away.masked_fill(
        away > 1, number
    ),
    "a number of the CPU put at indices": lambda away, here, number: away.index_put(
        (torch.tensor([0]),), number
    ),
    "a copy from the CPU": lambda away, here, number: away.clone().copy_(here),
    "a copy from the CPU into a part": lambda away, here, number: away.clone()[1:].copy_(here[1:]),
    "a copy to the CPU": lambda away, here, number: here.clone().copy_(away),
    "indices on the CPU": lambda away, here, number: away[torch.tensor([1, 0])],
    "a mask on the CPU": lambda away, here, number: away.index_put((here > 0,), away[0, 0]),
    "indices beside the tensor": lambda away, here, number: away[(away[:, 0] > 0).long()],
    "a number of the device": lambda away, here, number: away * away[0, 0],
}
REFUSED = {
    "arithmetic": lambda away, here, number: away + here,
    "arithmetic with a row": lambda away, here, number: away * here[0],
    "arithmetic with one value in a row": lambda away, here, number: away * here[0, :1],
    "a number of the device in the CPU's arithmetic": lambda away, here, number: here + away[0, 0],
    "addition to a tensor of the CPU": lambda away, here, number: here.clone().add_(away),
    "addition to a tensor of the device": lambda away, here, number: away.clone().add_(here),
    "a comparison": lambda away, here, number: away > here,
    "a choice": lambda away, here, number: torch.where(away > 1, away, here),
    "a mask to fill": lambda away, here, number: away.masked_fill(here > 0, 1.0),
    "joining": lambda away, here, number: torch.cat([away, here]),
    "stacking": lambda away, here, number: torch.stack([away, here]),
    "a product": lambda away, here, number: away @ here.T,
    "gathering": lambda away, here, number: away.gather(1, here.long()),
    "index_select": lambda away, here, number: away.index_select(0, torch.tensor([0])),
    "values put at indices": lambda away, here, number: away.index_put(
        (torch.tensor([0]),), here[0]
    ),
    "values of a row added at indices": lambda away, here, number: away.index_add(
        0, torch.tensor([0, 1]), here
    ),
    "a search": lambda away, here, number: torch.searchsorted(away[0], here[0]),
    "an output elsewhere": lambda away, here, number: torch.add(away, away, out=here.clone()),
}
REFUSED_BY_KERNELS = {  # and by checks before them, which FakeTensorMode doesn't have
    "indices of the device in a tensor of the CPU": lambda away, here, number: here[
        (away[:, 0] > 0).long()
    ],
    "two numbers of the CPU": lambda away, here, number: torch.addcmul(away, number, number),
    "a number of the CPU as a limit": lambda away, here, number: torch.clamp(away, number, number),
    "a number of the CPU as a weight": lambda away, here, number: torch.lerp(away, away, number),
}
EVERY = ALLOWED | REFUSED


@pytest.mark.parametrize("kind", ["cuda", "mps"])
@pytest.mark.parametrize("name", ALLOWED)
def test_what_may_be_mixed_gives_what_the_cpu_gives(name, kind):
    wanted = ALLOWED[name](AWAY, HERE, NUMBER)
    with pretended(kind) as place:
        found = ALLOWED[name](AWAY.to(place), HERE, NUMBER)
        assert torch.equal(found.cpu(), wanted)


@pytest.mark.parametrize("kind", ["cuda", "mps"])
@pytest.mark.parametrize("name", REFUSED | REFUSED_BY_KERNELS)
def test_what_may_not_be_mixed_is_refused(name, kind):
    call = (REFUSED | REFUSED_BY_KERNELS)[name]
    with (
        pretended(kind) as place,
        pytest.raises(RuntimeError, match="same device"),
    ):
        call(AWAY.to(place), HERE, NUMBER)


@pytest.mark.parametrize("name", EVERY)
def test_pytorchs_own_tensors_without_values_allow_and_refuse_the_same(name):
    with FakeTensorMode():
        away, here = torch.zeros(2, 3, device="cuda"), torch.zeros(2, 3)
        number = torch.zeros(())
        if name in ALLOWED:
            EVERY[name](away, here, number)
        else:
            with pytest.raises((RuntimeError, AssertionError)):
                EVERY[name](away, here, number)


@pytest.mark.parametrize("read", [lambda x: x.numpy(), np.asarray], ids=["numpy", "asarray"])
def test_an_array_is_made_by_way_of_the_cpu_alone(read):
    with pretended("cuda") as place:
        with pytest.raises(TypeError, match=r"Use Tensor\.cpu"):
            read(HERE.to(place))
        assert read(HERE.to(place).cpu()).shape == (2, 3)


@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_it_is_named_as_a_real_device_is(kind):
    with pretended(kind) as place:
        made = {
            "moved": HERE.to(kind),
            "made": torch.zeros(3, device=kind),
            "of values": torch.tensor([1.0], device=kind),
            "of a tensor": torch.as_tensor(HERE, device=place),
            "beside": torch.zeros(1, device=kind).new_tensor([1.0]),
            "like": torch.empty_like(HERE, device=place),
            "module": next(torch.nn.Linear(2, 2).to(place).parameters()),
        }
        for how, tensor in made.items():
            assert tensor.device == torch.device(kind, 0) != torch.device(kind), how
            assert (tensor.is_cuda, tensor.is_mps, tensor.is_cpu) == (
                kind == "cuda",
                kind == "mps",
                False,
            )
        assert type(made["moved"].cpu()) is type(made["moved"].to("cpu")) is torch.Tensor


def test_moving_makes_a_copy_and_staying_makes_none():
    here = HERE.clone()
    with pretended("cuda") as place:
        away = here.to(place)
        assert away.to(place) is away
        away.zero_()
        back = away.cpu()
        away.fill_(5)
    assert torch.equal(here, HERE)
    assert not back.any()


def test_a_part_shares_its_memory_with_the_whole():
    with pretended("cuda") as place:
        whole = HERE.to(place)
        whole[0][1:].zero_()
        whole[[1]] = 7
        assert whole.tolist() == [[1, 0, 0], [7, 7, 7]]


def test_memory_without_values_holds_what_no_computation_gives():
    with pretended("cuda") as place:
        assert torch.empty(3, device=place).isnan().all()
        assert (torch.empty_like(HERE.to(place).long()) > 1 << 60).all()


def test_apples_gpus_have_no_float64():
    with pretended("mps") as place:
        with pytest.raises(TypeError, match="float64"):
            HERE.to(place, torch.float64)
        with pytest.raises(TypeError, match="float64"):
            torch.zeros(3, dtype=torch.float64, device=place)
        with pytest.raises(TypeError, match="float64"):
            torch.cumsum(HERE.to(place), 0, dtype=torch.float64)
        assert HERE.to(place).cpu().to(torch.float64).dtype == torch.float64
    with pretended("cuda") as place:
        assert HERE.to(place, torch.float64).dtype == torch.float64


def test_an_operation_without_a_kernel_is_refused(monkeypatch):
    assert torch_rules.has_kernel("add.Tensor", "mps")
    assert torch_rules.has_kernel("cudnn_convolution", "cuda")
    assert not torch_rules.has_kernel("cudnn_convolution", "mps")
    assert torch_rules.refuses_other_devices("mm")
    assert not torch_rules.refuses_other_devices("add.Tensor")
    monkeypatch.setattr("pretended_device.has_kernel", lambda name, kind: name != "mm")
    with pretended("cuda") as place, pytest.raises(NotImplementedError, match=r"aten\.mm"):
        HERE.to(place) @ AWAY.to(place).T


def test_code_that_asks_for_the_device_takes_the_gpus_path(monkeypatch):
    def refuse(*_):
        raise AssertionError("the CPU's path")

    monkeypatch.setattr(distance, "_distance_by_scipy", refuse)
    monkeypatch.setattr(components, "_label_by_scipy", refuse)
    monkeypatch.setattr(bits, "bit_count_array", refuse)
    spots = AWAY > 4
    for call in (
        distance.distance_to,
        components.label_components,
        lambda mask: bits.bit_count(bits.pack_bits(mask)),
    ):
        with pytest.raises(AssertionError, match="the CPU's path"):
            call(spots)
        with pretended("cuda") as place:
            call(spots.to(place))


WRONG = {
    "mixes devices": lambda put: put(HERE) + AWAY,
    "comes back to the CPU": lambda put: put(HERE).cpu() + 1,
    "gives what was never written": lambda put: torch.empty_like(put(HERE)),
    "takes another path to another result": lambda put: put(HERE) + put(HERE).is_cuda,
    "reads an array where it lies": lambda put: torch.from_numpy(put(HERE).numpy()),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_function_that_is_wrong_on_a_device_is_found(name):
    with pytest.raises((AssertionError, RuntimeError, TypeError)):
        assert_same("cuda", WRONG[name])
