# Makes logistic_data.csv and logistic_reference.csv: what R says about a small simulated cohort.
#   Rscript tests/reference/make_logistic_reference.R tests/reference
# Needs r-base-core, r-cran-brglm2, r-cran-rms. Profile likelihoods are solved here to the last digit (R's own confint
# interpolates them); penalised likelihood ratio tests and intervals follow logistf: a coefficient is held, the penalty
# stays that of the whole design.
suppressMessages({library(brglm2); library(rms)})
options(digits = 17)
folder <- commandArgs(trailingOnly = TRUE)[1]
set.seed(20251123, kind = "Mersenne-Twister", normal.kind = "Inversion", sample.kind = "Rejection")
n <- 160
data <- data.frame(
  diameter = round(rgamma(n, shape = 6, rate = 0.18), 1),
  rbc = round(rnorm(n, 4.2, 0.55), 2),
  parity = rpois(n, 1.6),
  smoker = rbinom(n, 1, 0.3),
  histology = sample(c("squamous", "adeno", "other"), n, TRUE, c(0.75, 0.17, 0.08)))
eta <- -1.2 + 0.055 * (data$diameter - 33) - 0.5 * (data$rbc - 4.2) + 0.5 * (data$histology == "adeno")
data$y <- rbinom(n, 1, plogis(eta))
data$marker <- ifelse(data$y == 1 & data$diameter > 45, 1, 0)       # 1 in events only: quasi-complete separation
stopifnot(sum(data$marker) > 5)
data$score <- round(plogis(-1 + 1.2 * (data$y - 0.3) + rnorm(n)), 3)
write.csv(data, file.path(folder, "logistic_data.csv"), row.names = FALSE, quote = FALSE)
data$histology <- factor(data$histology, levels = c("squamous", "adeno", "other"))

rows <- list()
say <- function(case, quantity, value, source, tolerance = 1e-8)
  rows[[length(rows) + 1]] <<- data.frame(case = case, quantity = quantity, value = format(value, digits = 17),
                                          tolerance = format(tolerance, digits = 3), source = source)
tight <- glm.control(epsilon = 1e-15, maxit = 100)
R <- paste("R", getRversion())

# --- maximum likelihood -----------------------------------------------------------------------
X <- model.matrix(~ diameter + rbc + parity + smoker + histology, data)
terms <- c("(intercept)", "diameter", "rbc", "parity", "smoker", "histology=adeno", "histology=other")
y <- data$y
fit <- glm(y ~ X - 1, family = binomial(), control = tight)
s <- summary(fit)$coefficients
deviance_without <- function(j, b = 0)
  glm.fit(X[, -j, drop = FALSE], y, family = binomial(), offset = X[, j] * b, control = tight)$deviance
crit <- qchisq(0.95, 1)
for (j in seq_along(terms)) {
  say("ml", paste("coefficient", terms[j]), s[j, 1], R)
  say("ml", paste("se", terms[j]), s[j, 2], R)
  say("ml", paste("wald z", terms[j]), s[j, 3], R)
  say("ml", paste("wald p", terms[j]), s[j, 4], R)
  if (j > 1) {
    lr <- deviance_without(j) - fit$deviance
    say("ml", paste("lr", terms[j]), lr, R)
    say("ml", paste("lr p", terms[j]), pchisq(lr, 1, lower.tail = FALSE), R)
  }
  excess <- function(b) deviance_without(j, b) - fit$deviance - crit
  wide <- 6 * s[j, 2]
  say("ml", paste("profile low", terms[j]), uniroot(excess, c(s[j, 1] - wide, s[j, 1]), tol = 1e-13)$root, R, 1e-7)
  say("ml", paste("profile high", terms[j]), uniroot(excess, c(s[j, 1], s[j, 1] + wide), tol = 1e-13)$root, R, 1e-7)
}
say("ml", "log likelihood", as.numeric(logLik(fit)), R)
null <- glm(y ~ 1, family = binomial(), control = tight)
say("ml", "model lr", null$deviance - fit$deviance, R)
joint <- glm.fit(X[, 1:5], y, family = binomial(), control = tight)
say("ml", "joint lr histology", joint$deviance - fit$deviance, R)
say("ml", "joint lr p histology", pchisq(joint$deviance - fit$deviance, 2, lower.tail = FALSE), R)

