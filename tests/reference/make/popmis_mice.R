# Write `tests/reference/popmis_mice.json`: what mice makes of its data set popmis, by methods with clusters and without.
# Run it from the root of the repository: `Rscript tests/reference/make/popmis_mice.R`. It needs mice, pan, lme4, mitml and
# jsonlite.
suppressMessages({
  library(mice)
  library(lme4)
})
M <- 100
ANALYSIS <- popular ~ sex * texp + (1 + sex | school)

# mice has no interactions in its methods with clusters: the product is a column.
data <- transform(popmis[c("popular", "school", "sex", "texp")], sextexp = sex * texp)

imputed <- function(method, clusters) {
  predictors <- make.predictorMatrix(data)
  predictors[, ] <- 0
  predictors["popular", ] <- if (clusters) c(0, -2, 2, 1, 1) else c(0, 0, 1, 1, 1)
  # Only popular is incomplete, so that one sweep is all it takes.
  time <- system.time(imp <- mice(data, m = M, maxit = 1, method = c(method, "", "", "", ""), predictorMatrix = predictors,
                                  seed = 5001, printFlag = FALSE))
  fits <- with(imp, lmer(popular ~ sex * texp + (1 + sex | school)))$analyses
  pooled <- mitml::testEstimates(fits, extra.pars = TRUE)
  table <- as.data.frame(pooled$estimates)
  draws <- sapply(fits, fixef)
  variances <- rowMeans(sapply(fits, function(fit) c(diag(VarCorr(fit)$school), sigma(fit)^2)))
  list(
    call = sprintf("mice(m = %d, maxit = 1, method = '%s', seed = 5001)", M, method), m = M, rows = nrow(data),
    cpu_seconds = unname(time["user.self"] + time["sys.self"]),
    fixed = data.frame(
      term = sub("\\(Intercept\\)", "Intercept", rownames(table)), estimate = table$Estimate, std_error = table$Std.Error,
      df = table$df, riv = table$RIV, fmi = table$FMI, mc_error = apply(draws, 1, sd) / sqrt(M),
      row.names = NULL
    ),
    sd = setNames(as.list(sqrt(variances)), c("sd(Intercept|school)", "sd(sex|school)", "sd(residual)"))
  )
}

versions <- sapply(c("mice", "pan", "lme4", "mitml"), function(name) as.character(packageVersion(name)))
complete <- lmer(ANALYSIS, data)
result <- list(
  origin = list(
    software = as.list(c(R = R.version.string, versions)), made_by = "tests/reference/make/popmis_mice.R",
    data = "popmis, of the R package mice"
  ),
  analysis = deparse(ANALYSIS),
  complete_cases = list(
    rows = nobs(complete), term = sub("\\(Intercept\\)", "Intercept", names(fixef(complete))),
    estimate = unname(fixef(complete)), std_error = unname(sqrt(diag(as.matrix(vcov(complete)))))
  ),
  methods = list(
    "2l.pan" = imputed("2l.pan", TRUE), "2l.norm" = imputed("2l.norm", TRUE),
    norm = imputed("norm", FALSE), pmm = imputed("pmm", FALSE)
  )
)
jsonlite::write_json(result, "tests/reference/popmis_mice.json", auto_unbox = TRUE, digits = 8, pretty = TRUE)
