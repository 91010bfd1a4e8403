# Write `tests/reference/chained_mixed.json`: a simulated table, and what nlme's lme and lme4's glmer (Laplace) make of it.
# Run it from the root of the repository: `Rscript tests/reference/make/chained_mixed.R`. It needs nlme, lme4 and jsonlite.
suppressMessages({library(nlme); library(lme4)})

set.seed(8)
sizes <- sample(6:20, 24, TRUE)
g <- rep(seq_along(sizes), sizes)
n <- length(g)
x <- round(rnorm(n, 2, 1.5), 2)
w <- rbinom(n, 1, 0.4)
b <- matrix(rnorm(2 * length(sizes)), ncol = 2) %*% chol(matrix(c(1, 0.3, 0.3, 0.5), 2))
effect <- b[g, 1] + b[g, 2] * x
data <- data.frame(
  g, x, w, y = round(3 + x - 0.5 * w + effect + rnorm(n, 0, 1.2), 3),
  binary = rbinom(n, 1, plogis(-1 + 0.4 * x - 0.5 * w + effect)), count = rpois(n, exp(0.2 + 0.1 * x + 0.3 * w + effect / 3))
)

linear <- lme(y ~ x + w, data, ~ x | g, control = lmeControl(tolerance = 1e-10, msTol = 1e-12, msMaxIter = 500, maxIter = 500))
# Order of apVar: log SD of the intercept, log SD of x, log((1 + rho)/(1 - rho)), log sigma.
reference <- list(
  coef = unname(fixef(linear)), vcov = unname(vcov(linear)), psi = matrix(getVarCov(linear), 2), sigma = linear$sigma,
  log_sd_correlation_log_sigma = unname(c(attr(linear$apVar, "Pars"))), apVar = matrix(linear$apVar, 4),
  logLik = c(logLik(linear)), effects = unname(as.matrix(ranef(linear)))
)

# The default tolerances stop within about 1e-3 of a standard error of the maximum.
control <- glmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5), tolPwrss = 1e-13)
laplace <- function(formula, family) {
  model <- suppressMessages(glmer(formula, data, family = family, control = control))
  effects <- ranef(model, condVar = TRUE)$g
  list(
    coef = unname(fixef(model)), vcov = unname(as.matrix(vcov(model))), psi = matrix(VarCorr(model)$g, 2),
    logLik = c(logLik(model)), effects = unname(as.matrix(effects)), first_condVar = attr(effects, "postVar")[, , 1]
  )
}

result <- list(
  origin = list(
    software = list(
      R = R.version.string, nlme = as.character(packageVersion("nlme")), lme4 = as.character(packageVersion("lme4"))
    ),
    seed = 8, models = "~ x + w with a random intercept and a random coefficient of x in g; REML, or Laplace",
    made_by = "tests/reference/make/chained_mixed.R"
  ),
  data = as.list(data), lme = reference, binomial = laplace(binary ~ x + w + (1 + x | g), "binomial"),
  poisson = laplace(count ~ x + w + (1 + x | g), "poisson")
)
writeLines(jsonlite::toJSON(result, auto_unbox = TRUE, digits = 12), "tests/reference/chained_mixed.json")
