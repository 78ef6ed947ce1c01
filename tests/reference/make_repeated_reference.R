# Makes repeated_data.csv and repeated_reference.csv: what R says about patients predicted four times, in four folds each.
#   Rscript tests/reference/make_repeated_reference.R tests/reference
# Needs r-base-core, r-cran-proc. Columns as in make_reference.R. The predictions are out of fold, by glm.
suppressMessages(library(pROC))
folder <- commandArgs(trailingOnly = TRUE)[1]
set.seed(20261125, kind = "Mersenne-Twister", normal.kind = "Inversion", sample.kind = "Rejection")
n <- 96; R <- 4; K <- 4
x <- matrix(rnorm(n * 3), n); y <- rbinom(n, 1, plogis(-0.6 + 0.9 * x[, 1] - 0.4 * x[, 2]))
d <- data.frame(y = y, x = x); p <- f <- matrix(NA, n, R)
for (r in 1:R) {
  f[, r] <- sample(rep_len(1:K, n))
  for (k in 1:K) {
    model <- glm(y ~ ., binomial, d[f[, r] != k, ])
    p[f[, r] == k, r] <- round(predict(model, d[f[, r] == k, ], type = "response"), 3)
  }
}
data <- data.frame(y = y, p, f); names(data) <- c("y", paste0("p", 1:R), paste0("f", 1:R))
write.csv(data, file.path(folder, "repeated_data.csv"), row.names = FALSE, quote = FALSE)
out <- list()
say <- function(id, package, call, value, tolerance = 1e-10) {
  version <- if (package %in% c("stats", "base")) as.character(getRversion()) else as.character(packageVersion(package))
  value <- as.numeric(unlist(value))
  out[[length(out) + 1]] <<- data.frame(
    id = id, dataset = "repeated", package = package, version = version, call = call, index = seq_along(value) - 1,
    value = format(value, digits = 17, trim = TRUE), tolerance = format(tolerance, digits = 3))
}
tight <- glm.control(epsilon = 1e-15, maxit = 100)
rocs <- lapply(1:R, function(r) roc(y, p[, r], levels = c(0, 1), direction = "<", quiet = TRUE))
area <- function(y, p) if (length(unique(y)) < 2) NA else as.numeric(auc(roc(y, p, levels = c(0, 1), direction = "<", quiet = TRUE)))
slope <- function(y, p) { l <- qlogis(p); coef(glm(y ~ l, family = binomial, control = tight))[[2]] }
brier <- function(y, p) mean((y - p)^2)
S <- sapply(1:R, function(i) sapply(1:R, function(j) if (i == j) var(rocs[[i]]) else cov(rocs[[i]], rocs[[j]])))
mean.auc <- mean(sapply(rocs, function(r) as.numeric(r$auc)))
say("auc.per-repeat", "pROC", "mean of 4 AUCs, DeLong: value, low, high, se",
    c(mean.auc, mean.auc + c(-1, 1) * qnorm(0.975) * sqrt(mean(S)), sqrt(mean(S))), 1e-9)
together <- roc(y, rowMeans(p), levels = c(0, 1), direction = "<", quiet = TRUE)
say("auc.average", "pROC", "ci.auc of the mean prediction: value, low, high", ci.auc(together)[c(2, 1, 3)], 1e-9)
say("auc.pool", "pROC", "AUC of all rows", area(rep(y, R), as.vector(p)))
say("auc.folds", "pROC", "mean over repeats of the mean over folds",
    mean(sapply(1:R, function(r) mean(sapply(1:K, function(k) area(y[f[, r] == k], p[f[, r] == k, r])), na.rm = TRUE))))
say("auc.repeats", "pROC", "AUC of each repeat, sd", { a <- sapply(1:R, function(r) area(y, p[, r])); c(a, sd(a)) })
say("brier.per-repeat", "base", "mean over repeats", mean(sapply(1:R, function(r) brier(y, p[, r]))))
say("brier.folds", "base", "mean over repeats of the mean over folds",
    mean(sapply(1:R, function(r) mean(sapply(1:K, function(k) brier(y[f[, r] == k], p[f[, r] == k, r]))))))
say("slope.per-repeat", "stats", "mean of glm's slopes", mean(sapply(1:R, function(r) slope(y, p[, r]))), 1e-8)
say("slope.pool", "stats", "glm's slope of all rows", slope(rep(y, R), as.vector(p)), 1e-8)
write.csv(do.call(rbind, out), file.path(folder, "repeated_reference.csv"), row.names = FALSE)
