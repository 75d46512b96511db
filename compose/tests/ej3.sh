# shellcheck shell=bash
# The echo check: against our server, servers written elsewhere, and none.

exercise 3 "an echo check that needs nothing on the host"

echo_check_says() {
    local code=1 said actual=0
    [[ $1 != success ]] || code=0
    said=$(timeout 60 sh validar-echo-server.sh) || actual=$?
    same "line" "action: test_echo_server | result: $1" "$said"
    same "exit code" "$code" "$actual"
}

our_server_passes() {
    start 0
    echo_check_says success
    has server "action: receive_message | result: success"
    log_is_well_formed
    stops_well server
    echo_check_says fail
}

our_server_is_healthy() {
    start 0
    eventually 180 healthy
    docker exec server /event-server --check
    docker kill --signal STOP server
    answers 69 "" docker exec server /event-server --check
}

healthy() {
    [[ $(docker inspect --format '{{.State.Health.Status}}' server) == healthy ]]
}

# start_foreign PROGRAM: a server that runs the program for each connection, under our image's name.
start_foreign() {
    local ours
    ours=$(docker image inspect --format '{{.Id}}' server:latest)
    docker build --quiet --label "$FOREIGN_LABEL" --tag server:latest - > /dev/null <<DOCKERFILE
FROM busybox:latest
RUN printf '#!/bin/sh\n%s\n' '$1' > /serve && chmod +x /serve
STOPSIGNAL SIGKILL
CMD ["sh", "-c", "while true; do nc -l -p 12345 -e /serve; done"]
DOCKERFILE
    start 0
    docker tag "$ours" server:latest
}

# foreign_server SAYS PROGRAM
foreign_server() {
    start_foreign "$2"
    echo_check_says "$1"
}

# A volume is made by whoever comes first, and a foreign image has no folder /data of ours.
volume_of_a_foreign_server() {
    start_foreign 'exec cat'
    compose down
    start 0
    echo_check_says success
}

no_network_at_all() {
    echo_check_says fail
    same "containers left behind" "" "$(containers)"
}

scenario "our server passes; stopped, it fails" our_server_passes
scenario "our server is healthy to the engine, and not when it is stuck" our_server_is_healthy
scenario "a foreign server that echoes passes" foreign_server success 'exec cat'
scenario "a foreign server that echoes and never closes passes" foreign_server success 'head -n 1; exec sleep 60'
scenario "a foreign server that answers something else fails" foreign_server fail 'exec echo hello'
scenario "a foreign server that says nothing fails" foreign_server fail 'exec sleep 60'
scenario "a foreign server that hangs up fails" foreign_server fail 'exit 0'
scenario "our server runs on the volume that a foreign one left" volume_of_a_foreign_server
scenario "without a network it fails" no_network_at_all
