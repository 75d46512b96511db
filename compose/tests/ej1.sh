# shellcheck shell=bash
# A definition for any number of clients; and, since every exercise stands on them, the images.

exercise 1 "a compose definition for any number of clients"

images_are_small_and_bare() {
    local image size
    for image in server client; do
        size=$(docker image inspect --format '{{.Size}}' "$image:latest")
        ((size < 10000000)) || { echo "$image takes $size bytes" && return 1; }
        same "user of $image" 10001:10001 "$(docker image inspect --format '{{.Config.User}}' "$image:latest")"
        # From scratch: there is nothing to run but the program.
        answers 127 "" docker run --rm --entrypoint sh "$image:latest"
    done
}

exactly_these_containers() {
    local n=$1
    start "$n"
    same "containers" "$( (echo server && clients "$n") | sort)" "$(containers)"
    same "addresses" 172.25.125.0/24 "$(docker network inspect --format '{{(index .IPAM.Config 0).Subnet}}' tp0_testing_net)"
    same "published ports" "" "$(docker port server)"
}

process_1_is_the_program() {
    start 0
    same "processes" "10001 event-server" "$(docker top server -eo pid,uid,comm | awk 'NR > 1 { print $2, $3 }')"
}

check "the images are small, not root's, and hold nothing but the program" images_are_small_and_bare
scenario "no client: the server alone" exactly_these_containers 0
scenario "one client" exactly_these_containers 1
scenario "five clients" exactly_these_containers 5
scenario "the program is the container's only process, and not root's" process_1_is_the_program
