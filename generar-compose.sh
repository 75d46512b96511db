#!/usr/bin/env bash
# Writes a compose definition of one central and any number of agencies:
#   ./generar-compose.sh FILE CLIENTS [--mode echo|bet|batch]
exec bash "$(dirname "${BASH_SOURCE[0]}")/compose/generate.sh" "$@"
