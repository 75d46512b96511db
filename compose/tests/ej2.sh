# shellcheck shell=bash
# Configuration that is mounted, and not built into the images.

exercise 2 "configuration without a rebuild"

changed_values_are_in_the_logs() {
    local images n
    images=$(docker image inspect --format '{{.Id}}' server:latest client:latest)
    server_config 12346 7 DEBUG
    client_config server:12346 3 150ms DEBUG 86
    start 2
    all_clients_end_well 2
    has server "action: config | result: success | port: 12346 | listen_backlog: 7 | logging_level: DEBUG"
    for n in 1 2; do
        has "client$n" "action: config | result: success | client_id: $n | server_address: server:12346 | loop_amount: 3 | loop_period: 150ms | log_level: DEBUG"
        has_lines 3 "client$n" "action: receive_message | result: success"
        has "client$n" "action: receive_message | result: success | client_id: $n | msg: [CLIENT $n] Message N°3"
        has "client$n" "action: loop_finished | result: success | client_id: $n"
        has server "msg: [CLIENT $n] Message N°3"
    done
    same "images in use" "$images" "$(docker inspect --format '{{.Image}}' server client1)"
    same "images afterwards" "$images" "$(docker image inspect --format '{{.Id}}' server:latest client:latest)"
    log_is_well_formed
}

changing_a_file_recompiles_nothing() {
    server_config 12345 5 INFO
    local before
    before=$(docker image inspect --format '{{.Id}}' server:latest)
    build_images
    same "image" "$before" "$(docker image inspect --format '{{.Id}}' server:latest)"
}

a_missing_file_is_an_error() {
    bash generar-compose.sh "$DEFINITION" 1
    rm server/config.ini
    answers 66 "config.ini is missing" bash generar-compose.sh "$DEFINITION" 1
    answers 1 "config.ini" compose up -d
    [[ ! -e server/config.ini ]]
}

scenario "changed values are in the logs, the images are the same" changed_values_are_in_the_logs
scenario "an image made again after a change of configuration is the same" changing_a_file_recompiles_nothing
scenario "a missing file is an error that names it, and no folder is made" a_missing_file_is_an_error
