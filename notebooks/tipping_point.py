# %% [markdown]
# # Would the conclusion survive? Missing not at random, from start to end
#
# In a survey of weights a third of the people have none. Whoever is heavier may be less willing to tell, so that imputations under
# missing at random (MAR) would be too light, and a conclusion about obesity too good. No data can tell how much. A sensitivity analysis
# asks the other way round: how much heavier would the silent have to be for the conclusion to change, and is that plausible?
#
# The data are shipped with jmimpute. They are simulated, so that the last section can look up what was true.

# %%
import os

import numpy as np
import pandas as pd

import jmimpute as jm

SHORT = os.environ.get("JMIMPUTE_SHORT") == "1"  # fewer draws, imputations and points, for a quick run
DRAWS, M, SEED = (1000, 5, 1) if SHORT else (2000, 100, 1)

survey = jm.datasets.load("survey").drop(columns="famhist")
print(jm.inspect(survey, cluster="region"))

# %%
jm.plots.pattern(survey, cluster="region")

# %% [markdown]
# ## 1. The conclusion under missing at random
#
# The analysis is the share of people who are obese (a body mass index of 30 or more), with a standard error that respects regions. It is
# a function of a completed table: weight and height are imputed, the index follows. The claim is that **fewer than one in five are
# obese**: the upper end of the interval is below 0.2.
#
# Weight, height and age are responses of the imputation model; the length of the interview is a covariate, since it predicts whether a
# weight was told.


# %%
def obesity(table):
    """Share of the obese, with the variance between regions."""
    heavy = table["weight"] / table["height"] ** 2 >= 30
    return jm.mean("obese", cluster="region")(table.assign(obese=heavy))


obesity.columns = ["weight", "height", "region"]  # what it uses, so that complete cases are those of these columns


def fewer_than_a_fifth(row):
    """The claim, of a row of pooled results."""
    return row["conf_high"] < 0.2


model = jm.JointModel("weight + height + age ~ sex + duration + (1 | region)", survey)
fit = model.fit(draws=DRAWS, random_seed=SEED, progressbar=False)
print(str(fit.diagnostics()).splitlines()[0])
imputations = fit.impute(M, progressbar=False)
at_random = imputations.analyze(obesity).pool().table
at_random.round(4)

# %% [markdown]
# ## 2. A grid of deltas
#
# `jm.shift` adds an amount delta to imputed weights: the silent are heavier by that much than people with the same age, sex, height
# and region who told theirs. Two regions have no weights at all, since they had no scales: nobody there kept silent, and
# `where="sporadic"` leaves them as they are. A delta does not change the likelihood of what was observed, so that one fit serves all of
# them; other variables that are missing in the same rows are drawn anew given the heavier weight.

# %%
deltas = [0, 2, 4, 6, 8, 10] if SHORT else list(range(11))
grid = jm.sensitivity(imputations, "weight", jm.shift(deltas, where="sporadic"), obesity, progressbar=False)
grid.table[["delta", "estimate", "std_error", "conf_low", "conf_high", "implied_mean"]].round(3)

# %% [markdown]
# ## 3. The tipping point
#
# Where between them the claim fails is searched for. On the upper axis stands the mean of the weights that were imputed, which
# can be judged more easily than a delta: shaded is what we take for plausible, up to 8 kg.

# %%
tipped = jm.tipping_point(
    imputations, "weight", jm.shift(where="sporadic"), obesity, "obese", fewer_than_a_fifth, range=(-2, 14), progressbar=False
)
print(tipped)

# %%
jm.plots.tipping(tipped, plausible=(0, 8))

# %% [markdown]
# ## 4. What such a delta says of the regions
#
# An assumption is easier to judge by what it implies. With the delta at which the claim fails, or 8 kg where there is none, this is how
# heavy the silent people of each region would be, beside those who told their weight.

# %%
delta = tipped.value if tipped.found else 8.0
heavier = imputations.delta("weight", jm.shift(delta, where="sporadic"))
jm.plots.implied_means(heavier, "weight")

# %% [markdown]
# ## 5. Two deltas at a time
#
# Women and men may hide different amounts. Each point of the grid is an assumption about both; the line is where the claim
# stops to hold, dots are points at which it does not.

# %%
amounts = np.linspace(0, 12, 4 if SHORT else 9)
contour = jm.sensitivity(
    imputations,
    "weight",
    jm.shift({"female": amounts, "male": amounts}, by="sex", where="sporadic"),
    obesity,
    progressbar=False,
)
jm.plots.sensitivity_grid(contour, "obese", fewer_than_a_fifth)

