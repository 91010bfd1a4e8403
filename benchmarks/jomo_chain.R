# One chain of jomo, two-level model with random intercepts.
# Arguments: data file, output file, seed, iterations, cluster column, continuous responses (a,b), categorical responses
# (a,b or -), covariates (a,b or -), and "common" or, for one level-1 covariance matrix a cluster, "random".
# Writes the elements of beta and of the triangles of Omega_e and Omega_u of every iteration as doubles, iterations fastest, in
# the order of jmimpute; prints the CPU seconds of the sampling call.
arguments <- commandArgs(trailingOnly = TRUE)
names_in <- function(text) if (text == "-") character(0) else strsplit(text, ",")[[1]]

data <- read.csv(arguments[1])
iterations <- as.integer(arguments[4])
continuous <- data[, names_in(arguments[6]), drop = FALSE]
categorical <- data[, names_in(arguments[7]), drop = FALSE]
categorical[] <- lapply(categorical, factor)
fixed <- data.frame(cons = rep(1, nrow(data)), data[, names_in(arguments[8]), drop = FALSE])
random <- data.frame(cons = rep(1, nrow(data)))

library(jomo)
set.seed(as.integer(arguments[3]))
common <- list(X = fixed, Z = random, clus = data[[arguments[5]]], nburn = iterations, output = 0)
started <- proc.time()
chain <- if (ncol(categorical) == 0) {
  do.call(jomo1rancon.MCMCchain, c(list(Y = continuous), common))
} else {
  levels <- sapply(categorical, nlevels)
  responses <- list(Y.con = continuous, Y.cat = categorical, Y.numcat = levels)
  if (arguments[9] == "common") {
    do.call(jomo1ranmix.MCMCchain, c(responses, common))
  } else {
    do.call(jomo1ranmixhr.MCMCchain, c(responses, common, list(meth = arguments[9])))
  }
}
used <- proc.time() - started

flat <- function(draws, keep) t(matrix(draws, ncol = iterations))[, keep]
p <- ncol(chain$collectomega)
triangle <- as.vector(upper.tri(diag(p), diag = TRUE))  # by rows of the lower triangle
first <- seq(1, nrow(chain$collectomega), p)  # matrices of clusters stand below each other
omega <- lapply(first, function(row) flat(chain$collectomega[row:(row + p - 1), , , drop = FALSE], triangle))
elements <- cbind(flat(chain$collectbeta, TRUE), do.call(cbind, omega), flat(chain$collectcovu, triangle))
writeBin(as.vector(elements), arguments[2])
cat("\ncpu_seconds", used[["user.self"]] + used[["sys.self"]], "\n")
