"""What ``python:module:attribute`` names: one rule for tiers, router models, judges and embeddings."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tiergraph.errors import ConfigError, InputError
from tiergraph.proposers.linking import load_chain
from tiergraph.references import build, resolve
from tiergraph.testing import ScriptedProposer

SECRET = "sk-never-shown"


class Made:
    """What a slot wants, and a class that makes it."""

    fits = True

    def __init__(self, size: int = 1, key: str = "") -> None:
        if size < 0:
            raise ValueError(key)
        if size == 0:
            raise InputError("size is 0. Fix: give more.", code="size")
        self.size = size

    def __call__(self) -> None:
        raise AssertionError("what is ready is not called")


class Outer:
    inner = Made(7)


ready_made = Made(3)
nothing = None


def maker(**params: Any) -> Made:
    return Made(**params)


def misplaced() -> ScriptedProposer:
    from routers import make_config

    return ScriptedProposer(make_config().ladder, location="external")


def built(name: str, **params: Any) -> Any:
    return build(f"python:test_references:{name}", "slot", params=params, ready=lambda found: hasattr(found, "fits"))


@pytest.mark.parametrize("prefix", ["python:", ""])
def test_a_reference_names_an_object_of_a_module(prefix):
    assert resolve(f"{prefix}test_references:Outer.inner", "slot") is Outer.inner


@pytest.mark.parametrize("reference", ["no_such_module:x", "test_references:no_such_name", "test_references:Made.no.x"])
def test_what_cannot_be_imported_names_slot_reference_and_fix(reference):
    with pytest.raises(
        ConfigError, match=r"^slot: .* cannot be imported .* Fix: check module and attribute\.$"
    ) as caught:
        resolve(reference, "slot")
    assert repr(reference) in str(caught.value)


def test_a_module_that_fails_as_it_is_imported_is_a_configuration_error(tmp_path: Path, monkeypatch):
    (tmp_path / "fails_on_import.py").write_text(f"raise RuntimeError({SECRET!r})\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=r"cannot be imported \(RuntimeError\)") as caught:
        resolve("python:fails_on_import:x", "slot")
    assert SECRET not in str(caught.value)
    assert "fails_on_import" not in sys.modules


@pytest.mark.parametrize(("name", "size"), [("ready_made", 3), ("Made", 5), ("maker", 5)])
def test_what_is_ready_is_taken_and_what_makes_it_is_called_with_the_params(name, size):
    assert built(name, size=5).size == size


def test_an_object_that_is_neither_is_left_to_the_slot_to_refuse():
    assert built("nothing") is None


def test_a_maker_that_fails_is_a_configuration_error_without_its_params():
    with pytest.raises(ConfigError, match=r"cannot be made with params \['key', 'size'\] \(ValueError\)") as caught:
        built("maker", size=-1, key=SECRET)
    assert SECRET not in str(caught.value)


def test_an_error_of_ours_passes_as_it_is():
    with pytest.raises(InputError, match="Fix: give more"):
        built("Made", size=0)


def test_a_class_of_router_models_is_made_and_not_taken_for_one():
    from routers import make_config

    router = {"model": "python:test_references:OwnProposer", "location": "on_prem"}
    chain = load_chain(make_config(router=router))
    try:
        assert isinstance(chain.links[0].proposer, OwnProposer)
    finally:
        chain.close()


def test_a_router_model_that_is_elsewhere_than_configured_is_refused():
    from routers import make_config

    router = {"model": "python:test_references:misplaced", "location": "on_prem"}
    with pytest.raises(ConfigError, match=r"says 'on_prem', and .* itself 'external'\. Fix: state the place"):
        load_chain(make_config(router=router))


class OwnProposer(ScriptedProposer):
    def __init__(self) -> None:
        from routers import make_config

        super().__init__(make_config().ladder)
