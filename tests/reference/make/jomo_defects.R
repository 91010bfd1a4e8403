# Write `tests/reference/jomo_defects.json`: what jomo makes of small made-up tables, for docs/from-r/jomo.md and mitml.md.
# Run it from the root of the repository: `Rscript tests/reference/make/jomo_defects.R`. It needs jomo, mitml and jsonlite.
suppressMessages({
  library(jomo)
  library(mitml)
})
quietly <- function(call) {
  sink(nullfile())
  on.exit(sink())
  call
}

# The school whose residuals are ten times as large is the first one.
set.seed(1)
school <- rep(1:20, each = 100)
spread <- ifelse(school == 1, 10, 1)
y2 <- rnorm(20)[school] + rnorm(2000)
y1 <- rnorm(20)[school] + spread * (0.5 * rnorm(2000) + sqrt(0.75) * rnorm(2000))
y1[runif(2000) < 0.3] <- NA
Y <- data.frame(y1, y2)
imputed_sd <- function(filled, by) {
  sds <- tapply(filled, by, sd)
  list(first = unname(sds[1]), others = mean(sds[-1]))
}
by_jomo <- function(meth) {
  imp <- quietly(jomo(Y, clus = data.frame(school), meth = meth, nburn = 1000, nbetween = 100, nimp = 10))
  rows <- imp$Imputation > 0
  gone <- rep(is.na(y1), 10)
  imputed_sd(imp$y1[rows][gone], imp$clus[rows][gone])
}
by_mitml <- function() {
  data <- data.frame(Y, school)
  imp <- quietly(jomoImpute(data, formula = y1 + y2 ~ 1 + (1 | school), random.L1 = "full", n.burn = 1000, m = 10))
  filled <- do.call(rbind, mitmlComplete(imp))
  gone <- rep(is.na(y1), 10)
  imputed_sd(filled$y1[gone], filled$school[gone])
}
imputed <- list(fixed = by_jomo("fixed"), random = by_jomo("random"), mitml_full = by_mitml())

# The scale matrix of the prior, with and without a factor among the responses.
set.seed(2)
x <- rnorm(60)
y <- data.frame(y = x + rnorm(60), f = factor(ifelse(x + rnorm(60) > 0, "a", "b")))
posterior_variance <- function(scale, columns) {
  prior <- scale * diag(length(columns))
  chain <- quietly(jomo1.MCMCchain(y[columns], l1cov.prior = prior, nburn = 11000, output = 0))
  mean(chain$collectomega[1, 1, -(1:1000)])
}
scales <- function(columns) list(small = posterior_variance(0.001, columns), large = posterior_variance(1000, columns))

# A text and a logical column; a level-2 variable of which the first row is missing.
set.seed(3)
mixed <- data.frame(y = c(NA, rnorm(39)), text = sample(c("a", "b"), 40, TRUE), flag = sample(c(TRUE, FALSE), 40, TRUE))
w <- rep(rnorm(10), each = 4)
w[1:4] <- c(NA, 5, 5, 5)
returned <- quietly(jomo(mixed, nburn = 100, nbetween = 100, nimp = 2))
level2 <- quietly(jomo(mixed["y"], Y2 = data.frame(w), clus = data.frame(rep(1:10, each = 4)), nburn = 100, nimp = 2))

# Rows in another order, nothing missing: mean of the posterior variances of schools whose residuals have variance 1.
set.seed(4)
pairs <- data.frame(y1 = rep(c(1, 5), each = 20, times = 5) * rnorm(200), y2 = rnorm(200), school = rep(1:10, each = 20))
small_variance <- function(data) {
  chain <- quietly(jomo.MCMCchain(data[1:2], clus = data["school"], meth = "fixed", nburn = 2500, output = 0))
  means <- apply(chain$collectomega[, , -(1:500)], 1:2, mean)
  mean(means[seq(1, 20, 4), 1])
}
rows <- list(sorted = small_variance(pairs), shuffled = small_variance(pairs[sample(200), ]))

# The slope of y1 varies between schools with a standard deviation of 5, the constant of y2 with one of 10.
set.seed(5)
groups <- rep(1:100, each = 20)
z <- data.frame(cons = 1, x = rnorm(2000))
slopes <- data.frame(
  y1 = rnorm(100)[groups] + 5 * rnorm(100)[groups] * z$x + rnorm(2000),
  y2 = 10 * rnorm(100)[groups] + 0.1 * rnorm(100)[groups] * z$x + rnorm(2000)
)
chain <- quietly(jomo.MCMCchain(slopes, X = z, Z = z, clus = data.frame(groups), nburn = 600, output = 0))
effect_sd <- as.list(sqrt(diag(apply(chain$collectcovu[, , -(1:100)], 1:2, mean))))

result <- list(
  origin = list(
    software = list(
      R = R.version.string, jomo = as.character(packageVersion("jomo")), mitml = as.character(packageVersion("mitml"))
    ),
    made_by = "tests/reference/make/jomo_defects.R"
  ),
  true_sd = list(first = 10, others = 1),
  imputed_sd = imputed,
  posterior_variance = list(without_factor = scales("y"), with_factor = scales(c("y", "f"))),
  columns = list(given = names(mixed), returned = intersect(names(returned), names(mixed))),
  level2 = list(given = 5, returned = level2$w[level2$Imputation == 1][2]),
  rows = rows,
  effect_sd = list(true = list(`y1*cons` = 1, `y1*x` = 5, `y2*cons` = 10, `y2*x` = 0.1), labelled = effect_sd)
)
writeLines(jsonlite::toJSON(result, auto_unbox = TRUE, digits = NA, pretty = TRUE), "tests/reference/jomo_defects.json")
