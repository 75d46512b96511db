#!/usr/bin/env bash
# Makes the branches ej1 to ej8 in this clone, or moves them:
#   compose/entrega.sh
# Each is one commit on top of the current one: the folders `server` and `client` that the course asks
# for, as links, and the mode in which generar-compose.sh starts the clients. They are made of git objects
# alone: the working tree, the index and all other branches stay as they are. The same commit gives the
# same branches.
set -euo pipefail
unset CDPATH

readonly MODES=(echo echo echo echo bet batch batch batch)

main() {
    cd "$(dirname "${BASH_SOURCE[0]}")/.."
    base=$(git rev-parse --verify --quiet 'HEAD^{commit}') || refuse "there is no commit to deliver"
    require_free_branches
    ! git cat-file -e "$base:server" 2> /dev/null ||
        refuse "the current commit is a delivery: switch to the branch that is to be delivered"
    [[ -z $(git --no-optional-locks status --porcelain --untracked-files=no) ]] ||
        echo "entrega: what is not committed is not delivered" >&2

    sign_as_base
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    export GIT_INDEX_FILE=$scratch/index

    local i moves=""
    for i in "${!MODES[@]}"; do
        deliver "$((i + 1))" "${MODES[i]}"
        moves+="update refs/heads/ej$((i + 1)) $commit"$'\n'
    done
    # All or none.
    git update-ref -m "entrega" --stdin <<< "${moves%$'\n'}"
    git for-each-ref --format='%(refname:short) %(objectname:short) %(subject)' 'refs/heads/ej[1-8]'
}

refuse() {
    echo "entrega: $1" >&2
    exit 1
}

# A branch that is checked out does not move without its working tree.
require_free_branches() {
    local in_use
    in_use=$(git worktree list --porcelain | sed -n 's,^branch refs/heads/\(ej[1-8]\)$,\1,p')
    [[ -z $in_use ]] || refuse "${in_use//$'\n'/, } is checked out: switch to another branch there"
}

# Name and date of the delivered commit, so that a delivery made again is the same one.
sign_as_base() {
    local name email date
    name=$(git show -s --format=%an "$base")
    email=$(git show -s --format=%ae "$base")
    date=$(git show -s --format=%ad --date=raw "$base")
    export GIT_AUTHOR_NAME=$name GIT_AUTHOR_EMAIL=$email GIT_AUTHOR_DATE=$date
    export GIT_COMMITTER_NAME=$name GIT_COMMITTER_EMAIL=$email GIT_COMMITTER_DATE=$date
}

# Sets commit to the delivery of an exercise.
deliver() {
    local tree
    git read-tree "$base"
    place 120000 server event-server
    place 120000 client batch-client
    place 100644 compose/mode "$2"$'\n'
    tree=$(git write-tree)
    commit=$(git commit-tree -p "$base" -m "Exercise $1: the course's folder names, clients in mode $2" "$tree")
}

# Puts a file of a mode, name and content into the index.
place() {
    local blob
    blob=$(printf '%s' "$3" | git hash-object -w --stdin)
    git update-index --add --cacheinfo "$1,$blob,$2"
}

main "$@"
