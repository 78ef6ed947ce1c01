# Makes classification_reference.csv and classification_data.csv: what R says about small simulated tables.
#   Rscript tests/reference/make_classification_reference.R tests/reference
# Reads data_*.csv (made by make_reference.R). Needs r-base-core, r-cran-boot, r-cran-psych, r-cran-epir, r-cran-car,
# r-cran-riskregression, r-cran-mass. Columns as in make_reference.R. boot::empinf works out influences numerically from a
# weighted statistic; with var.linear they give the delta method's variance without any of its algebra.
suppressMessages({library(boot); library(psych); library(epiR); library(car); library(riskRegression); library(MASS)})
folder <- commandArgs(trailingOnly = TRUE)[1]
set.seed(20261124, kind = "Mersenne-Twister", normal.kind = "Inversion", sample.kind = "Rejection")
rows <- list()
say <- function(id, dataset, package, call, value, tolerance = 1e-12) {
  version <- if (package %in% c("stats", "base")) as.character(getRversion()) else as.character(packageVersion(package))
  value <- as.numeric(unlist(value))
  rows[[length(rows) + 1]] <<- data.frame(
    id = id, dataset = dataset, package = package, version = version, call = call, index = seq_along(value) - 1,
    value = format(value, digits = 17, trim = TRUE), tolerance = format(tolerance, digits = 3))
}
read <- function(name) as.data.frame(lapply(read.csv(file.path(folder, paste0("data_", name, ".csv"))), as.numeric))
influence <- function(statistic, d) empinf(data = d, statistic = statistic, type = "inf", stype = "w", eps = 1e-7)
se_of <- function(statistic, d, n_minus_1 = TRUE) {
  n <- nrow(d)
  sqrt(var.linear(influence(statistic, d)) * if (n_minus_1) n / (n - 1) else 1)
}

# --- overall ------------------------------------------------------------------------------------
w_prev <- function(d, w) sum(w * d$y) / sum(w)
w_ll <- function(d, w) sum(w * dbinom(d$y, 1, d$p, log = TRUE)) / sum(w)
w_l0 <- function(d, w) { q <- w_prev(d, w); q * log(q) + (1 - q) * log(1 - q) }
statistics <- list(
  ipa = function(d, w) { q <- w_prev(d, w); 1 - sum(w * (d$y - d$p)^2) / sum(w) / (q * (1 - q)) },
  mcfadden = function(d, w) 1 - w_ll(d, w) / w_l0(d, w),
  coxsnell = function(d, w) 1 - exp(2 * (w_l0(d, w) - w_ll(d, w))),
  nagelkerke = function(d, w) (1 - exp(2 * (w_l0(d, w) - w_ll(d, w)))) / (1 - exp(2 * w_l0(d, w))))
for (name in c("smooth", "tied", "hundredths", "small", "certain")) {
  d <- read(name); n <- nrow(d); z <- qnorm(0.975)
  for (s in names(statistics)) {
    value <- statistics[[s]](d, rep(1, n))
    say(paste0("overall.", s), name, "base", "the weighted statistic at weights 1", value)
    say(paste0("overall.se.", s), name, "boot", "sqrt(var.linear(empinf(type = \"inf\")) n/(n - 1))",
        se_of(statistics[[s]], d), 1e-6)
  }
  ll <- dbinom(d$y, 1, d$p, log = TRUE)
  say("overall.loglik", name, "stats", "sum(dbinom(y, 1, p, log = TRUE)), -+ 1.96 sqrt(n) sd",
      sum(ll) + c(0, -1, 1) * z * sqrt(n) * sd(ll))
  e <- abs(d$y - d$p)
  say("overall.mape", name, "base", "mean(abs(y - p)), -+ 1.96 sd/sqrt(n)", mean(e) + c(0, -1, 1) * z * sd(e) / sqrt(n))
  w <- t.test(d$p[d$y == 1], d$p[d$y == 0])
  say("overall.slope", name, "stats", "t.test: difference -+ 1.96 stderr",
      as.numeric(-diff(w$estimate)) + c(0, -1, 1) * z * w$stderr)
}
for (name in c("smooth", "hundredths")) {
  d <- read(name)
  s <- Score(list(p = d$p, q = d$q), formula = y ~ 1, data = d, metrics = "brier", summary = "ipa", se.fit = TRUE)$Brier$score
  for (m in c("p", "q")) {
    r <- s[s$model == m, ]
    say(paste0("score.", m), name, "riskRegression", "Score(summary = \"ipa\"): Brier, se, lower, upper, IPA",
        c(r$Brier, r$se, r$lower, r$upper, r$IPA))
  }
}