# %% [markdown]
# ## 6. A prior of delta
#
# Whoever can say how plausible each delta is need not stop at a grid. Suppose experts expect the silent to be 4 kg heavier, give or take
# 2 kg (a standard deviation): each imputation then draws a delta of its own, and the pooled interval has this uncertainty in it. The
# fraction of missing information (`fmi`) says how much of the answer is assumption and imputation, not data.

# %%
expert = imputations.delta("weight", jm.shift(4, where="sporadic", prior_sd=2), random_seed=SEED)
rows = {
    "missing at random": at_random,
    "4 kg heavier": imputations.delta("weight", jm.shift(4, where="sporadic")).analyze(obesity).pool().table,
    "4 kg heavier, give or take 2": expert.analyze(obesity).pool().table,
}
pd.concat(rows, names=["assumption", ""]).droplevel(1)[["estimate", "std_error", "conf_low", "conf_high", "fmi"]].round(3)

# %% [markdown]
# ## 7. A selection model, and rho
#
# A delta is an assumption about people who cannot be seen. A selection model asks whether the data themselves speak: the weight and
# the willingness to tell it are correlated by rho, and the length of the interview changes willingness but not weight. This exclusion
# restriction is an assumption too; `check` says what it can move.

# %%
told = jm.selection("~ sex + duration + (1 | region)", "duration", "the number of other questions decides how long it takes")
selection = jm.JointModel("weight + height + age ~ sex + (1 | region)", survey, missing={"weight": told})
print(selection.check())

# %% [markdown]
# First with rho held at one number after the other, which uses no exclusion restriction to learn about rho; 0 is missing at random. Each
# rho is another model, and takes a fit of its own. Between the points the curve is interpolated.

# %%
rhos = [-0.7, -0.35, 0.0] if SHORT else [-0.9, -0.8, -0.7, -0.6, -0.5, -0.4, -0.3, -0.2, -0.1, 0.0, 0.2]
sampling = {"draws": DRAWS, "target_accept": 0.9, "m": M, "random_seed": SEED, "progressbar": False}
over_rho = jm.sensitivity(selection, "weight", rho=rhos, analysis=obesity, **sampling)
turned = over_rho.tipping_point("obese", fewer_than_a_fifth)
print(turned)

# %%
jm.plots.tipping(turned)

# %% [markdown]
# Averaged over a prior of rho that the data do not change: here any negative rho down to -0.7 is as plausible as another.

# %%
over_rho.weighted(jm.priors.uniform(-0.7, 0))

# %% [markdown]
# Then with rho estimated. Where the data say nothing of it, the posterior repeats the prior; where the exclusion restriction is strong, it is
# narrow, and the result hangs on the restriction.

# %%
free = selection.fit(draws=DRAWS, target_accept=0.9, random_seed=SEED, keep_latents=M, progressbar=False)
print(free.identification())
free.plot_rho()

# %% [markdown]
# ## 8. All of it in one table
#
# Data are simulated by `jm.datasets.simulate_survey`, with a rho of -0.6: the complete table is known here, as it never is.

# %%
complete = jm.datasets.simulate_survey(random_seed=20261)[1]
sources = {
    "missing at random": imputations,
    "4 kg heavier, give or take 2": expert,
    "selection model": free.impute(M, progressbar=False),
}
comparison = jm.compare(sources, obesity, truth=complete)
comparison.wide().transpose()

# %%
jm.plots.comparison(comparison)

# %% [markdown]
# Reference-based imputation, the other family of such assumptions, is for repeated measures in the arms of a trial: see
# `jm.reference_based`.
#
# ## 9. What to write
#
# A report names the assumption, the tipping point and what it would take. Made of the numbers above:

# %%
estimate, low, high = at_random.loc[0, ["estimate", "conf_low", "conf_high"]]
missing, told_weights = survey["weight"].isna().mean(), survey["weight"].mean()
means = tipped.table.set_index("delta")["implied_mean"]
said = (
    f"Under missing at random {estimate:.0%} were obese (95 % interval {low:.0%} to {high:.0%}, {M} imputations), and fewer than one "
    f"in five. Weight was missing for {missing:.0%} of {len(survey)} people. "
)
if tipped.found:
    said += (
        f"The claim would fail if those who were asked were {tipped.value:.1f} kg heavier than comparable people who told their weight: a "
        f"mean of {means[tipped.value]:.1f} kg instead of {means[0.0]:.1f} kg, where those who told it weigh {told_weights:.1f} kg. "
    )
else:
    said += "The claim holds for all differences between -2 and 14 kg. "
model_says = comparison.table.query("method == 'selection model'").iloc[0]
said += (
    f"A selection model, which takes the length of the interview to be unrelated to weight, puts the share at "
    f"{model_says['estimate']:.0%} ({model_says['conf_low']:.0%} to {model_says['conf_high']:.0%})."
)
print(said)
