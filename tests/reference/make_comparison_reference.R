# Makes comparison_data.csv and comparison_reference.csv: what R says when models are compared, on small simulated tables.
#   Rscript tests/reference/make_comparison_reference.R tests/reference
# Needs r-base-core, r-cran-proc, r-cran-hmisc, r-cran-riskregression. Columns as in make_reference.R: id, dataset, package,
# version, call, index, value (17 digits), tolerance. Rows of package "stats" or "base" are formulas evaluated in R.
suppressMessages({library(pROC); library(Hmisc); library(riskRegression)})
folder <- commandArgs(trailingOnly = TRUE)[1]
set.seed(20251125, kind = "Mersenne-Twister", normal.kind = "Inversion", sample.kind = "Rejection")

simulate <- function(set, n, digits) {            # p is the best model, q a poorer one, r between and too extreme
  x <- rnorm(n); y <- rbinom(n, 1, plogis(-0.6 + 1.1 * x))
  inside <- function(l) pmin(pmax(round(plogis(l), digits), 0.02), 0.98)
  data.frame(set = set, y = y, p = inside(-0.6 + 1.2 * x + rnorm(n, sd = 0.3)), q = inside(-0.4 + 0.6 * x + rnorm(n, sd = 0.9)),
             r = inside(-0.9 + 2 * x + rnorm(n, sd = 1.2)))
}
data <- list(smooth = simulate("smooth", 160, 12), tied = simulate("tied", 121, 1), small = simulate("small", 22, 3))
text <- as.data.frame(lapply(do.call(rbind, data), function(column)
  if (is.numeric(column)) format(column, digits = 17, trim = TRUE) else column))
write.csv(text, file.path(folder, "comparison_data.csv"), row.names = FALSE, quote = FALSE)

rows <- list()
say <- function(id, dataset, package, call, value, tolerance = 1e-10) {
  version <- if (package %in% c("stats", "base")) as.character(getRversion()) else as.character(packageVersion(package))
  value <- as.numeric(unlist(value))
  rows[[length(rows) + 1]] <<- data.frame(
    id = id, dataset = dataset, package = package, version = version, call = call, index = seq_along(value) - 1,
    value = format(value, digits = 17, trim = TRUE), tolerance = format(tolerance, digits = 3))
}
curve_of <- function(d, column) roc(d$y, d[[column]], levels = c(0, 1), direction = "<", quiet = TRUE)
z <- qnorm(0.975)

# --- AUC: different patients, three curves, contrasts ---------------------------------------------
pairs <- list(c("smooth", "p", "tied", "q"), c("tied", "p", "smooth", "r"), c("small", "q", "smooth", "p"), c("small", "r", "tied", "r"))
for (w in pairs) {
  name <- paste(w, collapse = "-")
  a <- curve_of(data[[w[1]]], w[2]); b <- curve_of(data[[w[3]]], w[4])
  for (side in c("two.sided", "less", "greater")) {
    t <- suppressWarnings(roc.test(a, b, method = "delong", paired = FALSE, alternative = side))
    say(paste0("unpaired.", side), name, "pROC", sprintf("roc.test(a, b, paired = FALSE, alternative = \"%s\"): t, df, p", side),
        c(t$statistic, t$parameter, t$p.value))
  }
  t <- suppressWarnings(roc.test(a, b, method = "delong", paired = FALSE)); se <- sqrt(var(a) + var(b))
  gap <- as.numeric(a$auc) - as.numeric(b$auc)
  say("unpaired.interval", name, "pROC", "difference, sqrt(var(a) + var(b)), difference -+ qt(0.975, df) se",
      c(gap, se, gap + c(-1, 1) * qt(0.975, t$parameter) * se))
  ends <- gap + c(-1, 1) * qt(0.975, t$parameter) * se
  say("unpaired.noninferior", name, "stats", "pt((difference + 0.1)/se, df, lower.tail = FALSE)",
      pt((gap + 0.1) / se, t$parameter, lower.tail = FALSE))
}
for (name in names(data)) {
  d <- data[[name]]; curves <- lapply(c("p", "q", "r"), function(column) curve_of(d, column))
  theta <- sapply(curves, function(c) as.numeric(c$auc))
  S <- matrix(0, 3, 3)
  for (i in 1:3) for (j in 1:3) S[i, j] <- if (i == j) var(curves[[i]]) else cov(curves[[i]], curves[[j]])
  L <- rbind(c(1, -1, 0), c(0, 1, -1)); gap <- L %*% theta
  X2 <- as.numeric(t(gap) %*% solve(L %*% S %*% t(L)) %*% gap)
  say("global", name, "pROC", "(L theta)' (L S L')^-1 (L theta) with var and cov: X2, df, p, thetas",
      c(X2, 2, pchisq(X2, 2, lower.tail = FALSE), theta), 1e-9)
  p <- sapply(list(c(1, 2), c(1, 3), c(2, 3)), function(w) roc.test(curves[[w[1]]], curves[[w[2]]], method = "delong", paired = TRUE)$p.value)
  say("global.holm", name, "pROC", "p.adjust of the three roc.test p values", p.adjust(p, "holm"))
  k <- c(1, -0.5, -0.5); value <- sum(k * theta); se <- sqrt(as.numeric(t(k) %*% S %*% k))
  say("contrast", name, "pROC", "c = (1, -0.5, -0.5): c theta, se, c theta -+ 1.96 se, z, p",
      c(value, se, value + c(-1, 1) * z * se, value / se, 2 * pnorm(-abs(value / se))), 1e-9)
}