# --- Murphy's decomposition ---------------------------------------------------------------------
murphy <- function(d, g, w = rep(1, nrow(d))) {      # by sums over groups, with weights
  n <- sum(w); o <- sum(w * d$y) / n
  parts <- sapply(split(seq_along(g), g), function(i) {
    k <- sum(w[i]); f <- sum(w[i] * d$p[i]) / k; s <- sum(w[i] * d$y[i]) / k
    c(k * (f - s)^2, k * (s - o)^2, sum(w[i] * (d$p[i] - f)^2), 2 * sum(w[i] * (d$y[i] - s) * (d$p[i] - f)),
      k * s * (1 - s) / (k - 1))
  })
  sums <- rowSums(parts) / n
  list(terms = c(sums[1], sums[2], o * (1 - o), sums[3], sums[4]), between = sums[5], whole = o * (1 - o) / (n - 1))
}
grouped <- function(d, k) if (k == 0) d$p else cut(d$p, unique(quantile(d$p, (0:k) / k)), include.lowest = TRUE, labels = FALSE)
for (name in c("tied", "hundredths", "smooth")) for (k in c(0, 5, 10)) {
  if (name == "smooth" && k == 0) next
  d <- read(name); g <- grouped(d, k); m <- murphy(d, g); t <- m$terms
  stopifnot(abs(mean((d$p - d$y)^2) - (t[1] - t[2] + t[3] + t[4] - t[5])) < 1e-14)
  say(paste0("murphy.", k), name, "base", "reliability, resolution, uncertainty, within variance, within covariance", t)
  if (k > 0) {
    se <- sapply(seq_along(t), function(j) se_of(function(d, w) murphy(d, g, w)$terms[j], d, FALSE))
    say(paste0("murphy.se.", k), name, "boot", "sqrt(var.linear(empinf(type = \"inf\"))) of each term", se, 1e-6)
    say(paste0("murphy.corrected.", k), name, "base", "Ferro and Fricker's reliability, resolution, uncertainty",
        c(t[1] - m$between, t[2] - m$between + m$whole, t[3] + m$whole))
  }
}
say("murphy.wide", "smooth", "base", "the five terms of groups cut(p, 0:8/8)",
    murphy(read("smooth"), cut(read("smooth")$p, 0:8 / 8, include.lowest = TRUE))$terms)

