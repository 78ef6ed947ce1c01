# Makes pooling_data.csv and pooling_reference.csv: what R says about measures simulated at several sites.
#   Rscript tests/reference/make_pooling_reference.R tests/reference
# Needs r-base-core and r-cran-metafor. One row a number: id, dataset, package, version, call, index, value (17 digits),
# tolerance (relative, absolute below 1). metamisc is not in Debian: its restoring formulas (Debray et al. 2017) and the
# t(k - 2) prediction interval are written out below in base R.
suppressMessages(library(metafor))
folder <- commandArgs(trailingOnly = TRUE)[1]
set.seed(20251126, kind = "Mersenne-Twister", normal.kind = "Inversion", sample.kind = "Rejection")

sites <- function(name, k, tau) {
  n <- round(exp(runif(k, log(80), log(1500))))
  events <- rbinom(k, n, runif(k, 0.08, 0.4))
  logit <- qlogis(0.78) + rnorm(k, sd = tau)
  auc <- plogis(logit)
  star <- n / 2 - 1
  se <- sqrt(auc * (1 - auc) * (1 + star * (1 - auc) / (2 - auc) + star * auc / (1 + auc)) / (events * (n - events)))
  auc <- plogis(logit + rnorm(k) * se / (auc * (1 - auc)))
  ratio <- exp(rnorm(k, sd = 0.6 * tau) + rnorm(k) * sqrt(1 / events - 1 / n))
  slope_se <- 3 / sqrt(events) * 0.35
  slope <- 0.95 + rnorm(k, sd = tau / 2) + rnorm(k) * slope_se
  nb_se <- 0.35 / sqrt(n)
  nb <- 0.08 + rnorm(k, sd = tau / 10) + rnorm(k) * nb_se
  data.frame(name = name, site = seq_len(k), n = n, events = events, auc = round(auc, 4), se = round(se, 5),
             expected = round(events / ratio, 2), slope = round(slope, 3), slope_se = round(slope_se, 4),
             nb = round(nb, 4), nb_se = round(nb_se, 5))
}
data <- rbind(sites("ten", 10, 0.3), sites("five", 5, 0.5), sites("three", 3, 0.25), sites("two", 2, 0.6),
              sites("alike", 8, 0))
write.csv(data, file.path(folder, "pooling_data.csv"), row.names = FALSE, quote = FALSE)

rows <- list()
say <- function(id, dataset, package, call, value, tolerance = 1e-10) {
  version <- if (package %in% c("stats", "base")) as.character(getRversion()) else as.character(packageVersion(package))
  value <- as.numeric(unlist(value))
  rows[[length(rows) + 1]] <<- data.frame(
    id = id, dataset = dataset, package = package, version = version, call = call, index = seq_along(value) - 1,
    value = format(value, digits = 17, trim = TRUE), tolerance = format(tolerance, digits = 3))
}

measures <- list(
  auc = function(d) list(y = qlogis(d$auc), s = d$se / (d$auc * (1 - d$auc)), back = plogis),
  oe = function(d) list(y = log(d$events / d$expected), s = sqrt(1 / d$events - 1 / d$n), back = exp),
  slope = function(d) list(y = d$slope, s = d$slope_se, back = identity),
  nb = function(d) list(y = d$nb, s = d$nb_se, back = identity))
methods <- c(reml = "REML", ml = "ML", dl = "DL", pm = "PM", fixed = "EE")
tests <- c("knapp-hartung" = "knha", "knapp-hartung-ad-hoc" = "adhoc", none = "z")

