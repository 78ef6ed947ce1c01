# Makes calibration_data_*.csv and calibration_reference.csv: what R says about the calibration of simulated risks.
#   Rscript tests/reference/make_calibration_reference.R tests/reference
# Needs r-base-core, r-cran-rms, r-cran-hmisc, and data_*.csv of make_reference.R. One row a number: id, dataset, package,
# version, call, index, value (17 digits), tolerance (relative, absolute below 1). Rows of package "stats" or "base" are
# formulas evaluated in R; pmcalibration and Van Calster's code are not in Debian, so theirs are written out.
suppressMessages({library(rms); library(Hmisc)})
folder <- commandArgs(trailingOnly = TRUE)[1]
set.seed(20251125, kind = "Mersenne-Twister", normal.kind = "Inversion", sample.kind = "Rejection")

rows <- list()
say <- function(id, dataset, package, call, value, tolerance = 1e-10) {
  version <- if (package %in% c("stats", "base")) as.character(getRversion()) else as.character(packageVersion(package))
  value <- as.numeric(unlist(value))
  rows[[length(rows) + 1]] <<- data.frame(
    id = id, dataset = dataset, package = package, version = version, call = call, index = seq_along(value) - 1,
    value = format(value, digits = 17, trim = TRUE), tolerance = format(tolerance, digits = 3))
}
read <- function(name) read.csv(file.path(folder, name), colClasses = "numeric")
data <- lapply(setNames(nm = c("smooth", "tied", "hundredths", "small")), function(n) read(paste0("data_", n, ".csv")))
strict <- glm.control(epsilon = 1e-14, maxit = 100)

# --- a model and its own patients ----------------------------------------------------------------
n <- 180
x1 <- rnorm(n); x2 <- rbinom(n, 1, 0.4); x3 <- runif(n, 0, 3)
model <- data.frame(y = rbinom(n, 1, plogis(-1.2 + 0.7 * x1^2 + 0.8 * x2 + 0.3 * x3)), x1 = x1, x2 = x2, x3 = x3)
model$p <- fitted(glm(y ~ x1 + x2 + x3, binomial, model, control = strict))
text <- as.data.frame(lapply(model, function(column) format(column, digits = 17, trim = TRUE)))
write.csv(text, file.path(folder, "calibration_data_model.csv"), row.names = FALSE, quote = FALSE)
fit <- lrm(y ~ x1 + x2 + x3, model, x = TRUE, y = TRUE, tol = 1e-14, eps = 1e-12)
gof <- residuals(fit, "gof")
say("lecessie", "model", "rms", "residuals(lrm(y ~ x1 + x2 + x3), \"gof\")[SSE, expected, SD, Z, P]", gof, 1e-8)
w <- model$p * (1 - model$p)
rest <- lm.wfit(cbind(1, x1, x2, x3), 1 - 2 * model$p, w)
z <- (sum((model$y - model$p)^2) - sum(w)) / sqrt(sum(w * rest$residuals^2))
say("lecessie.formula", "model", "stats", "lm.wfit(X, 1 - 2p, p (1 - p)): Z, P", c(z, 2 * pnorm(-abs(z))))

# --- Cox's tests, O:E -----------------------------------------------------------------------------
for (name in names(data)) {
  y <- data[[name]]$y; p <- data[[name]]$p; l <- qlogis(p)
  given <- -2 * sum(dbinom(y, 1, p, log = TRUE))
  shifted <- deviance(glm(y ~ 1, binomial, offset = l, control = strict))
  free <- deviance(glm(y ~ l, binomial, control = strict))
  gain <- c(given - free, given - shifted, shifted - free)
  say("cox", name, "stats", "deviance differences: joint, intercept, slope; their p", c(gain, pchisq(gain, c(2, 1, 1), lower.tail = FALSE)), 1e-9)
  o <- sum(y); e <- sum(p); n <- length(y)
  say("oe.exact", name, "stats", "binom.test(O, n)$conf.int * n/E", binom.test(o, n)$conf.int * n / e, 1e-9)
  say("oe.poisson", name, "stats", "poisson.test(O, E)$conf.int", poisson.test(o, e)$conf.int, 1e-9)
  s <- (sum((y - p)^2) - sum(p * (1 - p))) / sqrt(sum((1 - 2 * p)^2 * p * (1 - p)))
  say("lecessie.fixed", name, "base", "(SSE - sum pq)/sqrt(sum (1-2p)^2 pq), p", c(s, 2 * pnorm(-abs(s))))
}