# --- Firth ------------------------------------------------------------------------------------
penalised <- function(X, y, b) {
  eta <- drop(X %*% b)
  w <- dlogis(eta)
  info <- crossprod(X, w * X)
  sum(y * eta) - sum(ifelse(eta > 0, eta + log1p(exp(-eta)), log1p(exp(eta)))) +
    0.5 * as.numeric(determinant(info)$modulus)
}
score <- function(X, y, b) {
  eta <- drop(X %*% b); p <- plogis(eta); w <- dlogis(eta)
  h <- w * rowSums((X %*% solve(crossprod(X, w * X))) * X)
  drop(crossprod(X, y - p + h * (0.5 - p)))
}
firth <- function(X, y, hold = integer(0), at = numeric(0), start = rep(0, ncol(X))) {  # Heinze and Schemper (2002)
  b <- start; b[hold] <- at
  go <- setdiff(seq_len(ncol(X)), hold)
  if (!length(go)) return(list(b = b, value = penalised(X, y, b)))
  for (i in 1:5000) {
    w <- dlogis(drop(X %*% b))
    step <- solve(crossprod(X, w * X)[go, go, drop = FALSE], score(X, y, b)[go])
    step <- step * min(1, 2 / max(abs(step)))                       # logistf's maxstep
    now <- penalised(X, y, b); half <- 1
    repeat {
      trial <- b; trial[go] <- b[go] + half * step
      if (isTRUE(penalised(X, y, trial) >= now - 1e-12) || half < 1e-6) break
      half <- half / 2
    }
    b <- trial
    if (max(abs(step)) < 1e-12) break
  }
  list(b = b, value = penalised(X, y, b), gradient = max(abs(score(X, y, b)[go])), iterations = i)
}
firth_case <- function(case, X, y, terms, tolerance) {
  k <- ncol(X)
  scaled <- sweep(X, 2, c(1, apply(X[, -1, drop = FALSE], 2, sd)), "/")
  unit <- c(1, apply(X[, -1, drop = FALSE], 2, sd))
  top <- firth(scaled, y)
  stopifnot(top$gradient < 1e-7)
  peer <- glm(y ~ X - 1, family = binomial(), method = "brglmFit", type = "AS_mean",
              control = brglmControl(epsilon = 1e-12, maxit = 10000, slowit = 1))
  stopifnot(max(abs(top$b / unit - coef(peer))) < 1e-6)
  sds <- sqrt(diag(solve(crossprod(X, dlogis(drop(X %*% (top$b / unit))) * X))))
  source <- paste0("brglm2 ", packageVersion("brglm2"), "; logistf's formulas in R ", getRversion())
  for (j in 1:k) {
    say(case, paste("coefficient", terms[j]), top$b[j] / unit[j], source, tolerance)
    say(case, paste("se", terms[j]), sds[j], source, tolerance)
    if (j > 1) {
      held <- firth(scaled, y, j, 0)
      lr <- 2 * (top$value - held$value)
      say(case, paste("lr", terms[j]), lr, source, tolerance)
      say(case, paste("lr p", terms[j]), pchisq(lr, 1, lower.tail = FALSE), source, tolerance)
      excess <- function(v) 2 * (top$value - firth(scaled, y, j, v, top$b)$value) - crit
      w <- sds[j] * unit[j]
      lo <- top$b[j] - w; while (excess(lo) < 0) lo <- lo - w
      hi <- top$b[j] + w; while (excess(hi) < 0) hi <- hi + w
      say(case, paste("profile low", terms[j]), uniroot(excess, c(lo, top$b[j]), tol = 1e-12)$root / unit[j], source, tolerance)
      say(case, paste("profile high", terms[j]), uniroot(excess, c(top$b[j], hi), tol = 1e-12)$root / unit[j], source, tolerance)
    }
  }
  say(case, "log likelihood", penalised(X, y, top$b / unit), source, tolerance)
}
firth_case("firth", X, y, terms, 1e-6)
S <- model.matrix(~ diameter + rbc + marker, data)
firth_case("separated", S, y, c("(intercept)", "diameter", "rbc", "marker"), 1e-6)

