# shellcheck shell=bash
# All agencies at once, and what may happen to them in the middle.

exercise 8 "all at once"

twenty_agencies() {
    start 20
    all_clients_end_well 20
    drawn 20
    stored_exactly 20
    every_agency_has_its_winners 20
}

down_and_up_again() {
    start 5
    all_clients_end_well 5
    stored > before
    within 30 compose down --timeout 30
    same "containers" "" "$(containers)"
    compose up -d
    all_clients_end_well 5
    every_agency_has_its_winners 5
    stored > after
    cmp before after
}

# Small batches, one at a time: the larger agencies take long enough to be interrupted.
start_slowly() {
    client_config server:12345 5 5s INFO 5 "  window: 1"
    start 5
    eventually 60 more_lines_than 50 server "action: apuesta_recibida | result: success"
}

all_is_well_in_the_end() {
    all_clients_end_well 5
    drawn 5
    stored_exactly 5
    every_agency_has_its_winners 5
    log_is_well_formed
}

# The two largest agencies have not finished.
in_the_middle() {
    same "running clients" "true true" "$(docker inspect --format '{{.State.Running}}' client1 client2 | paste -sd ' ')"
    same "notices" 0 "$(log_of server | grep -cE 'notify_finished .* agency: [12]$' || true)"
}

server_killed() {
    start_slowly
    docker kill --signal KILL server
    in_the_middle
    docker start server
    all_is_well_in_the_end
}

# A client told to stop, a client killed, the server told to stop: each is started again at once.
others_interrupted() {
    start_slowly
    within 5 docker stop -t 30 client1
    ends 0 client1
    said_goodbye client1
    docker start client1
    docker kill --signal KILL client2
    docker start client2
    within 5 docker stop -t 30 server
    ends 0 server
    said_goodbye server
    in_the_middle
    docker start server
    all_is_well_in_the_end
}

hardened() {
    local one='{read_only: true, cap_drop: [ALL], security_opt: ["no-new-privileges:true"]}'
    bash generar-compose.sh "$DEFINITION" 1
    printf 'services:\n  server: %s\n  client1: %s\n' "$one" "$one" > hardened.yaml
    compose -f hardened.yaml up -d
    all_clients_end_well 1
    stored_exactly 1
    every_agency_has_its_winners 1
}

scenario "twenty agencies at once" twenty_agencies
scenario "down and up again: the winners are answered again, nothing is doubled" down_and_up_again
scenario "the server killed in mid-upload and started again: every bet once" server_killed
scenario "clients stopped and killed, the server stopped in mid-upload: every bet once" others_interrupted
scenario "read-only, without capabilities or new privileges, it runs the same" hardened