# --- losses and net benefit -----------------------------------------------------------------------
for (name in names(data)) {
  d <- data[[name]]; y <- d$y; n <- length(y)
  s <- Score(list(p = d$p, q = d$q), formula = y ~ 1, data = d, metrics = c("auc", "brier"), se.fit = TRUE, contrasts = TRUE, null.model = TRUE)
  b <- as.data.frame(s$Brier$contrasts)
  for (w in list(c("q", "p"), c("p", "Null model"), c("q", "Null model"))) {
    b1 <- b[b$model == w[1] & b$reference == w[2], ]
    say(paste0("brier.", w[1], ".", sub(" model", "", w[2])), name, "riskRegression", "Score(contrasts = TRUE)$Brier: delta, se, lower, upper, p",
        b1[, c("delta.Brier", "se", "lower", "upper", "p")])
  }
  loss <- function(p) -dbinom(y, 1, p, log = TRUE)
  t <- t.test(loss(d$p), loss(d$q), paired = TRUE)
  say("logloss", name, "stats", "t.test(paired = TRUE) of -dbinom(y, 1, p, log = TRUE): mean, stderr, p by pnorm",
      c(t$estimate, t$stderr, 2 * pnorm(-abs(t$statistic))))
  gap <- (d$p - y)^2 - (d$q - y)^2; share <- mean(y); v <- share * (1 - share); D <- mean(gap)
  gradient <- c(-1 / v, D * (1 - 2 * share) / v^2)
  se <- sqrt(as.numeric(gradient %*% cov(cbind(gap, y)) %*% gradient) / n)
  say("ipa", name, "stats", "-D/v, delta method with cov(cbind(d, y))", c(-D / v, se, -D / v + c(-1, 1) * z * se))
  for (at in c(0.1, 0.3, 0.5)) {
    u <- function(p) (p >= at) * ifelse(y == 1, 1, -at / (1 - at))
    t <- t.test(u(d$p), u(d$q), paired = TRUE)
    say(sprintf("netbenefit.%g", at), name, "stats", "t.test(u_a, u_b, paired = TRUE): mean, stderr, z, p by pnorm",
        c(t$estimate, t$stderr, t$statistic, 2 * pnorm(-abs(t$statistic))))
    say(sprintf("noninferior.%g", at), name, "stats", "pnorm((mean + 0.05)/stderr, lower.tail = FALSE); TOST at 0.1: larger p, 90 % interval",
        c(pnorm((t$estimate + 0.05) / t$stderr, lower.tail = FALSE),
          max(pnorm((t$estimate + 0.1) / t$stderr, lower.tail = FALSE), pnorm((t$estimate - 0.1) / t$stderr)),
          t$estimate + c(-1, 1) * qnorm(0.95) * t$stderr))
  }
}

