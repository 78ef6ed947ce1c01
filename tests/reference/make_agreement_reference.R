# Makes agreement_data_*.csv and agreement_reference.csv: what R says about agreement in small simulated tables.
#   Rscript tests/reference/make_agreement_reference.R tests/reference
# Needs r-base-core, r-cran-psych, r-cran-vcd. Columns as in make_reference.R. Rows of package "stats" or "base" are formulas
# evaluated in R (no Debian package has Fleiss' kappa, limits of agreement, or the null variance of kappa).
suppressMessages({library(psych); library(vcd)})
folder <- commandArgs(trailingOnly = TRUE)[1]
set.seed(20251124, kind = "Mersenne-Twister", normal.kind = "Inversion", sample.kind = "Rejection")
rows <- list()
say <- function(id, dataset, package, call, value, tolerance = 1e-10) {
  version <- if (package %in% c("stats", "base")) as.character(getRversion()) else as.character(packageVersion(package))
  value <- as.numeric(unlist(value))
  rows[[length(rows) + 1]] <<- data.frame(
    id = id, dataset = dataset, package = package, version = version, call = call, index = seq_along(value) - 1,
    value = format(value, digits = 17, trim = TRUE), tolerance = format(tolerance, digits = 3))
}
write <- function(d, name) write.csv(d, file.path(folder, paste0("agreement_data_", name, ".csv")), row.names = FALSE, quote = FALSE)

# --- intraclass correlation ---------------------------------------------------------------------
columns <- c("ICC", "F", "df1", "df2", "p", "lower bound", "upper bound")
features <- lapply(1:5, function(f) {
  k <- c(2, 3, 2, 4, 2)[f]; n <- c(14, 11, 50, 9, 3)[f]
  x <- outer(rnorm(n, 20, c(6, 3, 5, 1, 4)[f]), rnorm(k, 0, c(0.3, 3, 1, 0.2, 5)[f]), "+") + rnorm(n * k, 0, c(1, 2, 5, 3, 1)[f])
  round(x, 3)
})
gaps <- list(c(2, 19), c(5, 12, 13), c(7, 57, 80), c(1, 9 + 4, 36), integer(0))
long <- do.call(rbind, lapply(1:5, function(f) {
  holed <- features[[f]]; holed[gaps[[f]]] <- NA
  data.frame(feature = f, subject = as.vector(row(holed)), rater = as.vector(col(holed)),
             value = as.vector(features[[f]]), holed = as.vector(holed))
}))
write(long, "ratings")
for (f in 1:5) {
  x <- features[[f]]; holed <- x; holed[gaps[[f]]] <- NA
  whole <- holed[complete.cases(holed), ]
  for (setting in c("95", "90", "complete")) {
    table <- suppressWarnings(psych::ICC(if (setting == "complete") whole else x, lmer = FALSE,
                                         alpha = if (setting == "90") 0.1 else 0.05))$results
    for (form in rownames(table))
      say(sprintf("icc.%d.%s.%s", f, table[form, "type"], setting), "ratings", "psych",
          sprintf("ICC(x, lmer = FALSE), %s", setting), table[form, columns], 1e-11)
  }
  d <- na.omit(data.frame(v = as.vector(holed), s = factor(as.vector(row(holed)))))
  a <- summary(aov(v ~ s, d))[[1]]; m <- table(d$s); n <- nlevels(droplevels(d$s)); total <- nrow(d)
  n0 <- (total - sum(m^2) / total) / (n - 1); F <- a[1, "F value"]
  rho <- function(F) (F - 1) / (F + n0 - 1)
  say(sprintf("oneway.%d", f), "ratings", "stats", "aov(v ~ s) and n0: ICC, F, df1, df2, p, Donner's limits",
      c(rho(F), F, a$Df, a[1, "Pr(>F)"], rho(F / qf(0.975, a$Df[1], a$Df[2])), rho(F / qf(0.025, a$Df[1], a$Df[2]))), 1e-11)
}

