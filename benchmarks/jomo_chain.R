# One chain of jomo, two-level model with a common covariance and random intercepts.
# Arguments: data file, output file, seed, iterations, cluster column, responses (a,b), covariates (a,b or -).
# Writes the free elements of beta, Omega_e and Omega_u of every iteration as doubles, iterations fastest, in the order of
# jmimpute (for two responses); prints the CPU seconds of the sampling call.
arguments <- commandArgs(trailingOnly = TRUE)
names_in <- function(text) if (text == "-") character(0) else strsplit(text, ",")[[1]]

data <- read.csv(arguments[1])
responses <- names_in(arguments[6])
fixed <- data.frame(cons = rep(1, nrow(data)), data[, names_in(arguments[7]), drop = FALSE])
random <- data.frame(cons = rep(1, nrow(data)))
iterations <- as.integer(arguments[4])

library(jomo)
set.seed(as.integer(arguments[3]))
started <- proc.time()
chain <- jomo1rancon.MCMCchain(
  Y = data[, responses], X = fixed, Z = random, clus = data[[arguments[5]]], nburn = iterations, output = 0
)
used <- proc.time() - started

flat <- function(draws, keep) t(matrix(draws, ncol = iterations))[, keep]
triangle <- as.vector(lower.tri(diag(length(responses)), diag = TRUE))
elements <- cbind(
  flat(chain$collectbeta, TRUE), flat(chain$collectomega, triangle), flat(chain$collectcovu, triangle)
)
writeBin(as.vector(elements), arguments[2])
cat("\ncpu_seconds", used[["user.self"]] + used[["sys.self"]], "\n")