# --- McNemar and Newcombe's paired interval -------------------------------------------------------
square_and_add <- function(r, s, t, u) {          # Newcombe 1998, method 10; Wilson's limits from prop.test
  n <- r + s + t + u
  one <- suppressWarnings(prop.test(r + s, n, correct = FALSE))$conf.int; two <- suppressWarnings(prop.test(r + t, n, correct = FALSE))$conf.int
  a <- (r + s) / n; b <- (r + t) / n; A <- prod(c(r + s, t + u, r + t, s + u)); B <- r * u - s * t
  phi <- if (A == 0) 0 else (if (B > n / 2) B - n / 2 else if (B >= 0) 0 else B) / sqrt(A)
  c(a - b - sqrt((a - one[1])^2 - 2 * phi * (a - one[1]) * (two[2] - b) + (two[2] - b)^2),
    a - b + sqrt((b - two[1])^2 - 2 * phi * (b - two[1]) * (one[2] - a) + (one[2] - a)^2))
}
for (name in names(data)) for (what in c("sens", "spec")) for (at in c(0.3, 0.5)) {
  d <- data[[name]]; d <- d[d$y == (what == "sens"), ]
  right <- function(p) factor((p >= at) == (what == "sens"), c(TRUE, FALSE))
  x <- table(right(d$p), right(d$q)); s <- x[1, 2]; t <- x[2, 1]
  if (s + t == 0) next
  exact <- binom.test(s, s + t)$p.value
  say(sprintf("mcnemar.%s.%g", what, at), name, "stats", "mcnemar.test: X2, p, corrected X2, p; binom.test p; less dbinom for mid-p",
      c(mcnemar.test(x, correct = FALSE)$statistic, mcnemar.test(x, correct = FALSE)$p.value, mcnemar.test(x)$statistic,
        mcnemar.test(x)$p.value, exact, if (s == t) 1 else exact - dbinom(s, s + t, 0.5)))
  say(sprintf("newcombe.%s.%g", what, at), name, "stats", "Newcombe's method 10 from prop.test: difference, low, high",
      c((s - t) / sum(x), square_and_add(x[1, 1], s, t, x[2, 2])), 1e-9)
}
tables <- list(c(36, 12, 2, 0), c(20, 12, 2, 16), c(0, 9, 0, 3), c(54, 0, 0, 0), c(30, 0, 0, 24), c(0, 53, 0, 1), c(2, 14, 0, 0))
for (x in tables) say(paste(c("pairs", x), collapse = "."), "none", "stats", "Newcombe's method 10 from prop.test: low, high",
                      do.call(square_and_add, as.list(x)), 1e-9)

# --- reclassification -----------------------------------------------------------------------------
for (name in names(data)) {
  d <- data[[name]]; i <- improveProb(d$q, d$p, d$y)
  say("nri", name, "Hmisc", "improveProb(old, new, y): nri, se, events, se, non-events, se, up and down shares",
      i[c("nri", "se.nri", "nri.ev", "se.nri.ev", "nri.ne", "se.nri.ne", "pup.ev", "pdown.ev", "pup.ne", "pdown.ne")])
  say("idi", name, "Hmisc", "improveProb(old, new, y): idi, se, improveSens, improveSpec", i[c("idi", "se.idi", "improveSens", "improveSpec")])
  group <- function(p) 1 + (p >= 0.2) + (p >= 0.5)
  x <- lapply(c(1, 0), function(k) { up <- mean((group(d$p) > group(d$q))[d$y == k]); down <- mean((group(d$p) < group(d$q))[d$y == k])
                                     c(up, down, sum(d$y == k)) })
  v <- sapply(x, function(s) (s[1] + s[2] - (s[1] - s[2])^2) / s[3])
  ev <- x[[1]][1] - x[[1]][2]; ne <- x[[2]][2] - x[[2]][1]
  say("nri.cat", name, "base", "cuts 0.2, 0.5; variance of a multinomial difference: nri, se, events, se, non-events, se",
      c(ev + ne, sqrt(sum(v)), ev, sqrt(v[1]), ne, sqrt(v[2])))
}
write.csv(do.call(rbind, rows), file.path(folder, "comparison_reference.csv"), row.names = FALSE)
