# Imputations by jomo on JSPmiss with its default schedule. Arguments: data file, output file, seed, number of imputations,
# and a categorical response beside the two scores, or -.
arguments <- commandArgs(trailingOnly = TRUE)
data <- read.csv(arguments[1])
responses <- data[, c("english", "ravens")]
if (arguments[5] != "-") responses[[arguments[5]]] <- factor(data[[arguments[5]]])

library(jomo)
set.seed(as.integer(arguments[3]))
imputed <- jomo(
  Y = responses, X = data.frame(cons = rep(1, nrow(data)), sex = data$sex), clus = data$school,
  nburn = 1000, nbetween = 1000, nimp = as.integer(arguments[4]), output = 0
)
write.csv(imputed, arguments[2], row.names = FALSE)
