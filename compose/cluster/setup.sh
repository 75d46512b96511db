#!/usr/bin/env bash
# Runs before everything else of the cluster, each time it starts. The first time it makes the secrets:
#   /secrets/node      for the database nodes: their certificates and keys, and all passwords
#   /secrets/central   for the centrals: the authority's certificate and the lottery's password
# and each time it copies the agencies' files to /agencies, where the clients find them: .data/agency-N.csv
# where that exists, else the fixture.
set -euo pipefail
umask 077

# The users that the images run as.
readonly NODE=postgres CENTRAL=10001
readonly DAYS=3650

# What the command says is shown where it fails.
quiet() {
    local said
    said=$("$@" 2>&1) || { printf '%s\n' "$said" >&2; return 1; }
}

make_secrets() {
    local work=/secrets/node/new name
    rm -rf "$work" && mkdir "$work" && cd "$work"

    quiet openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days "$DAYS" -subj "/CN=lottery database" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign -keyout authority.key -out ca.crt
    for name in pg1 pg2 pg3; do
        quiet openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$name" -keyout "$name.key" -out "$name.csr"
        quiet openssl x509 -req -in "$name.csr" -CA ca.crt -CAkey authority.key -CAcreateserial -days "$DAYS" \
            -extfile <(echo "subjectAltName=DNS:$name") -out "$name.crt"
    done
    # Nothing else will be signed.
    rm authority.key ./*.csr ./*.srl
    for name in lottery postgres replication patroni; do openssl rand -hex 24 > "$name.password"; done

    install -o "$CENTRAL" -m 0400 ca.crt lottery.password /secrets/central/
    chown "$NODE:" ./*
    chmod 0400 ./*
    mv ./* ..
    # The file `made` comes last: it says that everything is there.
    cd .. && rmdir new && touch made
    echo "made the certificates and passwords"
}

copy_files() {
    local n file
    for n in 1 2 3 4 5; do
        file=/project/.data/agency-$n.csv
        [[ -e $file ]] || file=/project/fixtures/agency-$n.csv
        install -o "$CENTRAL" -m 0400 "$file" "/agencies/agency-$n.csv"
    done
    echo "copied the agencies' files"
}

[[ -e /secrets/node/made ]] || make_secrets
chown "$NODE:" /secrets/node
chown "$CENTRAL" /secrets/central /agencies
copy_files
