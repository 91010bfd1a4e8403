"""What a formula may say, what it means, and that nothing in it is ever run."""

import pandas as pd
import pytest

from jmimpute.errors import FormulaError
from jmimpute.specification.formula import parse
from jmimpute.specification.specify import specify

COLUMNS = ["y1", "y2", "x", "sex", "school", "my col", "`", "1 + x", "a.b"]

ACCEPTED = {
    # text: responses, fixed, random, cluster, columns
    "y1 ~ x": (["y1"], "1 + x", None, None, ["x"]),
    "y1+y2~x": (["y1", "y2"], "1 + x", None, None, ["x"]),
    "y1 + y2 ~ 1": (["y1", "y2"], "1 + 1", None, None, []),
    "y1 ~ 0 + x": (["y1"], "1 + 0 + x", None, None, ["x"]),
    "y1 ~ x - 1": (["y1"], "1 + x - 1", None, None, ["x"]),
    "y1 ~ -1 + x": (["y1"], "1 + -1 + x", None, None, ["x"]),
    "y1 ~ x * sex": (["y1"], "1 + x * sex", None, None, ["x", "sex"]),
    "y1 ~ x:sex": (["y1"], "1 + x : sex", None, None, ["x", "sex"]),
    "y1 ~ (x + sex)**2": (["y1"], "1 + (x + sex) ** 2", None, None, ["x", "sex"]),
    "y1 ~ `my col` + a.b": (["y1"], "1 + `my col` + a.b", None, None, ["my col", "a.b"]),
    "`my col` ~ `1 + x`": (["`my col`"], "1 + `1 + x`", None, None, ["1 + x"]),
    "y1 ~ log(x) + I(x**2 / 3)": (["y1"], "1 + log(x) + I(x ** 2 / 3)", None, None, ["x"]),
    "y1 ~ {x > 2}": (["y1"], "1 + I(x > 2)", None, None, ["x"]),
    "y1 ~ C(sex, Treatment('girl'))": (["y1"], "1 + C(sex, Treatment('girl'))", None, None, ["sex"]),
    "y1 ~ bs(x, df=4)": (["y1"], "1 + bs(x, df=4)", None, None, ["x"]),
    "y1 ~ x\n + sex": (["y1"], "1 + x + sex", None, None, ["x", "sex"]),
    "y1 ~ (1 | school)": (["y1"], "1", "1", "school", []),
    "y1 ~ (1 | school) + x": (["y1"], "1 + x", "1", "school", ["x"]),
    "y1 ~ (x | school)": (["y1"], "1", "1 + x", "school", ["x"]),
    "y1 ~ (1 + x | school)": (["y1"], "1", "1 + x", "school", ["x"]),
    "y1 ~ (0 + x | school)": (["y1"], "1", "0 + x", "school", ["x"]),
    "y1 ~ (x - 1 | school)": (["y1"], "1", "1 + x - 1", "school", ["x"]),
    "y1 ~ x + (sex + x | `my col`)": (["y1"], "1 + x", "1 + sex + x", "my col", ["x", "sex"]),
}

REFUSED = {
    "": "must be a non-empty text",
    "   ": "must be a non-empty text",
    "y1": "has no '~'",
    "y1 + y2": "has no '~'",
    "~ x": "does not parse",
    "y1 ~": "does not parse",
    "y1 ~ x +": "does not parse",
    "y1 ~ (x": "does not parse",
    "y1 ~ x ~ sex": "does not parse.*more than one '~'",
    "y1 ~ x $ sex": "does not parse.*Unexpected character",
    "y1 ~ `x": "does not parse",
    "y1 ~ 'x": "does not parse",
    "y1 ~ x sex": "cannot be read beyond 'sex'",
    "y1, y2 ~ x": "cannot be read beyond ','",
    "y1 ~ x %in% sex": "cannot be read beyond '%'",
    "y1 ~ age": "names 'age', which is not a column of the table. Columns: y1, y2, x",
    "y3 ~ x": "names 'y3', which is not a column",
    "y1 - y2 ~ x": "subtracts left of '~'. Join the responses by '\\+'",
    "y1 ~ x / sex": "uses '/': write 'x \\+ x:sex'",
    "y1 ~ x**2": r"raises 'x' to a power: write 'I\(x \*\* 2\)'",
    "y1 ~ (x)**2": "to a power",
    "y1 ~ (x + sex)**x": "to a power",
    "y1 ~ 2 * x": "contains '2'. The only constants are 1 and 0",
    "y1 ~ x + 3": "contains '3'",
    "y1 ~ 'x'": "contains \"'x'\"",
    "y1 ~ True": "contains 'True'",
    "y1 ~ sex['girl']": "brackets after 'sex', which are not supported",
    "y1 ~ x + (1 || school)": "'\\|\\|'.*write a single '\\|'",
    "y1 ~ x || school": "'\\|\\|'",
    "y1 ~ 1 | school": r"beyond '\|'. A grouping term needs parentheses: '\(1 \| school\)'",
    "y1 ~ x + 1 | school": "needs parentheses",
    "y1 ~ (1 | school) + (x | school)": r"2 grouping terms.*one term, for example '\(1 \+ sex \| school\)'",
    "y1 ~ x - (1 | school)": "subtracts a grouping term",
    "y1 ~ (1 | school / sex)": "groups by 'school / sex'. The cluster must be one column",
    "y1 ~ (1 | school:sex)": "groups by 'school : sex'",
    "y1 ~ (1 | 1)": "groups by '1'",
    "y1 ~ (1 | country)": "names 'country', which is not a column",
    "y1 ~ (age | school)": "names 'age', which is not a column",
    "y1 ~ x * (1 | school)": r"'\|' inside another term",
    "y1 ~ ((1 | school))": r"'\|' inside another term",
    "y1 ~ (1 | school | sex)": r"'\|' inside another term",
    "(1 | school) ~ x": r"'\|' inside another term",
    "y1 ~ offset(x)": "calls 'offset'. A formula may call only 'log'",
    "y1 ~ np.log(x)": "calls 'np.log'",
    "y1 ~ log(np.log(x))": "calls 'np.log'",
    "y1 ~ log(x)(x)": "calls '\\?'",
    "y1 ~ x.__class__": "names 'x.__class__', which is not a column",
    "y1 ~ log.__class__(x)": "calls 'log.__class__'",
    "y1 ~ I(x.sum.__globals__)": "is not a column",
    "y1 ~ __import__('os')": "does not parse",
    "y1 ~ lambda: 1": "'lambda'",
}


