"""Structures of the level-1 covariance: one matrix for all clusters, or one for each."""

#: All clusters share one matrix.
COMMON = "common"
#: Each cluster has a matrix of its own, about which the others say nothing.
CLUSTER_SPECIFIC = "cluster-specific"
#: Each cluster has a matrix of its own, drawn from a distribution that is estimated from all.
RANDOM = "random"

STRUCTURES = (COMMON, CLUSTER_SPECIFIC, RANDOM)
