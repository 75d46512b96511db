# shellcheck shell=bash
# Batches, bounded by a number of bets and by 8 kB.

exercise 6 "batches"

# batches SIZE…: agency 1 sends 200 bets of its own file in batches of these sizes.
batches() {
    mkdir -p .data
    head -n 200 fixtures/agency-1.csv > .data/agency-1.csv
    client_config server:12345 5 5s INFO "$1"
    start 1
    all_clients_end_well 1
    log_of client1 | sed -n 's/.*action: batch_enviado | result: success | id: [0-9a-f]* | cantidad: //p' > sizes
    same "bets sent" 200 "$(awk '{ bets += $1 } END { print bets }' sizes)"
    stored_exactly 1
}

a_number_of_bets_closes_a_batch() {
    batches 7
    same "sizes" "$(printf '7 %.0s' {1..28})4" "$(paste -sd ' ' sizes)"
    has_lines 28 server "action: apuesta_recibida | result: success | cantidad: 7"
    log_is_well_formed
}

bytes_close_a_batch() {
    batches 1000
    # A bet of the fixtures takes about 94 bytes: 200 of them are three batches of 8 kB.
    same "batches" 3 "$(grep -c . sizes)"
}

scenario "batch.maxAmount bounds a batch, and an agency's own file goes before the fixture" a_number_of_bets_closes_a_batch
scenario "8 kB bound a batch" bytes_close_a_batch