@pytest.mark.parametrize("text", ACCEPTED)
def test_accepted(text):
    formula = parse(text, COLUMNS)
    responses, common, random, cluster, columns = ACCEPTED[text]
    assert formula.text == text
    assert formula.responses == tuple(responses)
    assert formula.common == common
    assert formula.random == random
    assert formula.cluster == cluster
    assert formula.columns == tuple(columns)


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text):
    with pytest.raises(FormulaError, match=REFUSED[text]) as caught:
        parse(text, COLUMNS)
    assert repr(text) in str(caught.value), "the message names the formula"


@pytest.mark.parametrize("text", [None, 3, ["y1 ~ x"], b"y1 ~ x"])
def test_what_is_no_text_is_refused(text):
    with pytest.raises(FormulaError, match="must be a non-empty text such as"):
        parse(text, COLUMNS)


def test_quoted_names_may_be_responses_and_clusters():
    frame = pd.DataFrame({"my score": [1.0, None, 4.0, 2.0], "a class": [1, 1, 2, 2], "x": [1.0, 2.0, 4.0, 3.0]})
    spec = specify("`my score` ~ x + (1 | `a class`)", frame)
    assert spec.layout.responses == ("my score",)
    assert spec.layout.effects == ("my score|Intercept",)
    assert spec.clusters.name == "a class"


def test_deep_nesting_is_refused_and_long_sums_are_read():
    with pytest.raises(FormulaError, match="nested too deeply"):
        parse("y1 ~ " + "(" * 5000 + "x" + ")" * 5000, COLUMNS)
    names = [f"x{k}" for k in range(3000)]
    assert parse(f"y1 ~ {' + '.join(names)}", ["y1", *names]).columns == tuple(names)
    assert parse(f"{' + '.join(names)} ~ y1", ["y1", *names]).responses == tuple(names)


CODE = [
    "y1 ~ os.system('touch {file}')",
    "y1 ~ I(os.system('touch {file}'))",
    "y1 ~ {{os.system('touch {file}')}}",
    "y1 ~ {{open('{file}', 'w')}}",
    "y1 ~ open('{file}', 'w')",
    "y1 ~ log(open('{file}', 'w'))",
    "y1 ~ bs(x, df=open('{file}', 'w'))",
    "y1 ~ C(sex, Treatment(open('{file}', 'w')))",
    "y1 ~ (I(open('{file}', 'w')) | school)",
    "y1 ~ (1 | open('{file}', 'w'))",
    "open('{file}', 'w') ~ x",
    "y1 ~ pathlib.Path('{file}').touch()",
    "y1 ~ Path('{file}').touch()",
    "y1 ~ x + frame.to_csv('{file}')",
    "y1 ~ pd.DataFrame.to_csv(frame, '{file}')",
    'y1 ~ eval(\'open("{file}", "w")\')',
    "y1 ~ builtins.eval('open(1)')",
    "y1 ~ `open`('{file}', 'w')",
    "y1 ~ np.asarray(x).tofile('{file}')",
    "y1 ~ np.save('{file}', x)",
    "y1 ~ log.__class__.__base__(x)",
    "y1 ~ x[open('{file}', 'w')]",
    "y1 ~ exec",
]


@pytest.mark.parametrize("text", CODE)
def test_code_in_a_formula_never_runs(text, tmp_path):
    """Through the whole of `specify`, with the names that a formula might reach for among the columns as well."""
    file = tmp_path / "made"
    frame = pd.DataFrame({"y1": [1.0, None, 3.0, 4.0], "x": [1.0, 2.0, 4.0, 3.0], "sex": list("abab"), "school": [1, 1, 2, 2]})
    with_names = frame.assign(open=frame["x"], frame=frame["x"] ** 2, os=frame["x"] ** 3)
    for data in (frame, with_names):
        with pytest.raises(FormulaError):
            specify(text.format(file=file), data)
    assert list(tmp_path.iterdir()) == []


def test_the_guard_of_this_module_would_notice(tmp_path):
    """The evaluator behind the guard does run code: the tests above are not vacuous."""
    from formulae import design_matrices

    file = tmp_path / "made"
    with pytest.raises(Exception):  # noqa: B017 - what it raises does not matter
        design_matrices(
            f"open('{file}', 'w')", pd.DataFrame({"x": [1.0, 2.0]}), extra_namespace={"open": lambda *_: file.touch()}
        )
    assert file.exists()
