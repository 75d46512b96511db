# shellcheck shell=bash
# The committed definition and the commands of the Makefile, as a user of a fresh clone meets them.

echo "main: compose/dev.yaml and make"
as_committed
git checkout --quiet main

committed_definition_runs_the_lottery() {
    make docker-compose-up
    all_clients_end_well 5
    drawn 5
    stored_exactly 5
    every_agency_has_its_winners 5
    make docker-compose-down
    same "containers" "" "$(containers)"
}

scenario "make docker-compose-up runs the lottery, docker-compose-down ends it" committed_definition_runs_the_lottery
