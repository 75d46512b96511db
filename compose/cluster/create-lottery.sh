#!/usr/bin/env bash
# Patroni runs this once, on the first primary: the user and the database of the lottery. The schema is the
# centrals' own.
set -euo pipefail

# There is no standby yet that could confirm a commit.
export PGOPTIONS="-c synchronous_commit=local"
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 "$1" <<'SQL'
\set password `cat /secrets/lottery.password`
create role lottery login password :'password';
create database lottery owner lottery;
SQL
