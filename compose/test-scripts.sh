#!/usr/bin/env bash
# Tests what needs no container engine: the generator, the committed definition, the delivery.
#   compose/test-scripts.sh
# Works on a copy of the files as they are, committed or not, and leaves nothing behind.
set -euo pipefail
unset CDPATH

here=$(cd -P "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR
source "$here/tests/check.sh"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# A path that has to be quoted.
readonly COPY="$scratch/an agency's \$copy"

main() {
    copy_project
    cd "$COPY"
    check "compose/dev.yaml is what the generator writes" dev_yaml_is_fresh
    check "the two Dockerfiles share their build stage to the letter" build_stage_is_shared
    check "any number of clients, named as they should be" any_number_of_clients
    check "the same input gives the same bytes" same_input_same_bytes
    check "wherever the definition is written, its paths lead to the project" paths_lead_to_the_project
    check "files are mounted read-only, and never made as folders" mounts_are_safe
    check "bad arguments exit 64 with the usage, and write nothing" bad_arguments_are_refused
    check "a missing file is named, and nothing is written" missing_files_are_named
    check "an agency's own file goes before the fixture" own_files_go_first
    check "no two bettors are the same" bettors_differ
    check "nothing in the environment overrides a configuration file" environment_overrides_nothing
    check "the delivery is eight commits, of links and a mode" delivery_is_eight_commits
    check "the delivery touches nothing else, and made again is the same" delivery_touches_nothing_else
    check "the delivery follows the current commit" delivery_follows
    check "a branch that is checked out is not moved" checked_out_branches_stay
    summary
}

# What a fresh clone would have, in a repository of its own.
copy_project() {
    mkdir -p "$COPY"/{event-server,batch-client,fixtures}
    cd "$here/.."
    cp -R compose generar-compose.sh "$COPY"
    cp event-server/{Dockerfile,config.ini} "$COPY/event-server"
    cp batch-client/{Dockerfile,config.yaml} "$COPY/batch-client"
    cp fixtures/agency-[1-5].csv "$COPY/fixtures"
    cd "$COPY"
    git init --quiet --initial-branch=main
    commit "A copy"
}

commit() {
    git add --all
    git -c user.name=test -c user.email=test@example.org commit --quiet --allow-empty -m "$1"
}

dev_yaml_is_fresh() {
    ./generar-compose.sh compose/fresh.yaml 5 --mode batch
    diff compose/dev.yaml compose/fresh.yaml || {
        echo "in a clone without .data: ./generar-compose.sh compose/dev.yaml 5 --mode batch"
        return 1
    }
}

build_stage_is_shared() {
    diff <(build_stage event-server) <(build_stage batch-client)
    build_stage event-server | grep 'cargo build'
}

build_stage() {
    sed -n '/^FROM/,/^FROM scratch/p' "$1/Dockerfile"
}

any_number_of_clients() {
    local n expected
    for n in 0 1 7 300; do
        ./generar-compose.sh any.yaml "$n"
        expected=$(printf 'server\n'; seq -f 'client%.0f' "$n")
        same "services" "$expected" "$(sed -n 's/^  \([a-z0-9]*\):$/\1/p' any.yaml | grep -Ev '^(testing_net)$')"
        same "containers" "$expected" "$(sed -n 's/^    container_name: //p' any.yaml)"
        grep "SERVER_AGENCIES: \"$n\"" any.yaml
    done
}

same_input_same_bytes() {
    (cd / && "$COPY/generar-compose.sh" "$COPY/one.yaml" 20 --mode bet)
    ./generar-compose.sh two.yaml 020 --mode bet
    cmp one.yaml two.yaml
}

paths_lead_to_the_project() {
    local file path
    mkdir "$scratch/elsewhere"
    for file in here.yaml ./compose/beside.yaml new/folder/deep.yaml "$scratch/elsewhere/far.yaml"; do
        ./generar-compose.sh "$file" 2 --mode batch
        paths "$file" > "$scratch/paths"
        same "paths in $file" 8 "$(grep -c . "$scratch/paths")"
        while read -r path; do
            (cd "$(dirname "$file")" && test -e "$path") || {
                echo "$file names $path, which is not there"
                return 1
            }
        done < "$scratch/paths"
    done
}

# Every path of the project in a definition, as compose reads it.
paths() {
    sed -nE "s/.*(context|source): '(.*)', .*(dockerfile|target):.*/\2/p" "$1" | sed "s/''/'/g; s/[$][$]/$/g"
}

mounts_are_safe() {
    ./generar-compose.sh mounts.yaml 3 --mode batch
    same "mounts" 7 "$(grep -c 'type: bind' mounts.yaml)"
    same "safe mounts" 7 "$(grep -c 'type: bind, .*read_only: true, bind: {create_host_path: false}' mounts.yaml)"
}

bad_arguments_are_refused() {
    local arguments
    for arguments in "" "x.yaml" "x.yaml 1 2" "x.yaml -1" "x.yaml one" "x.yaml 1.5" "x.yaml 1001" \
        "x.yaml 99999999999999999999" "x.yaml 1 --mode" "x.yaml 1 --mode loop" "x.yaml 1 --fast" "compose 1"; do
        # shellcheck disable=SC2086
        answers 64 "usage: " ./generar-compose.sh $arguments
    done
    answers 64 "usage: " ./generar-compose.sh "" 1
    answers 0 "usage: " ./generar-compose.sh --help
    [[ ! -e x.yaml ]]
}

missing_files_are_named() {
    local missing
    for missing in event-server/config.ini batch-client/config.yaml fixtures/agency-3.csv; do
        mv "$missing" away
        answers 66 "$missing is missing" ./generar-compose.sh x.yaml 5 --mode batch
        mv away "$missing"
    done
    [[ ! -e x.yaml ]]
}

own_files_go_first() {
    mkdir .data
    cp fixtures/agency-1.csv .data/agency-7.csv
    ./generar-compose.sh own.yaml 8 --mode batch
    rm -r .data
    same "agency files" \
        "$(printf '%s ' fixtures/agency-{1,2,3,4,5,1}.csv .data/agency-7.csv fixtures/agency-3.csv)" \
        "$(paths own.yaml | grep -o '[a-z.]*/agency-[0-9]*.csv' | tr '\n' ' ')"
}

bettors_differ() {
    local key
    ./generar-compose.sh bet.yaml 5 --mode bet
    for key in NOMBRE APELLIDO DOCUMENTO NACIMIENTO NUMERO; do
        same "different ${key}s" 5 "$(sed -n "s/^ *$key: //p" bet.yaml | sort -u | wc -l)"
    done
    ./generar-compose.sh bet.yaml 12 --mode bet
    same "different documents" 12 "$(sed -n "s/^ *DOCUMENTO: //p" bet.yaml | sort -u | wc -l)"
}

environment_overrides_nothing() {
    local mode
    for mode in echo bet batch; do
        ./generar-compose.sh env.yaml 2 --mode "$mode"
        same "unexpected variables in mode $mode" "" "$(
            sed -nE '/ (SERVER_AGENCIES|CLI_ID|NOMBRE|APELLIDO|DOCUMENTO|NACIMIENTO|NUMERO): /d
                s/^      ([A-Z_]+): .*/\1/p' env.yaml
        )"
    done
}

