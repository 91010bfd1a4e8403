"""R reads our folders, with the types that columns had and the same pooled results; we read what R writes."""

import json
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

import jmimpute as jm
from jmimpute.errors import ExchangeError
from jmimpute.imputation.exchange.r import quoted
from tests.imputation.exchange.tables import N_ROWS, M, completed, imputations, original, same

ODD = "a b\\ü\U0001f600"


def rscript(code, folder):
    done = subprocess.run(["Rscript", "--vanilla", "-e", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="session")
def needs_r():
    if shutil.which("Rscript") is None:
        pytest.skip("needs R")
    code = 'q(status = !all(sapply(c("mice", "mitml", "lme4", "jomo", "jsonlite"), requireNamespace, quietly = TRUE)))'
    if subprocess.run(["Rscript", "--vanilla", "-e", code], capture_output=True).returncode:
        pytest.skip("needs the R packages mice, mitml, lme4, jomo and jsonlite")


# What R reads


READING = f"""
source("mice/read.R", chdir = TRUE)
mids <- imputations
source("mitml/read.R", chdir = TRUE)
table <- mice::complete(mids, 2)
zero <- mids$data
pooled <- summary(mice::pool(with(mids, lm(whole ~ ok + level2 + count))))
tested <- mitml::testEstimates(with(imputations, lme4::lmer(score ~ ok + whole + (1 | school))))$estimates
out <- list(
  classes = list(class(mids), class(imputations)), m = list(mids$m, length(imputations)),
  types = lapply(table, function(x) class(x)[1]), levels = lapply(Filter(is.factor, table), levels),
  missing = lapply(zero, function(x) sum(is.na(x))),
  same = isTRUE(all.equal(table, imputations[[2]], check.attributes = FALSE)),
  x = table$x, sex = as.character(table$sex), ok = table$ok, day = as.character(table$day),
  moment = format(table$moment, "%Y-%m-%d %H:%M:%S"), text = table$text, remark = zero$remark,
  odd = zero$odd, named = imputations[[1]][[{quoted(ODD)}]],
  estimate = pooled$estimate, error = pooled$std.error, lmer = tested[, 1], lmer_error = tested[, 2]
)
jsonlite::write_json(out, "out.json", digits = NA, auto_unbox = TRUE, na = "null")
"""


@pytest.fixture(scope="module")
def given():
    """Imputations with a column of odd name and texts, among them NA."""
    odd = ["NA", None, "NA_", "", '"', ","] * (N_ROWS // 6) + ["a\nb", "ü", "a\\tb", "#"]
    score = np.arange(N_ROWS) // 5 % 3 * 4 + np.random.default_rng(2).normal(size=N_ROWS)
    further = {ODD: pd.Series(odd, dtype="str"), "score": score}
    tables = [table.assign(**further) for table in [original(), *map(completed, range(M))]]
    return jm.from_tables(tables[0], tables[1:])


@pytest.fixture(scope="module")
def in_r(given, needs_r, tmp_path_factory):
    folder = tmp_path_factory.mktemp("r")
    given.to_mice(folder / "mice", rename={ODD: "odd"})
    given.to_mitml(folder / "mitml")
    for name in ("mice", "mitml"):
        assert sorted(path.name for path in (folder / name).iterdir()) == ["long.csv", "read.R"]
        assert (folder / name / "read.R").read_bytes().isascii()
    rscript(READING, folder)
    return json.loads((folder / "out.json").read_text(encoding="utf-8"))


def test_r_has_a_mids_and_a_list(in_r):
    assert in_r["classes"] == ["mids", ["mitml.list", "list"]]
    assert in_r["m"] == [M, M]
    assert in_r["same"]


def test_r_has_the_types(in_r):
    expected = {
        **dict.fromkeys(("school", "text", "remark", "odd"), "character"),
        **dict.fromkeys(("x", "whole", "level2", "note", "score"), "numeric"),
        **{"sex": "factor", "grade": "factor", "band": "ordered", "ok": "logical", "sure": "logical"},
        **{"count": "integer", "day": "Date", "moment": "POSIXct"},
    }
    assert in_r["types"] == expected
    for name in ("sex", "band", "grade"):
        assert in_r["levels"][name] == [str(level) for level in original()[name].cat.categories]


def test_r_has_the_cells(in_r, given):
    table = given.complete(2)
    np.testing.assert_allclose(in_r["x"], table["x"], rtol=1e-14)
    for name in ("sex", "ok", "text"):
        assert in_r[name] == table[name].tolist()
    assert in_r["day"] == table["day"].dt.strftime("%Y-%m-%d").tolist()
    assert in_r["moment"] == table["moment"].dt.strftime("%Y-%m-%d %H:%M:%S").tolist()
    for name in ("remark", "odd"):
        column = given.original[ODD if name == "odd" else name]
        assert in_r[name] == column.astype(object).where(column.notna(), None).tolist()
    assert in_r["missing"] == given.original.isna().sum().rename({ODD: "odd"}).to_dict()
    assert in_r["named"] == in_r["odd"]


def test_r_pools_to_the_same(in_r, given):
    """Least squares to 9 digits; mixed models to 5, since both programs stop their search where it is flat."""
    ols = given.analyze("whole ~ ok + level2 + count").pool().table
    np.testing.assert_allclose(in_r["estimate"], ols["estimate"], rtol=1e-9)
    np.testing.assert_allclose(in_r["error"], ols["std_error"], rtol=1e-9)
    mixed = given.analyze("score ~ ok + whole + (1 | school)").pool().table
    np.testing.assert_allclose(in_r["lmer"], mixed["estimate"], rtol=1e-5)
    np.testing.assert_allclose(in_r["lmer_error"], mixed["std_error"], rtol=1e-5)


# What R writes


WRITING = """
set.seed(1)
data <- read.csv("data.csv", stringsAsFactors = TRUE, na.strings = "")
data$band <- factor(data$band, levels = c("low", "middle", "high"), ordered = TRUE)
data$ok <- data$ok == "True"
method <- mice::make.method(data)
method["note"] <- ""
predictors <- mice::make.predictorMatrix(data)
predictors[, c("note", "school")] <- 0
imp <- suppressWarnings(mice::mice(data, m = 3, maxit = 1, method = method, predictorMatrix = predictors, printFlag = FALSE))
stack <- mice::complete(imp, "long", include = TRUE)
write.csv(stack, "mice.csv", row.names = FALSE)
write.csv(stack, "names.csv")
list <- mitml::mids2mitml.list(imp)
write.csv(cbind(.imp = rep(seq_along(list), each = nrow(data)), .id = rownames(data), do.call(rbind, list)), "mitml.csv",
  row.names = FALSE)
invisible(capture.output(jomo <- jomo::jomo(data[c("x", "sex")], clus = data["school"], nburn = 20, nbetween = 5, nimp = 2,
  output = 0)))
write.csv(jomo, "jomo.csv", row.names = FALSE)
jsonlite::write_json(lapply(imp$imp[c("x", "sex", "whole", "ok")], as.matrix), "imp.json", digits = NA)
"""
COLUMNS = ["school", "x", "sex", "band", "whole", "ok", "note"]


@pytest.fixture(scope="module")
def from_r(needs_r, tmp_path_factory):
    folder = tmp_path_factory.mktemp("r")
    original()[COLUMNS].to_csv(folder / "data.csv", index=False)
    rscript(WRITING, folder)
    return folder


def test_a_mids_is_read(from_r):
    given = original()[COLUMNS]
    found = jm.read_mice(from_r / "mice.csv", original=given, cluster="school")
    assert (found.m, found.columns) == (3, ("x", "sex", "band", "whole", "ok"))
    assert found.levels("band") == ("low", "middle", "high")
    record = json.loads((from_r / "imp.json").read_text())
    np.testing.assert_allclose(found.values("x"), np.array(record["x"], dtype=float).T, rtol=1e-14)
    assert found.values("sex").tolist() == np.array(record["sex"]).T.tolist()
    assert found.values("ok").tolist() == np.array(record["ok"], dtype=float).T.astype(bool).tolist()
    table = found.complete(1)
    assert table.dtypes[["sex", "band", "ok"]].to_dict() == given.dtypes[["sex", "band", "ok"]].to_dict()
    pd.testing.assert_series_equal(table["note"], given["note"])


def test_a_mids_alone_is_read(from_r):
    found = jm.read_mice(str(from_r / "mice.csv"))
    assert found.columns == ("x", "sex", "band", "whole", "ok")
    assert found.levels("sex") == ("boy", "girl")
    assert found.levels("ok") == (), "R wrote truth values as 0 and 1"


def test_a_mitml_list_is_read(from_r):
    given = original()[COLUMNS]
    same(jm.read_long(from_r / "mitml.csv", original=given), jm.read_mice(from_r / "mice.csv", original=given))


def test_a_stack_of_jomo_is_read(from_r):
    found = jm.read_long(from_r / "jomo.csv", imputation="Imputation", row="id", cluster="clus")
    assert (found.m, found.columns, found.cluster) == (2, ("x", "sex"), "clus")
    assert list(found.original.columns) == ["x", "sex", "X1", "Z1", "clus"]
    np.testing.assert_allclose(found.original["x"], original()["x"], rtol=1e-14)


def test_row_names_of_r_are_told(from_r):
    with pytest.raises(ExchangeError, match="row.names = FALSE"):
        jm.read_mice(from_r / "names.csv")


# Without R


def test_our_own_folder_is_read(tmp_path):
    imputations().to_mice(tmp_path)
    same(jm.read_mice(tmp_path, original=original()), imputations())


@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
def test_other_kinds_of_tables_are_written_alike(kind, tmp_path):
    imputations(kind).to_mitml(tmp_path)
    same(jm.read_mice(tmp_path, original=original()), imputations())
    assert 'levels = c("low", "middle", "high"), ordered = TRUE' in (tmp_path / "read.R").read_text()


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([1, "a"] * (N_ROWS // 2), "'odd' holds other values, which R has no column for"),
        (pd.Categorical([1, "1"] * (N_ROWS // 2)), "Categories of 'odd' are alike when written as texts"),
        (pd.to_timedelta(np.arange(N_ROWS), unit="s"), "'odd' holds other values"),
    ],
)
def test_columns_that_r_cannot_have(column, message, tmp_path):
    tables = [table.assign(odd=column) for table in (original(), completed(0))]
    with pytest.raises(ExchangeError, match=message):
        jm.from_tables(tables[0], tables[1:]).to_mice(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_column_without_values_is_written(tmp_path):
    tables = [table.assign(nothing=None) for table in (original(), completed(0))]
    jm.from_tables(tables[0], tables[1:]).to_mice(tmp_path)
    assert jm.read_mice(tmp_path).original["nothing"].isna().all()


def test_texts_are_quoted_for_r():
    assert quoted('a"b\\c\n\t\x01é😀') == '"a\\"b\\\\c\\n\\t\\u{1}\\u{e9}\\U{1f600}"'


def test_names_of_the_long_form_are_taken(tmp_path):
    tables = [table.assign(**{".id": 1}) for table in (original(), completed(0))]
    with pytest.raises(jm.errors.ImputationError, match="'.id', which the long form needs"):
        jm.from_tables(tables[0], tables[1:]).to_mice(tmp_path)
