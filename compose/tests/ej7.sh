# shellcheck shell=bash
# The draw, once all agencies have finished, and each agency's own winners.

exercise 7 "the draw"

nobody_learns_anything_before_all_have_finished() {
    local n
    start 5 server client1 client2 client3 client4
    for n in {1..4}; do has server "notify_finished | result: success | agency: $n"; done
    has_lines 0 server "action: sorteo | result: success"
    has_lines 0 server "action: consulta_ganadores | result: success"
    # One that waits for its winners ends on SIGTERM as well, and asks again when it comes back.
    stops_well client1
    docker start client1
    compose up -d
    all_clients_end_well 5
    drawn 5
    every_agency_has_its_winners 5
    stored_exactly 5
    log_is_well_formed
}

scenario "the draw waits for the last agency; then each learns its own winners" nobody_learns_anything_before_all_have_finished
