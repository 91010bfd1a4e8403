# Write `tests/reference/glmer.json`: simulated tables, and what lme4's glmer makes of them with 25 quadrature points.
# Run it from the root of the repository: `Rscript tests/reference/make/glmer.R`. It needs lme4 and jsonlite. If impact.csv
# (of the R package metamisc, GPL) is in ../shared/data, a fit of it is added, without its data.
suppressMessages(library(lme4))

simulate <- function(sizes, sd) {
  g <- rep(seq_along(sizes), sizes)
  n <- length(g)
  x <- round(rnorm(n, 10, 2), 2)
  w <- rbinom(length(sizes), 1, 0.5)[g]
  u <- rnorm(length(sizes), 0, sd)[g]
  binary <- rbinom(n, 1, plogis(-5 + 0.5 * x - 0.5 * w + u))
  count <- rpois(n, exp(-1 + 0.15 * x + 0.3 * w + 0.5 * u))
  data.frame(g, x, w, binary, count)
}

# The default tolerances stop within about 1e-3 of a standard error of the maximum.
control <- glmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5), tolPwrss = 1e-13)

fit <- function(formula, family, data) {
  model <- suppressMessages(glmer(formula, data, family = family, nAGQ = 25, control = control))
  list(
    formula = sub("binary|count", "y", Reduce(paste, deparse(formula))), family = family,
    coef = as.list(fixef(model)), vcov = unname(as.matrix(vcov(model))), variance = VarCorr(model)[[1]][1],
    logLik = c(logLik(model))
  )
}

both <- function(data) {
  list(
    data = as.list(data),
    binomial = fit(binary ~ x + w + (1 | g), "binomial", data), poisson = fit(count ~ x + w + (1 | g), "poisson", data)
  )
}

set.seed(5)
result <- list(
  origin = list(
    software = list(R = R.version.string, lme4 = as.character(packageVersion("lme4"))), seed = 5, nAGQ = 25,
    known_problem = "With more than one quadrature point, glmer gives a Poisson log-likelihood without a constant of the data.",
    made_by = "tests/reference/make/glmer.R"
  ),
  common = both(simulate(sample(4:20, 20, TRUE), 1.2)),
  small_clusters = both(simulate(sample(1:4, 60, TRUE), 2))
)
impact <- "../shared/data/impact.csv"
if (file.exists(impact)) {
  data <- read.csv(impact, na.strings = "")
  result$impact <- fit(mort ~ type + age + motor_score + pupil + ct + (1 | name), "binomial", data)
}
writeLines(jsonlite::toJSON(result, auto_unbox = TRUE, digits = 12), "tests/reference/glmer.json")