# --- kappa --------------------------------------------------------------------------------------
draw <- function(n, c, noise, m) {
  truth <- sample(1:c, n, TRUE, prob = (c:1)^1.5)
  sapply(1:m, function(i) pmin(pmax(ifelse(runif(n) < noise, sample(1:c, n, TRUE), truth), 1), c))
}
graded <- list(binary = draw(40, 2, 0.3, 4), three = draw(65, 3, 0.4, 3), five = draw(120, 5, 0.5, 5), chance = draw(50, 3, 1, 3))
kappas <- do.call(rbind, lapply(names(graded), function(s) data.frame(
  set = s, subject = as.vector(row(graded[[s]])), rater = as.vector(col(graded[[s]])), value = as.vector(graded[[s]]))))
write(kappas, "grades")
for (s in names(graded)) {
  x <- graded[[s]]; c <- max(x); table <- table(factor(x[, 1], 1:c), factor(x[, 2], 1:c)); n <- sum(table)
  weights <- list(none = diag(c), linear = 1 - abs(outer(1:c, 1:c, "-")) / (c - 1), quadratic = 1 - (outer(1:c, 1:c, "-") / (c - 1))^2)
  for (w in names(weights)) {
    k <- vcd::Kappa(unclass(table), weights = weights[[w]])$Weighted
    say(paste0("cohen.", w), s, "vcd", "Kappa(table, weights): value, ASE, value -+ 1.96 ASE",
        c(k, k[1] + c(-1, 1) * qnorm(0.975) * k[2]), 1e-11)
    W <- weights[[w]]; P <- table / n; r <- rowSums(P); l <- colSums(P); pe <- sum(W * outer(r, l))
    total <- 0                                         # Fleiss, Cohen and Everitt's (8), term by term
    for (i in 1:c) for (j in 1:c) total <- total + r[i] * l[j] * (W[i, j] - (sum(W[i, ] * l) + sum(W[, j] * r)))^2
    se0 <- sqrt((total - pe^2) / (n * (1 - pe)^2)); z <- k[1] / se0
    say(paste0("cohentest.", w), s, "base", "kappa / se under kappa = 0: z, p", c(z, 2 * pnorm(-abs(z))), 1e-11)
  }
  k <- suppressWarnings(suppressMessages(psych::cohen.kappa(x[, 1:2])))
  # its var.weighted is another number than vcd's and the jackknife's (0.0136 for 0.0082 in "five"), and is left out
  say("cohenpsych", s, "psych", "cohen.kappa(x)[kappa, var.kappa, weighted.kappa]", c(k$kappa, k$var.kappa, k$weighted.kappa), 1e-11)
  fleiss <- function(x, c) {
    m <- ncol(x); n <- nrow(x); T <- t(apply(x, 1, function(row) tabulate(row, c)))
    pbar <- (sum(T^2) - n * m) / (n * m * (m - 1)); q <- colSums(T) / (n * m); pe <- sum(q^2)
    k <- (pbar - pe) / (1 - pe)
    se0 <- sqrt(2) / (sum(q * (1 - q)) * sqrt(n * m * (m - 1))) * sqrt(sum(q * (1 - q))^2 - sum(q * (1 - q) * (1 - 2 * q)))
    # influence of a subject: derivative of k with respect to its weight, by hand; Gwet's variance is its variance
    pi <- (rowSums(T^2) - m) / (m * (m - 1)); ei <- 2 * as.vector(T %*% q) / m
    influence <- (pi - pbar) / (1 - pe) - (ei - 2 * pe) * (1 - pbar) / (1 - pe)^2
    c(k, sd(influence) / sqrt(n), k / se0, 2 * pnorm(-abs(k / se0)))
  }
  say("fleiss.all", s, "base", "Fleiss' kappa, se by influence, z, p", fleiss(x, c), 1e-11)
  for (j in 1:c) say(paste0("fleiss.", j), s, "base", "Fleiss' kappa of one category against the others",
                     fleiss((x == j) + 1, 2), 1e-11)
}