delivery_is_eight_commits() {
    local n mode modes=(echo echo echo echo bet batch batch batch)
    compose/entrega.sh
    for n in {1..8}; do
        mode=${modes[n - 1]}
        same "what ej$n is on top of" "$(git rev-parse HEAD)" "$(git rev-parse "ej$n^")"
        same "mode of ej$n" "$mode" "$(git show "ej$n:compose/mode")"
        same "what ej$n changes" "client$([[ $mode == batch ]] || echo " compose/mode") server" \
            "$(git diff --name-only "HEAD" "ej$n" | paste -sd ' ')"
        git clone --quiet --branch "ej$n" . "$scratch/ej$n"
        cmp event-server/config.ini "$scratch/ej$n/server/config.ini"
        cmp batch-client/Dockerfile "$scratch/ej$n/client/Dockerfile"
        "$scratch/ej$n/generar-compose.sh" "$scratch/ej$n/docker-compose-dev.yaml" 1
        grep -F "command: [$mode]" "$scratch/ej$n/docker-compose-dev.yaml"
    done
}

delivery_touches_nothing_else() {
    local before
    echo "; changed" >> event-server/config.ini
    echo "staged" > staged
    git add staged
    git branch --force other
    before=$(snapshot)
    compose/entrega.sh
    compose/entrega.sh
    same "the repository and its folder" "$before" "$(snapshot)"
    git rm --quiet --cached staged
    rm staged
    git checkout --quiet event-server/config.ini
}

# All that a delivery could change, where it was made before.
snapshot() {
    git for-each-ref
    git symbolic-ref HEAD
    git --no-optional-locks status --porcelain
    cksum .git/index event-server/config.ini
}

delivery_follows() {
    local before
    before=$(git rev-parse ej6)
    commit "More"
    compose/entrega.sh
    same "what ej6 is on top of" "$(git rev-parse HEAD)" "$(git rev-parse ej6^)"
    [[ $(git rev-parse ej6) != "$before" ]]
}

checked_out_branches_stay() {
    local before
    before=$(git for-each-ref)
    git worktree add --quiet "$scratch/worktree" ej3
    answers 1 "ej3 is checked out" compose/entrega.sh
    git worktree remove "$scratch/worktree"
    git checkout --quiet ej5
    answers 1 "ej5 is checked out" compose/entrega.sh
    git checkout --quiet --detach
    answers 1 "the current commit is a delivery" compose/entrega.sh
    git checkout --quiet main
    same "branches" "$before" "$(git for-each-ref)"
}

main "$@"
