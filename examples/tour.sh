#!/bin/sh
# The five-minute tour: a sample, a backfill, a look at the results. Run it with `make run`.
set -eu
BIN="${BIN:-.venv/bin}"
SAMPLE="${SAMPLE:-sample}"

step() { printf '\n\033[1m$ %s\033[0m\n' "$*"; "$@"; }
spine="$BIN/spine"

step "$spine" db upgrade
step "$BIN/python" -m market_spine.testing.finra_sample "$SAMPLE"
step "$spine" run finra.otc_transparency.backfill -p "files=$SAMPLE"
step "$spine" data show finra.otc_transparency.venue_share --week 2025-11-24 --tier OTC
step "$spine" data show finra.otc_transparency.concentration --week 2025-11-24 --tier T1 --limit 5
step "$spine" rejects list --limit 5

cat <<END

Where to look next:
  $spine --help
  $spine runs list                     what was run
  $spine data list                     the datasets
  $spine quality list --week 2025-11-24 --tier OTC
  $spine pipelines show finra.otc_transparency.refresh_week
  README.md                            the five-minute tour, and a pipeline of your own
Everything lives in the folder .spine; remove it to start afresh.
END
