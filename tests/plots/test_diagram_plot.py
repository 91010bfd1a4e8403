"""Diagrams and matrices tell what a model's formulas say."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from jmimpute.model import JointModel
from jmimpute.plots import diagram, diagram_table, predictors, predictors_table
from tests.mnar import selected

GRADES = "grades_of_the_school"


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(1)
    codes = np.repeat(np.arange(30), 8)
    frame = pd.DataFrame(
        {
            "school": codes,
            "sex": np.tile(["boy", "girl"], 120),
            "age": rng.normal(size=240),
            "size": rng.normal(size=30)[codes],
            GRADES: np.where(np.arange(30) % 5 == 0, np.nan, rng.normal(size=30))[codes],
            "english": rng.normal(size=240),
            "ravens": rng.normal(size=240),
            "fluent": pd.Categorical(rng.choice(["no", "some", "yes"], 240)),
        }
    )
    for name, start in (("english", 0), ("ravens", 1), ("fluent", 2)):
        frame.loc[start::8, name] = np.nan
    return frame


@pytest.fixture(scope="module")
def model(table):
    """Level-2 response and covariate, an interaction, a random slope, and a response without random effects."""
    formulas = ["english ~ sex * age + size + (1 + sex | school)", "ravens ~ age + (1 | school)", "fluent ~ 1 + (1 | school)"]
    return JointModel(formulas, table, level2=f"{GRADES} ~ size")


def arrows(found, kind):
    own = found[found["kind"] == kind]
    return set(zip(own["source"], own["target"], own["level"], strict=True))


def test_arrows_are_those_of_the_formulas(model):
    found = diagram_table(model)
    fixed = {("sex", "english", 1), ("age", "english", 1), ("sex:age", "english", 1), ("size", "english", 1)}
    assert arrows(found, "fixed effect") == fixed | {("age", "ravens", 1), ("size", GRADES, 2)}
    assert arrows(found, "random effect") == {(f"u[{name}]", name, 2) for name in ("english", "ravens", "fluent")}
    at_1 = {("english", "ravens", 1), ("english", "fluent", 1), ("ravens", "fluent", 1)}
    at_2 = {(f"u[{one}]", f"u[{other}]", 2) for one, other, _ in at_1}
    at_2 |= {(GRADES, f"u[{name}]", 2) for name in ("english", "ravens", "fluent")}
    assert arrows(found, "covariance") == at_1 | at_2


def test_cells_tell_how_a_response_is_informed(model):
    found = predictors_table(model)
    assert list(found.index) == ["english", "ravens", "fluent", GRADES]
    assert list(found.columns) == ["sex", "age", "sex:age", "size", *found.index]
    assert found.loc["english"].tolist() == [
        *("fixed + random", "fixed", "fixed", "fixed"),
        *("", "joint", "joint", "joint at level 2"),
    ]
    assert found.loc["fluent"].tolist() == ["", "", "", "", "joint", "joint", "", "joint at level 2"]
    assert found.loc[GRADES].tolist() == ["", "", "", "fixed", *3 * ["joint at level 2"], ""]


def test_uncorrelated_effects_have_no_arrow(table):
    model = JointModel(["english ~ sex + (0 + sex || school)", "ravens ~ age + (1 | school)"], table)
    assert arrows(diagram_table(model), "covariance") == {("english", "ravens", 1)}
    assert predictors_table(model).loc["english", "ravens"] == "joint"


def test_boxes_are_at_their_level_with_their_missing_values(model, drawn):
    figure = drawn(diagram(model))
    (axes,) = figure.axes
    heights = {text.get_text().replace("\n", ""): text.get_position() for text in axes.texts}
    assert heights["english12 % missing"][1] < heights[f"{GRADES}20 % missing"][1]
    assert heights["size"][1] == heights["u: 1 + sex"][1] > heights["sex"][1]
    assert heights["u: 1 + sex"][0] == heights["english12 % missing"][0], "effects are above their response"
    assert "level 2: 30 clusters (school)" in heights and "level 1: 240 rows" in heights
    arrows_drawn = [text for text in axes.texts if getattr(text, "arrow_patch", None) is not None]
    found = diagram_table(model)
    # Covariances hang on one line a level, with an arrow to each of 3 and 4 nodes.
    assert len(arrows_drawn) == (found["kind"] != "covariance").sum() + 3 + 4


def test_boxes_of_twelve_long_names_do_not_overlap(drawn):
    rng = np.random.default_rng(1)
    names = [f"question_{k}_of_a_long_questionnaire" for k in range(12)]
    frame = pd.DataFrame(rng.normal(size=(100, 12)), columns=names)
    frame.iloc[:5] = frame.iloc[:5].mask(np.eye(5, 12, dtype=bool))
    frame["g"], frame["x"] = np.repeat(np.arange(20), 5), rng.normal(size=100)
    figure = drawn(diagram(JointModel(" + ".join(names) + " ~ x + (1 | g)", frame)))
    boxes = sorted(
        (text.get_bbox_patch().get_window_extent() for text in figure.axes[0].texts if "missing" in text.get_text()),
        key=lambda box: box.x0,
    )
    assert len(boxes) == 12
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_a_single_level_has_one_box(table, drawn):
    model = JointModel("english + ravens ~ sex", table)
    found = diagram_table(model)
    assert set(found["level"]) == {1} and len(found) == 3
    texts = [text.get_text() for text in drawn(diagram(model)).axes[0].texts]
    assert "240 rows" in texts and not any("level" in text or text.startswith("u:") for text in texts)


def test_matrix_has_a_letter_in_each_square(model, drawn):
    figure = drawn(predictors(model))
    axes = figure.axes[0]
    letters = {}
    for text in axes.texts:
        x, y = text.get_position()
        letters[int(y), int(x)] = text.get_text()
    assert letters[0, 0] == "fr" and letters[0, 3] == "f" and letters[3, 3] == "f" and letters[1, 4] == "j"
    assert letters[3, 5] == "j2" and (0, 4) not in letters
    assert [label.get_text() for label in axes.get_yticklabels()] == ["english", "ravens", "fluent", f"{GRADES} (2)"]
    above = [label.get_text() for label in axes.child_axes[0].get_xticklabels()]
    assert above[:4] == ["sex", "age", "sex:age", "size (2)"]
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["fixed (f)", "fixed + random (fr)", "joint (j)", "joint at level 2 (j2)"]


def test_indicators_of_selection_models_are_responses(drawn):
    model = selected.model()
    drawn(diagram(model))
    found = diagram_table(model)
    informs = found[(found["kind"] == "fixed effect") & (found["target"] == "y.selection")]
    assert informs["source"].tolist() == ["x", "z", "w"]
    assert set(predictors_table(model).index) == {"y", "k", "y.selection"}
