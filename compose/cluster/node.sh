#!/usr/bin/env bash
# A database node: Patroni with this node's name, and the passwords that the set-up made.
set -euo pipefail

name=$(hostname)
password() { cat "/secrets/$1.password"; }

export PATRONI_NAME=$name
export PATRONI_POSTGRESQL_CONNECT_ADDRESS=$name:5432 PATRONI_RESTAPI_CONNECT_ADDRESS=$name:8008
PATRONI_SUPERUSER_PASSWORD=$(password postgres)
PATRONI_REPLICATION_PASSWORD=$(password replication)
PATRONI_RESTAPI_PASSWORD=$(password patroni)
export PATRONI_SUPERUSER_PASSWORD PATRONI_REPLICATION_PASSWORD PATRONI_RESTAPI_PASSWORD
# The one setting with the node's name in it that has no variable.
sed "s/NODE/$name/" /etc/lottery/patroni.yaml > /tmp/patroni.yaml

exec patroni /tmp/patroni.yaml
