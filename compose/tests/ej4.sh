# shellcheck shell=bash
# SIGTERM ends both programs in order.

exercise 4 "SIGTERM"

# A loop that would go on for an hour.
start_endless() {
    client_config server:12345 3600 1s INFO 86
    start "$1"
    local client
    for client in $(clients "$1"); do has "$client" "action: receive_message | result: success"; done
}

client_ends() {
    start_endless 1
    stops_well client1
    has server "msg: [CLIENT 1] Message N°1"
}

server_ends() {
    start_endless 1
    stops_well server
    has server "action: close_listener | result: success"
    has server "action: close_store | result: success"
}

all_end() {
    start_endless 3
    within 30 compose stop --timeout "$GRACE"
    ended_well server
    ended_well client1
    ended_well client2
    ended_well client3
    log_is_well_formed
}

scenario "a client ends on SIGTERM, at once, with exit code 0" client_ends
scenario "the server ends on SIGTERM, at once, with exit code 0" server_ends
scenario "all end when they are stopped together, well under the grace" all_end
