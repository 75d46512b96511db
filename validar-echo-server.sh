#!/bin/sh
# Asks the server called `server` on the compose network to echo a line:
#   ./validar-echo-server.sh
# Prints `action: test_echo_server | result: success` and exits 0 where the same line comes back, else
# `fail` and 1, within about ten seconds. netcat runs in a container on that network, so that nothing is
# installed here and no port is published.
set -eu

# New each time: no server can know the answer beforehand.
message="echo $(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')"

# In the container: five attempts to connect, for a server that has only just been started (netcat exits
# 1 without a connection), then five seconds for the answer of a server that may never close.
reply=$(docker run --rm --network tp0_testing_net busybox:latest sh -c '
    exec 2>/dev/null
    attempt=1
    while
        printf "%s\n" "$1" | timeout 5 nc server 12345
        [ $? -eq 1 ] && [ $attempt -lt 5 ]
    do
        attempt=$((attempt + 1))
        sleep 1
    done
' sh "$message") || reply=

if [ "$reply" = "$message" ]; then
    echo "action: test_echo_server | result: success"
else
    echo "action: test_echo_server | result: fail"
    exit 1
fi
