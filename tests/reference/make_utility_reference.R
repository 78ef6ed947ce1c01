# Makes utility_reference.csv: clinical utility by plain formulas in R, on the tables that make_reference.R simulated.
#   Rscript tests/reference/make_utility_reference.R tests/reference
# Needs r-base-core alone. dcurves and rmda are not in Debian, and have no standard errors of these kinds; every number is
# computed patient by patient (contributions, cov, t.test), not from counts. Columns as in statistics_reference.csv.
folder <- commandArgs(trailingOnly = TRUE)[1]
rows <- list()
say <- function(id, dataset, package, call, value, tolerance = 1e-10) {
  value <- as.numeric(unlist(value))
  rows[[length(rows) + 1]] <<- data.frame(
    id = id, dataset = dataset, package = package, version = as.character(getRversion()), call = call,
    index = seq_along(value) - 1, value = format(value, digits = 17, trim = TRUE), tolerance = format(tolerance, digits = 3))
}
thresholds <- c(0.1, 0.25, 0.3, 0.5, 0.7)
declared <- 0.12
harm <- 0.0125
z <- qnorm(0.975)

contribution <- list(
  treated = function(y, d, t) d * (y - (1 - y) * t / (1 - t)),
  untreated = function(y, d, t) (1 - d) * ((1 - y) - y * (1 - t) / t),
  overall = function(y, d, t) d * (y - (1 - y) * t / (1 - t)) + (1 - d) * ((1 - y) - y * (1 - t) / t))
worth <- list(treated = function(pi) pi, untreated = function(pi) 1 - pi, overall = function(pi) 1)

