# Makes sample_size_reference.csv: what R says about sample size and power.
#   Rscript tests/reference/make_sample_size_reference.R tests/reference
# Needs r-base-core and r-cran-proc; reads data_smooth.csv, data_hundredths.csv and data_small.csv beside it. pmsampsize and
# pmvalsampsize are not in Debian: their formulas (Riley et al. 2020, 2021) are written out below; expectations by
# integrate(), roots by uniroot() or by search, so that no line repeats the Python. Columns as in make_reference.R.
suppressMessages(library(pROC))
folder <- commandArgs(trailingOnly = TRUE)[1]
rows <- list()
say <- function(id, dataset, package, call, value, tolerance = 1e-10) {
  version <- if (package %in% c("stats", "base")) as.character(getRversion()) else as.character(packageVersion(package))
  value <- as.numeric(unlist(value))
  rows[[length(rows) + 1]] <<- data.frame(
    id = id, dataset = dataset, package = package, version = version, call = call, index = seq_along(value) - 1,
    value = format(value, digits = 17, trim = TRUE), tolerance = format(tolerance, digits = 3))
}

# --- development --------------------------------------------------------------------------------
develop <- function(P, phi, R2, S, delta = 0.05, margin = 0.05, mape = 0.05) {
  n <- 1000; E <- n * phi
  top <- 1 - exp(2 * (E * log(phi) + (n - E) * log(1 - phi)) / n)
  s2 <- R2 / (R2 + delta * top)
  c(ceiling(c(P / ((S - 1) * log(1 - R2 / S)), P / ((s2 - 1) * log(1 - R2 / s2)), (1.96 / margin)^2 * phi * (1 - phi),
              exp((-0.508 + 0.259 * log(phi) + 0.504 * log(P) - log(mape)) / 0.544))), top, s2, R2 / top)
}
settings <- list(c(24, 0.174, 0.288, 0.9), c(30, 0.174, 0.288, 0.95), c(10, 0.5, 0.2, 0.9), c(20, 0.05, 0.1, 0.9),
                 c(3, 0.3, 0.05, 0.8), c(12, 0.65, 0.35, 0.9), c(1, 0.01, 0.02, 0.9))
for (s in settings)
  say(sprintf("development|%g|%g|%g|%g", s[1], s[2], s[3], s[4]), "none", "base", "pmsampsize's criteria and van Smeden's",
      do.call(develop, as.list(s)))
r2 <- function(auc, phi) {
  mu <- sqrt(2) * qnorm(auc)
  lp <- function(x) qlogis(phi) + mu * x - mu^2 / 2
  l <- integrate(function(x) phi * dnorm(x, mu) * plogis(lp(x), log.p = TRUE) +
                   (1 - phi) * dnorm(x) * plogis(-lp(x), log.p = TRUE), -12, 12 + mu, rel.tol = 1e-13, subdivisions = 2000)$value
  1 - exp(2 * (phi * log(phi) + (1 - phi) * log(1 - phi) - l))
}
for (auc in c(0.55, 0.7, 0.81, 0.9, 0.99)) for (phi in c(0.02, 0.2, 0.5, 0.77))
  say(sprintf("r2|%g|%g", auc, phi), "none", "stats", "Cox-Snell R2 from the C statistic, integrate()", r2(auc, phi), 1e-11)

# --- validation ---------------------------------------------------------------------------------
for (phi in c(0.018, 0.1, 0.5, 0.8)) for (width in c(0.1, 0.2, 1)) for (oe in c(0.8, 1, 1.5)) {
  se <- uniroot(function(s) oe * (exp(1.96 * s) - exp(-1.96 * s)) - width, c(1e-6, 10), tol = 1e-16)$root
  stepped <- 0                                       # pmvalsampsize's search
  while (oe * (exp(1.96 * stepped) - exp(-1.96 * stepped)) < width) stepped <- stepped + 1e-4
  say(sprintf("oe|%g|%g|%g", phi, width, oe), "none", "stats", "(1 - phi)/(phi se^2), uniroot(); pmvalsampsize's steps",
      c((1 - phi) / (phi * se^2), ceiling((1 - phi) / (phi * stepped^2))))
}
slope_n <- function(density, low, high, a = 0, b = 1, width = 0.2) {
  mean_of <- function(f) integrate(function(x) f(x) * density(x), low, high, rel.tol = 1e-12, subdivisions = 5000)$value
  w <- function(x) plogis(a + b * x) * plogis(-(a + b * x))
  i00 <- mean_of(w); i01 <- mean_of(function(x) x * w(x)); i11 <- mean_of(function(x) x^2 * w(x))
  i00 / ((width / 3.92)^2 * (i00 * i11 - i01^2))
}
for (lp in list(c(-5, 2.5), c(-1.75, 1.25), c(0, 0.5), c(-3, 0.2), c(1, 4)))
  say(sprintf("slope|normal|%g|%g", lp[1], lp[2]), "none", "stats", "I00/(se^2 (I00 I11 - I01^2)), integrate()",
      c(slope_n(function(x) dnorm(x, lp[1], lp[2]), lp[1] - 12 * lp[2], lp[1] + 12 * lp[2]),
        slope_n(function(x) dnorm(x, lp[1], lp[2]), lp[1] - 12 * lp[2], lp[1] + 12 * lp[2], 0.3, 0.8)), 1e-9)
