#!/usr/bin/env bash
# Runs a command on a database node, Patroni or its tools, with this node's name and the passwords that the set-up made:
#   node.sh patroni FILE        node.sh patronictl list
set -euo pipefail

name=$(hostname)
password() { cat "/secrets/$1.password"; }

export PATRONI_NAME=$name
export PATRONI_POSTGRESQL_CONNECT_ADDRESS=$name:5432 PATRONI_RESTAPI_CONNECT_ADDRESS=$name:8008
PATRONI_SUPERUSER_PASSWORD=$(password postgres)
PATRONI_REPLICATION_PASSWORD=$(password replication)
PATRONI_RESTAPI_PASSWORD=$(password patroni)
export PATRONI_SUPERUSER_PASSWORD PATRONI_REPLICATION_PASSWORD PATRONI_RESTAPI_PASSWORD
for part in crt key; do ln -sf "/secrets/$name.$part" "/var/lib/postgresql/node.$part"; done

exec "$@"
