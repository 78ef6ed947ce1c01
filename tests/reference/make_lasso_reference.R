# Reference values of the LASSO path and its cross-validation, from glmnet. Writes lasso_reference.csv beside this script:
#   Rscript make_lasso_reference.R
# The data are formulas, so that tests/plnm/test_lasso.py makes the same ones.
suppressMessages(library(glmnet))
n <- 90; p <- 12
i <- 0:(n - 1)
X <- sapply(0:(p - 1), function(j) sin(0.7 * i * (j + 1) + j^2) + (if (j %% 3 == 2) 0.5 * sin(0.7 * i) else 0))
y <- as.numeric(X[, 1] + 0.8 * X[, 3] - 0.6 * X[, 6] + 0.9 * cos(2.1 * i^1.3) > 0.5)
fold <- i %% 6 + 1
Z <- apply(X, 2, function(x) (x - mean(x)) / sqrt(mean((x - mean(x))^2)))
lambda <- max(abs(t(Z) %*% (y - mean(y)))) / n * 10^(-(0:20) / 10)
out <- data.frame()
for (family in c("gaussian", "binomial")) {
  fit <- glmnet(Z, y, family = family, lambda = lambda, standardize = FALSE, thresh = 1e-18, maxit = 1e7)
  cv <- cv.glmnet(X, y, family = family, lambda = lambda, foldid = fold, type.measure = "deviance", grouped = TRUE,
                  thresh = 1e-18, maxit = 1e7)
  coefs <- as.matrix(coef(fit))
  for (k in seq_along(lambda)) {
    values <- c(coefs[, k], cv$cvm[k], cv$cvsd[k])
    names <- c("intercept", paste0("b", 1:p), "cv_mean", "cv_se")
    out <- rbind(out, data.frame(family, step = k - 1, lambda = lambda[k], quantity = names, value = values))
  }
  extra <- c(lambda.min = cv$lambda.min, lambda.1se = cv$lambda.1se)
  out <- rbind(out, data.frame(family, step = -1, lambda = NA, quantity = names(extra), value = extra))
}
out$lambda <- sprintf("%.17g", out$lambda); out$value <- sprintf("%.17g", out$value)
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)))
path <- file.path(here, "lasso_reference.csv")
writeLines(sprintf("# glmnet %s, %s", packageVersion("glmnet"), R.version.string), path)
suppressWarnings(write.table(out, path, append = TRUE, sep = ",", row.names = FALSE, quote = FALSE))
