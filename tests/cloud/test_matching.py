"""Which spool feeds which filament, and whether a job fits a printer: pure questions, exact answers."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.printing.filaments import Missing, Needed, SpoolMap, check, choose, in_words, tray_name
from cloud.printing.matching import Demand, Fit, Machine, Waiting, fit, never_fits, reason, startable
from cloud.printing.words import POWER_LOSS

WHITE, BLACK, BLUE, NEARLY_WHITE = "#FFFFFF", "#000000", "#0000FF", "#F5F0EE"


def tray(number: int, kind: str = "PLA", color: str = WHITE, *, loaded: bool = True, **more: Any) -> dict[str, Any]:
    return {"id": number, "loaded": loaded, "type": kind, "color": color, **more}


def needed(slot: int = 1, kind: str = "PLA", color: str | None = WHITE, **more: Any) -> Needed:
    return Needed(slot=slot, type=kind, color=color, **more)


def mapped(result: SpoolMap | Missing) -> list[int]:
    assert isinstance(result, SpoolMap), result
    return result.mapping


def missing(result: SpoolMap | Missing) -> str:
    assert isinstance(result, Missing), result
    return result.sentence


# ---- spools


def test_the_exact_colour_wins_over_a_similar_one() -> None:
    result = choose([needed()], [tray(0, color=NEARLY_WHITE), tray(2)], "match")
    assert mapped(result) == [2]
    assert isinstance(result, SpoolMap) and not result.warnings and result.use_ams


def test_a_similar_colour_is_taken_and_told() -> None:
    result = choose([needed()], [tray(0, color=NEARLY_WHITE)], "match")
    assert mapped(result) == [0]
    assert isinstance(result, SpoolMap) and result.inexact == 1 and "white PLA" in result.warnings[0]


@pytest.mark.parametrize("held", [tray(0, color=BLACK), tray(0, "PETG"), tray(0, loaded=False), tray(0, "")])
def test_wrong_colour_wrong_type_empty_and_unknown_are_never_taken(held: dict[str, Any]) -> None:
    assert missing(choose([needed()], [held], "match")) == "needs white PLA"


def test_a_tray_of_unknown_colour_is_not_taken_for_a_wanted_colour() -> None:
    assert missing(choose([needed()], [tray(0, color="")], "match")) == "needs white PLA"


def test_type_policy_takes_any_colour_but_no_other_type() -> None:
    assert mapped(choose([needed()], [tray(0, color=BLUE)], "type")) == [0]
    assert missing(choose([needed()], [tray(0, "PETG", BLUE)], "type")) == "needs white PLA"


def test_sparse_filament_ids_keep_their_places() -> None:
    result = choose([needed(1), needed(4, color=BLACK)], [tray(6, color=BLACK), tray(1)], "match")
    assert mapped(result) == [1, -1, -1, 6]


def test_one_spool_never_serves_two_filaments() -> None:
    assert missing(choose([needed(1), needed(2)], [tray(0)], "match")) == "needs white PLA"
    assert sorted(mapped(choose([needed(1), needed(2)], [tray(0), tray(3)], "match"))) == [0, 3]


def test_a_greedy_choice_does_not_rob_another_filament() -> None:
    # The first could have either spool, the second only the first's favourite.
    wants = [needed(1, color=NEARLY_WHITE), needed(2)]
    trays = [tray(0, color="#FFFFFF"), tray(1, color="#D8D0D0")]
    assert mapped(choose(wants, trays, "match")) == [1, 0]


def test_among_equals_the_emptiest_that_suffices_comes_first() -> None:
    trays = [tray(0, remain=90), tray(1, remain=20), tray(2, remain=3)]
    assert mapped(choose([needed(grams=100.0)], trays, "match")) == [1]


def test_too_little_filament_is_a_warning() -> None:
    result = choose([needed(grams=100.0)], [tray(0, remain=3)], "match")
    assert isinstance(result, SpoolMap) and "100 g" in result.warnings[0]


def test_the_external_spool_is_minus_one_without_ams() -> None:
    result = choose([needed()], [tray(254)], "match")
    assert isinstance(result, SpoolMap) and result.mapping == [-1] and not result.use_ams


def test_ams_and_external_spool_are_never_mixed() -> None:
    wants = [needed(1), needed(2, color=BLACK)]
    assert isinstance(choose(wants, [tray(0), tray(254, color=BLACK)], "match"), Missing)


def test_ams_ht_ids_are_used_as_they_are() -> None:
    assert mapped(choose([needed()], [tray(128)], "match")) == [128]
    assert tray_name(128) == "AMS HT 1"
    assert tray_name(5) == "slot B2"


def test_carbon_filled_nylons_stand_in_for_each_other() -> None:
    assert mapped(choose([needed(kind="PA6-CF")], [tray(0, "PA-CF")], "match")) == [0]


def test_a_file_without_a_type_waits_for_a_person() -> None:
    result = choose([needed(kind="")], [tray(0)], "match")
    assert isinstance(result, Missing) and result.code == "filament_unknown"


def test_a_hand_made_mapping_is_checked() -> None:
    trays = [tray(0), tray(1, "PETG"), tray(2, loaded=False), tray(3, color=BLACK)]
    assert mapped(check([needed()], trays, [0])) == [0]
    assert isinstance(check([needed()], trays, [1]), Missing)
    assert isinstance(check([needed()], trays, [2]), Missing)
    assert isinstance(check([needed()], trays, [9]), Missing)
    assert isinstance(check([needed(1), needed(2)], trays, [0, 0]), Missing)
    assert isinstance(check([needed(1), needed(2)], trays, [0]), Missing)
    other_colour = check([needed()], trays, [3])
    assert isinstance(other_colour, SpoolMap) and other_colour.warnings
    external = check([needed()], [tray(254, "")], [-1])
    assert isinstance(external, SpoolMap) and not external.use_ams
    assert isinstance(check([needed(1), needed(2)], [tray(0), tray(254)], [0, -1]), Missing)


@pytest.mark.parametrize(
    ("filament", "words"),
    [(needed(), "white PLA"), (needed(color="#2850E0", kind="PETG"), "#2850E0 PETG"), (needed(color=None), "PLA")],
)
def test_filaments_in_words(filament: Needed, words: str) -> None:
    assert in_words(filament) == words


_COLORS = st.sampled_from([WHITE, BLACK, BLUE, NEARLY_WHITE])
_KINDS = st.sampled_from(["PLA", "PETG"])
_TRAYS = st.lists(
    st.builds(tray, st.integers(0, 15), _KINDS, _COLORS, loaded=st.booleans()),
    max_size=8,
    unique_by=lambda one: one["id"],
)
_NEEDS = st.lists(
    st.builds(needed, st.integers(1, 8), _KINDS, _COLORS), min_size=1, max_size=5, unique_by=lambda one: one.slot
)


@given(_NEEDS, _TRAYS, st.sampled_from(["match", "type"]))
def test_whatever_is_loaded_no_mapping_is_ever_wrong(
    wants: list[Needed], trays: list[dict[str, Any]], policy: Any
) -> None:
    result = choose(wants, trays, policy)
    if isinstance(result, Missing):
        # Never refused when even an exact solution is there.
        free = [one for one in trays if one["loaded"]]
        for one in wants:
            exact = next((t for t in free if (t["type"], t["color"]) == (one.type, one.color)), None)
            if exact is None:
                return
            free.remove(exact)
        raise AssertionError("an exact solution was refused")
    used = [value for value in result.mapping if value != -1]
    assert len(set(used)) == len(used) == len(wants)
    held = {one["id"]: one for one in trays}
    for one in wants:
        spool = held[result.mapping[one.slot - 1]]
        assert spool["loaded"] and spool["type"] == one.type
        if policy == "match":
            near = {WHITE: {WHITE, NEARLY_WHITE}, NEARLY_WHITE: {WHITE, NEARLY_WHITE}}.get(str(one.color), {one.color})
            assert spool["color"] in near


# ---- printers


def job(**changes: Any) -> Demand:
    values: dict[str, Any] = {
        "filaments": [needed()],
        "model_id": "C12",
        "nozzle": 0.4,
        "color_policy": "match",
        "ams_mapping": None,
        "target": None,
    }
    return Demand(**{**values, **changes})


def printer(status: dict[str, Any] | None = None, **changes: Any) -> Machine:
    healthy = {
        "link": "online",
        "state": "idle",
        "control": "ok",
        "storage": "ok",
        "error": 0,
        "nozzle_diameter": 0.4,
        "trays": [tray(0)],
    }
    values: dict[str, Any] = {
        "id": "prn_1",
        "name": "P1S",
        "model": "C12",
        "nozzle_size": 0.4,
        "is_active": True,
        "connect": True,
        "cleared": True,
        "held": False,
        "hub_online": True,
        "fresh": True,
        "status": {**healthy, **(status or {})},
    }
    return Machine(**{**values, **changes})


def code(result: Fit | Waiting) -> str:
    return result.code if isinstance(result, Waiting) else "fit"


def test_a_healthy_printer_with_the_right_spool_fits() -> None:
    result = fit(job(), printer())
    assert isinstance(result, Fit) and result.mapping == [0] and result.use_ams and not result.warnings


@pytest.mark.parametrize(
    ("status", "changes", "why"),
    [
        ({}, {"is_active": False}, "off"),
        ({}, {"connect": False}, "off"),
        ({}, {"hub_online": False}, "hub_offline"),
        ({}, {"fresh": False}, "offline"),
        ({"link": "offline"}, {}, "offline"),
        ({"link": "auth_failed"}, {}, "auth_failed"),
        ({"control": "locked"}, {}, "locked"),
        ({"state": "running"}, {}, "busy"),
        ({"state": "pause"}, {}, "busy"),
        ({"state": "unknown"}, {}, "busy"),
        ({"error": POWER_LOSS}, {}, "error"),
        ({}, {"cleared": False}, "not_cleared"),
        ({"storage": "none"}, {}, "storage"),
        ({"storage": "readonly"}, {}, "storage"),
        ({}, {"held": True}, "busy"),
        ({"trays": []}, {}, "filament"),
        ({"nozzle_diameter": 0.6}, {}, "nozzle"),
        ({"model": "N2S"}, {}, "model"),
    ],
)
def test_each_obstacle_has_its_own_reason(status: dict[str, Any], changes: dict[str, Any], why: str) -> None:
    assert code(fit(job(), printer(status, **changes))) == why


@pytest.mark.parametrize("state", ["idle", "finish", "failed"])
def test_every_ready_state_is_ready(state: str) -> None:
    assert code(fit(job(), printer({"state": state}))) == "fit"


def test_an_unknown_nozzle_warns_and_does_not_block() -> None:
    result = fit(job(nozzle=None), printer())
    assert isinstance(result, Fit) and "nozzle" in result.warnings[0]


def test_models_of_one_group_share_files_and_others_do_not() -> None:
    assert code(fit(job(model_id="BL-P001"), printer())) == "fit"
    assert code(fit(job(model_id="N2S"), printer())) == "model"


def test_a_file_without_a_model_goes_only_to_a_named_printer() -> None:
    assert code(fit(job(model_id=None), printer())) == "model"
    result = fit(job(model_id=None, target="prn_1"), printer())
    assert isinstance(result, Fit) and any("model" in warning for warning in result.warnings)
    assert code(fit(job(target="prn_2"), printer())) == "model"


def test_the_job_that_holds_the_printer_is_judged_again_before_its_start() -> None:
    assert code(startable(job(), printer(held=True))) == "fit"
    assert code(startable(job(), printer({"trays": [tray(0, color=BLACK)]}, held=True))) == "filament"
    assert code(startable(job(), printer(cleared=False, held=True))) == "not_cleared"


def test_never_fits_judges_only_what_stays() -> None:
    wrong = never_fits("N2S", 0.4, printer({"state": "running"}))
    assert wrong is not None and wrong.code == "wrong_model" and "A1" in wrong.sentence and "P1S" in wrong.sentence
    nozzle = never_fits("C12", 0.6, printer())
    assert nozzle is not None and nozzle.code == "wrong_nozzle"
    assert never_fits("C12", 0.4, printer({"trays": []})) is None
    assert never_fits(None, None, printer()) is None


def test_the_reason_names_what_can_be_helped() -> None:
    needs = Waiting(code="filament", sentence="needs white PETG – not loaded")
    clear = Waiting(code="not_cleared", sentence="its plate has to be cleared")
    other = Waiting(code="model", sentence="the file is for another printer model")
    assert reason([("P1S", needs)]) == "P1S: needs white PETG – not loaded."
    assert reason([("A", needs), ("B", needs), ("C", clear), ("D", other)]) == (
        "A, B: needs white PETG – not loaded; C: its plate has to be cleared."
    )
    assert reason([]) == reason([("A", other), ("B", other)]) == "No printer of the farm fits this job."
