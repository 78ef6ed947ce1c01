# Makes transport_data.csv and transport_reference.csv: a model at home and at a new centre, on simulated patients.
#   Rscript tests/reference/make_transport_reference.R tests/reference
# Needs r-base-core (glm, t.test, pchisq, pf) and r-cran-proc (auc, var); pairs are counted one by one. Columns as in
# make_reference.R. The jackknife agrees with the infinitesimal one to about 1 in n: hence its tolerance.
suppressMessages(library(pROC))
folder <- commandArgs(trailingOnly = TRUE)[1]
set.seed(20261128, kind = "Mersenne-Twister", normal.kind = "Inversion", sample.kind = "Rejection")
rows <- list()
say <- function(id, package, call, value, tolerance = 1e-9) {
  value <- as.numeric(unlist(value))
  version <- if (package == "stats") as.character(getRversion()) else as.character(packageVersion(package))
  rows[[length(rows) + 1]] <<- data.frame(
    id = id, dataset = "", package = package, version = version, call = call, index = seq_along(value) - 1,
    value = format(value, digits = 17, trim = TRUE), tolerance = format(tolerance, digits = 3))
}
tight <- glm.control(epsilon = 1e-15, maxit = 200)
simulate <- function(place, n, shift, spread, b) {
  X <- round(cbind(a = rnorm(n, shift, spread), b = rnorm(n), c = rbinom(n, 1, 0.4)), 3)
  p <- as.vector(plogis(cbind(1, X) %*% c(-0.7, 0.9, -0.5, 0.6)))
  data.frame(place = place, y = rbinom(n, 1, plogis(cbind(1, X) %*% b)), p = round(p, 4), X)
}
d <- rbind(simulate("home", 260, 0, 1, c(-0.7, 0.9, -0.5, 0.6)), simulate("here", 180, 0.4, 1.5, c(-0.3, 0.3, -0.6, 0.6)))
write.csv(as.data.frame(lapply(d, function(x) if (is.numeric(x)) format(x, digits = 17, trim = TRUE) else x)),
          file.path(folder, "transport_data.csv"), row.names = FALSE, quote = FALSE)
concordance <- function(p) {
  above <- total <- 0
  for (i in seq_along(p)) for (j in seq_along(p)) if (i != j) {
    w <- p[i] * (1 - p[j]); total <- total + w
    above <- above + w * (if (p[i] > p[j]) 1 else if (p[i] == p[j]) 0.5 else 0)
  }
  above / total
}
jackknife <- function(f, n) { e <- sapply(seq_len(n), f); sqrt((n - 1) / n * sum((e - mean(e))^2)) }
parts <- split(d, d$place)
fits <- list()
for (name in c("home", "here")) {
  one <- parts[[name]]; l <- qlogis(one$p)
  say(paste0("concordance.", name), "stats", "every pair of patients, p_i (1 - p_j)", concordance(one$p))
  say(paste0("concordance.se.", name), "stats", "jackknife of it", jackknife(function(i) concordance(one$p[-i]), nrow(one)), 1e-2)
  area <- roc(one$y, one$p, quiet = TRUE, direction = "<")
  say(paste0("gap.", name), "pROC", "auc(roc) less the concordance", as.numeric(area$auc) - concordance(one$p))
  gap <- function(i) as.numeric(roc(one$y[-i], one$p[-i], quiet = TRUE, direction = "<")$auc) - concordance(one$p[-i])
  say(paste0("gap.se.", name), "pROC", "jackknife of it", jackknife(gap, nrow(one)), 1e-2)
  fits[[name]] <- glm(y ~ l + a + b, one, family = binomial, control = tight)
  say(paste0("effects.", name), "stats", "glm(y ~ qlogis(p) + a + b): coefficients and their covariances, no intercept",
      c(coef(fits[[name]])[-1], vcov(fits[[name]])[-1, -1]), 1e-7)
}
b <- coef(fits$here)[-1] - coef(fits$home)[-1]; V <- vcov(fits$here)[-1, -1] + vcov(fits$home)[-1, -1]
wald <- sum(b * solve(V, b))
say("effects.compared", "stats", "Wald of the difference of the coefficients; pchisq, 3 df", c(wald, pchisq(wald, 3, lower.tail = FALSE)), 1e-7)
X <- lapply(parts, function(one) as.matrix(one[, c("a", "b", "c")]))
one <- t.test(X$here[, "a"], X$home[, "a"])
say("membership.one", "stats", "t.test(here, home), Welch: t^2 and p", c(one$statistic^2, one$p.value))
m <- colMeans(X$here) - colMeans(X$home); S <- lapply(X, function(x) var(x) / nrow(x)); T2 <- sum(m * solve(S$here + S$home, m))
tr <- function(A) sum(diag(A)); inv <- solve(S$here + S$home); k <- length(m)
part <- function(A, n) { B <- A %*% inv; (tr(B %*% B) + tr(B)^2) / (n - 1) }
v <- (k + k^2) / (part(S$here, nrow(X$here)) + part(S$home, nrow(X$home)))
say("membership.three", "stats", "Hotelling's T2, df of Nel and van der Merwe (1986), pf",
    c(T2, pf(T2 * (v - k + 1) / (v * k), k, v - k + 1, lower.tail = FALSE)), 1e-8)
w <- solve(var(X$here) + var(X$home), m); score <- X$here %*% w
say("membership.concordance", "stats", "mean of pnorm of the scores here in the normal of the scores at home",
    mean(pnorm((score - sum(w * colMeans(X$home))) / sqrt(as.numeric(t(w) %*% var(X$home) %*% w)))))
edges <- quantile(parts$home$p, c(0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)); here <- parts$here
say("edges", "stats", "quantile(home$p), type 7", edges)
stratum <- findInterval(here$p, edges, left.open = TRUE) + 1; share <- diff(c(0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1))
weight <- (share / tabulate(stratum, 8))[stratum]; above <- total <- 0
for (i in which(here$y == 1)) for (j in which(here$y == 0)) {
  total <- total + weight[i] * weight[j]
  above <- above + weight[i] * weight[j] * (if (here$p[i] > here$p[j]) 1 else if (here$p[i] == here$p[j]) 0.5 else 0)
}
say("standardised", "stats", "AUC of weighted pairs; Kish's number of patients", c(above / total, sum(weight)^2 / sum(weight^2)))
write.csv(do.call(rbind, rows), file.path(folder, "transport_reference.csv"), row.names = FALSE, quote = c(1:5, 7, 8))
