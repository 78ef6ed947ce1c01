# Makes combat_data.csv and combat_reference.csv: features of two centres, one the reference, on simulated patients.
#   Rscript tests/reference/make_combat_reference.R tests/reference
# Needs r-base-core and r-bioc-sva. sva::ComBat stops its rounds at a relative change of 1e-4: hence the tolerance of what
# it gives whole; its own parts (aprior, bprior, it.sol), run to 1e-14, are held to 1e-9. sva estimates covariates' effects
# from both centres; here they are the reference's own, by lm. Columns as in make_reference.R.
suppressMessages(library(sva))
folder <- commandArgs(trailingOnly = TRUE)[1]
set.seed(20261129, kind = "Mersenne-Twister", normal.kind = "Inversion", sample.kind = "Rejection")
rows <- list()
say <- function(id, package, call, value, tolerance = 1e-9) {
  value <- as.numeric(unlist(value))
  version <- if (package == "stats") as.character(getRversion()) else as.character(packageVersion(package))
  rows[[length(rows) + 1]] <<- data.frame(
    id = id, dataset = "", package = package, version = version, call = call, index = seq_along(value) - 1,
    value = format(value, digits = 17, trim = TRUE), tolerance = format(tolerance, digits = 3))
}
p <- 7
simulate <- function(place, n, age, shift, scale) {
  d <- data.frame(place = place, age = round(rnorm(n, age, 9)), stage = rbinom(n, 1, 0.4))
  for (j in seq_len(p)) d[[paste0("f", j)]] <- round(j + 0.05 * j * (d$age - 50) + 0.8 * d$stage + shift[j] + scale[j] * j * rnorm(n), 3)
  d
}
d <- rbind(simulate("home", 60, 52, rep(0, p), rep(1, p)), simulate("here", 25, 58, rnorm(p, 1, 0.7), runif(p, 0.6, 1.8)))
write.csv(d, file.path(folder, "combat_data.csv"), row.names = FALSE, quote = FALSE)
names <- paste0("f", seq_len(p)); home <- d[d$place == "home", ]; here <- d[d$place == "here", ]
whole <- suppressMessages(ComBat(t(as.matrix(d[, names])), d$place, mod = NULL, ref.batch = "home"))
say("whole", "sva", "ComBat(dat, batch, ref.batch = 'home'): the other centre, row by row", t(whole[, d$place == "here"])[, ], 2e-3)
parts <- function(id, formula) {
  error <- expected <- matrix(NA, nrow(here), p); sds <- numeric(p)
  for (j in seq_len(p)) {
    fit <- lm(as.formula(paste(names[j], formula)), home)
    sds[j] <- sqrt(mean(residuals(fit)^2)); expected[, j] <- predict(fit, here)
    error[, j] <- (here[[names[j]]] - expected[, j]) / sds[j]
  }
  g <- colMeans(error); v <- apply(error, 2, var)
  star <- sva:::it.sol(t(error), g, v, mean(g), var(g), sva:::aprior(v), sva:::bprior(v), conv = 1e-14)
  say(paste0(id, ".raw"), "stats", paste("lm(feature", formula, ", home): mean and variance of the other centre's errors"), c(g, v))
  say(paste0(id, ".shrunk"), "sva", "it.sol(error, ..., aprior, bprior, conv = 1e-14)", c(star[1, ], star[2, ]))
  adjusted <- sapply(seq_len(p), function(j) expected[, j] + sds[j] * (error[, j] - star[1, j]) / sqrt(star[2, j]))
  say(paste0(id, ".adjusted"), "sva", "the other centre with them taken away, column by column", adjusted)
}
parts("plain", "~ 1"); parts("given", "~ age + stage")
write.csv(do.call(rbind, rows), file.path(folder, "combat_reference.csv"), row.names = FALSE, quote = c(1:5, 7, 8))
