# Makes data_*.csv and statistics_reference.csv: what R says about small simulated tables.
#   Rscript tests/reference/make_reference.R tests/reference
# Needs r-base-core, r-cran-proc, r-cran-rms, r-cran-psych. One row a number: id, dataset, package, version, call, index,
# value (17 digits), tolerance (relative, absolute below 1). Rows of package "stats" or "base" are formulas evaluated in R.
# ResourceSelection is not in Debian, so hoslem.test's own lines (quantile, cut, xtabs) are repeated below.
suppressMessages({library(pROC); library(rms); library(psych)})
folder <- commandArgs(trailingOnly = TRUE)[1]
set.seed(20251124, kind = "Mersenne-Twister", normal.kind = "Inversion", sample.kind = "Rejection")

simulate <- function(n, slope, intercept, digits = NULL) {
  x <- rnorm(n)
  y <- rbinom(n, 1, plogis(-0.8 + 1.2 * x))
  p <- plogis(intercept + slope * x + rnorm(n, sd = 0.3))
  q <- plogis(-0.5 + 0.6 * x + rnorm(n, sd = 0.8))
  if (!is.null(digits)) { p <- round(p, digits); q <- round(q, digits) }
  data.frame(y = y, p = p, q = q)
}
inside <- function(d) { d$p <- pmin(pmax(d$p, 0.05), 0.95); d$q <- pmin(pmax(d$q, 0.05), 0.95); d }
data <- list(
  smooth = simulate(210, 1.5, -0.7),
  tied = inside(simulate(127, 1.0, -0.4, digits = 1)),
  hundredths = inside(simulate(421, 1.2, -1.0, digits = 2)),
  small = simulate(24, 1.1, -0.6))
data$certain <- data$smooth                       # certain and right predictions among the others
data$certain$p[data$certain$y == 0 & data$certain$p < 0.08] <- 0
data$certain$p[data$certain$y == 1 & data$certain$p > 0.90] <- 1
stopifnot(any(data$certain$p == 0), any(data$certain$p == 1))
for (name in names(data)) {
  text <- as.data.frame(lapply(data[[name]], function(column) format(column, digits = 17, trim = TRUE)))
  write.csv(text, file.path(folder, paste0("data_", name, ".csv")), row.names = FALSE, quote = FALSE)
}

rows <- list()
say <- function(id, dataset, package, call, value, tolerance = 1e-10) {
  version <- if (package %in% c("stats", "base")) as.character(getRversion()) else as.character(packageVersion(package))
  value <- as.numeric(unlist(value))
  rows[[length(rows) + 1]] <<- data.frame(
    id = id, dataset = dataset, package = package, version = version, call = call, index = seq_along(value) - 1,
    value = format(value, digits = 17, trim = TRUE), tolerance = format(tolerance, digits = 3))
}
curve_of <- function(d, column) roc(d$y, d[[column]], levels = c(0, 1), direction = "<", quiet = TRUE)

# --- discrimination and comparison --------------------------------------------------------------
for (name in c("smooth", "tied", "hundredths", "small")) {
  d <- data[[name]]; a <- curve_of(d, "p"); b <- curve_of(d, "q")
  say("auc.delong", name, "pROC", "ci.auc(roc(y, p))", as.numeric(ci.auc(a))[c(2, 1, 3)])
  say("auc.delong.90", name, "pROC", "ci.auc(roc(y, p), conf.level = 0.9)", as.numeric(ci.auc(a, conf.level = 0.9))[c(2, 1, 3)])
  say("auc.cov", name, "pROC", "var(a), cov(a, b), var(b)", c(var(a), cov(a, b), var(b)))
  se <- sqrt(var(a)) / (as.numeric(a$auc) * (1 - as.numeric(a$auc)))
  say("auc.logit", name, "pROC", "plogis(qlogis(auc) -+ 1.96 sqrt(var)/(auc (1 - auc)))",
      plogis(qlogis(as.numeric(a$auc)) + c(-1, 1) * qnorm(0.975) * se))
  for (side in c("two.sided", "less", "greater")) {
    t <- roc.test(a, b, method = "delong", paired = TRUE, alternative = side)
    say(paste0("compare.", side), name, "pROC", sprintf("roc.test(a, b, paired = TRUE, alternative = \"%s\")", side),
        c(t$statistic, t$p.value))
  }
  say("compare.interval", name, "pROC", "roc.test(a, b, paired = TRUE)$conf.int",
      roc.test(a, b, method = "delong", paired = TRUE)$conf.int)
  best <- coords(a, "best", best.method = "youden", ret = c("threshold", "sensitivity", "specificity"), transpose = FALSE)
  lowest <- best[which.min(best$threshold), ]
  say("youden", name, "pROC", "coords(a, \"best\", best.method = \"youden\"), the lowest",
      c(lowest$threshold, lowest$sensitivity, lowest$specificity))
  m <- sum(d$y == 1); q <- sum(d$y == 0); star <- (m + q) / 2 - 1; auc <- as.numeric(a$auc)
  variance <- function(t) t * (1 - t) * (1 + star * (1 - t) / (2 - t) + star * t / (1 + t)) / (m * q)
  root <- function(from, to) uniroot(function(t) (t - auc)^2 - qnorm(0.975)^2 * variance(t), c(from, to), tol = 1e-15)$root
  say("auc.newcombe", name, "stats", "uniroot of Newcombe's method 5", c(root(0, auc), root(auc, 1)), 1e-9)
}
p <- c(0.001, 0.008, NA, 0.039, 0.041, 0.042, 0.06, 0.9, NA, 0.9, 0.212)
for (method in c("holm", "hochberg", "BH", "bonferroni"))
  say(paste0("adjust.", tolower(method)), "none", "stats", sprintf("p.adjust(c(0.001, ..., 0.212), \"%s\")", method),
      p.adjust(p, method))

