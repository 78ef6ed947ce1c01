# Reference values for discrimination: Rscript make_discrimination_reference.R <folder>
# Reads data_*.csv of make_reference.R; simulates discrimination_data_lesions.csv, several lesions a patient.
# PRROC and a package for Obuchowski's clustered AUC are not in Debian: their formulas are written out below.
suppressMessages(library(pROC))
folder <- commandArgs(trailingOnly = TRUE)[1]
set.seed(20251125, kind = "Mersenne-Twister", normal.kind = "Inversion", sample.kind = "Rejection")

rows <- list()
say <- function(id, dataset, package, call, value, tolerance = 1e-12) {
  version <- if (package %in% c("stats", "base")) as.character(getRversion()) else as.character(packageVersion(package))
  value <- as.numeric(unlist(value))
  rows[[length(rows) + 1]] <<- data.frame(
    id = id, dataset = dataset, package = package, version = version, call = call, index = seq_along(value) - 1,
    value = format(value, digits = 17, trim = TRUE), tolerance = format(tolerance, digits = 3))
}
curve_of <- function(y, p, ...) roc(y, p, levels = c(0, 1), direction = "<", quiet = TRUE, ...)

# --- average precision and interpolated areas, patient by patient ---------------------------------
counts <- function(y, p) {
  cuts <- sort(unique(p), decreasing = TRUE)
  list(tp = sapply(cuts, function(t) sum(p >= t & y == 1)), fp = sapply(cuts, function(t) sum(p >= t & y == 0)))
}
step_area <- function(y, p) {
  k <- counts(y, p); m <- sum(y)
  sum(diff(c(0, k$tp)) / m * k$tp / (k$tp + k$fp))
}
interpolated <- function(y, p, closed) {
  k <- counts(y, p); m <- sum(y); tp <- c(0, k$tp); fp <- c(0, k$fp); area <- 0
  for (i in seq_along(k$tp)) {
    a <- tp[i]; b <- tp[i + 1]; f <- fp[i]; g <- fp[i + 1]
    if (b == a) next
    precision <- function(t) ifelse(t + f + (t - a) * (g - f) / (b - a) > 0, t / (t + f + (t - a) * (g - f) / (b - a)),
                                    (b - a) / (b - a + g - f))
    if (closed) area <- area + integrate(precision, a, b, rel.tol = 1e-12, abs.tol = 0)$value / m
    else for (t in a:(b - 1)) area <- area + (precision(t) + precision(t + 1)) / 2 / m
  }
  area
}
for (name in c("smooth", "tied", "hundredths", "small")) {
  d <- read.csv(file.path(folder, paste0("data_", name, ".csv"))); y <- d$y; p <- d$p; m <- sum(y)
  a <- curve_of(y, p)
  for (bounds in list(c(0.9, 1), c(0.8, 1), c(0.35, 0.62), c(0, 1), c(0.501, 0.502)))
    for (focus in c("specificity", "sensitivity")) {
      part <- as.numeric(auc(a, partial.auc = bounds, partial.auc.focus = focus))
      mended <- suppressWarnings(as.numeric(auc(a, partial.auc = bounds, partial.auc.focus = focus,
                                                partial.auc.correct = TRUE)))
      label <- sprintf("partial.%s.%g.%g", focus, bounds[1], bounds[2])
      if (!is.na(part)) say(label, name, "pROC", "auc(roc, partial.auc, partial.auc.focus), then corrected", c(part, mended))
    }
  say("average.precision", name, "base", "sum(diff(recall) precision)", step_area(y, p))
  say("auprc.davis", name, "base", "trapezoids over whole true positives", interpolated(y, p, FALSE))
  say("auprc.integral", name, "stats", "integrate() over true positives", interpolated(y, p, TRUE), 1e-11)
  ap <- step_area(y, p)
  say("average.precision.logit", name, "stats", "plogis(qlogis(AP) -+ qnorm(0.975)/sqrt(m AP (1 - AP)))",
      plogis(qlogis(ap) + c(-1, 1) * qnorm(0.975) / sqrt(m * ap * (1 - ap))))
  levels <- c(1, 0.95, 0.9, 0.75, 0.6, 0.5, 1 / 3, 0.1, 0)
  say("vertical.sensitivity", name, "pROC", "coords(roc, c(1, 0.95, ..., 0), \"specificity\")$sensitivity",
      coords(a, levels, input = "specificity", ret = "sensitivity", transpose = FALSE)$sensitivity)
  best <- function(method, weights) {
    # coords compares criteria as floats, so that equals may go unnoticed: those within rounding are taken together
    r <- (1 - weights[2]) / (weights[1] * weights[2]); se <- a$sensitivities; sp <- a$specificities
    criterion <- if (method == "youden") se + r * sp else -((1 - se)^2 + r * (1 - sp)^2)
    theirs <- coords(a, "best", best.method = method, best.weights = weights, ret = c("threshold"), transpose = FALSE)
    tied <- sort(a$thresholds[criterion >= max(criterion) - 1e-12])
    stopifnot(all(theirs$threshold %in% tied))
    i <- which(a$thresholds == tied[1])
    c(tied[1], se[i], sp[i], length(tied), abs(criterion[i]))
  }
  ask <- "coords(roc, \"best\", best.method, best.weights): lowest threshold, sensitivity, specificity, ties, criterion"
  say("cutoff.youden", name, "pROC", ask, best("youden", c(1, 0.5)))
  say("cutoff.closest", name, "pROC", ask, best("closest.topleft", c(1, 0.5)))
  say("cutoff.closest.weighted", name, "pROC", ask, best("closest.topleft", c(3, 0.2)))
  for (w in list(c(2, 0.3), c(0.5, 0.5), c(5, 0.1), c(0.125, 0.25)))
    say(sprintf("cutoff.cost.%g.%g", w[1], w[2]), name, "pROC", ask, best("youden", w))
}