fit <- function(m, method, test) {
  control <- if (method %in% c("REML", "ML")) list(threshold = 1e-15, maxiter = 100000) else list(tol = 1e-15, maxiter = 100000)
  if (method %in% c("EE", "DL")) control <- list()
  suppressWarnings(rma(yi = m$y, sei = m$s, method = method, test = test, control = control))   # knha with EE
}
for (name in unique(data$name)) for (measure in names(measures)) {
  d <- data[data$name == name, ]
  m <- measures[[measure]](d)
  k <- nrow(d)
  for (method in names(methods)) {
    iterated <- method %in% c("reml", "ml", "pm")
    if (!measure %in% c("auc", "slope") && !method %in% c("reml", "dl")) next   # two measures do for the rarer methods
    for (test in if (method %in% c("reml", "fixed")) names(tests) else "knapp-hartung") {
      r <- fit(m, methods[[method]], tests[[test]])
      call <- sprintf("rma(method = %s, test = %s)", methods[[method]], tests[[test]])
      id <- paste("rma", measure, method, test, sep = ".")
      p <- predict(r)
      value <- c(r$beta, r$se, r$ci.lb, r$ci.ub, m$back(c(r$beta, r$ci.lb, r$ci.ub)))
      if (method != "fixed") value <- c(value, p$pi.lb, p$pi.ub, m$back(c(p$pi.lb, p$pi.ub)))
      say(id, name, "metafor", paste(call, "and predict"), value, if (iterated) 1e-9 else 1e-10)
    }
    value <- c(r$tau2, r$I2 / 100, r$H2, r$QE, r$QEp, weights(r) / 100)
    say(paste("rma", measure, method, "heterogeneity", sep = "."), name, "metafor", call, value, if (iterated) 1e-9 else 1e-10)
    if (method == "reml") {                                            # the Q profile is the same for every method
      for (level in if (measure == "auc") c(95, 90) else 95) {
        ci <- confint(r, level = level, control = list(tol = 1e-15, tau2.max = 1e6, maxiter = 10000))
        if (ci$ci.null) next                                             # an empty interval: see the tests
        say(paste("rma", measure, method, "confint", level, sep = "."), name, "metafor",
            "confint(rma(...))$random, Q profile", ci$random[, 2:3] / c(1, 1, 100, 1), 1e-9)
      }
    }
  }
  r <- fit(m, "REML", "knha")                                            # metamisc's interval and the chance at a new site
  spread <- sqrt(r$se^2 + r$tau2)
  if (k > 2) say(paste("metamisc", measure, sep = "."), name, "stats", "beta -+ qt(0.975, k - 2) sqrt(se^2 + tau2), as metamisc valmeta",
      m$back(c(r$beta) + c(-1, 1) * qt(0.975, k - 2) * spread), 1e-9)
  bound <- c(auc = 0.75, oe = 1.1, slope = 0.9, nb = 0.07)[[measure]]
  forward <- switch(measure, auc = qlogis(bound), oe = log(bound), bound)
  say(paste("new", measure, sep = "."), name, "stats", sprintf("pt((beta - g(%g))/sqrt(se^2 + tau2), k - 1) and with pnorm", bound),
      c(pt((c(r$beta) - forward) / spread, k - 1), pnorm((c(r$beta) - forward) / spread)), 1e-9)
}

# --- restored standard errors -------------------------------------------------------------------
for (name in unique(data$name)) {
  d <- data[data$name == name, ]
  star <- d$n / 2 - 1
  newcombe <- sqrt(d$auc * (1 - d$auc) * (1 + star * (1 - d$auc) / (2 - d$auc) + star * d$auc / (1 + d$auc)) /
                     (d$events * (d$n - d$events)))
  say("restore.newcombe", name, "base", "Newcombe (2006), method 4, as metamisc ccalc", newcombe, 1e-12)
  r <- rma(yi = qlogis(d$auc), sei = newcombe / (d$auc * (1 - d$auc)), method = "DL", test = "knha")
  say("restore.auc.counts", name, "metafor", "rma(logit AUC, Newcombe's se on the logit scale, DL, knha)", c(r$beta, r$se))
  low <- round(d$auc - qnorm(0.95) * d$se, 3); high <- round(d$auc + qnorm(0.95) * d$se, 3)
  r <- rma(yi = qlogis(d$auc), sei = (qlogis(high) - qlogis(low)) / (2 * qnorm(0.95)), method = "DL", test = "knha")
  say("restore.auc.interval", name, "metafor", "rma(logit AUC, (logit ciu - logit cil)/(2 qnorm(0.95)), DL, knha)",
      c(r$beta, r$se, low, high))
  r <- rma(yi = log(d$events / d$expected), sei = sqrt(1 / d$events), method = "DL", test = "knha")
  say("restore.oe.poisson", name, "metafor", "rma(log O:E, sqrt(1/O), DL, knha)", c(r$beta, r$se))
  oe <- d$events / d$expected
  r <- rma(yi = log(oe), sei = sqrt(d$events * (1 - d$events / d$n) / d$expected^2) / oe, method = "DL", test = "knha")
  say("restore.oe.ratio", name, "metafor", "rma(log O:E, sqrt(O (1 - O/N)/E^2)/OE, DL, knha)", c(r$beta, r$se))
}
# --- meta-regression ------------------------------------------------------------------------------
for (name in c("ten", "five", "alike")) for (measure in names(measures)) {
  d <- data[data$name == name, ]
  m <- measures[[measure]](d)
  share <- d$events / d$n
  for (set in if (name == "five") "share" else c("share", "both")) {
    X <- if (set == "share") cbind(share) else cbind(share, log(d$n))
    control <- list(threshold = 1e-15, maxiter = 100000)
    r <- suppressWarnings(rma(yi = m$y, sei = m$s, mods = X, method = "REML", test = "knha", control = control))
    r2 <- if (fit(m, "REML", "knha")$tau2 > 1e-12) r$R2 / 100 else c()   # metafor says 0 where there is nothing to explain
    say(paste("metareg", measure, set, sep = "."), name, "metafor", "rma(mods, REML, knha): beta, se, ci, p, tau2, QM, QMp, QE, QEp, R2",
        c(r$beta, r$se, r$ci.lb, r$ci.ub, r$pval, r$tau2, r$QM, r$QMp, r$QE, r$QEp, r2), 1e-8)
  }
}
write.csv(do.call(rbind, rows), file.path(folder, "pooling_reference.csv"), row.names = FALSE)
