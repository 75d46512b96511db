#!/usr/bin/env bash
# Tests what packaging/build makes: that it can be made again to the byte, that its files are what they should be,
# and that it installs and works.
#   packaging/test.sh
# Builds both programs twice. Works in a temporary folder, but for target/dist and the build's own files. The package
# is installed in a container; where no engine answers that is left out, and said.
set -euo pipefail
unset CDPATH

here=$(cd -P "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly root=${here%/*}
readonly dist=$root/target/dist
# shellcheck source-path=SCRIPTDIR
source "$here/../compose/tests/check.sh"

# A Debian system for this test alone. It stays, so that the next test need not make it.
readonly IMAGE=event-server-package-test
# The highest exposure of the unit that systemd-analyze may find, from 0 to 100: above it, a protection was lost.
readonly MOST_EXPOSED=11

main() {
    local tool
    for tool in dpkg-deb lintian systemd-analyze man; do
        command -v "$tool" > /dev/null || {
            echo "packaging/test.sh: $tool is missing: apt-get install dpkg lintian systemd man-db" >&2
            exit 1
        }
    done
    scratch=$(mktemp -d)
    container=
    trap clean_up EXIT
    SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct)}
    export SOURCE_DATE_EPOCH

    check "an archive and a package are built" "$here/build"
    ((failed == 0)) || summary
    mkdir "$scratch/archive" "$scratch/package"
    tar -xzf "$dist"/event-server-*.tar.gz -C "$scratch/archive" --strip-components=1
    dpkg-deb --extract "$dist"/event-server_*.deb "$scratch/package"
    check "without a time for the files nothing is built" time_is_wanted
    check "both programs load no library" programs_are_static
    check "both programs name no path of this machine" programs_name_no_path
    check "both hold every file that they should, with its mode" files_are_complete
    check "the completions are those of the shells" completions_are_read
    check "the manual pages are read without a warning" manual_pages_are_read
    check "config.ini has every key with its default" configuration_is_complete
    check "lintian finds no error and no warning" lintian_is_content
    check "systemd understands the units" units_are_valid
    check "the unit gives away as little as before" unit_is_hardened
    check "another folder, user setting and time give the same bytes" same_bytes_elsewhere
    if docker info > /dev/null 2>&1; then
        in_a_container
    else
        echo "  --    no container engine answers: the package is not installed"
    fi
    summary
}

clean_up() {
    [[ -z $container ]] || docker rm --force "$container" > /dev/null 2>&1 || true
    rm -rf "$scratch"
}

# The files of the project as they are, committed or not, without a repository.
copy_project() {
    mkdir -p "$1"
    git -C "$root" ls-files -z --cached --others --exclude-standard |
        tar --directory "$root" --null --files-from=- --create | tar --directory "$1" --extract
}

time_is_wanted() {
    copy_project "$scratch/timeless"
    answers 1 "SOURCE_DATE_EPOCH is no number of seconds" \
        env -u SOURCE_DATE_EPOCH GIT_CEILING_DIRECTORIES="$scratch" "$scratch/timeless/packaging/build"
    answers 1 "SOURCE_DATE_EPOCH is no number of seconds" env SOURCE_DATE_EPOCH=today "$here/build"
}