# --- simultaneous band: the rectangles spelled out point by point ----------------------------------
d <- read.csv(file.path(folder, "data_tied.csv")); k <- counts(d$y, d$p)
x <- c(0, k$fp) / sum(d$y == 0); s <- c(0, k$tp) / sum(d$y == 1)
reach <- function(n) sqrt(log(2 / (1 - sqrt(0.9))) / (2 * n))
dx <- reach(sum(d$y == 0)); dy <- reach(sum(d$y == 1))
say("simultaneous.90", "tied", "base", "rectangles around every threshold",
    c(sapply(x, function(u) max(0, (if (u - dx > 0) min(s[x >= u - dx]) else 0) - dy)),
      sapply(x, function(u) min(1, max(s[x <= u + dx]) + dy))))

# --- Obuchowski 1997: lesions within patients ------------------------------------------------------
lesions <- do.call(rbind, lapply(1:60, function(i) {
  k <- 1 + rpois(1, 1.5); shared <- rnorm(2); y <- rbinom(k, 1, plogis(-0.3 + 0.8 * shared[1]))
  data.frame(patient = i, y = y, a = round(plogis(0.9 * y + shared[1] + rnorm(k)), 2),
             b = round(plogis(0.5 * y + shared[2] + 0.4 * shared[1] + rnorm(k)), 2))
}))
text <- as.data.frame(lapply(lesions, function(column) format(column, digits = 17, trim = TRUE)))
write.csv(text, file.path(folder, "discrimination_data_lesions.csv"), row.names = FALSE, quote = FALSE)
psi <- function(x, y) (x > y) + 0.5 * (x == y)
components <- function(score) {
  y <- lesions$y; id <- lesions$patient; N <- sum(y == 0); M <- sum(y == 1); theta <- 0
  for (i in which(y == 1)) for (j in which(y == 0)) theta <- theta + psi(score[i], score[j]) / (M * N)
  v10 <- v01 <- numeric(60)
  for (c in 1:60) {
    for (i in which(y == 1 & id == c)) v10[c] <- v10[c] + mean(psi(score[i], score[y == 0])) - theta
    for (j in which(y == 0 & id == c)) v01[c] <- v01[c] + mean(psi(score[y == 1], score[j])) - theta
  }
  list(theta = theta, v10 = v10, v01 = v01)
}
ca <- components(lesions$a); cb <- components(lesions$b)
M <- sum(lesions$y == 1); N <- sum(lesions$y == 0)
I10 <- length(unique(lesions$patient[lesions$y == 1])); I01 <- length(unique(lesions$patient[lesions$y == 0]))
covariance <- function(r, s) {
  s10 <- I10 / ((I10 - 1) * M) * sum(r$v10 * s$v10); s01 <- I01 / ((I01 - 1) * N) * sum(r$v01 * s$v01)
  s11 <- 60 / 59 * sum(r$v10 * s$v01); s11b <- 60 / 59 * sum(s$v10 * r$v01)
  s10 / M + s01 / N + s11 / (M * N) + s11b / (M * N)
}
say("clustered.auc", "lesions", "base", "theta of a, theta of b", c(ca$theta, cb$theta))
say("clustered.covariance", "lesions", "base", "var(a), cov(a, b), var(b)",
    c(covariance(ca, ca), covariance(ca, cb), covariance(cb, cb)))
se <- sqrt(covariance(ca, ca)); t <- ca$theta
say("clustered.interval", "lesions", "stats", "theta -+ qnorm(0.95) se; on the logit scale",
    c(t + c(-1, 1) * qnorm(0.95) * se, plogis(qlogis(t) + c(-1, 1) * qnorm(0.95) * se / (t * (1 - t)))))
write.csv(do.call(rbind, rows), file.path(folder, "discrimination_reference.csv"), row.names = FALSE)
