#!/usr/bin/env bash
# Writes to FILE a compose definition of `server` and `client1` to `clientCLIENTS`:
#   generar-compose.sh FILE CLIENTS [--mode echo|bet|batch]
# The mode is what the clients are told to do; without one it is the word in the file `mode` beside this
# script. Client N's bets are .data/agency-N.csv where that exists, else one of the five fixtures in turn.
# The same input gives the same bytes. Exits 64 on bad arguments, 66 where a file to be mounted is missing.
set -euo pipefail
unset CDPATH

# A bridge of Linux has 1,024 ports, and every container takes one.
readonly MOST_CLIENTS=1000
# What 172.25.125.0/24 has room for, beside the gateway, the server and a passing echo check.
readonly MOST_IN_SUBNET=250

readonly NAMES=("Santiago Lionel" "María José" "Joaquín" "Milagros" "Belén")
readonly SURNAMES=("Lorca" "Fernández" "D'Angelo" "Güemes" "Ñancucheo")
readonly BIRTHDATES=("1999-03-17" "1984-02-29" "1961-12-31" "2001-07-09" "1975-10-30")

root=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
usage="usage: generar-compose.sh FILE CLIENTS [--mode echo|bet|batch]
  FILE     the compose definition to write
  CLIENTS  how many agencies, 0 to $MOST_CLIENTS"

main() {
    local file clients mode
    read_arguments "$@"
    require_files

    local folder=.
    [[ $file != */* ]] || folder=${file%/*}/
    mkdir -p -- "$folder"

    local project text
    project=$(project_from "$(cd -P -- "$folder" && pwd)")
    text=$(definition)
    printf '%s\n' "$text" > "$file"
}

misused() {
    printf '%s\n' "generar-compose.sh: $1" "$usage" >&2
    exit 64
}

# Sets file, clients and mode.
read_arguments() {
    local words=()
    mode=$(<"$root/compose/mode")
    while (($# > 0)); do
        case $1 in
            -h | --help)
                echo "$usage"
                exit 0
                ;;
            --mode)
                [[ ${2-} == echo || ${2-} == bet || ${2-} == batch ]] ||
                    misused "--mode is '${2-}': echo, bet or batch is allowed"
                mode=$2
                shift
                ;;
            -*) misused "there is no option $1" ;;
            *) words+=("$1") ;;
        esac
        shift
    done
    ((${#words[@]} == 2)) || misused "FILE and CLIENTS are needed, and nothing else"
    file=${words[0]}
    [[ -n $file && $file != */ && ! -d $file ]] || misused "FILE is '$file': a file is needed, not a folder"
    [[ ${words[1]} =~ ^0*([0-9]{1,4})$ ]] || misused "CLIENTS is '${words[1]}': a number is needed"
    clients=$((10#${BASH_REMATCH[1]}))
    ((clients <= MOST_CLIENTS)) || misused "CLIENTS is $clients: a network has room for $MOST_CLIENTS"
}

# Whether every file that the definition mounts is there.
require_files() {
    local n path
    for path in event-server/config.ini batch-client/config.yaml; do require "$path"; done
    [[ $mode == batch ]] || return 0
    for ((n = 1; n <= clients; n++)); do
        agency_file "$n"
        require "$path"
    done
}

require() {
    [[ -f $root/$1 ]] || {
        echo "generar-compose.sh: $root/$1 is missing, or is no file: the containers need it" >&2
        exit 66
    }
}

# Sets path to the bets of an agency.
agency_file() {
    path=.data/agency-$1.csv
    [[ -e $root/$path ]] || path=fixtures/agency-$((($1 - 1) % 5 + 1)).csv
}

# The way from a folder to the project, as a compose definition in that folder has to write it: one `..`
# for each level inside, from elsewhere the absolute path.
project_from() {
    local way=$root
    if [[ $1 == "$root" ]]; then
        way=.
    elif [[ $1 == "$root"/* ]]; then
        way=${1#"$root"}
        way=${way//[^\/]/}
        way=${way//\//../}
        way=${way%/}
    fi
    # In single quotes, where compose still replaces variables.
    way=${way//\'/\'\'}
    echo "${way//\$/\$\$}"
}

definition() {
    local n subnet=172.25.125.0/24
    ((clients <= MOST_IN_SUBNET)) || subnet=172.25.0.0/16
    cat <<YAML
# Written by generar-compose.sh for $clients clients in mode $mode.
name: tp0

services:
  server:
    container_name: server
    image: server:latest
    build: {context: '$project', dockerfile: event-server/Dockerfile}
    environment:
      SERVER_AGENCIES: "$clients"
    networks: [testing_net]
    volumes:
      - {type: volume, source: server_data, target: /data}
$(mounted event-server/config.ini /config.ini)
YAML
    for ((n = 1; n <= clients; n++)); do client "$n"; done
    cat <<YAML

networks:
  testing_net:
    ipam:
      config:
        - subnet: $subnet

volumes:
  server_data:
YAML
}

client() {
    cat <<YAML

  client$1:
    container_name: client$1
    image: client:latest
    build: {context: '$project', dockerfile: batch-client/Dockerfile}
    command: [$mode]
    environment:
      CLI_ID: "$1"
YAML
    [[ $mode != bet ]] || bettor "$1"
    cat <<YAML
    networks: [testing_net]
    depends_on: [server]
    volumes:
YAML
    mounted batch-client/config.yaml /config.yaml
    [[ $mode != batch ]] || {
        local path
        agency_file "$1"
        mounted "$path" /data/agency.csv
    }
}

# No two bettors have the same document or number; names and birthdates come round again after five.
bettor() {
    local i=$((($1 - 1) % 5))
    cat <<YAML
      NOMBRE: "${NAMES[i]}"
      APELLIDO: "${SURNAMES[i]}"
      DOCUMENTO: "$((30904464 + $1))"
      NACIMIENTO: "${BIRTHDATES[i]}"
      NUMERO: "$((7573 + $1))"
YAML
}

# A missing file is to be an error; in the short form the engine would make a folder of that name.
mounted() {
    echo "      - {type: bind, source: '$project/$1', target: $2, read_only: true, bind: {create_host_path: false}}"
}

main "$@"
