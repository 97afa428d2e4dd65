# How the demo tells its story: headings, commands with their output, and checks that are counted. To be sourced.
# shellcheck shell=bash

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
  bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
else
  bold='' dim='' green='' red='' plain=''
fi

checks=()
failed=0

heading() { printf '\n%s%s%s\n' "$bold" "$1" "$plain"; }
say() { printf '  %s\n' "$1"; }

# Runs a `tidegate` command, shown as one would type it, with its output indented. Leaves its exit code in `code` and its
# output in `output`.
show() {
  printf '  %s$ tidegate %s%s\n' "$dim" "$*" "$plain"
  code=0
  : >"$home/output"
  "$tidegate" "$@" >>"$home/output" 2>&1 &
  local pid=$!
  # What a run prints is shown as it comes.
  tail -n +1 -s 0.1 -f --pid=$pid "$home/output" 2>/dev/null | sed -u 's/^/    /'
  wait $pid || code=$?
  output=$(<"$home/output")
}

# Counts a check: what must be true, then the command that finds out.
check() {
  local what=$1
  shift
  if "$@" >/dev/null 2>&1; then
    checks+=("${green}ok${plain}      $what")
    printf '  %s✓%s %s\n' "$green" "$plain" "$what"
  else
    checks+=("${red}FAILED${plain}  $what")
    failed=$((failed + 1))
    printf '  %s✗ %s%s\n' "$red" "$what" "$plain"
  fi
}

# Looks every quarter of a second until a command succeeds: `within SECONDS COMMAND...`.
within() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.25
  done
}

# A value of the JSON that a `tidegate` command prints: `value PYTHON-EXPRESSION-OVER-x COMMAND...`.
value() {
  local expression=$1
  shift
  "$tidegate" "$@" -o json 2>/dev/null | python3 -c "import json, sys; x = json.load(sys.stdin); print($expression)"
}

state_is() { [ "$(value 'x["state"]' run show "$1")" = "$2" ]; }
nodes_of() { value 'len(x["items"])' node list --pool "$1"; }