for (name in c("smooth", "hundredths", "tied", "small")) {
  d <- read.csv(file.path(folder, paste0("data_", name, ".csv")), colClasses = "numeric")
  y <- d$y; n <- length(y); prev <- mean(y)
  for (kind in names(contribution)) {
    u <- sapply(thresholds, function(t) contribution[[kind]](y, as.numeric(d$p >= t), t))
    nb <- colMeans(u)
    say(paste0("nb.", kind), name, "stats", "mean and sd/sqrt(n) of each patient's contribution", c(nb, apply(u, 2, sd) / sqrt(n)))
    say(paste0("nb.cov.", kind), name, "stats", "cov(contributions)/n, column by column", cov(u) / n, 1e-12)
    # standardised: ratio of two estimated means, delta method with their covariance matrix
    perfect <- switch(kind, treated = y, untreated = 1 - y, overall = rep(1, n))
    se <- sapply(seq_along(thresholds), function(j) {
      v <- cov(cbind(u[, j], perfect)) / n
      g <- c(1 / mean(perfect), -nb[j] / mean(perfect)^2)
      sqrt(drop(t(g) %*% v %*% g))
    })
    say(paste0("snb.", kind), name, "stats", "ratio of means; delta method g' V g", c(nb / mean(perfect), se))
    nb_harm <- nb - harm
    seh <- sapply(seq_along(thresholds), function(j) {
      v <- cov(cbind(u[, j], perfect)) / n
      g <- c(1 / mean(perfect), -nb_harm[j] / mean(perfect)^2)
      sqrt(drop(t(g) %*% v %*% g))
    })
    say(paste0("snb.harm.", kind), name, "stats", "(net benefit - 0.0125)/perfect; delta method", c(nb_harm / mean(perfect), seh))
    # declared prevalence: two independent proportions
    at <- t(sapply(thresholds, function(t) {
      sens <- mean(d$p[y == 1] >= t); fpr <- mean(d$p[y == 0] >= t); w <- t / (1 - t)
      vs <- sens * (1 - sens) / sum(y == 1); vf <- fpr * (1 - fpr) / sum(y == 0)
      a <- switch(kind, treated = c(declared * sens, declared, -(1 - declared) * w * fpr, -(1 - declared) * w),
        untreated = c(-declared * (1 - sens) / w, declared / w, (1 - declared) * (1 - fpr), -(1 - declared)),
        overall = c(declared * sens - declared * (1 - sens) / w, declared * (1 + 1 / w),
                    (1 - declared) * (1 - fpr) - (1 - declared) * w * fpr, -(1 - declared) * (1 + w)))
      c(a[1] + a[3], sqrt(a[2]^2 * vs + a[4]^2 * vf))
    }))
    say(paste0("nb.declared.", kind), name, "stats", "prevalence 0.12: from sensitivity and specificity, two binomial variances", c(at[, 1], at[, 2]))
    say(paste0("snb.declared.", kind), name, "stats", "the same over what perfection is worth", c(at[, 1], at[, 2]) / worth[[kind]](declared))
  }
  # interventions avoided: (net benefit - net benefit of treating all)/(t/(1 - t)), per 100
  avoided <- sapply(thresholds, function(t) {
    w <- t / (1 - t); model <- contribution$treated(y, as.numeric(d$p >= t), t) - harm; all <- y - (1 - y) * w
    x <- 100 * (model - all) / w
    c(mean(x), sd(x) / sqrt(n), mean(x) + c(-1, 1) * z * sd(x) / sqrt(n))
  })
  say("avoided", name, "stats", "100 (nb - harm - nb of all)/(t/(1 - t)): mean, se, low, high (uncut)", avoided)
  # differences
  difference <- function(t, other) {
    a <- contribution$treated(y, as.numeric(d$p >= t), t); b <- contribution$treated(y, as.numeric(other(t)), t)
    x <- t.test(a, b, paired = TRUE)
    c(x$estimate, x$stderr, 2 * pnorm(-abs(x$statistic)))
  }
  others <- list(q = function(t) d$q >= t, all = function(t) rep(TRUE, n), none = function(t) rep(FALSE, n))
  for (other in names(others)) {
    say(paste0("difference.", other), name, "stats", "t.test(a, b, paired = TRUE): estimate, stderr, 2 pnorm(-|t|)",
        sapply(thresholds, difference, others[[other]]))
    gap <- sapply(thresholds, function(t) contribution$treated(y, as.numeric(d$p >= t), t) - contribution$treated(y, as.numeric(others[[other]](t)), t))
    say(paste0("difference.cov.", other), name, "stats", "cov(a - b)/n", cov(gap) / n, 1e-12)
    by_class <- sapply(thresholds, function(t) {
      g <- as.numeric(d$p >= t) - as.numeric(others[[other]](t)); w <- t / (1 - t)
      e <- g[y == 1]; o <- g[y == 0]; binomial <- function(x) mean((x - mean(x))^2) / length(x)
      c(declared * mean(e) - (1 - declared) * w * mean(o), sqrt(declared^2 * binomial(e) + (1 - declared)^2 * w^2 * binomial(o)))
    })
    say(paste0("difference.declared.", other), name, "stats", "prevalence 0.12, two independent samples: estimate, se", by_class)
  }
  # costs
  cost <- sapply(thresholds, function(t) { x <- (d$p < t & y == 1) * (1 - t) / t + (d$p >= t & y == 0); c(mean(x), sd(x) / sqrt(n)) })
  say("cost.implied", name, "stats", "(1 - t)/t a false negative, 1 a false positive: mean, se", cost)
  cost <- sapply(thresholds, function(t) { x <- 700 * (d$p < t & y == 1) + 40 * (d$p >= t & y == 0); c(mean(x), sd(x) / sqrt(n)) })
  say("cost.given", name, "stats", "700 a false negative, 40 a false positive: mean, se", cost)
  cost <- sapply(thresholds, function(t) {
    miss <- mean(d$p[y == 1] < t); vain <- mean(d$p[y == 0] >= t)
    c(declared * (1 - t) * miss + (1 - declared) * t * vain,
      sqrt((declared * (1 - t))^2 * miss * (1 - miss) / sum(y) + ((1 - declared) * t)^2 * vain * (1 - vain) / sum(1 - y)))
  })
  say("cost.declared", name, "stats", "normalised costs, prevalence 0.12: mean, se", cost)
  for (ratio in c(9, 1, 0.5)) {
    rules <- c(sort(unique(d$p)), Inf)
    total <- sapply(rules, function(r) ratio * mean(d$p < r & y == 1) + mean(d$p >= r & y == 0))
    say(sprintf("cost.minimum.%g", ratio), name, "stats", "lowest cost over all distinct risks and treating nobody", min(total))
    total <- sapply(rules, function(r) ratio * declared * mean(d$p[y == 1] < r) + (1 - declared) * mean(d$p[y == 0] >= r)) / (1 + ratio)
    say(sprintf("cost.minimum.declared.%g", ratio), name, "stats", "the same, normalised, prevalence 0.12", min(total))
  }
}
write.csv(do.call(rbind, rows), file.path(folder, "utility_reference.csv"), row.names = FALSE)