# --- calibration --------------------------------------------------------------------------------
tight <- glm.control(epsilon = 1e-15, maxit = 100)
for (name in c("smooth", "tied", "hundredths", "small", "certain")) {
  d <- data[[name]]; keep <- d$p > 0 & d$p < 1; y <- d$y[keep]; l <- qlogis(d$p[keep])
  large <- glm(y ~ 1, offset = l, family = binomial, control = tight)
  line <- glm(y ~ l, family = binomial, control = tight); se <- sqrt(diag(vcov(line)))
  say("citl", name, "stats", "glm(y ~ 1, offset = qlogis(p))", c(coef(large), sqrt(vcov(large))), 1e-8)
  say("line", name, "stats", "glm(y ~ qlogis(p)): intercept, se, slope, se", c(coef(line)[1], se[1], coef(line)[2], se[2]), 1e-8)
  fall <- function(b) glm(y ~ 1, offset = b * l, family = binomial, control = tight)$deviance - line$deviance - qchisq(0.95, 1)
  b <- coef(line)[2]
  say("slope.profile", name, "stats", "uniroot of the profile deviance",
      c(uniroot(fall, c(b - 8 * se[2], b), tol = 1e-13)$root, uniroot(fall, c(b, b + 12 * se[2]), tol = 1e-13)$root), 1e-7)
  given <- -2 * sum(dbinom(y, 1, plogis(l), log = TRUE))
  say("line.test", name, "stats", "deviance at (0, 1) - deviance of the line", c(given - line$deviance,
      pchisq(given - line$deviance, 2, lower.tail = FALSE)), 1e-8)
  o <- sum(d$y); n <- nrow(d)
  say("oe", name, "base", "O/E exp(-+1.96 sqrt((1 - O/n)/O))", o / sum(d$p) * exp(c(0, -1, 1) * qnorm(0.975) * sqrt((1 - o / n) / o)))
  v <- suppressWarnings(val.prob(d$p, d$y, pl = FALSE, smooth = TRUE, logistic.cal = FALSE))
  say("val.prob", name, "rms", "val.prob(p, y)[Intercept, Slope, U:Chi-sq, U:p, Brier, S:z, S:p]",
      v[c("Intercept", "Slope", "U:Chi-sq", "U:p", "Brier", "S:z", "S:p")], 1e-5)       # lrm.fit stops early
}
hoslem <- function(y, yhat, g) {                  # the lines of ResourceSelection::hoslem.test
  qq <- unique(quantile(yhat, probs = seq(0, 1, 1 / g)))
  cutyhat <- cut(yhat, breaks = qq, include.lowest = TRUE)
  observed <- xtabs(cbind(1 - y, y) ~ cutyhat); expected <- xtabs(cbind(1 - yhat, yhat) ~ cutyhat)
  kept <- rowSums(observed) > 0                   # hoslem.test itself ends in NaN when ties leave a group empty
  statistic <- sum(((observed - expected)^2 / expected)[kept, ])
  c(statistic, sum(kept), pchisq(statistic, sum(kept) - 2, lower.tail = FALSE), pchisq(statistic, sum(kept), lower.tail = FALSE),
    rowSums(observed)[kept])
}
for (name in c("smooth", "tied", "hundredths", "small")) for (g in c(5, 8, 10, 13))
  say(paste0("hoslem.", g), name, "stats", sprintf("hoslem.test's lines, g = %d: X2, groups, p (g - 2), p (g), sizes", g),
      hoslem(data[[name]]$y, data[[name]]$p, g))