for (ab in list(c(2, 5), c(0.5, 4), c(30, 20), c(1, 1)))
  say(sprintf("slope|beta|%g|%g", ab[1], ab[2]), "none", "stats", "the same under a beta risk",
      c(slope_n(function(x) dbeta(plogis(x), ab[1], ab[2]) * plogis(x) * plogis(-x), -60, 60), ab[1] / sum(ab)), 1e-8)
for (sk in list(c(-2, 1, 0.5), c(-2, 1, -0.8), c(0, 2, 0.95))) {
  delta <- sign(sk[3]) * sqrt(pi / 2 * abs(sk[3])^(2 / 3) / (abs(sk[3])^(2 / 3) + ((4 - pi) / 2)^(2 / 3)))
  omega <- sk[2] / sqrt(1 - 2 * delta^2 / pi); xi <- sk[1] - omega * delta * sqrt(2 / pi)
  alpha <- delta / sqrt(1 - delta^2)
  density <- function(x) 2 / omega * dnorm((x - xi) / omega) * pnorm(alpha * (x - xi) / omega)
  moment <- function(f) integrate(function(x) f(x) * density(x), sk[1] - 12 * sk[2], sk[1] + 12 * sk[2], rel.tol = 1e-12,
                                  subdivisions = 5000)$value
  m <- moment(identity); s <- sqrt(moment(function(x) (x - m)^2))
  stopifnot(abs(c(m, s, moment(function(x) ((x - m) / s)^3)) - sk) < 1e-8)
  say(sprintf("slope|skew|%g|%g|%g", sk[1], sk[2], sk[3]), "none", "stats", "the same under Azzalini's skew normal",
      c(slope_n(density, sk[1] - 12 * sk[2], sk[1] + 12 * sk[2]), moment(plogis)), 1e-8)
}
for (cp in list(c(0.8, 0.018), c(0.7, 0.3), c(0.95, 0.1))) {
  v <- 2 * qnorm(cp[1])^2
  m <- uniroot(function(m) integrate(function(x) plogis(x) * ((1 - cp[2]) * dnorm(x, m, sqrt(v)) +
               cp[2] * dnorm(x, m + v, sqrt(v))), m - 12 * sqrt(v), m + v + 12 * sqrt(v), rel.tol = 1e-12)$value - cp[2],
               c(-20, 5), tol = 1e-14)$root
  density <- function(x) (1 - cp[2]) * dnorm(x, m, sqrt(v)) + cp[2] * dnorm(x, m + v, sqrt(v))
  say(sprintf("slope|binormal|%g|%g", cp[1], cp[2]), "none", "stats", "the same where m solves mean risk = prevalence",
      c(slope_n(density, m - 12 * sqrt(v), m + v + 12 * sqrt(v)), cp[2]), 1e-7)
}
old <- read.csv(file.path(folder, "data_hundredths.csv")); lp <- qlogis(old$p); w <- old$p * (1 - old$p)
say("slope|observed", "hundredths", "base", "the same over qlogis(p)",
    c(mean(w) / ((0.2 / 3.92)^2 * (mean(w) * mean(w * lp^2) - mean(w * lp)^2)), mean(old$p)))
