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
    within 30 compose down --timeout "$GRACE"
    same "containers" "" "$(containers)"
    compose up -d
    all_clients_end_well 5
    every_agency_has_its_winners 5
    stored > after
    cmp before after
}

# Large files, a bet at a time: on any machine agencies 1 and 2 are busy for longer than the scenario is.
start_slowly() {
    mkdir .data
    cat fixtures/agency-*.csv | tee .data/agency-1.csv > .data/agency-2.csv
    client_config server:12345 5 5s INFO 1 "  window: 1"
    start 5
    eventually 60 more_lines_than 10 client1 "action: batch_enviado | result: success"
    eventually 60 more_lines_than 10 client2 "action: batch_enviado | result: success"
}

in_the_middle() {
    same "running" "true" "$(docker inspect --format '{{.State.Running}}' client2)"
    same "notices" 0 "$(log_of server | grep -cE 'notify_finished .* agency: [12]$' || true)"
}

# What is left of the files goes in batches of the usual size, once the clients have read their
# configuration again.
hurry() {
    client_config server:12345 5 5s INFO 86
    docker restart -t "$GRACE" client1 client2 client3 client4 client5
}

all_is_well_in_the_end() {
    all_clients_end_well 5
    drawn 5
    stored_exactly 5
    every_agency_has_its_winners 5
    log_is_well_formed
}

server_killed() {
    start_slowly
    docker kill --signal KILL server
    in_the_middle
    docker start server
    eventually 60 resumed client1
    eventually 60 resumed client2
    in_the_middle
    hurry
    all_is_well_in_the_end
}

# The client went on by itself, where its upload stood.
resumed() {
    log_of "$1" | grep -E 'action: resume \| result: success \| apuestas: [1-9]'
}

others_interrupted() {
    start_slowly
    stops_well client1
    docker start client1
    docker kill --signal KILL client1
    stops_well server
    in_the_middle
    docker start server
    hurry
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
scenario "a client stopped and killed, the server stopped in mid-upload: every bet once" others_interrupted
scenario "read-only, without capabilities or new privileges, it runs the same" hardened
