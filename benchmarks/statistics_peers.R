# Times R's packages for `python -m benchmarks statistics`:  Rscript statistics_peers.R TASK FOLDER
# FOLDER holds arrays as raw doubles, column by column, and shapes.json. Prints one line of JSON. Needs r-cran-jsonlite and, by
# task, r-cran-proc or r-cran-glmnet.
suppressMessages(library(jsonlite))
arguments <- commandArgs(trailingOnly = TRUE)
shapes <- fromJSON(file.path(arguments[2], "shapes.json"), simplifyVector = FALSE)
data <- lapply(names(shapes), function(name) {
  size <- unlist(shapes[[name]])
  values <- readBin(file.path(arguments[2], paste0(name, ".bin")), "double", n = prod(size), size = 8, endian = "little")
  if (length(size) == 2) matrix(values, size[1], size[2]) else values
})
names(data) <- names(shapes)
median_time <- function(work, runs) {
  work(); median(sapply(1:runs, function(i) { gc(FALSE); system.time(work())[["elapsed"]] }))
}
inner <- function(work, runs, times) median_time(function() for (i in 1:times) work(), runs) / times

if (arguments[1] == "delong") {
  suppressMessages(library(pROC))
  curve <- function(p) roc(data$y, p, levels = c(0, 1), direction = "<", quiet = TRUE)
  work <- function() roc.test(curve(data$p), curve(data$q), method = "delong", paired = TRUE)
  test <- work(); n <- length(data$y)
  seconds <- if (n < 1e5) inner(work, 5, 5) else median_time(work, 3)
  cat(toJSON(list(seconds = seconds, z = unname(test$statistic), p = test$p.value,
                  version = paste("pROC", packageVersion("pROC"))), digits = NA, auto_unbox = TRUE), "\n")
} else if (arguments[1] == "lasso") {
  suppressMessages(library(glmnet))
  family <- if (length(data$binomial) && data$binomial[1] == 1) "binomial" else "gaussian"
  work <- function() cv.glmnet(data$x, data$y, family = family, foldid = data$fold, lambda = data$lambda, standardize = TRUE)
  fit <- work()
  cat(toJSON(list(seconds = median_time(work, 5), min = fit$lambda.min, version = paste("glmnet", packageVersion("glmnet"))),
             digits = NA, auto_unbox = TRUE), "\n")
} else stop("no such task")
