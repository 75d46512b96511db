# shellcheck shell=bash
# Sourced by the tests of the scripts and of the containers: checks that are counted and never stop the
# run, conditions that are waited for, and the line at the end.

passed=0
failed=0

# check SENTENCE COMMAND…: runs the command in a shell of its own that stops at the first failure. What it
# said is shown where it failed.
check() {
    local sentence=$1 output status
    shift
    set +e
    output=$(
        exec 2>&1
        set -eE
        trap 'echo "failed: $BASH_COMMAND (${BASH_SOURCE[0]##*/}, line $LINENO)" >&2' ERR
        "$@"
    )
    status=$?
    set -e
    if ((status == 0)); then
        passed=$((passed + 1))
        printf '  ok    %s\n' "$sentence"
    else
        failed=$((failed + 1))
        printf '  FAIL  %s\n' "$sentence"
        printf '        | %s\n' "${output//$'\n'/$'\n        | '}"
    fi
}

# The last line, and the run's exit code.
summary() {
    echo "$passed passed, $failed failed"
    ((failed == 0))
}

# same WHAT EXPECTED ACTUAL
same() {
    [[ $2 == "$3" ]] || {
        printf '%s: expected %s, found %s\n' "$1" "$2" "$3"
        return 1
    }
}

# eventually SECONDS COMMAND…: tries until the command succeeds, for so long at most.
eventually() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" > /dev/null 2>&1; do
        ((SECONDS < deadline)) || {
            echo "did not happen in time: $*"
            return 1
        }
        sleep 0.1
    done
}

# answers CODE TEXT COMMAND…: the command ends with this code, and what it says holds the text.
answers() {
    local code=$1 text=$2 actual=0 said
    shift 2
    said=$("$@" 2>&1) || actual=$?
    same "exit code of $*" "$code" "$actual"
    [[ $said == *"$text"* ]] || {
        printf '%s does not say %s but %s\n' "$*" "$text" "$said"
        return 1
    }
}