# --- Table 1 ----------------------------------------------------------------------------------
for (v in c("diameter", "rbc", "parity")) {
  a <- data[[v]][y == 1]; b <- data[[v]][y == 0]
  say("table1", paste("shapiro p event", v), shapiro.test(a)$p.value, R, 1e-6)
  say("table1", paste("shapiro p other", v), shapiro.test(b)$p.value, R, 1e-6)
  say("table1", paste("welch p", v), t.test(a, b)$p.value, R)
  say("table1", paste("student p", v), t.test(a, b, var.equal = TRUE)$p.value, R)
  say("table1", paste("mann-whitney p", v), suppressWarnings(wilcox.test(a, b, exact = FALSE, correct = TRUE))$p.value, R)
  say("table1", paste("smd", v), (mean(a) - mean(b)) / sqrt((var(a) + var(b)) / 2), R)
}
for (v in c("smoker", "histology")) {
  t <- table(data[[v]], y)
  say("table1", paste("chi-square", v), suppressWarnings(chisq.test(t, correct = FALSE))$statistic, R)
  say("table1", paste("chi-square p", v), suppressWarnings(chisq.test(t, correct = FALSE))$p.value, R)
  say("table1", paste("fisher p", v), fisher.test(t)$p.value, R, 1e-7)
}
small <- list(a = c(3, 1, 4, 1, 5, 9), b = c(2, 6, 5, 3, 5, 8), c = c(0, 7, 1, 8, 2, 8, 1, 8), d = c(12, 3, 40, 9, 2, 6, 1, 0, 30, 2))
for (name in names(small)) {
  t <- matrix(small[[name]], nrow = 2)
  say("fisher", paste(small[[name]], collapse = " "), fisher.test(t, workspace = 2e7)$p.value, R, 1e-7)
}

# --- Platt scaling ----------------------------------------------------------------------------
m <- sum(y == 1); k <- sum(y == 0)
platt <- glm(ifelse(y == 1, (m + 1) / (m + 2), 1 / (k + 2)) ~ qlogis(data$score), family = quasibinomial(), control = tight)
say("platt", "slope", coef(platt)[[2]], R)
say("platt", "intercept", coef(platt)[[1]], R)

# --- nomogram points --------------------------------------------------------------------------
d <- data[, c("y", "score", "diameter", "rbc", "histology")]
dd <- datadist(d); options(datadist = "dd")
lrm_fit <- lrm(y ~ score + diameter + rbc + histology, data = d, tol = 1e-14, eps = 1e-12, maxit = 100)
nom <- nomogram(lrm_fit, score = seq(0, 1, 0.1), diameter = seq(5, 90, 5), rbc = seq(2.5, 6, 0.5), fun = plogis)
source <- paste("rms", packageVersion("rms"))
for (i in seq_along(nom$score$score)) say("nomogram", paste("score", nom$score$score[i]), nom$score$points[i], source, 1e-6)
for (i in seq_along(nom$diameter$diameter))
  say("nomogram", paste("diameter", nom$diameter$diameter[i]), nom$diameter$points[i], source, 1e-6)
for (i in seq_along(nom$rbc$rbc)) say("nomogram", paste("rbc", nom$rbc$rbc[i]), nom$rbc$points[i], source, 1e-6)
for (i in seq_along(nom$histology$histology))
  say("nomogram", paste("histology", nom$histology$histology[i]), nom$histology$points[i], source, 1e-6)

out <- do.call(rbind, rows)
out$value <- trimws(out$value)
write.csv(out, file.path(folder, "logistic_reference.csv"), row.names = FALSE, quote = TRUE)
