# Write `tests/reference/flux.json`: a made-up table and mice's flux of it.
# Run it from the root of the repository: `Rscript tests/reference/make/flux.R`. It needs mice and jsonlite.
suppressMessages(library(mice))

data <- data.frame(
  complete = 1:8,
  a = c(NA, 2, 3, NA, 5, 6, 7, NA),
  b = c(NA, NA, 3, NA, 5, 6, 7, 8),
  c = c(1, 2, NA, 4, NA, NA, NA, 8),
  never = rep(as.numeric(NA), 8)
)
result <- list(
  origin = list(
    software = list(R = R.version.string, mice = as.character(packageVersion("mice"))), made_by = "tests/reference/make/flux.R"
  ),
  data = as.list(data), flux = as.list(flux(data)), flux_without_holes = as.list(flux(data[c("complete", "complete")]))
)
jsonlite::write_json(result, "tests/reference/flux.json", auto_unbox = TRUE, digits = NA, na = "null")