# --- limits of agreement ------------------------------------------------------------------------
pairs <- do.call(rbind, lapply(c("even", "sloped", "few"), function(s) {
  n <- c(even = 60, sloped = 35, few = 6)[[s]]; truth <- exp(rnorm(n, 3, 0.4))
  data.frame(set = s, a = round(truth * (if (s == "sloped") 1.15 else 1) + rnorm(n, 0.5, 1.5), 4), b = round(truth + rnorm(n, 0, 1.2), 4))
}))
stopifnot(pairs$a > 0, pairs$b > 0)
write(pairs, "pairs")
z <- qnorm(0.975)
for (s in unique(pairs$set)) for (scale in c("difference", "ratio")) {
  p <- pairs[pairs$set == s, ]; f <- if (scale == "ratio") log else identity; back <- if (scale == "ratio") exp else identity
  a <- f(p$a); b <- f(p$b); d <- a - b; n <- length(d); t <- t.test(d)
  say(paste0("bias.", scale), s, "stats", "t.test(a - b): estimate, interval, se", c(back(c(t$estimate, t$conf.int)), t$stderr))
  limits <- mean(d) + c(-z, z) * sd(d)
  exact <- qt(c(0.025, 0.975), n - 1, ncp = z * sqrt(n)) * sd(d) / sqrt(n)
  say(paste0("exact.", scale), s, "stats", "mean -+ 1.96 sd; qt(ncp): lower limit, interval, upper limit, interval",
      back(c(limits[1], mean(d) - rev(exact), limits[2], mean(d) + exact)), 1e-9)
  half <- qt(0.975, n - 1) * sd(d) * sqrt(1 / n + z^2 / (2 * (n - 1)))
  say(paste0("approximate.", scale), s, "stats", "mean -+ 1.96 sd; t and se of Bland and Altman 1999",
      back(c(limits[1], limits[1] - half, limits[1] + half, limits[2], limits[2] - half, limits[2] + half)))
  line <- lm(d ~ I((a + b) / 2)); c <- summary(line)$coefficients[2, ]
  say(paste0("slope.", scale), s, "stats", "lm(d ~ mean): slope, se, t, p, interval", c(c, confint(line)[2, ]), 1e-11)
}
repeated <- do.call(rbind, lapply(c("balanced", "uneven"), function(s) {
  n <- 16; m <- if (s == "balanced") rep(3, n) else rep(1:4, 4); who <- rep(1:n, m); truth <- rnorm(sum(m), 50, 8)
  data.frame(set = s, subject = who, a = round(truth + rnorm(n, 1, 2)[who] + rnorm(sum(m), 0, 1.5), 4), b = round(truth + rnorm(sum(m)), 4))
}))
write(repeated, "repeated")
for (s in unique(repeated$set)) {
  p <- repeated[repeated$set == s, ]; d <- p$a - p$b; g <- factor(p$subject); n <- nlevels(g); N <- length(d); m <- as.vector(table(g))
  ms <- summary(aov(d ~ g))[[1]][, "Mean Sq"]; n0 <- (N - sum(m^2) / N) / (n - 1); between <- (ms[1] - ms[2]) / n0
  var <- between + ms[2]; sd <- sqrt(var); df <- c(n - 1, N - n); v <- c(ms[1] / n0, (1 - 1 / n0) * ms[2])
  lo <- sqrt(var - sqrt(sum((v * (1 - df / qchisq(0.975, df)))^2))); hi <- sqrt(var + sqrt(sum((v * (df / qchisq(0.025, df) - 1))^2)))
  se <- sqrt(between * sum(m^2) / N^2 + ms[2] / N); half <- qt(0.975, n - 1) * se
  near <- sqrt(half^2 + z^2 * (sd - lo)^2); far <- sqrt(half^2 + z^2 * (hi - sd)^2); l <- mean(d) + c(-z, z) * sd
  say("repeated", s, "stats", "aov(d ~ subject): bias, interval, se; sd; limits with Zou's intervals",
      c(mean(d), mean(d) - half, mean(d) + half, se, sd, l[1], l[1] - far, l[1] + near, l[2], l[2] - near, l[2] + far), 1e-11)
  x <- tapply((p$a + p$b) / 2, g, mean); y <- tapply(d, g, mean)
  say("repeatedslope", s, "stats", "lm of the subjects' means: slope, se, t, p", summary(lm(y ~ x))$coefficients[2, ], 1e-11)
}
write.csv(do.call(rbind, rows), file.path(folder, "agreement_reference.csv"), row.names = FALSE)