for (t in c(0.08, 0.3, 0.5)) {                        # treated at a risk of t or more
  density <- function(x) dnorm(x, -1.5, 1.2)
  part <- function(f, a, b) integrate(function(x) f(x) * density(x), a, b, rel.tol = 1e-12)$value
  say(sprintf("at|%g", t), "none", "stats", "sensitivity and specificity under N(-1.5, 1.2), integrate()",
      c(part(plogis, qlogis(t), 15) / part(plogis, -17, 15),
        part(function(x) plogis(-x), -17, qlogis(t)) / part(function(x) plogis(-x), -17, 15)), 1e-9)
}
width_c <- function(n, C, phi) 3.92 * sqrt(C * (1 - C) * (1 + (n / 2 - 1) * (1 - C) / (2 - C) + (n / 2 - 1) * C / (1 + C)) /
                                             (n^2 * phi * (1 - phi)))
for (C in c(0.55, 0.7, 0.8, 0.95)) for (phi in c(0.018, 0.2, 0.5)) for (width in c(0.05, 0.1)) {
  n <- which(width_c(1:200000, C, phi) <= width)[1]    # pmvalsampsize's search
  say(sprintf("c|%g|%g|%g", C, phi, width), "none", "base", "the first n with Newcombe's width", n)
}
for (s in list(c(0.018, 0.8, 0.8, 0.08, 0.2), c(0.3, 0.9, 0.5, 0.2, 0.1), c(0.1, 0.5, 0.95, 0.3, 0.3))) {
  w <- (1 - s[1]) / s[1] * s[4] / (1 - s[4])
  parts <- s[2] * (1 - s[2]) / s[1] + w^2 * s[3] * (1 - s[3]) / (1 - s[1]) + w^2 * (1 - s[3])^2 / (s[1] * (1 - s[1]))
  stepped <- 0
  while (2 * 1.96 * stepped < s[5]) stepped <- stepped + 1e-4
  say(do.call(sprintf, c("nb|%g|%g|%g|%g|%g", as.list(s))), "none", "base", "n of the standardised net benefit; pmvalsampsize's rounding",
      c(parts / (s[5] / 3.92)^2, ceiling(parts / round(stepped, 3)^2), s[2] - w * (1 - s[3])))
}

# --- power --------------------------------------------------------------------------------------
for (side in c("two.sided", "one.sided")) for (auc in c(0.6, 0.75, 0.9, 0.3)) for (kappa in c(1, 2.5)) for (alpha in c(0.05, 0.01)) {
  p <- power.roc.test(auc = auc, ncases = 40, kappa = kappa, sig.level = alpha, alternative = side)
  say(sprintf("one|%s|%g|%g|%g", side, auc, kappa, alpha), "none", "pROC", "power.roc.test(auc, ncases = 40); power = 0.9",
      c(p$power, power.roc.test(auc = auc, power = 0.9, kappa = kappa, sig.level = alpha, alternative = side)$ncases))
}
for (side in c("two.sided", "one.sided"))
  for (s in list(c(2.6, 1, 1.9, 1, 0.6, 0.6, 1), c(1.2, 1, 0.7, 1, 0.3, 0.5, 4), c(1.5, 1.3, 1, 0.8, 0.4, 0.2, 0.5),
                 c(0.6, 1, 1.1, 1.2, 0.5, 0.5, 2))) {
    area <- pnorm(c(s[1] / sqrt(1 + s[2]^2), s[3] / sqrt(1 + s[4]^2)))
    parameters <- list(A1 = s[1], B1 = s[2], A2 = s[3], B2 = s[4], rn = s[5], ra = s[6], delta = area[1] - area[2])
    say(do.call(sprintf, c("pair|%s|%g|%g|%g|%g|%g|%g|%g", side, as.list(s))), "none", "pROC", "power.roc.test(list(A1, ...))",
        c(power.roc.test(parameters, ncases = 90, kappa = s[7], alternative = side)$power,
          power.roc.test(parameters, power = 0.8, kappa = s[7], alternative = side)$ncases))
  }
for (name in c("smooth", "hundredths", "small")) {
  d <- read.csv(file.path(folder, sprintf("data_%s.csv", name)))
  a <- roc(d$y, d$p, levels = c(0, 1), direction = "<", quiet = TRUE); b <- roc(d$y, d$q, levels = c(0, 1), direction = "<", quiet = TRUE)
  for (side in c("two.sided", "one.sided"))
    say(sprintf("pilot|%s", side), name, "pROC", "power.roc.test(a, b); power = 0.9",
        c(power.roc.test(a, b, alternative = side)$power, power.roc.test(a, b, power = 0.9, alternative = side)$ncases))
}
write.csv(do.call(rbind, rows), file.path(folder, "sample_size_reference.csv"), row.names = FALSE)
