# R's package dbscan behind the protocol of taxi-mlops: lines of JSON on standard input and output.
suppressPackageStartupMessages(library(dbscan))

# The value of a key: requests are one flat object with texts and numbers.
value <- function(line, key) {
  found <- regmatches(line, regexec(paste0("\"", key, "\": (\"((?:[^\"\\\\]|\\\\.)*)\"|[^,}]+)"), line, perl = TRUE))[[1]]
  if (length(found) == 0) stop("no ", key)
  if (startsWith(found[2], "\"")) gsub("\\\\(.)", "\\1", found[3], perl = TRUE) else found[2]
}

number <- function(line, key) as.numeric(value(line, key))

problem <- NULL

prepare <- function(line) {
  n <- number(line, "n")
  degrees <- matrix(readBin(value(line, "points"), "double", n = 2 * n, endian = "little"), ncol = 2, byrow = TRUE)
  radians <- degrees * pi / 180
  across <- cos(radians[, 1])
  angle <- number(line, "eps_metres") / number(line, "earth_radius_metres")
  problem <<- list(
    chords = cbind(across * cos(radians[, 2]), across * sin(radians[, 2]), sin(radians[, 1])),
    eps = 2 * sin(min(angle, pi) / 2),
    min_samples = as.integer(number(line, "min_samples"))
  )
  "{\"is\": \"ready\"}"
}

fit <- function(line) {
  labels <- integer(0)
  if (nrow(problem$chords) > 0) {
    labels <- dbscan(problem$chords, eps = problem$eps, minPts = problem$min_samples)$cluster - 1L
  }
  writeBin(as.integer(labels), value(line, "labels"), endian = "little")
  "{\"is\": \"done\"}"
}

answer <- function(line) {
  switch(value(line, "do"),
    hello = sprintf("{\"is\": \"hello\", \"protocol\": 1, \"version\": \"%s\"}", packageVersion("dbscan")),
    prepare = prepare(line),
    fit = fit(line),
    stop("unknown request")
  )
}

input <- file("stdin", open = "r")
while (length(line <- readLines(input, n = 1)) > 0) {
  said <- tryCatch(answer(line), error = function(error) {
    message(conditionMessage(error))
    sprintf("{\"is\": \"error\", \"message\": \"%s\"}", gsub("[^ !#-\\[\\]-~]", " ", conditionMessage(error), perl = TRUE))
  })
  cat(said, "\n", sep = "")
  flush(stdout())
}