# --- at a threshold -----------------------------------------------------------------------------
phi_w <- function(d, w) { s <- w / sum(w); a <- sum(s * d$y); b <- sum(s * d$k); (sum(s * d$y * d$k) - a * b) / sqrt(a * (1 - a) * b * (1 - b)) }
kappa_w <- function(d, w) { s <- w / sum(w); a <- sum(s * d$y); b <- sum(s * d$k); e <- a * b + (1 - a) * (1 - b); (sum(s * (d$y == d$k)) - e) / (1 - e) }
say_table <- function(d, name, t) {
  d$k <- as.integer(d$p >= as.numeric(t)); z <- qnorm(0.975)
  tp <- sum(d$k & d$y); fp <- sum(d$k & !d$y); fn <- sum(!d$k & d$y); tn <- nrow(d) - tp - fp - fn
  # epiR: rows test, columns disease
  e <- epi.tests(c(tp, fp, fn, tn), conf.level = 0.95)$detail           # unrounded
  pick <- function(s) unlist(e[e$statistic == s, c("est", "lower", "upper")])
  for (s in c("se", "sp", "pv.pos", "pv.neg", "diag.ac"))      # epi.tests gives Clopper-Pearson intervals
    say(paste0("class.", s, ".", t), name, "epiR", sprintf("epi.tests(...): %s", s), pick(s))
  say(paste0("class.youden.", t), name, "epiR", "epi.tests(...): youden, estimate", pick("youden")[1])
  if (min(tp, fp, fn, tn) == 0) {                    # an end from the table with 1/2 added to each cell
    stopifnot(fn == 0, tp > 0, fp > 0, tn > 0)
    a <- tp + 0.5; b <- fp + 0.5; u <- fn + 0.5; v <- tn + 0.5
    say(paste0("class.lr.neg.", t), name, "base", "0, 0, Simel's upper end of the table + 1/2",
        c(0, 0, u / (a + u) / (v / (b + v)) * exp(z * sqrt(1 / u - 1 / (a + u) + 1 / v - 1 / (b + v)))))
    say(paste0("class.dor.inf.", t), name, "base", "Woolf's lower end of the table + 1/2",
        a * v / (b * u) * exp(-z * sqrt(1 / a + 1 / b + 1 / u + 1 / v)))
    return(invisible())
  }
  for (s in c("lr.pos", "lr.neg"))
    say(paste0("class.", s, ".", t), name, "epiR", sprintf("epi.tests(...): %s", s), pick(s))
  log_se <- c(sqrt(1 / tp - 1 / (tp + fn) + 1 / fp - 1 / (fp + tn)), sqrt(1 / fn - 1 / (tp + fn) + 1 / tn - 1 / (fp + tn)))
  say(paste0("class.lr.se.", t), name, "base", "Simel's standard errors of log LR+ and log LR-", log_se)
  dor <- tp * tn / (fp * fn); se <- sqrt(1 / tp + 1 / fp + 1 / fn + 1 / tn)
  say(paste0("class.dor.", t), name, "base", "Woolf: value, low, high, se(log)", c(dor * exp(c(0, -1, 1) * z * se), se))
  fit <- glm(y ~ k, binomial, d, control = glm.control(epsilon = 1e-15, maxit = 100))
  say(paste0("class.dor.glm.", t), name, "stats", "exp(coef(glm(y ~ k))), se", c(exp(coef(fit)[2]), sqrt(vcov(fit)[2, 2])), 1e-8)
  kap <- cohen.kappa(cbind(d$k, d$y))
  fce <- sqrt(kap$var.kappa)
  say(paste0("class.kappa.", t), name, "psych", "cohen.kappa: kappa, sqrt(var.kappa)", c(kap$kappa, fce))
  say(paste0("class.kappa.se.", t), name, "boot", "sqrt(var.linear(empinf(kappa)))", se_of(kappa_w, d, FALSE), 1e-6)
  r <- cor(d$y, d$k); se <- se_of(phi_w, d, FALSE)
  say(paste0("class.mcc.", t), name, "stats", "cor(y, p >= t)", r)
  say(paste0("class.mcc.se.", t), name, "boot", "sqrt(var.linear(empinf(phi))), and tanh(atanh(r) -+ 1.96 se/(1 - r^2))",
      c(se, tanh(atanh(r) + c(-1, 1) * z * se / (1 - r^2))), 1e-6)
  say(paste0("class.f1.", t), name, "base", "2 se ppv/(se + ppv)", { s <- tp / (tp + fn); v <- tp / (tp + fp); 2 * s * v / (s + v) })
  for (q in c(0.02, 0.1, 0.5)) {                               # Mercaldo's logit intervals, by the formulas of his paper
    s <- tp / (tp + fn); c <- tn / (tn + fp)
    pv <- c(s * q / (s * q + (1 - c) * (1 - q)), c * (1 - q) / (c * (1 - q) + (1 - s) * q))
    v <- c((1 - s) / (s * (tp + fn)) + c / ((1 - c) * (tn + fp)), s / ((1 - s) * (tp + fn)) + (1 - c) / (c * (tn + fp)))
    say(sprintf("class.mercaldo.%s.%g", t, q), name, "base", "ppv, low, high, npv, low, high at that prevalence",
        c(pv[1], plogis(qlogis(pv[1]) + c(-1, 1) * z * sqrt(v[1])), pv[2], plogis(qlogis(pv[2]) + c(-1, 1) * z * sqrt(v[2]))))
  }
}
for (name in c("smooth", "tied", "hundredths")) for (t in c("0.2", "0.3", "0.5", "0.7")) say_table(read(name), name, t)

# --- Table 2: profile intervals and variance inflation ------------------------------------------
n <- 150; latent <- rnorm(n)
t2 <- data.frame(age = round(60 + 9 * (0.7 * latent + 0.7 * rnorm(n))), size = round(30 + 8 * (0.8 * latent + 0.6 * rnorm(n)), 1),
                 node = rbinom(n, 1, plogis(latent - 0.5)), grade = sample(c("g1", "g2", "g3"), n, TRUE, c(0.4, 0.4, 0.2)))