same_bytes_elsewhere() {
    local home=${CARGO_HOME:-$HOME/.cargo} elsewhere="$scratch/another user's folder"
    copy_project "$elsewhere"
    mkdir "$scratch/cargo home"
    ln -s "$home"/* "$scratch/cargo home"
    (
        umask 077
        env CARGO_HOME="$scratch/cargo home" CARGO_TARGET_DIR="$scratch/built there" TZ=Asia/Kathmandu LC_ALL=C.UTF-8 \
            "$elsewhere/packaging/build"
    )
    diff "$dist/SHA256SUMS" "$elsewhere/target/dist/SHA256SUMS"
    (cd "$dist" && sha256sum --check SHA256SUMS)
}

programs_are_static() {
    local program
    for program in "$scratch"/archive/bin/*; do
        same "interpreters of $program" 0 "$(readelf --program-headers "$program" | grep -c INTERP || true)"
        same "libraries of $program" 0 "$(readelf --dynamic "$program" | grep -c NEEDED || true)"
        "$program" --version
    done
    cmp "$scratch"/{archive,package/usr}/bin/event-server
    cmp "$scratch"/{archive,package/usr}/bin/batch-client
}

programs_name_no_path() {
    local path found
    for path in "$root" "${CARGO_HOME:-$HOME/.cargo}" "$(rustc --print sysroot)" "$(realpath --canonicalize-missing "${CARGO_TARGET_DIR:-$root/target}")"; do
        found=$(grep -a -o -h -F -- "$path" "$scratch"/archive/bin/* | sort | uniq -c || true)
        same "occurrences of $path" "" "$found"
    done
}

files_are_complete() {
    local page pages=(batch-client{,-batch,-bet,-check,-completions,-config,-echo,-winners} event-server{,-agencies,-backup,-completions,-config,-export,-finish,-move,-reopen,-status,-verify,-winners})
    same "the archive" "$(
        sort << FILES
755 bin/batch-client
755 bin/event-server
644 share/bash-completion/completions/batch-client
644 share/bash-completion/completions/event-server
644 share/doc/event-server/CHANGELOG.md
644 share/doc/event-server/LICENSE
644 share/doc/event-server/THIRD-PARTY
644 share/fish/vendor_completions.d/batch-client.fish
644 share/fish/vendor_completions.d/event-server.fish
644 share/zsh/site-functions/_batch-client
644 share/zsh/site-functions/_event-server
$(for page in "${pages[@]}"; do echo "644 share/man/man1/$page.1"; done)
FILES
    )" "$(files "$scratch/archive")"
    same "the package" "$(
        sort << FILES
644 etc/event-server/config.ini
755 usr/bin/batch-client
755 usr/bin/event-server
644 usr/lib/systemd/system/event-server.service
644 usr/lib/sysusers.d/event-server.conf
644 usr/share/bash-completion/completions/batch-client
644 usr/share/bash-completion/completions/event-server
644 usr/share/doc/event-server/THIRD-PARTY.gz
644 usr/share/doc/event-server/changelog.Debian.gz
644 usr/share/doc/event-server/changelog.gz
644 usr/share/doc/event-server/copyright
644 usr/share/doc/event-server/examples/event-server.socket
644 usr/share/fish/vendor_completions.d/batch-client.fish
644 usr/share/fish/vendor_completions.d/event-server.fish
644 usr/share/lintian/overrides/event-server
644 usr/share/zsh/vendor-completions/_batch-client
644 usr/share/zsh/vendor-completions/_event-server
$(for page in "${pages[@]}"; do echo "644 usr/share/man/man1/$page.1.gz"; done)
FILES
    )" "$(files "$scratch/package")"
    cmp "$root/LICENSE" "$scratch/archive/share/doc/event-server/LICENSE"
    same "owners" "root/root" "$(dpkg-deb --contents "$dist"/event-server_*.deb | awk '{ print $2 }' | sort -u)"
}

# files FOLDER: mode and path of each, sorted.
files() {
    find "$1" -type f -printf '%m %P\n' | sort
}

completions_are_read() {
    local shell program
    for program in event-server batch-client; do
        bash -n "$scratch/archive/share/bash-completion/completions/$program"
        for shell in bash-completion/completions/ zsh/site-functions/_ fish/vendor_completions.d/; do
            grep -q config "$scratch/archive/share/$shell$program"*
        done
    done
}

manual_pages_are_read() {
    local page
    for page in "$scratch"/archive/share/man/man1/*; do
        same "what man says of ${page##*/}" "" "$(MANROFFSEQ='' MANWIDTH=80 LC_ALL=C.UTF-8 man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 > /dev/null)"
    done
}

# The file alters one key. With all keys of it set, but for the name, whose default is the host's, nothing else is in
# force.
configuration_is_complete() {
    local file=$scratch/package/etc/event-server/config.ini
    in_force > "$scratch/default"
    in_force --config "$file" > "$scratch/packaged"
    same "what the file alters" "SERVER_DATA_DIR = /var/lib/event-server" \
        "$(grep -vxFf "$scratch/default" "$scratch/packaged")"
    sed 's/^;\([A-Z_]* =\)/\1/' "$file" > "$scratch/all.ini"
    diff <(keys "$scratch/default") <(keys "$scratch/all.ini")
    sed -i '/^SERVER_NAME =/d' "$scratch/all.ini"
    in_force --config "$scratch/all.ini" | diff "$scratch/packaged" -
}

# keys FILE: those that it sets, sorted.
keys() {
    sed -n 's/^\([A-Z_]*\) =.*/\1/p' "$1" | sort
}

# in_force [FLAG…]: KEY = value, a line each, without where it came from.
in_force() {
    (cd "$scratch/archive" && env -i bin/event-server config "$@" | sed 's/ *# .*//')
}

lintian_is_content() {
    lintian --fail-on error,warning --allow-root "$dist"/event-server_*.deb
}

units_are_valid() {
    local unit=$scratch/package/usr/lib/systemd/system/event-server.service
    # The program is not installed here, where the unit looks for it.
    sed "s|^ExecStart=|&$scratch/package|" "$unit" > "$scratch/event-server.service"
    cp "$scratch/package/usr/share/doc/event-server/examples/event-server.socket" "$scratch"
    same "what systemd-analyze says" "" "$(systemd-analyze verify --man=no "$scratch"/event-server.{service,socket} 2>&1)"
}

unit_is_hardened() {
    systemd-analyze security --offline=true --threshold="$MOST_EXPOSED" --no-pager \
        "$scratch/package/usr/lib/systemd/system/event-server.service" | grep -v '✓'
}

in_a_container() {
    local before=$failed
    check "a fresh Debian system is made" make_system
    ((failed == before)) || return 0
    container=$(docker create "$IMAGE" bash /test/test-installed.sh)
    check "the package installs there, works, and leaves the bets" installs_and_works
    ((failed > before)) || docker logs "$container" 2> /dev/null | sed 's/^/        /'
}

make_system() {
    docker build --tag "$IMAGE" - << 'IMAGE'
FROM debian:bookworm-slim
RUN apt-get update && apt-get install --yes --no-install-recommends systemd-standalone-sysusers
IMAGE
}

installs_and_works() {
    mkdir "$scratch/test"
    cp "$dist"/event-server_*.deb "$scratch/test/event-server.deb"
    cp "$here/test-installed.sh" "$root/compose/tests/check.sh" "$root/fixtures/agency-1.csv" "$scratch/test"
    docker cp "$scratch/test" "$container:/test"
    docker start --attach "$container" | cut -c 1-300
}

main "$@"
