#!/usr/bin/env bash
# Installs the package on a fresh Debian system, runs a lottery with it, and removes it. Runs as root in a container,
# from a folder with event-server.deb, agency-1.csv and check.sh: packaging/test.sh does all that.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source-path=SCRIPTDIR/../compose/tests
source ./check.sh

readonly CONFIG=/etc/event-server/config.ini
readonly UNIT=/usr/lib/systemd/system/event-server.service
readonly LINK=/etc/systemd/system/multi-user.target.wants/event-server.service
readonly BETS=/var/lib/event-server

main() {
    check "it installs" dpkg --install event-server.deb
    ((failed == 0)) || summary
    check "the service has a user of its own, that nobody can log in as" user_is_there
    check "the service is not enabled" service_is_not_enabled
    check "a lottery runs, from the first bet to the winners" lottery_runs
    check "installed again, it leaves the configuration, the bets and an enabled service as they are" installed_again
    check "removed, it leaves the configuration and the bets" removed
    check "purged, it leaves the bets and says so" purged
    check "installed after all that, it has the bets still" bets_are_still_there
    summary
}

user_is_there() {
    same "home and shell" "$BETS:/usr/sbin/nologin" "$(getent passwd event-server | cut -d : -f 6-)"
    (($(id -u event-server) > 0 && $(id -u event-server) < 1000))
}

service_is_not_enabled() {
    same "links to the unit" "" "$(find /etc/systemd -name "${LINK##*/}")"
}

lottery_runs() {
    sed -i 's/^;SERVER_AGENCIES = .*/SERVER_AGENCIES = 1/' "$CONFIG"
    start_central
    eventually 60 event-server --config "$CONFIG" --check
    batch-client batch agency-1.csv --id 1 --server 127.0.0.1:12345 > winners 2> sent
    same "winners" "$(tr -d '\r' < agency-1.csv | awk -F , '$5 + 0 == 7574 { print $3 }')" "$(cat winners)"
    [[ -s winners ]]
    stop_central
    same "files of others in the folder" "" "$(find "$BETS" ! -user event-server)"
    same "mode of the folder" 700 "$(stat -c %a "$BETS")"
    every_bet_is_there
}

every_bet_is_there() {
    (as_the_service event-server --config "$CONFIG" export) > bets.csv
    cmp <(sed 's/^/1,/' agency-1.csv | sort) <(sort bets.csv)
}

# There is no systemd here: this does what it would do with the unit.
start_central() {
    install --directory --owner=event-server --group=event-server --mode="$(of_unit StateDirectoryMode)" \
        "/var/lib/$(of_unit StateDirectory)"
    # shellcheck disable=SC2046 # a command and its arguments
    (as_the_service $(of_unit ExecStart)) 2> log &
    central=$!
    trap 'kill "$central" 2> /dev/null || true; tail -n 8 log sent' EXIT
}

stop_central() {
    kill "$central"
    wait "$central"
    grep 'action: exit | result: success' log
}

# as_the_service COMMAND…: takes the place of the shell, which should be a subshell.
as_the_service() {
    cd "$(of_unit WorkingDirectory)"
    umask "$(of_unit UMask)"
    exec env -i setpriv --reuid="$(of_unit User)" --regid="$(of_unit User)" --init-groups \
        --bounding-set=-all --no-new-privs "$@"
}

# of_unit KEY: its value in the unit.
of_unit() {
    sed -n "s/^$1=//p" "$UNIT"
}

installed_again() {
    # What systemctl enable does.
    ln -s "$UNIT" "$LINK"
    dpkg --install event-server.deb
    [[ -L $LINK ]]
    grep '^SERVER_AGENCIES = 1$' "$CONFIG"
    every_bet_is_there
}

removed() {
    dpkg --remove event-server
    [[ ! -e /usr/bin/event-server && ! -e /usr/bin/batch-client && ! -e $UNIT ]]
    grep '^SERVER_AGENCIES = 1$' "$CONFIG"
    [[ -s $BETS/bets.csv ]]
}

purged() {
    answers 0 "The lottery's bets are kept in $BETS" dpkg --purge event-server
    [[ ! -e /etc/event-server && ! -L $LINK && -s $BETS/bets.csv ]]
    same "owner of the bets" event-server "$(stat -c %U "$BETS/bets.csv")"
}

bets_are_still_there() {
    dpkg --install event-server.deb
    every_bet_is_there
}

main "$@"
