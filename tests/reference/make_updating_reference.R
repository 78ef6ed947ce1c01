# Makes updating_data_*.csv and updating_reference.csv: what R says about updating predicted risks on simulated patients.
#   Rscript tests/reference/make_updating_reference.R tests/reference
# Needs r-base-core only: glm, isoreg and pchisq of package "stats". Columns as in make_reference.R.
folder <- commandArgs(trailingOnly = TRUE)[1]
set.seed(20251124, kind = "Mersenne-Twister", normal.kind = "Inversion", sample.kind = "Rejection")
rows <- list()
say <- function(id, dataset, call, value, tolerance = 1e-8) {
  value <- as.numeric(unlist(value))
  rows[[length(rows) + 1]] <<- data.frame(
    id = id, dataset = dataset, package = "stats", version = as.character(getRversion()), call = call,
    index = seq_along(value) - 1, value = format(value, digits = 17, trim = TRUE), tolerance = format(tolerance, digits = 3))
}
tight <- glm.control(epsilon = 1e-15, maxit = 200)
new <- list(right = list(n = 300, b = c(-0.6, 1, -0.7, 0.4)), high = list(n = 260, b = c(-1.9, 1, -0.7, 0.4)),
            overfitted = list(n = 320, b = c(-0.2, 0.35, -0.25, 0.14)), other = list(n = 280, b = c(-0.8, -0.3, -1.2, 1.1)),
            small = list(n = 45, b = c(-0.6, 0.7, -0.4, 0.2)), upside = list(n = 90, b = c(-0.3, -0.6, 0.5, -0.3)))
at <- c(0.003, 0.04, 0.2, 0.5, 0.77, 0.96)
line <- function(fit) c(rbind(coef(fit), sqrt(diag(vcov(fit)))))
for (name in names(new)) {
  n <- new[[name]]$n; X <- cbind(round(rnorm(n), 3), rbinom(n, 1, 0.4), round(runif(n, -2, 2), 3))
  p <- as.vector(plogis(cbind(1, X) %*% c(-0.6, 1, -0.7, 0.4))); y <- rbinom(n, 1, plogis(cbind(1, X) %*% new[[name]]$b))
  d <- data.frame(y = y, p = p, tied = round(p, 1), x1 = X[, 1], x2 = X[, 2], x3 = X[, 3])
  d$tied <- pmin(pmax(d$tied, 0.1), 0.9)
  write.csv(as.data.frame(lapply(d, format, digits = 17, trim = TRUE)), file.path(folder, paste0("updating_data_", name, ".csv")),
            row.names = FALSE, quote = FALSE)
  for (risk in c("p", "tied")) {
    q <- d[[risk]]; l <- qlogis(q)
    large <- glm(y ~ 1, offset = l, family = binomial, control = tight); joint <- glm(y ~ l, family = binomial, control = tight)
    say(paste0("large.", risk), name, "glm(y ~ 1, offset = qlogis(p)): intercept, se; updated risks",
        c(line(large), plogis(coef(large) + qlogis(at))))
    say(paste0("logistic.", risk), name, "glm(y ~ qlogis(p)): coefficients, se; updated risks",
        c(line(joint), plogis(coef(joint)[1] + coef(joint)[2] * qlogis(at))))
    m <- sum(y); k <- n - m; target <- ifelse(y == 1, (m + 1) / (m + 2), 1 / (k + 2))
    platt <- glm(target ~ l, family = quasibinomial, control = tight)
    w <- fitted(platt) * (1 - fitted(platt)); se <- sqrt(diag(solve(crossprod(cbind(1, l) * sqrt(w)))))
    say(paste0("platt.", risk), name, "glm(targets ~ qlogis(p), quasibinomial), dispersion 1: coefficients, se; updated risks",
        c(rbind(coef(platt), se), plogis(coef(platt)[1] + coef(platt)[2] * qlogis(at))))
    u <- sort(unique(q)); place <- match(q, u); rate <- as.vector(tapply(y, place, mean)); size <- tabulate(place)
    each <- isoreg(rep(u, size), rep(rate, size))$yf[cumsum(size)]      # equal risks enter with their mean
    say(paste0("isotonic.", risk), name, "isoreg of the mean outcome by risk; approx(rule = 2)", approx(u, each, at, rule = 2)$y, 1e-9)
    A <- log(q); B <- -log(1 - q); free <- list(c(TRUE, TRUE), c(FALSE, TRUE), c(TRUE, FALSE), c(FALSE, FALSE)); best <- NULL
    for (f in free) {
      Z <- cbind(A, B)[, f, drop = FALSE]
      fit <- if (any(f)) glm(y ~ Z, family = binomial, control = tight) else glm(y ~ 1, family = binomial, control = tight)
      if (all(coef(fit)[-1] >= 0) && (is.null(best) || deviance(fit) < best$dev - 1e-9)) {
        ab <- c(0, 0); ab[f] <- coef(fit)[-1]; s <- c(NA, NA); s[f] <- sqrt(diag(vcov(fit)))[-1]
        best <- list(dev = deviance(fit), values = c(ab, coef(fit)[1], s, sqrt(vcov(fit)[1, 1])))
      }
    }
    say(paste0("beta.", risk), name, "glm(y ~ log(p) + I(-log(1 - p))) with a, b >= 0: a, b, c, se; updated risks",
        c(best$values, plogis(best$values[3] + best$values[1] * log(at) - best$values[2] * log(1 - at))), 1e-7)
  }
  l <- qlogis(p); given <- sum(dbinom(y, 1, p, log = TRUE)); wanted <- function(lr, df) c(lr, df, pchisq(lr, df, lower.tail = FALSE))
  refit <- glm(y ~ x1 + x2 + x3, d, family = binomial, control = tight)
  ll <- c(given, logLik(glm(y ~ 1, offset = l, family = binomial, control = tight)), logLik(glm(y ~ l, family = binomial, control = tight)), logLik(refit))
  say("closed.three", name, "log likelihoods of none, in the large, logistic; LR, df, p of logistic against the others",
      c(ll[1:3], wanted(2 * (ll[3] - ll[1]), 2), wanted(2 * (ll[3] - ll[2]), 1)))
  tests <- c(wanted(2 * (ll[4] - ll[1]), 4), wanted(2 * (ll[4] - ll[2]), 3), wanted(2 * (ll[4] - ll[3]), 2))
  say("closed.four", name, "log likelihoods; LR, df, p of the revision against none, in the large, logistic", c(ll, tests))
  kept <- which(tests[c(3, 6, 9)] > 0.05); say("closed.chosen", name, "first test with p > 0.05, 3 for the revision",
      if (length(kept)) kept[1] - 1 else 3)
  say("closed.revision", name, "glm(y ~ x1 + x2 + x3): coefficients, se", line(refit), 1e-7)   # vcov lags by a step
}
write.csv(do.call(rbind, rows), file.path(folder, "updating_reference.csv"), row.names = FALSE)
