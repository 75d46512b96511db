# shellcheck shell=bash
# One bet from each of five bettors.

exercise 5 "one bet from each agency"

bets_are_stored_and_confirmed() {
    local n row dni number
    start 5
    all_clients_end_well 5
    same "rows" 5 "$(stored | wc -l)"
    for n in {1..5}; do
        row=$(stored | tr -d '\r' | grep "^$n,")
        IFS=, read -r _ _ _ dni _ number <<< "$row"
        has "client$n" "action: apuesta_enviada | result: success | dni: $dni | numero: $number"
        has server "action: apuesta_almacenada | result: success | dni: $dni | numero: $number"
    done
    stored | grep "^1,Santiago Lionel,Lorca,30904465,1999-03-17,7574"$'\r'"\$"
    log_is_well_formed
}

scenario "five bets are stored and confirmed, each under its agency" bets_are_stored_and_confirmed