t2$y <- rbinom(n, 1, plogis(-1 + 0.5 * latent + 0.6 * t2$node + 0.5 * (t2$grade == "g3")))
write.csv(t2, file.path(folder, "classification_data.csv"), row.names = FALSE, quote = FALSE)
t2$grade <- factor(t2$grade)
tight <- glm.control(epsilon = 1e-15, maxit = 100)
fit <- glm(y ~ age + size + node + grade, binomial, t2, control = tight)
say("vif.glm", "table2", "car", "vif(glm): GVIF, df, GVIF^(1/(2 df)) of age, size, node, grade", t(car::vif(fit)), 1e-11)
line <- lm(y ~ age + size + node + grade, t2)
say("vif.lm", "table2", "car", "vif(lm): GVIF, df, GVIF^(1/(2 df))", t(car::vif(line)), 1e-11)
say("vif.plain", "table2", "car", "vif(lm(y ~ age + size + node))", car::vif(lm(y ~ age + size + node, t2)), 1e-11)
profile_or <- function(fit, j) {                               # solved to the last digit; MASS's confint interpolates
  X <- model.matrix(fit); b <- coef(fit)[j]; s <- sqrt(vcov(fit)[j, j]); crit <- qchisq(0.95, 1)
  excess <- function(v) glm.fit(X[, -j, drop = FALSE], t2$y, family = binomial(), offset = X[, j] * v, control = tight)$deviance -
    fit$deviance - crit
  ends <- c(uniroot(excess, c(b - 8 * s, b), tol = 1e-13)$root, uniroot(excess, c(b, b + 8 * s), tol = 1e-13)$root)
  interpolated <- suppressMessages(confint(fit, parm = j))
  stopifnot(max(abs(ends - interpolated)) < 0.005 * s * 10)
  lr <- excess(0) + crit
  c(exp(c(b, ends)), pchisq(lr, 1, lower.tail = FALSE))
}
for (v in c("age", "size", "node"))
  say(paste0("table2.alone.", v), "table2", "stats", "glm(y ~ x): OR, profile low, high, LR p",
      profile_or(glm(reformulate(v, "y"), binomial, t2, control = tight), 2), 1e-10)
for (j in 2:6)
  say(paste0("table2.together.", j), "table2", "stats", "glm(y ~ all): OR, profile low, high, LR p", profile_or(fit, j), 1e-10)
say("table2.joint.grade", "table2", "stats", "anova(without, with grade): p",
    anova(update(fit, . ~ . - grade), fit, test = "LRT")[2, "Pr(>Chi)"], 1e-10)
# --- Table 1: effect sizes (its tests are in logistic_reference.csv) --------------------------------
t1 <- read.csv(file.path(folder, "logistic_data.csv"))
yang_dalton <- function(x, y) {                                # several levels: a Mahalanobis distance of the shares
  p <- prop.table(table(x, y), 2)[-1, , drop = FALSE]
  S <- Reduce(`+`, lapply(1:2, function(g) diag(p[, g], nrow(p)) - tcrossprod(p[, g]))) / 2
  d <- p[, 2] - p[, 1]
  sqrt(drop(t(d) %*% ginv(S) %*% d))
}
say("table1.smd", "table1", "MASS", "Yang and Dalton's of histology, parity as a category, smoker (ginv of the mean covariance)",
    c(yang_dalton(t1$histology, t1$y), yang_dalton(pmin(t1$parity, 4), t1$y), yang_dalton(t1$smoker, t1$y)))
v <- function(x) { t <- table(x, t1$y); sqrt(as.numeric(suppressWarnings(chisq.test(t, correct = FALSE))$statistic) / sum(t)) }
say("table1.cramer", "table1", "stats", "sqrt(X2/n) of histology, smoker", c(v(t1$histology), v(t1$smoker)))
w <- function(x) suppressWarnings(wilcox.test(x[t1$y == 1], x[t1$y == 0]))$statistic / (sum(t1$y == 1) * sum(t1$y == 0))
say("table1.cles", "table1", "stats", "wilcox.test W/(m n) of diameter", w(t1$diameter))
d <- function(x) { a <- x[t1$y == 1]; b <- x[t1$y == 0]; s <- ((length(a) - 1) * var(a) + (length(b) - 1) * var(b)) / (length(a) + length(b) - 2); (mean(a) - mean(b)) / sqrt(s) }
say("table1.cohen", "table1", "base", "Cohen's d of rbc, pooled standard deviation", d(t1$rbc))
say("table1.quartiles", "table1", "stats", "quantile(diameter, c(2, 1, 3)/4) of all, without and with the event, one decimal",
    round(c(sapply(list(t1$diameter, t1$diameter[t1$y == 0], t1$diameter[t1$y == 1]), quantile, c(2, 1, 3) / 4)), 1))
out <- do.call(rbind, rows)
write.csv(out, file.path(folder, "classification_reference.csv"), row.names = FALSE)
cat(nrow(out), "values\n")