# --- groups of equal width -------------------------------------------------------------------------
for (name in names(data)) for (g in c(4, 5, 10)) {
  y <- data[[name]]$y; p <- data[[name]]$p
  bin <- cut(p, (0:g) / g, include.lowest = TRUE)
  full <- as.vector(table(bin)) > 0
  size <- as.vector(table(bin))[full]; o <- as.vector(tapply(y, bin, sum))[full]; e <- as.vector(tapply(p, bin, sum))[full]
  x2 <- sum((o - e)^2 / e + (o - e)^2 / (size - e))
  say(paste0("hl.width.", g), name, "base", sprintf("cut(p, (0:%d)/%d): X2, groups, p (g - 2), p (g)", g, g),
      c(x2, length(size), pchisq(x2, length(size) - 2, lower.tail = FALSE), pchisq(x2, length(size), lower.tail = FALSE)))
  say(paste0("ece.width.", g), name, "base", "sum(n/N |O/n - E/n|), equal width", sum(abs(o - e)) / length(y))
  q <- cut(p, unique(quantile(p, seq(0, 1, 1 / g))), include.lowest = TRUE)
  gaps <- abs(tapply(y - p, q, sum)); gaps[is.na(gaps)] <- 0
  say(paste0("ece.quantile.", g), name, "base", "sum(n/N |O/n - E/n|), quantiles", sum(gaps) / length(y))
}

# --- curves ----------------------------------------------------------------------------------------
distances <- function(curve, y, p) {
  d <- abs(curve - p)
  c(mean(d), quantile(d, c(0.5, 0.9)), max(d), 100 * mean(d^2), mean(d^2) / mean((mean(y) - p)^2))
}
what <- "mean, median, 90 %, maximum of |d|; 100 mean(d^2); mean(d^2)/mean((prevalence - p)^2)"
for (name in c("smooth", "hundredths", "small")) {
  y <- data[[name]]$y; p <- data[[name]]$p; l <- qlogis(p); at <- seq(min(p), max(p), length.out = 11)
  for (k in 3:7) {
    if (name == "small" && k > 4) next
    basis <- rcspline.eval(l, nk = k, inclx = TRUE)
    knots <- attr(basis, "knots")
    say(paste0("rcs.knots.", k), name, "Hmisc", sprintf("rcspline.eval(qlogis(p), nk = %d): knots", k), knots)
    say(paste0("rcs.basis.", k), name, "Hmisc", sprintf("rcspline.eval(qlogis(p), nk = %d, inclx = TRUE)[1:3, ]", k), t(basis[1:3, ]))
    spline <- glm(y ~ basis, binomial, control = strict)
    rows_at <- cbind(1, rcspline.eval(qlogis(at), knots = knots, inclx = TRUE))
    mu <- fitted(spline)                            # vcov() has the weights of the last step but one
    covariance <- solve(crossprod(cbind(1, basis) * sqrt(mu * (1 - mu))))
    eta <- drop(rows_at %*% coef(spline)); se <- sqrt(rowSums((rows_at %*% covariance) * rows_at))
    say(paste0("rcs.fit.", k), name, "stats", "glm(y ~ rcspline.eval(qlogis(p))) at 11 equal steps", plogis(eta), 1e-9)
    say(paste0("rcs.low.", k), name, "stats", "plogis(eta - 1.96 se)", plogis(eta - qnorm(0.975) * se), 1e-9)
    say(paste0("rcs.high.", k), name, "stats", "plogis(eta + 1.96 se)", plogis(eta + qnorm(0.975) * se), 1e-9)
    say(paste0("rcs.errors.", k), name, "stats", what, distances(fitted(spline), y, p), 1e-9)
  }
  line <- glm(y ~ l, binomial, control = strict)
  say("errors.logistic", name, "stats", what, distances(fitted(line), y, p), 1e-9)
  say("errors.lowess", name, "stats", what, distances(approx(lowess(p, y, iter = 0), xout = p, ties = mean)$y, y, p), 1e-9)
}
for (name in c("smooth", "hundredths"))
  say("errors.loess", name, "stats", what, with(data[[name]], distances(predict(loess(y ~ p)), y, p)), 1e-9)
for (name in names(data)) {                       # tied risks share one value, by weight: PAV written out
  y <- data[[name]]$y; p <- data[[name]]$p
  size <- as.vector(table(p)); mean_y <- as.vector(tapply(y, p, mean))
  block <- as.list(seq_along(size))
  repeat {
    level <- sapply(block, function(b) weighted.mean(mean_y[b], size[b]))
    fall <- which(diff(level) < 0)
    if (!length(fall)) break
    block[[fall[1]]] <- c(block[[fall[1]]], block[[fall[1] + 1]]); block[[fall[1] + 1]] <- NULL
  }
  fit <- rep(level, lengths(block))
  if (all(size == 1)) stopifnot(all.equal(fit, isoreg(sort(p), y[order(p)])$yf))
  each <- fit[match(p, sort(unique(p)))]
  say("isotonic.fit", name, if (all(size == 1)) "stats" else "base", "isoreg(p, y) at 11 equal steps, straight between",
      approx(sort(unique(p)), fit, seq(min(p), max(p), length.out = 11), rule = 2)$y)
  say("errors.isotonic", name, "stats", what, distances(each, y, p))
}

write.csv(do.call(rbind, rows), file.path(folder, "calibration_reference.csv"), row.names = FALSE)
