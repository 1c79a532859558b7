#!/usr/bin/env bash
# Runs every stage, goes on after a failure so that one run tells all, and ends with the time of each.
set -uo pipefail
cd "$(dirname "$0")/.."

names=() seconds=() verdicts=()
failed=0

stage() {
    local name=$1 started=$SECONDS
    shift
    printf '\n=== %s: %s\n' "$name" "$*"
    if "$@"; then verdicts+=(passed); else verdicts+=(FAILED); failed=$((failed + 1)); fi
    names+=("$name")
    seconds+=($((SECONDS - started)))
}

one_tls_stack() {
    # Defaults of one SDK crate would link a second TLS stack and an old hyper into every function.
    local tree
    if tree=$(cargo tree --workspace --locked -e normal -i hyper@0.14 2>&1); then
        printf 'hyper 0.14 is linked:\n%s\n' "$tree"
        return 1
    fi
    case $tree in
        *"did not match any packages"*) ;;
        *) printf '%s\n' "$tree"; return 1 ;;
    esac
    if cargo tree --workspace --locked -e normal -i aws-lc-sys >/dev/null 2>&1; then
        echo 'aws-lc-sys is linked: a second TLS stack beside ring'
        return 1
    fi
}

stage setup make --no-print-directory setup
stage format cargo fmt --all --check
stage build make --no-print-directory build
stage unit make --no-print-directory unit
stage simulator make --no-print-directory sim SEEDS=5000
stage scale make --no-print-directory scale
stage exhaustive make --no-print-directory exhaustive QUICK=1
stage mutants make --no-print-directory mutants ROTATE=2
stage bench make --no-print-directory harness
stage end-to-end make --no-print-directory e2e
stage emulators make --no-print-directory emulators
stage template make --no-print-directory template
stage infra make --no-print-directory infra
stage terraform make --no-print-directory terraform
stage widget make --no-print-directory widget
stage policy make --no-print-directory policy
stage tls one_tls_stack
stage clippy make --no-print-directory lint

printf '\n%-12s %-8s %s\n' stage verdict seconds
for index in "${!names[@]}"; do
    printf '%-12s %-8s %d\n' "${names[$index]}" "${verdicts[$index]}" "${seconds[$index]}"
done
printf '%-12s %-8s %d\n' all "$([ "$failed" -eq 0 ] && echo passed || echo FAILED)" "$SECONDS"
[ "$failed" -eq 0 ]
