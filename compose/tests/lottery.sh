# shellcheck shell=bash
# Sourced by the container tests, in a clone of the project: what graders do to the containers, and what
# can be seen of them from outside. The words are theirs: start, stop, the two configuration files.

# shellcheck source-path=SCRIPTDIR
source "${BASH_SOURCE[0]%/*}/check.sh"

readonly DEFINITION=docker-compose-dev.yaml
# Seconds until the engine kills what does not end on SIGTERM: far more than the programs need.
readonly GRACE=60
readonly WELL_FORMED='^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} (DEBUG   |INFO    |WARNING |ERROR   |CRITICAL) action: [a-z_]+ \| result: (success|fail|in_progress)( \| [a-z_]+: [^|]*)*$'

# exercise N TITLE: the clone becomes the exercise's branch, and the images are made from it. Without them
# there is nothing to test.
exercise() {
    local before=$failed
    echo "ej$1: $2"
    as_committed
    git checkout --quiet "ej$1"
    check "the images are built from ./server and ./client" build_images
    ((failed == before)) || summary
}

build_images() {
    docker build -f ./server/Dockerfile -t server:latest .
    docker build -f ./client/Dockerfile -t client:latest .
}

# scenario SENTENCE COMMAND…: a check that begins with the files as committed and nothing running. Where
# it fails, the end of the containers' logs is shown as well.
scenario() {
    check "$1" afresh "${@:2}"
}

afresh() {
    trap '(($? == 0)) || docker compose -p tp0 logs --tail 8' EXIT
    remove_containers
    as_committed
    "$@"
}

as_committed() {
    git checkout --quiet .
    git clean --quiet -dfx
}

compose() {
    docker compose --progress quiet -f "$DEFINITION" "$@"
}

# start CLIENTS [SERVICE…]: all of them, or those named.
start() {
    bash generar-compose.sh "$DEFINITION" "$1"
    compose up -d "${@:2}"
}

# Everything of the project, its volume too.
remove_containers() {
    docker compose --progress quiet -p tp0 down --volumes --remove-orphans --timeout 0
}

# server_config PORT BACKLOG LEVEL
server_config() {
    cat > server/config.ini <<INI
[DEFAULT]
SERVER_PORT = $1
SERVER_IP = server
SERVER_LISTEN_BACKLOG = $2
LOGGING_LEVEL = $3
INI
}

# client_config ADDRESS AMOUNT PERIOD LEVEL BETS [LINE]: the keys that graders write, and a line more.
client_config() {
    cat > client/config.yaml <<YAML
server:
  address: "$1"
loop:
  amount: $2
  period: "$3"
log:
  level: "$4"
batch:
  maxAmount: $5
${6-}
YAML
}

containers() {
    docker ps --all --filter label=com.docker.compose.project=tp0 --format '{{.Names}}' | sort
}

log_of() {
    docker logs "$1" 2>&1
}

# has CONTAINER TEXT: a line of its log holds the text, or soon will.
has() {
    eventually 60 more_lines_than 0 "$1" "$2"
}

# has_lines N CONTAINER TEXT: as many lines do.
has_lines() {
    eventually 60 counted "$@" || same "lines of $2 with $3" "$1" "$(lines "$2" "$3")"
}

counted() {
    (($(lines "$2" "$3") == $1))
}

# more_lines_than N CONTAINER TEXT
more_lines_than() {
    (($(lines "$2" "$3") > $1))
}

lines() {
    log_of "$1" | grep -c -F -- "$2" || true
}

# ends CODE CONTAINER…: each exits with this code, within two minutes.
ends() {
    local code=$1 container
    for container in "${@:2}"; do
        same "exit code of $container" "$code" "$(timeout 120 docker wait "$container" || echo "none in time")"
    done
}

clients() {
    seq -f 'client%.0f' "$1"
}

all_clients_end_well() {
    # shellcheck disable=SC2046
    ends 0 $(clients "$1")
}

# stops_well CONTAINER: on SIGTERM it ends long before the grace does.
stops_well() {
    within 30 docker stop -t "$GRACE" "$1"
    ended_well "$1"
}

# ended_well CONTAINER: its exit code is 0, and its log tells of the signal first and of the exit last.
ended_well() {
    ends 0 "$1"
    has "$1" "action: receive_signal | result: success | container: $1 | signal: SIGTERM"
    log_of "$1" | grep -F 'action: ' | tail -n 1 | grep -F "action: exit | result: success | container: $1"
}

# agency_file N: where the generator finds that agency's bets.
agency_file() {
    local file=.data/agency-$1.csv
    [[ -e $file ]] || file=fixtures/agency-$((($1 - 1) % 5 + 1)).csv
    echo "$file"
}

# What agencies 1 to N hold, as the server is to store it, sorted.
held() {
    local n
    for n in $(seq "$1"); do sed "s/^/$n,/" "$(agency_file "$n")"; done | LC_ALL=C sort
}

# What the server has stored, in its order.
stored() {
    docker cp server:/data/bets.csv - | tar -xO
}

# stored_exactly N: each bet of agencies 1 to N once, and nothing else.
stored_exactly() {
    held "$1" > expected.csv
    stored | LC_ALL=C sort > found.csv
    cmp expected.csv found.csv
}

# winners_of N: the documents of an agency's winners, in the file's order.
winners_of() {
    tr -d '\r' < "$(agency_file "$1")" | awk -F , '$5 + 0 == 7574 { print $3 }'
}

# every_agency_has_its_winners N: in their logs, and on standard output to the letter.
every_agency_has_its_winners() {
    local n expected
    for n in $(seq "$1"); do
        expected=$(winners_of "$n")
        same "winners of agency $n" "$expected" "$(docker logs "client$n" 2> /dev/null)"
        has "client$n" "action: consulta_ganadores | result: success | cant_ganadores: $(grep -c . <<< "$expected" || true)"
    done
}

# drawn N: the server's log tells of one draw, and that each of N agencies has finished.
drawn() {
    local n
    has_lines 1 server "action: sorteo | result: success"
    for n in $(seq "$1"); do has server "action: notify_finished | result: success | agency: $n"; done
}

# Every line that says `action:` is one that graders can parse.
log_is_well_formed() {
    local odd
    odd=$(compose logs --no-log-prefix 2> /dev/null | grep -F 'action:' | grep -vE "$WELL_FORMED" || true)
    same "odd lines" "" "$odd"
}

# within SECONDS COMMAND…: the command succeeds, and takes no longer.
within() {
    local bound=$1 begun=$SECONDS
    shift
    "$@"
    ((SECONDS - begun < bound)) || {
        echo "took $((SECONDS - begun)) s: $*"
        return 1
    }
}
