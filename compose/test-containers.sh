#!/usr/bin/env bash
# Tests the exercises in containers, each on its branch, the way the course's graders work:
#   compose/test-containers.sh [main|ej1|…|ej8 …]     without a name: all of them
# Works on a clone of the current commit and leaves nothing behind but the images server:latest and
# client:latest. The names of containers, network and volume are the contract's, so it refuses to run
# beside a lottery. Takes a few minutes, beside the first build.
set -euo pipefail
unset CDPATH

here=$(cd -P "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR
source "$here/tests/lottery.sh"

# Marks the images that only the tests need.
readonly FOREIGN_LABEL=tp0.test=foreign

main() {
    docker info > /dev/null 2>&1 || refuse "no container engine answers: start one (docker info says what is wrong)"
    docker compose version > /dev/null 2>&1 || refuse "docker has no compose command: install its plugin"
    leave_others_alone

    scratch=$(mktemp -d)
    trap clean_up EXIT
    git clone --quiet "$here/.." "$scratch/clone"
    cd "$scratch/clone"
    git checkout --quiet -B main
    check "make entrega" make entrega

    local tests
    (($# > 0)) || set -- main ej{1..8}
    for tests; do
        # shellcheck source=/dev/null
        source "$here/tests/$tests.sh"
    done
    summary
}

refuse() {
    echo "test-containers: $1" >&2
    exit 1
}

# The tests would remove a lottery that runs here, and its bets.
leave_others_alone() {
    local found
    found=$(
        docker ps --all --format 'container {{.Names}}' | grep -xE 'container (server|client[0-9]+)' || true
        docker volume ls --format 'volume {{.Name}}' | grep -x 'volume tp0_server_data' || true
    )
    [[ -z $found ]] || refuse "there is a lottery here (${found//$'\n'/, }): remove it and its bets with docker compose -p tp0 down --volumes"
}

clean_up() {
    cd /
    remove_containers 2> /dev/null || true
    docker image prune --force --filter "label=$FOREIGN_LABEL" > /dev/null || true
    rm -rf "$scratch"
}

main "$@"