for (name in c("smooth", "hundredths", "certain")) {
  d <- data[[name]]; at <- seq(min(d$p), max(d$p), length.out = 11)
  fit <- predict(loess(y ~ p, d), data.frame(p = at), se = TRUE)
  half <- qt(0.975, fit$df) * fit$se.fit
  say("loess.fit", name, "stats", "predict(loess(y ~ p), 11 equal steps)", fit$fit, 1e-9)
  say("loess.low", name, "stats", "fit - qt(0.975, df) se", fit$fit - half, 1e-8)
  say("loess.high", name, "stats", "fit + qt(0.975, df) se", fit$fit + half, 1e-8)
  gap <- abs(predict(loess(y ~ p, d)) - d$p)
  say("loess.errors", name, "stats", "|predict(loess(y ~ p)) - p|: mean, median, 90 %, maximum",
      c(mean(gap), quantile(gap, c(0.5, 0.9)), max(gap)), 1e-9)
}
s <- lowess(data$smooth$p, data$smooth$y, iter = 0)
gap <- abs(approx(s, xout = data$smooth$p, ties = mean)$y - data$smooth$p)
say("lowess.errors", "smooth", "stats", "|lowess(p, y, iter = 0) - p|: mean, median, 90 %, maximum",
    c(mean(gap), quantile(gap, c(0.5, 0.9)), max(gap)), 1e-9)

# --- overall, classification, utility -----------------------------------------------------------
for (name in c("smooth", "tied", "certain")) {
  d <- data[[name]]; y <- d$y; p <- d$p; n <- length(y); loss <- (p - y)^2
  say("brier", name, "base", "mean, mean -+ 1.96 sd/sqrt(n)", mean(loss) + c(0, -1, 1) * qnorm(0.975) * sd(loss) / sqrt(n))
  say("brier.scaled", name, "base", "1 - mean((p - y)^2)/(prev (1 - prev))", 1 - mean(loss) / (mean(y) * (1 - mean(y))))
  ll <- sum(dbinom(y, 1, p, log = TRUE)); l0 <- sum(dbinom(y, 1, mean(y), log = TRUE))
  snell <- 1 - exp(2 * (l0 - ll) / n)
  say("likelihood", name, "stats", "-ll/n, McFadden, Cox-Snell, Nagelkerke",
      c(-ll / n, 1 - ll / l0, snell, snell / (1 - exp(2 * l0 / n))))
  w <- t.test(p[y == 1], p[y == 0])
  say("discrimination.slope", name, "stats", "t.test(p[y == 1], p[y == 0]): difference, standard error", c(-diff(w$estimate), w$stderr))
}
counts <- list(c(0, 10), c(10, 10), c(1, 7), c(3, 9), c(41, 53), c(107, 421))
for (i in seq_along(counts)) {
  k <- counts[[i]]
  say(sprintf("wilson.%d.%d", k[1], k[2]), "none", "stats", "prop.test(x, n, correct = FALSE)$conf.int",
      suppressWarnings(prop.test(k[1], k[2], correct = FALSE))$conf.int, 1e-9)
  say(sprintf("exact.%d.%d", k[1], k[2]), "none", "stats", "binom.test(x, n)$conf.int", binom.test(k[1], k[2])$conf.int, 1e-9)
}
for (name in c("smooth", "tied", "hundredths")) for (t in c("0.1", "0.3", "0.5", "0.7")) {
  d <- data[[name]]; threshold <- as.numeric(t); positive <- d$p >= threshold; n <- nrow(d)
  tp <- sum(positive & d$y == 1); fp <- sum(positive & d$y == 0); fn <- sum(!positive & d$y == 1); tn <- n - tp - fp - fn
  u <- positive * (d$y - (1 - d$y) * threshold / (1 - threshold))
  say(paste0("counts.", t), name, "base", sprintf("tp, fp, tn, fn of p >= %s", t), c(tp, fp, tn, fn))
  say(paste0("net.benefit.", t), name, "base", "mean and standard error of the contributions", c(mean(u), sd(u) / sqrt(n)))
}

# --- agreement ----------------------------------------------------------------------------------
ratings <- lapply(1:4, function(f) {
  k <- c(2, 2, 3, 4)[f]; truth <- rnorm(15, 100, 10)
  round(outer(truth, rnorm(k, 0, c(0.5, 6, 2, 9)[f]), "+") + rnorm(15 * k, 0, c(1, 3, 15, 6)[f]), 3)
})
long <- do.call(rbind, lapply(seq_along(ratings), function(f) data.frame(
  feature = f, subject = as.vector(row(ratings[[f]])), rater = as.vector(col(ratings[[f]])), value = as.vector(ratings[[f]]))))
write.csv(long, file.path(folder, "data_ratings.csv"), row.names = FALSE, quote = FALSE)
for (f in seq_along(ratings)) {
  table <- suppressWarnings(psych::ICC(ratings[[f]], lmer = FALSE))$results
  for (form in rownames(table))
    say(sprintf("icc.%d.%s", f, table[form, "type"]), "ratings", "psych", "ICC(x, lmer = FALSE): ICC, F, df1, df2, p, low, high",
        table[form, c("ICC", "F", "df1", "df2", "p", "lower bound", "upper bound")], 1e-9)
}
write.csv(do.call(rbind, rows), file.path(folder, "statistics_reference.csv"), row.names = FALSE)
