# Makes imputation_data.csv, imputation_data_coefficients.csv and imputation_reference.csv: Rubin's rules in R.
#   Rscript tests/reference/make_imputation_reference.R tests/reference
# Needs r-base-core, r-cran-mice, r-cran-mitools, r-cran-mitml. Columns as in make_reference.R. All data are simulated here.
suppressMessages({library(mice); library(mitools)})
folder <- commandArgs(trailingOnly = TRUE)[1]
set.seed(20261124, kind = "Mersenne-Twister", normal.kind = "Inversion", sample.kind = "Rejection")
out <- list()
say <- function(id, dataset, package, call, value, tolerance = 1e-10) {
  version <- if (package %in% c("stats", "base")) as.character(getRversion()) else as.character(packageVersion(package))
  value <- as.numeric(unlist(value))
  out[[length(out) + 1]] <<- data.frame(
    id = id, dataset = dataset, package = package, version = version, call = call, index = seq_along(value) - 1,
    value = format(value, digits = 17, trim = TRUE), tolerance = format(tolerance, digits = 3))
}
text <- function(d) as.data.frame(lapply(d, function(x) if (is.numeric(x)) format(x, digits = 17, trim = TRUE) else x))

# estimates and standard errors on the measure's own scale, m imputations
sets <- list(
  auc = list(q = 0.8 + rnorm(10, 0, 0.015), se = runif(10, 0.018, 0.026), scale = "logit"),
  slope = list(q = 1 + rnorm(5, 0, 0.08), se = runif(5, 0.1, 0.2), scale = "identity"),
  ratio = list(q = exp(rnorm(20, 0.05, 0.1)), se = runif(20, 0.05, 0.12), scale = "log"),
  kappa = list(q = 0.4 + rnorm(3, 0, 0.05), se = runif(3, 0.03, 0.05), scale = "fisher-z"),
  two = list(q = c(0.70, 0.76), se = c(0.05, 0.04), scale = "logit"))
there <- list(logit = qlogis, identity = identity, log = log, "fisher-z" = atanh)
back <- list(logit = plogis, identity = identity, log = exp, "fisher-z" = tanh)
by <- list(logit = function(q) 1 / (q * (1 - q)), identity = function(q) 1, log = function(q) 1 / q, "fisher-z" = function(q) 1 / (1 - q^2))
data <- do.call(rbind, lapply(names(sets), function(s) with(sets[[s]], data.frame(dataset = s, scale = scale, estimate = q, se = se))))
write.csv(text(data), file.path(folder, "imputation_data.csv"), row.names = FALSE, quote = FALSE)
for (s in names(sets)) with(sets[[s]], {
  Q <- there[[scale]](q); U <- (se * by[[scale]](q))^2
  for (dfcom in c(Inf, 418, 60)) {
    p <- pool.scalar(Q, U, n = dfcom + 1, k = 1)
    say(paste0("pool.scalar.", dfcom), s, "mice", sprintf("pool.scalar(n - k = %s): qbar ubar b t df r fmi", dfcom),
        p[c("qbar", "ubar", "b", "t", "df", "r", "fmi")])
    ends <- p$qbar + c(-1, 1) * qt(0.975, p$df) * sqrt(p$t)
    say(paste0("interval.", dfcom), s, "base", "back-transformed value and 95 % interval", back[[scale]](c(p$qbar, ends)))
    # mitools leaves the factor 1 + 1/m out of lambda in the finite-sample df: compared for large samples only
    if (is.finite(dfcom)) next
    mit <- MIcombine(as.list(Q), as.list(U))
    say(paste0("mitools.", dfcom), s, "mitools", "MIcombine: coef, vcov, df", c(coef(mit), vcov(mit), mit$df))
  }
})

# a logistic regression in five imputed data sets
n <- 150
d <- data.frame(x1 = rnorm(n), x2 = rnorm(n)); d$x3 <- 0.5 * d$x1 + rnorm(n)
d$y <- rbinom(n, 1, plogis(-0.3 + 0.7 * d$x1 - 0.4 * d$x2 + 0.3 * d$x3))
d$x1[runif(n) < 0.3] <- NA; d$x2[runif(n) < 0.2 + 0.3 * d$y] <- NA
imp <- mice(d, m = 5, maxit = 5, seed = 7, printFlag = FALSE)
fits <- with(imp, glm(y ~ x1 + x2 + x3, family = binomial))
V <- lapply(fits$analyses, vcov)
rows <- do.call(rbind, lapply(1:5, function(i) data.frame(imputation = i - 1, coefficient = 0:3,
  estimate = unname(coef(fits$analyses[[i]])), v0 = V[[i]][, 1], v1 = V[[i]][, 2], v2 = V[[i]][, 3], v3 = V[[i]][, 4])))
write.csv(text(rows), file.path(folder, "imputation_data_coefficients.csv"), row.names = FALSE, quote = FALSE)
for (dfcom in c(Inf, 146)) {
  p <- pool(fits, dfcom = dfcom)
  for (part in c("estimate", "ubar", "b", "t", "df", "riv", "lambda", "fmi"))
    say(paste0("pool.", part, ".", dfcom), "coefficients", "mice", sprintf("pool(dfcom = %s)$pooled$%s", dfcom, part), p$pooled[[part]])
}
mit <- MIcombine(lapply(fits$analyses, coef), V)
say("mitools.vcov", "coefficients", "mitools", "vcov(MIcombine)", vcov(mit))
null <- with(imp, glm(y ~ 1, family = binomial))
# mice's D1 always takes dfcom from the fit, so large samples are asked of mitml itself
large <- mitml::testModels(as.mitml.result(fits), as.mitml.result(null), method = "D1")$test
say("D1.Inf", "coefficients", "mitml", "testModels(D1): F, k, nu, p, r", large, 1e-9)
say("D1.146", "coefficients", "mice", "D1(dfcom = 146): F, k, nu, p, r", D1(fits, null, dfcom = 146)$result, 1e-9)
two <- lapply(c("x1"), function(x) mitml::testModels(as.mitml.result(fits), as.mitml.result(with(imp, glm(y ~ x2 + x3, family = binomial))), method = "D1")$test)[[1]]
say("D1.x1", "coefficients", "mitml", "testModels(D1) of x1 alone, k (m - 1) = 4: F, k, nu, p, r", two, 1e-9)
write.csv(do.call(rbind, out), file.path(folder, "imputation_reference.csv"), row.names = FALSE)
