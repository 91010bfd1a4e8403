# Write `tests/reference/r_arguments.json`: arguments of the R functions that docs/from-r/*.md translate.
# Run it from the root of the repository: `Rscript tests/reference/make/r_arguments.R`. It needs jomo, mitml, mice and jsonlite.
suppressMessages({
  library(jomo)
  library(mitml)
  library(mice)
})
jomo1 <- c("jomo1con", "jomo1cat", "jomo1mix", "jomo1rancon", "jomo1rancat", "jomo1ranmix")
jomo1 <- c(jomo1, "jomo1ranconhr", "jomo1rancathr", "jomo1ranmixhr", "jomo2com", "jomo2hr")
functions <- list(
  jomo = c("jomo", jomo1, paste0(c("jomo", jomo1), ".MCMCchain")),
  mitml = c(
    "panImpute", "jomoImpute", "mitmlComplete", "testEstimates", "testModels", "testConstraints", "anova.mitml.result",
    "multilevelR2"
  ),
  mice = c(
    "mice", "complete.mids", "with.mids", "pool", "D1", "D2", "D3", "quickpred", "ampute", "flux", "fluxplot", "md.pattern",
    "mice.mids"
  )
)
arguments <- function(name, package) {
  found <- names(formals(getFromNamespace(name, package)))
  if (length(found)) setdiff(found, "...") else setdiff(names(formals(args(name))), "...")
}
result <- list(
  origin = list(
    software = lapply(
      c(R = NA, jomo = "jomo", mitml = "mitml", mice = "mice"),
      function(name) if (is.na(name)) R.version.string else as.character(packageVersion(name))
    ),
    made_by = "tests/reference/make/r_arguments.R"
  ),
  arguments = Map(
    function(package, names) lapply(setNames(names, names), arguments, package = package), names(functions), functions
  )
)
writeLines(jsonlite::toJSON(result, auto_unbox = TRUE, pretty = TRUE), "tests/reference/r_arguments.json")
