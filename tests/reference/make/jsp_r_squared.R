# Write `tests/reference/jsp_r_squared.json`: R-squared of english ~ ravens + sex + fluent on five completed tables, and what mice
# pools from them. Run it from the root of the repository: `Rscript tests/reference/make/jsp_r_squared.R`. It needs mice and
# jsonlite, and the completed tables in ../shared/reference.
suppressMessages(library(mice))

tables <- read.csv("../shared/reference/jsp_completed_m5.csv.gz", colClasses = c(fluent = "character"))
fits <- lapply(split(tables, tables$imputation), function(data) lm(english ~ ravens + sex + fluent, data))
pooled <- lapply(c(R2 = FALSE, R2_adjusted = TRUE), function(adjusted) {
  as.list(setNames(pool.r.squared(as.mira(fits), adjusted = adjusted)[1, ], c("estimate", "low", "high", "fmi")))
})
result <- list(
  origin = list(
    data = "JSPmiss of R package mitml, the five completed tables of jsp_pooling.json",
    software = list(R = R.version.string, mice = as.character(packageVersion("mice"))),
    made_by = "tests/reference/make/jsp_r_squared.R"
  ),
  n = nobs(fits[[1]]),
  R2 = unname(sapply(fits, function(fit) summary(fit)$r.squared)),
  R2_adjusted = unname(sapply(fits, function(fit) summary(fit)$adj.r.squared)),
  mice = pooled
)
writeLines(jsonlite::toJSON(result, auto_unbox = TRUE, digits = NA, pretty = TRUE), "tests/reference/jsp_r_squared.json")
