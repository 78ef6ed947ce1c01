# Makes internal_data.csv, internal_rows.csv and internal_reference.csv: what R says about resampling a small simulated table.
#   Rscript tests/reference/make_internal_reference.R tests/reference
# Needs r-base-core, r-cran-proc. Columns as in make_reference.R. The resamples are drawn here and written down, so that
# both sides refit on the same patients; row numbers in internal_rows.csv count from 0.
suppressMessages(library(pROC))
folder <- commandArgs(trailingOnly = TRUE)[1]
set.seed(20261124, kind = "Mersenne-Twister", normal.kind = "Inversion", sample.kind = "Rejection")
n <- 90; B <- 25
d <- data.frame(x1 = rnorm(n), x2 = rnorm(n, 10, 4), x3 = rbinom(n, 1, 0.4))
d$y <- rbinom(n, 1, plogis(-1.2 + 0.9 * d$x1 + 0.1 * (d$x2 - 10) + 0.6 * d$x3))
rows <- t(replicate(B, sample.int(n, n, replace = TRUE)))
text <- as.data.frame(lapply(d, function(column) format(column, digits = 17, trim = TRUE)))
write.csv(text, file.path(folder, "internal_data.csv"), row.names = FALSE, quote = FALSE)
write.table(rows - 1, file.path(folder, "internal_rows.csv"), row.names = FALSE, col.names = FALSE, sep = ",")

out <- list()
say <- function(id, package, call, value, tolerance = 1e-10) {
  version <- if (package %in% c("stats", "base")) as.character(getRversion()) else as.character(packageVersion(package))
  value <- as.numeric(unlist(value))
  out[[length(out) + 1]] <<- data.frame(
    id = id, dataset = "internal", package = package, version = version, call = call, index = seq_along(value) - 1,
    value = format(value, digits = 17, trim = TRUE), tolerance = format(tolerance, digits = 3))
}
tight <- glm.control(epsilon = 1e-15, maxit = 100)
area <- function(y, p) as.numeric(roc(y, p, levels = c(0, 1), direction = "<", quiet = TRUE)$auc)
four <- function(y, p) {
  l <- qlogis(p)
  c(auc = area(y, p), brier = mean((p - y)^2),
    slope = coef(glm(y ~ l, family = binomial, control = tight))[[2]],
    large = coef(glm(y ~ 1, offset = l, family = binomial, control = tight))[[1]])
}
fit <- function(part) glm(y ~ x1 + x2 + x3, binomial, part, control = tight)
p0 <- fitted(fit(d)); apparent <- four(d$y, p0)
inside <- everybody <- outside <- matrix(NA, B, 4)
for (b in 1:B) {
  part <- d[rows[b, ], ]; model <- fit(part); p <- predict(model, d, type = "response")
  inside[b, ] <- four(part$y, fitted(model)); everybody[b, ] <- four(d$y, p)
  left <- setdiff(seq_len(n), rows[b, ]); outside[b, ] <- four(d$y[left], p[left])
}
names <- c("auc", "brier", "calibration_slope", "calibration_in_the_large")
for (j in 1:4) {
  tolerance <- if (j < 3) 1e-9 else 1e-7
  say(paste0(names[j], ".in_resample"), "stats", "glm refitted in each resample, on the resample", inside[, j], tolerance)
  say(paste0(names[j], ".on_all"), "stats", "glm refitted in each resample, on all", everybody[, j], tolerance)
  say(paste0(names[j], ".outside"), "stats", "glm refitted in each resample, on those not drawn", outside[, j], tolerance)
  lift <- mean(inside[, j] - everybody[, j]); oob <- mean(outside[, j])
  say(paste0(names[j], ".summary"), "base", "apparent, optimism, corrected, simple, out of bag, .632",
      c(apparent[j], lift, apparent[j] - lift, mean(everybody[, j]), oob, 0.368 * apparent[j] + 0.632 * oob), tolerance)
}
plus <- function(a, o, g, worse) {
  o <- if (worse) min(o, g) else max(o, g)
  r <- if ((worse && o > a && g > a) || (!worse && o < a && g < a)) (o - a) / (g - a) else 0
  w <- 0.632 / (1 - 0.368 * r); (1 - w) * a + w * o
}
g <- mean(outer(d$y, p0, function(y, p) (y - p)^2))
say("auc.plus", "base", ".632+ with gamma 0.5", plus(apparent[1], mean(outside[, 1]), 0.5, FALSE), 1e-9)
say("brier.plus", "base", ".632+ with gamma over all pairs", plus(apparent[2], mean(outside[, 2]), g, TRUE), 1e-9)

# BCa from given replicates, type-7 quantiles, acceleration from the jackknife
t0 <- area(d$y, p0); t <- apply(rows, 1, function(i) area(d$y[i], p0[i])); t <- c(t, t0 + rnorm(175, sd = 0.05))
jack <- sapply(1:n, function(i) area(d$y[-i], p0[-i])); u <- mean(jack) - jack
a <- sum(u^3) / (6 * sum(u^2)^1.5); z0 <- qnorm(mean(t < t0) + mean(t == t0) / 2); z <- qnorm(c(0.025, 0.975))
say("bca.replicates", "pROC", "auc of each resample, and 175 more about it", t)
say("bca.jackknife", "pROC", "auc without each patient", jack)
say("bca.limits", "base", "quantile(t, pnorm(z0 + (z0 + z)/(1 - a (z0 + z))))", quantile(t, pnorm(z0 + (z0 + z) / (1 - a * (z0 + z)))))
say("percentile.limits", "base", "quantile(t, c(0.025, 0.975))", quantile(t, c(0.025, 0.975)))
fold <- rep_len(1:9, n); each <- matrix(NA, 9, 2)
for (k in 1:9) {
  model <- fit(d[fold != k, ]); p <- predict(model, d, type = "response")
  each[k, ] <- c(mean((fitted(model) - d$y[fold != k])^2), mean((p - d$y)[fold == k]^2))
}
say("cross.brier", "stats", "mean over folds: average, optimism, corrected",
    c(mean(each[, 2]), mean(each[, 1] - each[, 2]), apparent[2] - mean(each[, 1] - each[, 2])), 1e-9)
write.csv(do.call(rbind, out), file.path(folder, "internal_reference.csv"), row.names = FALSE)
